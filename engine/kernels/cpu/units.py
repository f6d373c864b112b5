"""Statistics of each unit (the last axis) of an array: `engine.ops.observe.ObserveUnits`.

Short rows are joined to longer ones, so that a vector never waits for the next row. A run of rows stays in the cache
for two walks, for the sums and for the squared deviations from the run's own means; runs and pieces are combined in
float64, as in `engine.kernels.cpu.statistics`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.kernels.cpu.interpreter import barrier
from engine.kernels.cpu.language import F, clear, device, f32, f64, kernel
from engine.kernels.cpu.pieces import is_last, next_piece
from engine.kernels.cpu.rows import Binding, Row, rows_of
from engine.kernels.cpu.statistics import LIMIT
from engine.kernels.cpu.turns import steps_until
from engine.ops.base import Call, DType
from engine.ops.observe import UNIT_STATISTICS, ObserveUnits

JOINED = 64
"""Rows that are shorter are joined to rows of about this length."""

RUN = 4096
"""Elements of a run, about."""

PIECE = 1 << 15
"""Elements that a thread takes at a time, about."""

# Arrays of a run, one float32 for each column.
TOTAL, LOW, HIGH, ZERO, MANY, CENTRE, REST, SPREAD = range(8)
COLUMNS = 8

# Arrays of a piece, one float64 for each unit: as the results, in their order.
MEAN, SQUARES, LEAST, GREATEST, ZEROS, FINITE = range(6)
RESULTS = FINITE + 1
assert len(UNIT_STATISTICS) == RESULTS  # not taken from there: kernels are kept under a digest of this folder


@device
def _begin(known: int, units: int) -> None:
    clear(known, 8 * RESULTS * units)
    k = f64(known)
    for j in range(units):
        k[LEAST * units + j] = math.inf
        k[GREATEST * units + j] = -math.inf


@device
def _eight_rows(work: int, at: int, width: int) -> None:
    """Sums, extremes and zeros of eight rows."""
    w, x = f32(work), f32(at)
    for j in range(width):
        a, b, c, d = x[j], x[j + width], x[j + 2 * width], x[j + 3 * width]
        e, f, g, h = x[j + 4 * width], x[j + 5 * width], x[j + 6 * width], x[j + 7 * width]
        w[TOTAL * width + j] += ((a + b) + (c + d)) + ((e + f) + (g + h))
        low, high = w[LOW * width + j], w[HIGH * width + j]
        zero = F(0)
        for v in (a, b, c, d, e, f, g, h):
            low = v if v < low else low
            high = v if v > high else high
            zero += F(1) if v == F(0) else F(0)
        w[LOW * width + j], w[HIGH * width + j] = low, high
        w[ZERO * width + j] += zero


@device
def _one_row(work: int, at: int, width: int, filled: int) -> None:
    """The same of one row, of which the first `filled` elements are there."""
    w, x = f32(work), f32(at)
    for j in range(filled):
        v = x[j]
        w[TOTAL * width + j] += v
        w[LOW * width + j] = v if v < w[LOW * width + j] else w[LOW * width + j]
        w[HIGH * width + j] = v if v > w[HIGH * width + j] else w[HIGH * width + j]
        w[ZERO * width + j] += F(1) if v == F(0) else F(0)


@device
def _clear_run(work: int, width: int) -> None:
    w = f32(work)
    for j in range(width):
        w[TOTAL * width + j] = F(0)
        w[LOW * width + j] = F(math.inf)
        w[HIGH * width + j] = F(-math.inf)
        w[ZERO * width + j] = F(0)
        w[REST * width + j] = F(0)
        w[SPREAD * width + j] = F(0)


@device
def _is_finite(work: int, width: int) -> bool:
    """Whether no element of the run can have been other than finite."""
    w = f32(work)
    strange = 0
    for j in range(width):
        fine = (w[LOW * width + j] > -LIMIT) & (w[HIGH * width + j] < LIMIT) & (abs(w[TOTAL * width + j]) < LIMIT)
        strange += 0 if fine else 1
    return strange == 0


@device
def _only_finite(work: int, at: int, width: int, count: int) -> None:
    """The run anew, element by element, without those that are not finite."""
    w, x = f32(work), f32(at)
    _clear_run(work, width)
    for j in range(width):
        w[MANY * width + j] = F(0)
    for i in range(count):
        j, v = i % width, x[i]
        if abs(v) < LIMIT:
            w[TOTAL * width + j] += v
            w[LOW * width + j] = min(w[LOW * width + j], v)
            w[HIGH * width + j] = max(w[HIGH * width + j], v)
            w[ZERO * width + j] += F(1) if v == F(0) else F(0)
            w[MANY * width + j] += F(1)
    _centre(work, width)
    for i in range(count):
        j, v = i % width, x[i]
        if abs(v) < LIMIT:
            w[REST * width + j] += v - w[CENTRE * width + j]
            w[SPREAD * width + j] += (v - w[CENTRE * width + j]) * (v - w[CENTRE * width + j])


@device
def _centre(work: int, width: int) -> None:
    w = f32(work)
    for j in range(width):
        w[CENTRE * width + j] = w[TOTAL * width + j] / max(w[MANY * width + j], F(1))


@device
def _spread(work: int, at: int, width: int, count: int) -> None:
    """The deviations from the run's means, which add up to what the rounded means lack, and their squares."""
    w = f32(work)
    row = 0
    while row + 4 * width <= count:
        x = f32(at + row * 4)
        for j in range(width):
            m = w[CENTRE * width + j]
            a, b, c, d = x[j] - m, x[j + width] - m, x[j + 2 * width] - m, x[j + 3 * width] - m
            w[REST * width + j] += (a + b) + (c + d)
            w[SPREAD * width + j] += (a * a + b * b) + (c * c + d * d)
        row += 4 * width
    while row < count:
        x = f32(at + row * 4)
        for j in range(min(width, count - row)):
            m = w[CENTRE * width + j]
            w[REST * width + j] += x[j] - m
            w[SPREAD * width + j] += (x[j] - m) * (x[j] - m)
        row += width


@device
def _combine(known: int, units: int, work: int, width: int) -> None:
    """Add a run, column by column, to what is known of the units."""
    k = f64(known)
    for first in range(0, width, units):
        w = f32(work + first * 4)
        for j in range(units):
            many, before = float(w[MANY * width + j]), k[FINITE * units + j]
            whole = max(before + many, 1.0)
            rest = float(w[REST * width + j])
            lacking = rest / max(many, 1.0)
            apart = float(w[CENTRE * width + j]) + lacking - k[MEAN * units + j]
            part = many / whole
            k[MEAN * units + j] += apart * part
            spread = float(w[SPREAD * width + j]) - rest * lacking
            k[SQUARES * units + j] += max(spread, 0.0) + apart * apart * before * part
            k[LEAST * units + j] = min(k[LEAST * units + j], float(w[LOW * width + j]))
            k[GREATEST * units + j] = max(k[GREATEST * units + j], float(w[HIGH * width + j]))
            k[ZEROS * units + j] += float(w[ZERO * width + j])
            k[FINITE * units + j] = before + many


@device
def survey_units(known: int, units: int, work: int, width: int, at: int, count: int) -> None:
    """Add `count` elements, which begin with a whole row of `width`, to what is known of their units."""
    step = max(8, RUN // width) * width
    for start in range(0, count, step):
        here, many = at + start * 4, min(step, count - start)
        w = f32(work)
        _clear_run(work, width)
        for j in range(width):
            w[MANY * width + j] = F(many // width + (1 if j < many % width else 0))
        row = 0
        while row + 8 * width <= many:
            _eight_rows(work, here + row * 4, width)
            row += 8 * width
        while row < many:
            _one_row(work, here + row * 4, width, min(width, many - row))
            row += width
        if _is_finite(work, width):
            _centre(work, width)
            _spread(work, here, width, many)
        else:
            _only_finite(work, here, width, many)
        _combine(known, units, work, width)


@device
def _join(known: int, other: int, units: int) -> None:
    """Add what is known of another piece."""
    k, o = f64(known), f64(other)
    for j in range(units):
        many, before = o[FINITE * units + j], k[FINITE * units + j]
        apart = o[MEAN * units + j] - k[MEAN * units + j]
        part = many / max(before + many, 1.0)
        k[MEAN * units + j] += apart * part
        k[SQUARES * units + j] += o[SQUARES * units + j] + apart * apart * before * part
        k[LEAST * units + j] = min(k[LEAST * units + j], o[LEAST * units + j])
        k[GREATEST * units + j] = max(k[GREATEST * units + j], o[GREATEST * units + j])
        k[ZEROS * units + j] += o[ZEROS * units + j]
        k[FINITE * units + j] = before + many


@kernel
def observe_units(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared, pieces, elements of a piece; array, elements, width, units; work memory, its bytes for each
    thread; what is known of each piece, how many are finished; results; rotation, turn."""
    if steps_until(a[12], a[13]) > 0:
        return
    width, units = a[5], a[6]
    known_bytes = 8 * RESULTS * units
    piece = next_piece(a[0], a[1], me, -1)
    while piece < a[1]:
        first, known = piece * a[2], a[9] + piece * known_bytes
        _begin(known, units)
        survey_units(known, units, a[7] + me * a[8], width, a[3] + first * 4, min(a[2], a[4] - first))
        if is_last(a[10], a[1]):
            for other in range(1, a[1]):
                _join(a[9], a[9] + other * known_bytes, units)
            k, result = f64(a[9]), f32(a[11])
            for j in range(units):
                if k[FINITE * units + j] == 0.0:
                    k[LEAST * units + j] = 0.0
                    k[GREATEST * units + j] = 0.0
            for i in range(RESULTS * units):
                result[i] = F(k[i])
        piece = next_piece(a[0], a[1], me, piece)
    barrier(a[0], team)


@rows_of(ObserveUnits)
def _observe_units(call: Call, m: Binding) -> list[Row] | None:
    (x,), (result,) = call.inputs, call.outputs
    if x.dtype is not DType.FLOAT:
        return None
    units = x.shape[-1]
    width = units * max(1, min(x.size // units, JOINED // units))
    size = max(1, PIECE // width) * width
    pieces = -(-x.size // size)
    known, finished = m.memory(pieces * RESULTS * units, np.float64), m.memory(1, np.int64)
    arguments = [m.shared, pieces, size, m.address(x), x.size, width, units, *m.scratch(COLUMNS * width)]
    arguments += [known, finished, m.address(result), m.rotation, m.turn(x)]
    return [Row("observe_units", [*arguments], barrier=0)]
