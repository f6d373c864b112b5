"""Products of many matrices at once, and the weights of attention.

Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.2.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from engine.ops.arrange import Permute
from engine.ops.base import Call, Op, Tensor, Value
from engine.ops.tiling import BLOCK

if TYPE_CHECKING:
    from engine.builder import Builder


def _work(x: Tensor) -> tuple[Tensor, ...]:
    """A block of rows, one number for each of them, and as many ones as a row is long."""
    columns = x.shape[-1]
    at_once = max(1, min(x.size // columns, BLOCK // columns))
    return Tensor((at_once, columns)), Tensor((at_once, 1)), Tensor((columns, 1))


def _transposed(b: Builder, value: Value) -> Value:
    """The matrices of a value, transposed: (..., i, j) -> (..., j, i)."""
    rank = len(value.shape)
    result: Value = b.op(Permute((*range(rank - 2), rank - 1, rank - 2)), value)
    return result


@dataclass(frozen=True)
class BatchMatMul(Op):
    """(a (..., i, k), b (..., k, j)) -> y (..., i, j): the product of each pair of matrices."""

    name: ClassVar[str] = "batch_matmul"

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        a, b = inputs
        if len(a.shape) < 3 or a.shape[:-2] != b.shape[:-2] or a.shape[-1] != b.shape[-2]:
            raise ValueError(f"cannot multiply the matrices of arrays of shapes {a.shape} and {b.shape}")
        return (Tensor((*a.shape[:-1], b.shape[-1]), a.dtype),)

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        left, right = call.inputs
        if dy is None:
            return None, None
        d_right = b.op(BatchMatMul(), _transposed(b, left), dy) if b.needs(right) else None
        d_left = b.op(BatchMatMul(), dy, _transposed(b, right)) if b.needs(left) else None
        return d_left, d_right

    def flops(self, *inputs: Tensor) -> int:
        (y,) = self.infer(*inputs)
        return 2 * y.size * inputs[0].shape[-1]


@dataclass(frozen=True)
class AttentionWeights(Op):
    """scores (..., q, k) -> weights: the softmax of scale times the scores over the last axis. With `causal`, row i has
    weights for the columns 0 to i alone, and zeros behind."""

    name: ClassVar[str] = "attention_weights"
    in_place: ClassVar[tuple[tuple[int, int], ...]] = ((0, 0),)
    scale: float = 1.0
    causal: bool = False

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        if len(inputs[0].shape) < 2:
            raise ValueError(f"scores are matrices, not arrays of shape {inputs[0].shape}")
        return (inputs[0],)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        rows, columns = inputs[0].shape[-2:]
        return *_work(inputs[0])[1:], Tensor((rows, columns) if self.causal else (1, 1))

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        if dy is None or not b.needs(call.inputs[0]):
            return (None,)
        return (b.op(AttentionWeightsGradient(self.scale), call.outputs[0], dy),)

    def flops(self, *inputs: Tensor) -> int:
        return 5 * inputs[0].size


@dataclass(frozen=True)
class AttentionWeightsGradient(Op):
    """(weights y, dy) -> scale y (dy - sum of y dy over the last axis), the scores' adjoint. Weights that are zero by
    the causal rule pass nothing on, as they should."""

    name: ClassVar[str] = "attention_weights_gradient"
    in_place: ClassVar[tuple[tuple[int, int], ...]] = ((0, 1),)
    scale: float = 1.0

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (inputs[0],)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return _work(inputs[0])

    def flops(self, *inputs: Tensor) -> int:
        return 5 * inputs[0].size
