"""The softmax as an operation of its own. Source: Bridle 1990; Goodfellow, Bengio, Courville 2016, section 6.2.2.3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from engine.ops.base import Call, Op, Tensor, Value
from engine.ops.tiling import BLOCK, rows_of

if TYPE_CHECKING:
    from engine.builder import Builder


@dataclass(frozen=True)
class Softmax(Op):
    """x (..., c) -> y: y_i = exp(x_i) / sum of exp(x_j) over the last axis; the largest x is taken off first."""

    name: ClassVar[str] = "softmax"
    in_place: ClassVar[tuple[tuple[int, int], ...]] = ((0, 0),)

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (inputs[0],)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (Tensor((rows_of(inputs[0].shape), 1)),)

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        if dy is None or not b.needs(call.inputs[0]):
            return (None,)
        return (b.op(SoftmaxGradient(), call.outputs[0], dy),)

    def flops(self, *inputs: Tensor) -> int:
        return 5 * inputs[0].size


@dataclass(frozen=True)
class SoftmaxGradient(Op):
    """(y, dy) -> dx_i = y_i (dy_i - sum of y_j dy_j over the last axis)."""

    name: ClassVar[str] = "softmax_gradient"
    in_place: ClassVar[tuple[tuple[int, int], ...]] = ((0, 1),)

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (inputs[1],)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        rows, columns = rows_of(inputs[0].shape), inputs[0].shape[-1]
        at_once = max(1, min(rows, BLOCK // max(columns, 1)))
        return Tensor((at_once, columns)), Tensor((at_once, 1))

    def flops(self, *inputs: Tensor) -> int:
        return 4 * inputs[0].size
