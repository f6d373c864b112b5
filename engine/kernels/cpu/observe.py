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
from engine.kernels.cpu.interpreter import barrier
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
from engine.kernels.cpu.turns import period_of, steps_until
from engine.ops import Observe, ObserveMany
from engine.ops.base import Call, DType

PIECE = 1 << 14
"""Elements that a thread takes at a time, about."""

FEW = 256
"""Up to so many elements go into the histogram one by one."""

JOINED = 64
"""Rows that are shorter are joined to rows of about this length for the search for dead units."""

SEEN_SPACE = 2 * JOINED // 4

# The arguments of `observe`. A piece has SIZE elements: whole rows of WIDTH, where there are several. EDGES is memory
# for the least element, the bins per unit, and whether some element is not finite.
SHARED, PIECES, SIZE, X, COUNT, WIDTH, UNITS, LOW, HIGH, PARTS, FINISHED = range(11)
SEEN, SEEN_BYTES, STATS, ALIVE, HISTOGRAM, BINS, EDGES, ROTATION, TURN = range(11, 20)


@kernel
def observe(a: Any, me: int, team: int, step: int) -> None:
    """One array, by all threads, when its turn has come. The row has no barrier, so that it costs nothing otherwise."""
    if steps_until(a[ROTATION], a[TURN]) > 0:
        return
    _survey(a, me, team)
    if a[BINS] > 0:
        # A single piece is the same thread's in both walks.
        if a[PIECES] > 1:
            barrier(a[SHARED], team)
        _tally(a, me)
    # From here on the array may be overwritten.
    barrier(a[SHARED], team)


@device
def _survey(a: Any, me: int, team: int) -> None:
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


@device
def _tally(a: Any, me: int) -> None:
    """The histogram."""
    shares, index, work = stack(SHARES_SPACE), stack(INDEX_SPACE), stack(RUN)
    edges = f32(a[EDGES])
    piece = next_piece(a[SHARED], a[PIECES], me, -1)
    if piece >= a[PIECES]:
        return
    clear(shares, 4 * SHARES_SPACE)
    while piece < a[PIECES]:
        first = piece * a[SIZE]
        many = min(a[SIZE], a[COUNT] - first)
        tally(shares, a[X] + first * 4, many, edges[0], edges[1], a[BINS], edges[2] != F(0), work, index)
        piece = next_piece(a[SHARED], a[PIECES], me, piece)
    add_shares(a[HISTOGRAM], shares, a[BINS], a[PIECES] == 1)


ENTRY = 5
"""int64 that `observe_many` reads of each array: address, elements, units, and the bits of both limits."""


@kernel
def observe_many(a: Any, me: int, team: int, step: int) -> None:
    """Several small arrays, each by one thread, those whose turn has come. Arguments: shared, arrays, their entries,
    stats, alive, its columns, histogram, bins, rotation, the first one's turn."""
    period = period_of(a[8])
    first = (period - steps_until(a[8], a[9])) % period
    if first >= a[1]:
        return
    known, work = stack(KNOWN_SPACE), stack(RUN)
    shares, index, joined = stack(SHARES_SPACE), stack(INDEX_SPACE), stack(SEEN_SPACE)
    n, bins = a[1], a[7]
    looks = (n - first + period - 1) // period
    look = next_piece(a[0], looks, me, -1)
    while look < looks:
        which = first + look * period
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
        look = next_piece(a[0], looks, me, look)
    barrier(a[0], team)


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
    arguments: dict[int, int | float] = {
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
        EDGES: m.memory(3),
        ROTATION: m.rotation,
        TURN: m.turn(x),
    }
    return [Row("observe", [arguments[i] for i in range(len(arguments))], barrier=0)]


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
    turn, *_ = [m.turn(x) for x in call.inputs]
    rotation = [m.rotation, turn]
    return [Row("observe_many", [m.shared, len(call.inputs), m.constants(entries), *results, *rotation], barrier=0)]


def _limit(limit: float | None, none: float) -> float:
    """A limit as the float32 that elements are compared with."""
    return none if limit is None else float(np.float32(limit))
