"""The largest of several pieces. Source: Goodfellow et al. 2013, "Maxout Networks", section 3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from engine.ops.base import Call, DType, Op, Tensor, Value
from engine.ops.tiling import BLOCK, rows_of

if TYPE_CHECKING:
    from engine.builder import Builder


@dataclass(frozen=True)
class Maxout(Op):
    """x (..., pieces units) -> y (..., units): unit j is the largest of x's elements j, j + units, j + 2 units, ..."""

    name: ClassVar[str] = "maxout"
    pieces: int = 2

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        *lead, width = inputs[0].shape
        if width % self.pieces:
            raise ValueError(f"{width} elements are not {self.pieces} pieces of one size")
        return (Tensor((*lead, width // self.pieces)),)

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        if dy is None or not b.needs(call.inputs[0]):
            return (None,)
        return (b.op(MaxoutGradient(self.pieces), call.inputs[0], call.outputs[0], dy),)

    def flops(self, *inputs: Tensor) -> int:
        return inputs[0].size


@dataclass(frozen=True)
class MaxoutGradient(Op):
    """(x, y, dy) -> dx: dy goes to the piece that was largest, of equal ones to the first."""

    name: ClassVar[str] = "maxout_gradient"
    pieces: int = 2

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (inputs[0],)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        y = inputs[1]
        rows = max(1, min(rows_of(y.shape), BLOCK // max(y.shape[-1], 1)))
        return (Tensor((2, rows, y.shape[-1]), DType.BOOL),)

    def flops(self, *inputs: Tensor) -> int:
        return 3 * inputs[0].size
