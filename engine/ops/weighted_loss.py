"""Cross-entropy with label smoothing and class weights: the targets are shares that are weighted first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from engine.ops.base import Call, DType, Op, Tensor, Value
from engine.ops.loss import SCALAR

if TYPE_CHECKING:
    from engine.builder import Builder

__all__ = ["ClassShares", "WeightedCrossEntropy", "WeightedCrossEntropyGradient"]


@dataclass(frozen=True)
class ClassShares(Op):
    """(labels int64 (B,), or shares s (B, C)) -> (weighted shares t (B, C), divisor (1,)).

    t_c = w_c ((1 - smoothing) s_c + smoothing / C), with s one-hot for labels and w = 1 where no `weights` are given.
    The divisor is the sum of the weights of the right classes for labels when `by_weights`, else B, as PyTorch's
    CrossEntropyLoss has it; never 0, so that a batch whose weights are all 0 has the loss 0.

    Smoothing: Szegedy et al. 2016, Rethinking the inception architecture for computer vision, section 7.
    """

    name: ClassVar[str] = "class_shares"
    classes: int = 2
    smoothing: float = 0.0
    weights: tuple[float, ...] = ()
    by_weights: bool = True

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return Tensor((inputs[0].shape[0], self.classes)), SCALAR

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        batch = inputs[0].shape[0]
        return Tensor((batch, self.classes), DType.BOOL), Tensor((self.classes,), DType.INT64)

    def flops(self, *inputs: Tensor) -> int:
        return 3 * inputs[0].shape[0] * self.classes


@dataclass(frozen=True)
class WeightedCrossEntropyGradient(Op):
    """(probabilities p (B, C), weighted shares t (B, C), divisor (1,), dloss (1,)) -> dlogits = dloss (p sum(t) - t) /
    divisor, the sum taken over each row."""

    name: ClassVar[str] = "weighted_cross_entropy_gradient"

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (inputs[0],)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return Tensor((inputs[0].shape[0], 1)), SCALAR

    def flops(self, *inputs: Tensor) -> int:
        return 4 * inputs[0].size


@dataclass(frozen=True)
class WeightedCrossEntropy(Op):
    """(logits z (B, C), weighted shares t (B, C), divisor (1,)) -> (loss (1,), probabilities (B, C)).

    loss = sum of -t log p over batch and classes, divided by the divisor; each row's maximum is subtracted first.
    """

    name: ClassVar[str] = "weighted_cross_entropy"

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        logits, shares = inputs[:2]
        if len(logits.shape) != 2 or logits.shape != shares.shape:
            raise ValueError(f"shares of shape {shares.shape} do not match logits of shape {logits.shape}")
        return SCALAR, logits

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return Tensor((inputs[0].shape[0], 1)), inputs[0], SCALAR

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        dloss = adjoints[0]
        if dloss is None or not b.needs(call.inputs[0]):
            return None, None, None
        return b.op(WeightedCrossEntropyGradient(), call.outputs[1], *call.inputs[1:], dloss), None, None

    def flops(self, *inputs: Tensor) -> int:
        return 7 * inputs[0].size
