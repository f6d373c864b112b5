"""Dropout. Source: Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from engine.ops.base import Call, DType, Fusion, Op, Tensor, Value
from engine.ops.tiling import BLOCK
from engine.random import KEY_LENGTH

if TYPE_CHECKING:
    from engine.builder import Builder


@dataclass(frozen=True)
class Dropout(Op):
    """(x, rate (1,), counters (4,)) -> (y, mask), inverted: y = x mask, mask = 0 with probability `rate`, else
    1 / (1 - rate). Element i is dropped when element i of the random stream (uint32) is below rate 2^32, rounded
    down.
    """

    name: ClassVar[str] = "dropout"
    fusion: ClassVar[Fusion] = "epilogue"
    in_place: ClassVar[tuple[tuple[int, int], ...]] = ((0, 0),)
    stream: int = 0

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return inputs[0], inputs[0]

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        bits = Tensor((max(min(inputs[0].size, BLOCK), 4),), DType.UINT32)
        return bits, bits, bits, Tensor((KEY_LENGTH,), DType.UINT32), Tensor((1,))

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        dy = adjoints[0]
        if dy is None or not b.needs(call.inputs[0]):
            return None, None, None
        return b.op(DropoutGradient(), call.outputs[1], dy), None, None

    def flops(self, *inputs: Tensor) -> int:
        return inputs[0].size


@dataclass(frozen=True)
class DropoutGradient(Op):
    """(mask, dy) -> dx = dy mask."""

    name: ClassVar[str] = "dropout_gradient"
    fusion: ClassVar[Fusion] = "epilogue_gradient"
    in_place: ClassVar[tuple[tuple[int, int], ...]] = ((0, 1),)

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (inputs[1],)
