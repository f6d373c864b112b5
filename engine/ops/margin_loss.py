"""The multi-class hinge loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from engine.ops.base import Call, DType, Op, Tensor, Value
from engine.ops.loss import SCALAR

if TYPE_CHECKING:
    from engine.builder import Builder

__all__ = ["MultiMargin", "MultiMarginGradient"]


@dataclass(frozen=True)
class MultiMarginGradient(Op):
    """(scores z (B, C), labels int64 (B,), dloss (1,)) -> dz.

    For j != y: dz_j = dloss [m_j > 0] / n, or 2 m_j dloss / n when `squared`; dz_y = -sum of the others. n = B, or B C
    with `mean`; at m_j = 0 the derivative is taken as 0.
    """

    name: ClassVar[str] = "multi_margin_gradient"
    margin: float = 1.0
    squared: bool = False
    mean: bool = True

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (inputs[0],)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        batch, classes = inputs[0].shape
        return (
            Tensor((batch, 1)),
            Tensor((batch, classes)),
            Tensor((batch, classes), DType.BOOL),
            Tensor((classes,), DType.INT64),
            SCALAR,
        )

    def flops(self, *inputs: Tensor) -> int:
        return 6 * inputs[0].size


@dataclass(frozen=True)
class MultiMargin(Op):
    """(scores z (B, C), labels y int64 (B,)) -> (loss (1,), shares (B, C) = softmax of the scores).

    loss = sum over the batch and over j != y of m_j (squared: m_j²), divided by B (`mean`: by B C), with
    m_j = max(0, z_j - z_y + margin). Weston and Watkins 1998.
    """

    name: ClassVar[str] = "multi_margin"
    margin: float = 1.0
    squared: bool = False
    mean: bool = True

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        scores, labels = inputs
        if len(scores.shape) != 2 or labels.size != scores.shape[0]:
            raise ValueError(f"labels of shape {labels.shape} do not match scores of shape {scores.shape}")
        return SCALAR, scores

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return MultiMarginGradient().scratch(*inputs)[:-1]

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        dloss = adjoints[0]
        if dloss is None or not b.needs(call.inputs[0]):
            return None, None
        return b.op(MultiMarginGradient(self.margin, self.squared, self.mean), *call.inputs, dloss), None

    def flops(self, *inputs: Tensor) -> int:
        return 9 * inputs[0].size
