"""Pooling over regions, adaptive and fractional. See `engine.ops.regions`.

Adaptive regions are known when the kernel is called: each is a slice. Where fractional regions lie only the device
knows: their pixels are gathered through arrays of positions, and gradients through the inverse of these, so that
nothing is waited for and nothing is scattered.
"""

from __future__ import annotations

from typing import Any

from engine.kernels.reference.blocks import on_host, spans
from engine.ops.regions import FIXED_SIZE, FRACTION_BITS, adaptive_windows, widest_region
from engine.random import Bits, count_into

# -- adaptive ----------------------------------------------------------------------------------------------------------


def _pool(xp: Any, combine: Any, x: Any, y: Any, rows: Any, *, mean: bool) -> None:
    """y = a reduction over each region of x, over rows first."""
    down, along = adaptive_windows(x.shape[1], y.shape[1]), adaptive_windows(x.shape[2], y.shape[2])
    for here, there in spans(x.shape[0], rows.shape[0]):
        images, pooled, result = x[here], rows[there], y[here]
        for i, (start, stop) in enumerate(down):
            combine(images[:, start:stop], axis=1, out=pooled[:, i])
            if mean:
                xp.multiply(pooled[:, i], 1.0 / (stop - start), out=pooled[:, i])
        for j, (start, stop) in enumerate(along):
            combine(pooled[:, :, start:stop], axis=2, out=result[:, :, j])
            if mean:
                xp.multiply(result[:, :, j], 1.0 / (stop - start), out=result[:, :, j])


def adaptive_max_pool(xp: Any, x: Any, y: Any, rows: Any, *, output_size: tuple[int, int]) -> None:
    _pool(xp, xp.max, x, y, rows, mean=False)


def adaptive_max_pool_gradient(
    xp: Any,
    x: Any,
    y: Any,
    dy: Any,
    dx: Any,
    score: Any,
    equal: Any,
    order: Any,
    best: Any,
    *,
    output_size: tuple[int, int],
) -> None:
    # Earlier pixels score higher, so that of several maxima the first one wins.
    count_into(xp, order)
    xp.subtract(order.shape[0], order, out=order)
    dx.fill(0)
    down, along = adaptive_windows(x.shape[1], y.shape[1]), adaptive_windows(x.shape[2], y.shape[2])
    for here, there in spans(x.shape[0], best.shape[0]):
        top = best[there]
        for i, (upper, lower) in enumerate(down):
            for j, (left, right) in enumerate(along):
                region = x[here, upper:lower, left:right]
                target, cell = dx[here, upper:lower, left:right], (here, slice(i, i + 1), slice(j, j + 1))
                size = region.size
                t, hit = score[:size].reshape(region.shape), equal[:size].reshape(region.shape)
                height, width = region.shape[1:3]
                xp.equal(region, y[cell], out=hit)
                xp.multiply(hit, order[: height * width].reshape(1, height, width, 1), out=t)
                xp.max(t, axis=(1, 2), keepdims=True, out=top)
                xp.equal(t, top, out=hit)
                # Where nothing equals the maximum (it is NaN), the best score is zero and nothing is handed on.
                xp.minimum(top, 1, out=top)
                xp.multiply(top, dy[cell], out=top)
                xp.multiply(hit, top, out=t)
                xp.add(target, t, out=target)


def adaptive_average_pool(xp: Any, x: Any, y: Any, rows: Any, *, output_size: tuple[int, int]) -> None:
    _pool(xp, xp.sum, x, y, rows, mean=True)


def adaptive_average_pool_gradient(
    xp: Any, dy: Any, dx: Any, rows: Any, share: Any, *, x_shape: tuple[int, ...]
) -> None:
    down, along = adaptive_windows(dx.shape[1], dy.shape[1]), adaptive_windows(dx.shape[2], dy.shape[2])
    for here, there in spans(dx.shape[0], rows.shape[0]):
        part, pooled, target = share[there], rows[there], dx[here]
        pooled.fill(0)
        for j, (start, stop) in enumerate(along):
            column = part[:, :, j : j + 1]
            xp.multiply(dy[here, :, j : j + 1], 1.0 / (stop - start), out=column)
            xp.add(pooled[:, :, start:stop], column, out=pooled[:, :, start:stop])
        target.fill(0)
        for i, (start, stop) in enumerate(down):
            row = pooled[:, i : i + 1]
            xp.multiply(row, 1.0 / (stop - start), out=row)
            xp.add(target[:, start:stop], row, out=target[:, start:stop])


# -- fractional --------------------------------------------------------------------------------------------------------


def _take(xp: Any, source: Any, indices: Any, axis: int, out: Any) -> None:
    if on_host(source):
        # Any other mode writes to `out` through a copy; the indices are valid ones.
        xp.take(source, indices, axis=axis, out=out, mode="clip")
    else:
        xp.take(source, indices, axis=axis, out=out)


def _place(xp: Any, bounds: Any, drawn: Any, length: int, regions: str, work: Any) -> None:
    """Fill the bounds of an axis of `length` pixels: see `FractionalMaxPool`. `drawn` (1,) is u 2^24."""
    begin, end = bounds
    count = begin.shape[0]
    one = 1 << FRACTION_BITS
    count_into(xp, begin)
    xp.multiply(begin, one, out=begin)
    xp.add(begin, drawn, out=begin)
    if regions == "fixed":
        xp.multiply(begin, length - FIXED_SIZE, out=begin)
        xp.floor_divide(begin, max(count - 1, 1) * one, out=begin)
    else:
        xp.multiply(begin, length, out=begin)
        xp.add(begin, count * one - 1, out=begin)
        xp.floor_divide(begin, count * one, out=begin)
    first = work[:1]
    xp.copyto(first, begin[:1])
    xp.subtract(begin, first, out=begin)
    if regions == "fixed":
        begin[count - 1 :].fill(length - FIXED_SIZE)
        xp.add(begin, FIXED_SIZE, out=end)
        return
    xp.copyto(end[: count - 1], begin[1:])
    end[count - 1 :].fill(length)
    if regions == "overlapping":
        xp.add(end, 1, out=end)
        xp.minimum(end, length, out=end)


def _positions(xp: Any, bounds: Any, k: int, work: Any) -> Any:
    """The k-th pixel of each region; the last one of a region that has fewer."""
    begin, end = bounds
    place, last = work[0, : begin.shape[0]], work[1, : begin.shape[0]]
    xp.add(begin, k, out=place)
    xp.subtract(end, 1, out=last)
    xp.minimum(place, last, out=place)
    return place


def fractional_max_pool(
    xp: Any,
    x: Any,
    counters: Any,
    y: Any,
    down: Any,
    along: Any,
    rows: Any,
    wide: Any,
    narrow: Any,
    places: Any,
    bits: Any,
    key: Any,
    *,
    output_size: tuple[int, int],
    regions: Any,
    stream: int,
    offset: int,
) -> None:
    numbers, steps, work = bits
    if offset < 0:
        Bits(xp, counters, stream, steps, work, key).fill(0, numbers)
        xp.right_shift(numbers, 32 - FRACTION_BITS, out=numbers)
    else:
        numbers.fill(offset)
    for axis, bounds in enumerate((down, along)):
        drawn = places[1, :1]
        xp.copyto(drawn, numbers[axis : axis + 1])
        _place(xp, bounds, drawn, x.shape[1 + axis], regions, places[0])
    for here, there in spans(x.shape[0], rows.shape[0]):
        for k in range(widest_region(regions)):
            _take(xp, x[here], _positions(xp, down, k, places), 1, (wide if k else rows)[there])
            if k:
                xp.maximum(rows[there], wide[there], out=rows[there])
        for k in range(widest_region(regions)):
            _take(xp, rows[there], _positions(xp, along, k, places), 2, narrow[there] if k else y[here])
            if k:
                xp.maximum(y[here], narrow[there], out=y[here])


def _inverse(xp: Any, bounds: Any, k: int, length: int, flags: Any, products: Any, numbers: Any) -> Any:
    """For each pixel of an axis the region whose k-th pixel it is; the number of regions where it is no one's."""
    begin = bounds[0]
    count = begin.shape[0]
    pixels, place, result = numbers[0, :length], numbers[1, :count], numbers[2, :length]
    matrix, product = flags[: count * length].reshape(count, length), products[: count * length].reshape(count, length)
    count_into(xp, pixels)
    xp.add(begin, k, out=place)
    xp.equal(place.reshape(count, 1), pixels.reshape(1, length), out=matrix)
    count_into(xp, place)
    xp.subtract(place, count, out=place)
    xp.multiply(matrix, place.reshape(count, 1), out=product)
    xp.sum(product, axis=0, out=result)
    xp.add(result, count, out=result)
    return result


def fractional_max_pool_gradient(
    xp: Any,
    x: Any,
    y: Any,
    down: Any,
    along: Any,
    dy: Any,
    dx: Any,
    wide: Any,
    wider: Any,
    narrow: Any,
    shares: Any,
    image: Any,
    flags: Any,
    matrix: Any,
    products: Any,
    numbers: Any,
    *,
    regions: Any,
) -> None:
    height, width = x.shape[1:3]
    rows, columns = y.shape[1:3]
    most = widest_region(regions)
    for here, there in spans(x.shape[0], image.shape[0]):
        source, result, gradient, target = x[here], y[here], dy[here], dx[here]
        waiting, hit = flags[0, there], flags[1, there]
        pixels, share, gathered, whole = narrow[there], shares[there], wider[there], image[there]
        waiting.fill(True)
        target.fill(0)
        # What no region takes from comes from behind the last one, where there is nothing.
        share[:, :, columns].fill(0)
        for i in range(most):
            gathered.fill(0)
            for j in range(most):
                _take(xp, source, _positions(xp, down, i, numbers), 1, wide[there])
                _take(xp, wide[there], _positions(xp, along, j, numbers), 2, pixels)
                # A position past a region's end repeats a pixel that was looked at before, and is no hit.
                xp.equal(pixels, result, out=hit)
                xp.logical_and(hit, waiting, out=hit)
                xp.logical_xor(waiting, hit, out=waiting)
                xp.multiply(hit, gradient, out=share[:, :, :columns])
                _take(xp, share, _inverse(xp, along, j, width, matrix, products, numbers), 2, wide[there])
                xp.add(gathered[:, :rows], wide[there], out=gathered[:, :rows])
            _take(xp, gathered, _inverse(xp, down, i, height, matrix, products, numbers), 1, whole)
            xp.add(target, whole, out=target)


KERNELS = {
    "adaptive_max_pool": adaptive_max_pool,
    "adaptive_max_pool_gradient": adaptive_max_pool_gradient,
    "adaptive_average_pool": adaptive_average_pool,
    "adaptive_average_pool_gradient": adaptive_average_pool_gradient,
    "fractional_max_pool": fractional_max_pool,
    "fractional_max_pool_gradient": fractional_max_pool_gradient,
}
