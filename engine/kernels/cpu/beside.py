"""What stands beside the optimizer's rule. See `engine.ops.beside`; all of it works in place."""

from __future__ import annotations

import math
from typing import Any

from engine.kernels.cpu.interpreter import claim
from engine.kernels.cpu.language import F, clear, device, f32, f64, kernel, stack
from engine.kernels.cpu.rows import Binding, Row, rows_of
from engine.ops.base import Call
from engine.ops.beside import Accumulate, AddAccumulated, Average, ClipValue, MaxNorm, SoftThreshold

PIECE = 4096
"""Elements that a thread takes at a time."""

UNITS = 64
"""Units whose weights a thread brings back at a time."""

DOUBLE_UNITS = 2 * UNITS
"""The float32 that as many float64 take."""

CLIP, THRESHOLD, AVERAGE, ACCUMULATE, ADD = range(5)


@device
def _within(x: Any, limit: Any) -> Any:
    """x brought into [-limit, limit]; what is not a number stays so, of either."""
    low = -limit if x < -limit else (limit if x > limit else x)
    return low + (F(0) if limit == limit else limit)


@kernel
def beside(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared, what, the array that changes, elements, the other array (0: none), the scalar."""
    what, size, value = a[1], a[3], f32(a[5])[0]
    while True:
        first = claim(a[0]) * PIECE
        if first >= size:
            return
        count = min(PIECE, size - first)
        x, y = f32(a[2] + first * 4), f32(a[4] + first * 4)
        if what == CLIP:
            for j in range(count):
                x[j] = _within(x[j], value)
        elif what == THRESHOLD:
            # What is taken away is the weight itself where it lies within the threshold: exactly nothing is left.
            for j in range(count):
                x[j] = x[j] - _within(x[j], value)
        elif what == AVERAGE:
            for j in range(count):
                x[j] = x[j] + (y[j] - x[j]) * value
        elif what == ACCUMULATE:
            for j in range(count):
                x[j] = x[j] + y[j] * value
        else:
            for j in range(count):
                x[j] = x[j] * value + y[j]


@kernel
def max_norm(a: Any, me: int, team: int, step: int) -> None:
    """All weights of some units at a time. Arguments: shared, weights, rows, units, bound."""
    rows, columns = a[2], a[3]
    bound = f32(a[4])[0]
    squares, factors = stack(DOUBLE_UNITS), stack(UNITS)
    total, factor = f64(squares), f32(factors)
    while True:
        first = claim(a[0]) * UNITS
        if first >= columns:
            return
        width = min(UNITS, columns - first)
        clear(squares, 8 * UNITS)
        for i in range(rows):
            w = f32(a[1] + (i * columns + first) * 4)
            for j in range(width):
                total[j] = total[j] + float(w[j] * w[j])
        for j in range(width):
            norm = F(math.sqrt(total[j]))
            # Exactly 1 within the bound, so that such weights keep their bits.
            factor[j] = bound / (bound if norm < bound else norm)
        for i in range(rows):
            w = f32(a[1] + (i * columns + first) * 4)
            for j in range(width):
                w[j] = w[j] * factor[j]


def _row(call: Call, m: Binding, what: int) -> list[Row]:
    changed, *others, number = call.inputs
    other = m.address(others[0]) if others else 0
    return [Row("beside", [m.shared, what, m.address(changed), changed.size, other, m.address(number)])]


@rows_of(ClipValue)
def _clip_value(call: Call, m: Binding) -> list[Row]:
    return _row(call, m, CLIP)


@rows_of(SoftThreshold)
def _soft_threshold(call: Call, m: Binding) -> list[Row]:
    return _row(call, m, THRESHOLD)


@rows_of(Average)
def _average(call: Call, m: Binding) -> list[Row]:
    return _row(call, m, AVERAGE)


@rows_of(Accumulate)
def _accumulate(call: Call, m: Binding) -> list[Row]:
    return _row(call, m, ACCUMULATE)


@rows_of(AddAccumulated)
def _add_accumulated(call: Call, m: Binding) -> list[Row]:
    return _row(call, m, ADD)


@rows_of(MaxNorm)
def _max_norm(call: Call, m: Binding) -> list[Row]:
    weights, bound = call.inputs
    units = weights.shape[-1]
    return [Row("max_norm", [m.shared, m.address(weights), weights.size // units, units, m.address(bound)])]
