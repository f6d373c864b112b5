"""Operations that treat every element alike: as stages behind another operation, or as a pass of their own."""

from __future__ import annotations

from typing import Any

from engine.kernels.cpu import stages
from engine.kernels.cpu.interpreter import claim
from engine.kernels.cpu.language import F, f32, kernel, number
from engine.kernels.cpu.rows import STAGE_LIMIT, STAGES_ARGUMENT, Binding, Row, Stage, rows_of, stage_of
from engine.ops import (
    Add,
    AddBias,
    Dropout,
    DropoutGradient,
    Fill,
    LeakyReLU,
    LeakyReLUGradient,
    Multiply,
    ReLU,
    ReLUGradient,
    Scale,
    Sigmoid,
    SigmoidGradient,
    Tanh,
    TanhGradient,
)
from engine.ops.base import Call, DType

PIECE = 4096
"""Elements that a thread takes at a time: they stay in the first-level cache from stage to stage."""


@kernel
def elementwise(a: Any, me: int, team: int, step: int) -> None:
    """The stages on all of a matrix. Arguments: shared, matrix, rows, columns."""
    out, rows, columns = a[1], a[2], a[3]
    if columns >= PIECE:
        across = (columns + PIECE - 1) // PIECE
        while True:
            unit = claim(a[0])
            if unit >= rows * across:
                return
            row, first = unit // across, unit % across * PIECE
            width = min(PIECE, columns - first)
            stages.apply(a, STAGES_ARGUMENT, out + (row * columns + first) * 4, columns, row, 1, first, width)
    at_once = PIECE // columns
    while True:
        first = claim(a[0]) * at_once
        if first >= rows:
            return
        count = min(at_once, rows - first)
        stages.apply(a, STAGES_ARGUMENT, out + first * columns * 4, columns, first, count, 0, columns)


@kernel
def fill(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared, array, elements, number."""
    x, value = f32(a[1]), F(number(a[3]))
    while True:
        first = claim(a[0]) * PIECE
        if first >= a[2]:
            return
        for i in range(first, min(first + PIECE, a[2])):
            x[i] = value


@rows_of(Fill)
def _fill(call: Call, m: Binding) -> list[Row] | None:
    (y,) = call.outputs
    if y.dtype is not DType.FLOAT:
        return None
    return [Row("fill", [m.shared, m.address(y), y.size, float(call.op.attributes()["value"])])]


@rows_of(Add)
def _add(call: Call, m: Binding) -> list[Row] | None:
    first, *others = call.inputs
    (y,) = call.outputs
    if any(m.address(value) == m.address(y) for value in others):
        return None
    work = [Stage(stages.LOAD, m.address(first)), *(Stage(stages.ADD, m.address(value)) for value in others)]
    columns = y.shape[-1]
    place = [m.shared, m.address(y), y.size // columns, columns]
    # Of several passes each but the first adds to what lies in y, where the result must therefore stay.
    parts = [work[i : i + STAGE_LIMIT] for i in range(0, len(work), STAGE_LIMIT)]
    return [Row("elementwise", place, output=1 if len(parts) == 1 else None, stages=part) for part in parts]


@rows_of(Multiply)
def _multiply(call: Call, m: Binding) -> list[Row]:
    (y,) = call.outputs
    first, second = (m.address(value) for value in call.inputs)
    if second == m.address(y):
        first, second = second, first
    work = [Stage(stages.LOAD, first), Stage(stages.MULTIPLY, second)]
    columns = y.shape[-1]
    return [Row("elementwise", [m.shared, m.address(y), y.size // columns, columns], output=1, stages=work)]


@stage_of(AddBias)
def _bias(call: Call, m: Binding) -> Stage:
    return Stage(stages.ADD_BIAS, m.address(call.inputs[1]))


@stage_of(Scale)
def _scale(call: Call, m: Binding) -> Stage:
    return Stage(stages.SCALE, number=call.op.attributes()["factor"])


@stage_of(ReLU)
def _relu(call: Call, m: Binding) -> Stage:
    return Stage(stages.RELU)


@stage_of(LeakyReLU)
def _leaky_relu(call: Call, m: Binding) -> Stage:
    return Stage(stages.LEAKY_RELU, number=call.op.attributes()["slope"])


@stage_of(Sigmoid)
def _sigmoid(call: Call, m: Binding) -> Stage:
    return Stage(stages.SIGMOID)


@stage_of(Tanh)
def _tanh(call: Call, m: Binding) -> Stage:
    return Stage(stages.TANH)


@stage_of(ReLUGradient, chain=1)
def _relu_gradient(call: Call, m: Binding) -> Stage:
    return Stage(stages.RELU_GRADIENT, m.address(call.inputs[0]))


@stage_of(LeakyReLUGradient, chain=1)
def _leaky_relu_gradient(call: Call, m: Binding) -> Stage:
    return Stage(stages.LEAKY_RELU_GRADIENT, m.address(call.inputs[0]), call.op.attributes()["slope"])


@stage_of(SigmoidGradient, chain=1)
def _sigmoid_gradient(call: Call, m: Binding) -> Stage:
    return Stage(stages.SIGMOID_GRADIENT, m.address(call.inputs[0]))


@stage_of(TanhGradient, chain=1)
def _tanh_gradient(call: Call, m: Binding) -> Stage:
    return Stage(stages.TANH_GRADIENT, m.address(call.inputs[0]))


@stage_of(Dropout)
def _dropout(call: Call, m: Binding) -> Stage:
    _, rate, counters = call.inputs
    more = (m.address(rate), m.address(counters), call.op.attributes()["stream"])
    return Stage(stages.DROPOUT, m.address(call.outputs[1]), more=more)


@stage_of(DropoutGradient, chain=1)
def _dropout_gradient(call: Call, m: Binding) -> Stage:
    return Stage(stages.MULTIPLY, m.address(call.inputs[0]))
