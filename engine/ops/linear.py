"""Matrix products and the bias of a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from engine.ops.base import Call, Fusion, Op, Tensor, Value
from engine.ops.tiling import tile

if TYPE_CHECKING:
    from engine.builder import Builder


@dataclass(frozen=True)
class MatMul(Op):
    """(a, b) -> y = a b, of matrices; either may be read transposed."""

    name: ClassVar[str] = "matmul"
    fusion: ClassVar[Fusion] = "head"
    transpose_a: bool = False
    transpose_b: bool = False

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        a, b = inputs
        rows, inner = a.shape[::-1] if self.transpose_a else a.shape
        inner_b, columns = b.shape[::-1] if self.transpose_b else b.shape
        if inner != inner_b:
            raise ValueError(f"cannot multiply matrices of shapes {a.shape} and {b.shape}")
        return (Tensor((rows, columns), a.dtype),)

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        left, right = call.inputs
        if dy is None:
            return None, None
        d_left = d_right = None
        # The left one, as a rule an activation's, comes last: what continues the backward pass then follows at once.
        if b.needs(right):
            if self.transpose_b:
                d_right = b.op(MatMul(transpose_a=True, transpose_b=self.transpose_a), dy, left)
            else:
                d_right = b.op(MatMul(transpose_a=not self.transpose_a), left, dy)
        if b.needs(left):
            if self.transpose_a:
                d_left = b.op(MatMul(transpose_a=self.transpose_b, transpose_b=True), right, dy)
            else:
                d_left = b.op(MatMul(transpose_b=not self.transpose_b), dy, right)
        return d_left, d_right

    def flops(self, *inputs: Tensor) -> int:
        (y,) = self.infer(*inputs)
        inner = inputs[0].shape[0 if self.transpose_a else 1]
        return 2 * y.size * inner


@dataclass(frozen=True)
class AddBias(Op):
    """(x, b) -> y = x + b, where b has one value for each element of x's last axis."""

    name: ClassVar[str] = "add_bias"
    fusion: ClassVar[Fusion] = "epilogue"
    in_place: ClassVar[tuple[tuple[int, int], ...]] = ((0, 0),)

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        x, bias = inputs
        if bias.shape != x.shape[-1:]:
            raise ValueError(f"a bias of shape {bias.shape} does not fit {x.shape}")
        return (x,)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (Tensor((tile(inputs[0].shape),)),)

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        if dy is None:
            return None, None
        return dy, b.op(SumRows(), dy) if b.needs(call.inputs[1]) else None


@dataclass(frozen=True)
class SumRows(Op):
    """x (..., c) -> y (c,): the sum over all axes but the last; the gradient of a bias."""

    name: ClassVar[str] = "sum_rows"

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (Tensor(inputs[0].shape[-1:]),)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (Tensor((tile(inputs[0].shape),)),)

    def flops(self, *inputs: Tensor) -> int:
        return inputs[0].size
