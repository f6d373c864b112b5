"""The instruments: what `engine.ops.observe` tells of arrays, in two walks of which the second is for the histogram."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.kernels.cpu.histogram import (
    INDEX_SPACE,
    MOST_BINS,
    SHARES_SPACE,
    add_shares,
    bins_per_unit,
    one_by_one,
    tally,
)
from engine.kernels.cpu.language import F, clear, copy, device, f32, f64, i64, kernel, number, stack, u8
from engine.kernels.cpu.pieces import is_last, next_piece
from engine.kernels.cpu.rows import Binding, Row, bits, rows_of
from engine.kernels.cpu.statistics import (
    FINITE,
    KNOWN,
    KNOWN_SPACE,
    RUN,
    ZEROS,
    begin,
    find_alive,
    fold_alive,
    join,
    survey,
    write_statistics,
)
from engine.ops import Observe, ObserveMany
from engine.ops.base import Call, DType

PIECE = 1 << 14
"""Elements that a thread takes at a time, about."""

FEW = 256
"""Up to so many elements go into the histogram one by one."""

JOINED = 64
"""Rows that are shorter are joined to rows of about this length for the search for dead units."""

SEEN_SPACE = 2 * JOINED // 4

# The arguments of `observe_survey`. A piece has SIZE elements: whole rows of WIDTH, where there are several.
SHARED, PIECES, SIZE, X, COUNT, WIDTH, UNITS, LOW, HIGH, PARTS, FINISHED = range(11)
SEEN, SEEN_BYTES, STATS, ALIVE, HISTOGRAM, BINS, EDGES = range(11, 18)


@kernel
def observe_survey(a: Any, me: int, team: int, step: int) -> None:
    """Everything but the histogram, which is set to zero."""
    known, work = stack(KNOWN_SPACE), stack(RUN)
    low, high = F(number(a[LOW])), F(number(a[HIGH]))
    piece = next_piece(a[SHARED], a[PIECES], me, -1)
    while piece < a[PIECES]:
        first = piece * a[SIZE]
        at, many = a[X] + first * 4, min(a[SIZE], a[COUNT] - first)
        begin(known)
        survey(at, many, low, high, known, work)
        if a[SEEN] == 0:
            x, alive = f32(at), u8(a[ALIVE] + first)
            for i in range(many):
                alive[i] = np.uint8(1) if x[i] != F(0) else np.uint8(0)
        else:
            find_alive(a[SEEN] + me * a[SEEN_BYTES], a[WIDTH], at, many, f64(known)[ZEROS] > 0.0)
        copy(a[PARTS] + piece * 8 * KNOWN, known, 8 * KNOWN)
        if is_last(a[FINISHED], a[PIECES]):
            _conclude(a, known, team)
        piece = next_piece(a[SHARED], a[PIECES], me, piece)


@device
def _conclude(a: Any, known: int, team: int) -> None:
    """From all pieces to the results, and to what the histogram needs."""
    begin(known)
    for piece in range(a[PIECES]):
        join(known, a[PARTS] + piece * 8 * KNOWN)
    k = f64(known)
    dead = int(k[ZEROS])
    if a[SEEN] != 0:
        flags = u8(a[SEEN])
        for thread in range(1, team):
            other = u8(a[SEEN] + thread * a[SEEN_BYTES])
            for j in range(a[WIDTH]):
                flags[j] = flags[j] | other[j]
        dead = fold_alive(a[ALIVE], a[UNITS], a[SEEN], a[WIDTH])
        clear(a[SEEN], team * a[SEEN_BYTES])
    write_statistics(known, dead, a[STATS], 1)
    clear(a[HISTOGRAM], 8 * a[BINS])
    edges, stats = f32(a[EDGES]), f32(a[STATS])
    edges[0] = stats[2]
    edges[1] = bins_per_unit(stats[2], stats[3], a[BINS])
    edges[2] = F(1) if k[FINITE] < float(a[COUNT]) else F(0)


@kernel
def observe_tally(a: Any, me: int, team: int, step: int) -> None:
    """The histogram. Arguments: shared, pieces, elements of a piece, array, elements, histogram, bins, edges."""
    shares, index, work = stack(SHARES_SPACE), stack(INDEX_SPACE), stack(RUN)
    edges = f32(a[7])
    piece = next_piece(a[0], a[1], me, -1)
    if piece >= a[1]:
        return
    clear(shares, 4 * SHARES_SPACE)
    while piece < a[1]:
        first = piece * a[2]
        many = min(a[2], a[4] - first)
        tally(shares, a[3] + first * 4, many, edges[0], edges[1], a[6], edges[2] != F(0), work, index)
        piece = next_piece(a[0], a[1], me, piece)
    add_shares(a[5], shares, a[6], a[1] == 1)


ENTRY = 5
"""int64 that `observe_many` reads of each array: address, elements, units, and the bits of both limits."""


@kernel
def observe_many(a: Any, me: int, team: int, step: int) -> None:
    """Several small arrays, each by one thread. Arguments: shared, arrays, their entries, stats, alive, its columns,
    histogram, bins."""
    known, work = stack(KNOWN_SPACE), stack(RUN)
    shares, index, joined = stack(SHARES_SPACE), stack(INDEX_SPACE), stack(SEEN_SPACE)
    n, bins = a[1], a[7]
    which = next_piece(a[0], n, me, -1)
    while which < n:
        entry = i64(a[2] + which * 8 * ENTRY)
        at, count, units = entry[0], entry[1], entry[2]
        begin(known)
        survey(at, count, F(number(entry[3])), F(number(entry[4])), known, work)
        alive = a[4] + which * a[5]
        flags = u8(alive)
        for j in range(units, a[5]):
            flags[j] = np.uint8(1)
        width = units if units > JOINED else JOINED // units * units
        seen = alive if units > JOINED else joined
        clear(seen, width)
        find_alive(seen, width, at, count, f64(known)[ZEROS] > 0.0)
        dead = fold_alive(alive, units, seen, width)
        stats = a[3] + which * 4
        write_statistics(known, dead, stats, n)
        if bins > 0:
            histogram = a[6] + which * bins * 8
            clear(histogram, 8 * bins)
            least, greatest = f32(stats)[2 * n], f32(stats)[3 * n]
            factor = bins_per_unit(least, greatest, bins)
            if count <= FEW:
                one_by_one(histogram, at, count, least, factor, bins)
            else:
                clear(shares, 4 * SHARES_SPACE)
                tally(shares, at, count, least, factor, bins, f64(known)[FINITE] < float(count), work, index)
                add_shares(histogram, shares, bins, True)
        which = next_piece(a[0], n, me, which)


# -- rows --------------------------------------------------------------------------------------------------------------


def joined_width(units: int, rows: int) -> int:
    """How long the rows are that an array (rows, units) is looked through in for dead units."""
    return units * max(1, min(rows, JOINED // units))


@rows_of(Observe)
def _observe(call: Call, m: Binding) -> list[Row] | None:
    op, (x,), (stats, alive, histogram) = call.op, call.inputs, call.outputs
    assert isinstance(op, Observe)
    if x.dtype is not DType.FLOAT or op.bins > MOST_BINS:
        return None
    units = x.shape[-1]
    rows = x.size // units
    width = joined_width(units, rows)
    size = PIECE if rows == 1 else max(1, PIECE // width) * width
    pieces = -(-x.size // size)
    seen_bytes = -(-width // 64) * 64
    edges = m.memory(3)
    survey_row: dict[int, int | float] = {
        SHARED: m.shared,
        PIECES: pieces,
        SIZE: size,
        X: m.address(x),
        COUNT: x.size,
        WIDTH: width,
        UNITS: units,
        LOW: _limit(op.low, -math.inf),
        HIGH: _limit(op.high, math.inf),
        PARTS: m.memory(KNOWN * pieces, np.float64),
        FINISHED: m.memory(1, np.int64),
        SEEN: 0 if rows == 1 else m.memory(seen_bytes * m.team, np.uint8),
        SEEN_BYTES: seen_bytes,
        STATS: m.address(stats),
        ALIVE: m.address(alive),
        HISTOGRAM: m.address(histogram),
        BINS: op.bins,
        EDGES: edges,
    }
    first = Row("observe_survey", [survey_row[i] for i in range(len(survey_row))])
    if not op.bins:
        return [first]
    # One piece is the same thread's in both walks. After them the array may be overwritten.
    first.barrier = int(pieces > 1)
    arguments = [m.shared, pieces, size, m.address(x), x.size, m.address(histogram), op.bins, edges]
    return [first, Row("observe_tally", [*arguments])]


@rows_of(ObserveMany)
def _observe_many(call: Call, m: Binding) -> list[Row] | None:
    op, (stats, alive, histogram) = call.op, call.outputs
    assert isinstance(op, ObserveMany)
    if any(x.dtype is not DType.FLOAT for x in call.inputs) or op.bins > MOST_BINS:
        return None
    entries = [
        number
        for x, low, high in zip(call.inputs, op.lows, op.highs, strict=True)
        for number in (
            m.address(x),
            x.size,
            x.shape[-1],
            bits(_limit(low, -math.inf)),
            bits(_limit(high, math.inf)),
        )
    ]
    results = [m.address(stats), m.address(alive), alive.shape[1], m.address(histogram), op.bins]
    return [Row("observe_many", [m.shared, len(call.inputs), m.constants(entries), *results])]


def _limit(limit: float | None, none: float) -> float:
    """A limit as the float32 that elements are compared with."""
    return none if limit is None else float(np.float32(limit))
