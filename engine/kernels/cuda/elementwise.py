"""Operations that treat every number alike: as stages behind another operation, or as a pass of their own."""

from __future__ import annotations

import numpy as np

from engine.kernels.cuda import stages
from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.launches import BLOCK, Launch, Work, blocks, elementwise, launches_of, stage_of
from engine.kernels.cuda.signatures import Pointer
from engine.kernels.cuda.stages import LIMIT, Stage
from engine.ops import Add, AddBias, Dropout, DropoutGradient, Fill, Multiply, Scale
from engine.ops.base import Call, DType

FLOATS = {DType.FLOAT: 1, DType.UINT32: 1, DType.INT64: 2}
"""How many float32 are as long as an element of a type."""


@launches_of(Fill)
def _fill(call: Call, b: Binding) -> list[Work]:
    (y,) = call.outputs
    value = float(call.op.attributes()["value"])
    if y.dtype is not DType.FLOAT and value:
        raise NotImplementedError(f"fill with {value} of {y.dtype}")
    count = y.size * FLOATS[y.dtype]
    at = b.pointer(y)
    return [Launch("fill", [Pointer(at.address, np.dtype(np.float32)), count, value], blocks(count))]


@launches_of(Add)
def _add(call: Call, b: Binding) -> list[Work]:
    first, *others = call.inputs
    (y,) = call.outputs
    works: list[Work] = []
    source = b.pointer(first)
    # What later launches read must not be overwritten by an earlier one: only the first input may be the result.
    for start in range(0, len(others), LIMIT):
        found = [Stage(stages.ADD, b.pointer(value)) for value in others[start : start + LIMIT]]
        works.append(elementwise(source, y, found, b))
        source = b.pointer(y)
    return works


@launches_of(Multiply)
def _multiply(call: Call, b: Binding) -> list[Work]:
    (y,) = call.outputs
    return [Launch("multiply", [*b.pointers(*call.inputs, y), y.size], blocks(y.size, BLOCK))]


@stage_of(Scale)
def _scale(call: Call, b: Binding) -> Stage:
    return Stage(stages.SCALE, number=call.op.attributes()["factor"])


@stage_of(AddBias)
def _add_bias(call: Call, b: Binding) -> Stage:
    return Stage(stages.ADD_BIAS, b.pointer(call.inputs[1]))


@stage_of(Dropout)
def _dropout(call: Call, b: Binding) -> Stage:
    _, rate, counters = call.inputs
    stream = call.op.attributes()["stream"]
    mask = b.pointer(call.outputs[1])
    return Stage(stages.DROPOUT, mask, extra=b.pointer(rate), counters=b.pointer(counters), stream=stream)


@stage_of(DropoutGradient, chain=1)
def _dropout_gradient(call: Call, b: Binding) -> Stage:
    return Stage(stages.MULTIPLY, b.pointer(call.inputs[0]))
