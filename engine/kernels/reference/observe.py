"""Statistics and histograms of arrays. See `engine.ops.observe`.

Large arrays are walked through twice, in blocks that stay in the cache; small ones are laid side by side and take each
step together, because there the calls cost more than the elements. On a host it is soon known whether all elements are
finite, and then no masks are needed; a device would have to be waited for. The results are the same to the last bit.
"""

from __future__ import annotations

from typing import Any

from engine.kernels.reference.blocks import count, fold, joined, on_host, repeat_into, spans


def observe(
    xp: Any,
    x: Any,
    stats: Any,
    alive: Any,
    histogram: Any,
    work: Any,
    finite: Any,
    mark: Any,
    index: Any,
    counts: Any,
    partial: Any,
    small: Any,
    tiles: Any,
    *,
    bins: int,
    low: float | None,
    high: float | None,
) -> None:
    x = joined(x, work.shape[1])
    mean, squares, least, greatest, zeros, saturated, many, dead = (stats[i : i + 1] for i in range(8))
    blocks = list(spans(x.shape[0], work.shape[0]))

    tiles[0].fill(False)
    partial.fill(0)
    masked = []
    for i, (here, there) in enumerate(blocks):
        pieces = x[here], work[there], finite[there], mark[there]
        masked.append(_first_walk(xp, *pieces, partial[:, i : i + 1], tiles, low, high))
    for row, out in ((0, many), (1, mean), (4, zeros), (5, saturated), (6, small[:1])):
        xp.sum(partial[row : row + 1], axis=1, out=out)
    xp.add(saturated, small[:1], out=saturated)
    xp.min(partial[2:3], axis=1, out=least)
    xp.max(partial[3:4], axis=1, out=greatest)
    _without_infinity(xp, least, greatest, alive[:1])
    xp.maximum(many, 1, out=small[:1])
    xp.divide(mean, small[:1], out=mean)
    xp.any(tiles[0].reshape(-1, alive.shape[0]), axis=0, out=alive)
    still = tiles[1, : alive.shape[0]]
    xp.logical_not(alive, out=still)
    count(xp, still.reshape(1, -1), dead)

    factor = small[1:2]
    if bins:
        _bins_per_unit(xp, least, greatest, bins, factor, small[2:3], tiles[1, :1])
        counts.fill(0)
        counts[bins + 2 :].fill(1)
    for i, (here, there) in enumerate(blocks):
        t, excluded = work[there], mark[there]
        if masked[i]:
            _mark_finite(xp, x[here], t, finite[there], excluded)
        xp.subtract(x[here], mean, out=t)
        if masked[i]:
            xp.copyto(t, 0, where=excluded)
        xp.matmul(t.reshape(1, -1), t.reshape(-1, 1), out=partial[:1, i : i + 1])
        if bins:
            xp.subtract(x[here], least, out=t)
            xp.multiply(t, factor, out=t)
            if masked[i]:
                xp.copyto(t, bins + 1, where=excluded)
            positions = index[: t.size]
            xp.copyto(positions, t.reshape(-1), casting="unsafe")
            _tally(xp, positions, counts)
    xp.sum(partial[:1], axis=1, out=squares)
    if bins:
        # The greatest elements lie on the upper edge of the last bin.
        xp.add(counts[bins - 1 : bins], counts[bins : bins + 1], out=counts[bins - 1 : bins])
        xp.copyto(histogram, counts[:bins])


def _mark_finite(xp: Any, x: Any, work: Any, finite: Any, excluded: Any) -> None:
    xp.absolute(x, out=work)
    xp.less(work, xp.finfo(x.dtype).max / 4, out=finite)
    xp.logical_not(finite, out=excluded)


def _without_infinity(xp: Any, least: Any, greatest: Any, flags: Any) -> None:
    """0 in place of extremes that are infinite, as they are only where no element is finite."""
    for extreme in (least, greatest):
        xp.isinf(extreme, out=flags)
        xp.copyto(extreme, 0, where=flags)


def _bins_per_unit(xp: Any, least: Any, greatest: Any, bins: int, factor: Any, level: Any, flags: Any) -> None:
    """factor = bins / range. A range of zero, or as good as zero, puts everything into the first bin."""
    xp.subtract(greatest, least, out=level)
    xp.less(level, xp.finfo(level.dtype).tiny * (4 * bins + 4), out=flags)
    xp.copyto(level, 1, where=flags)
    xp.divide(bins, level, out=factor)
    xp.copyto(factor, 0, where=flags)


def _first_walk(
    xp: Any,
    x: Any,
    t: Any,
    finite: Any,
    mark: Any,
    results: Any,
    tiles: Any,
    low: float | None,
    high: float | None,
) -> bool:
    """results (7, 1) = finite, sum, minimum, maximum, zeros, below, above; tiles[0] |= units that are not zero.

    Returns whether some element may not be finite.
    """
    flat = t.reshape(1, -1)
    masked = True
    if on_host(x):
        whole, limit = x.reshape(1, -1), xp.finfo(x.dtype).max / 4
        xp.min(whole, axis=1, out=results[2])
        xp.max(whole, axis=1, out=results[3])
        masked = not (results[2, 0] > -limit and results[3, 0] < limit)
    if masked:
        _mark_finite(xp, x, t, finite, mark)
        count(xp, finite.reshape(1, -1), results[0])
        xp.copyto(t, x)
        xp.copyto(t, 0, where=mark)
        xp.sum(flat, axis=1, out=results[1])
        xp.copyto(t, xp.inf, where=mark)
        xp.min(flat, axis=1, out=results[2])
        xp.copyto(t, -xp.inf, where=mark)
        xp.max(flat, axis=1, out=results[3])
    else:
        results[0].fill(x.size)
        xp.sum(x.reshape(1, -1), axis=1, out=results[1])
    xp.not_equal(x, 0, out=mark)
    xp.any(mark, axis=0, out=tiles[1])
    xp.logical_or(tiles[0], tiles[1], out=tiles[0])
    xp.logical_not(mark, out=mark)
    count(xp, mark.reshape(1, -1), results[4])
    for row, limit, beyond in ((5, low, xp.less_equal), (6, high, xp.greater_equal)):
        if limit is not None:
            beyond(x, limit, out=mark)
            if masked:
                xp.logical_and(mark, finite, out=mark)
            count(xp, mark.reshape(1, -1), results[row])
    return masked


def _tally(xp: Any, positions: Any, counts: Any) -> None:
    """Add one to counts[position] for every position; the last element of `counts` holds the one."""
    # uint64, because CuPy adds at indices atomically for unsigned integers of this width only.
    unsigned = counts.view(xp.uint64)
    xp.add.at(unsigned[:-1], positions, unsigned[-1:].reshape(()))


def observe_many(
    xp: Any, *arrays: Any, bins: int, lows: tuple[float | None, ...], highs: tuple[float | None, ...]
) -> None:
    n = len(lows)
    inputs = [x.reshape(-1) for x in arrays[:n]]
    units = [x.shape[-1] for x in arrays[:n]]
    stats, alive, histogram, data, t, finite, mark, flags, index, counts, small, few, lively = arrays[n:]
    mean, squares, least, greatest, zeros, saturated, many, dead = stats
    column, level = small

    # What fills a row up counts as not finite, so that no statistic sees it.
    data.fill(xp.inf)
    for i, x in enumerate(inputs):
        xp.copyto(data[i, : x.shape[0]], x)
    _mark_finite(xp, data, t, finite, mark)
    count(xp, finite, many)
    xp.copyto(t, data)
    for filler, reduce, out in ((0, xp.sum, mean), (xp.inf, xp.min, least), (-xp.inf, xp.max, greatest)):
        xp.copyto(t, filler, where=mark)
        reduce(t, axis=1, out=out)
    _without_infinity(xp, least, greatest, few)
    xp.maximum(many, 1, out=column)
    xp.divide(mean, column, out=mean)

    # Columns are repeated before they are combined: NumPy would buffer them where rows are short.
    xp.copyto(t, mean.reshape(n, 1))
    xp.subtract(data, t, out=t)
    xp.copyto(t, 0, where=mark)
    xp.multiply(t, t, out=t)
    xp.sum(t, axis=1, out=squares)

    saturated.fill(0)
    for limits, none, beyond in ((lows, -xp.inf, xp.less_equal), (highs, xp.inf, xp.greater_equal)):
        if any(limit is not None for limit in limits):
            for i, limit in enumerate(limits):
                t[i].fill(none if limit is None else limit)
            beyond(data, t, out=flags)
            xp.logical_and(flags, finite, out=flags)
            count(xp, flags, column)
            xp.add(saturated, column, out=saturated)

    if bins:
        _bins_per_unit(xp, least, greatest, bins, column, level, few)
        xp.copyto(t, least.reshape(n, 1))
        xp.subtract(data, t, out=t)
        for i in range(n):
            xp.multiply(t[i], column[i : i + 1], out=t[i])
        xp.copyto(t, bins + 1, where=mark)
        xp.copyto(index, t, casting="unsafe")
        counts.fill(0)
        counts[:, bins + 2 :].fill(1)
        for i, x in enumerate(inputs):
            _tally(xp, index[i, : x.shape[0]], counts[i])
        xp.add(counts[:, bins - 1], counts[:, bins], out=counts[:, bins - 1])
        xp.copyto(histogram, counts[:, :bins])

    xp.not_equal(data, 0, out=mark)
    alive.fill(True)
    for i, (x, width) in enumerate(zip(inputs, units, strict=True)):
        xp.any(mark[i, : x.shape[0]].reshape(-1, width), axis=0, out=alive[i, :width])
    xp.logical_not(alive, out=lively)
    count(xp, lively, dead)
    xp.logical_not(mark, out=mark)
    count(xp, mark, zeros)


def observe_units(
    xp: Any, x: Any, result: Any, work: Any, finite: Any, mark: Any, sums: Any, row: Any, column: Any
) -> None:
    x = joined(x, work.shape[1])
    mean, squares, least, greatest, zeros, many = sums
    blocks = list(spans(x.shape[0], work.shape[0]))
    sums.fill(0)
    least.fill(xp.inf)
    greatest.fill(-xp.inf)
    for here, there in blocks:
        t, excluded = work[there], mark[there]
        _mark_finite(xp, x[here], t, finite[there], excluded)
        xp.sum(finite[there], axis=0, out=row)
        xp.add(many, row, out=many)
        xp.copyto(t, x[here])
        for filler, reduce, join, out in (
            (0, xp.sum, xp.add, mean),
            (xp.inf, xp.min, xp.minimum, least),
            (-xp.inf, xp.max, xp.maximum, greatest),
        ):
            xp.copyto(t, filler, where=excluded)
            reduce(t, axis=0, out=row)
            join(out, row, out=out)
        xp.equal(x[here], 0, out=excluded)
        xp.sum(excluded, axis=0, out=row)
        xp.add(zeros, row, out=zeros)
    for reduce, places in ((xp.sum, (0, 4, 5)), (xp.min, (2,)), (xp.max, (3,))):
        for place in places:
            reduce(sums[place].reshape(-1, result.shape[1]), axis=0, out=result[place])
    _without_infinity(xp, result[2], result[3], finite.reshape(-1)[: result.shape[1]])
    xp.maximum(result[5], 1, out=column)
    xp.divide(result[0], column, out=result[0])
    repeat_into(xp, result[0], mean)
    for here, there in blocks:
        t, excluded = work[there], mark[there]
        _mark_finite(xp, x[here], t, finite[there], excluded)
        xp.subtract(x[here], mean, out=t)
        xp.copyto(t, 0, where=excluded)
        xp.multiply(t, t, out=t)
        xp.sum(t, axis=0, out=row)
        xp.add(squares, row, out=squares)
    fold(xp, squares, result[1])


KERNELS = {"observe": observe, "observe_many": observe_many, "observe_units": observe_units}
