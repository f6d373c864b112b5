"""Losses, as means over the batch, and their gradients by the predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from engine.ops.base import Call, DType, Op, Tensor, Value

if TYPE_CHECKING:
    from engine.builder import Builder

SCALAR = Tensor((1,))


def check_same_size(prediction: Tensor, target: Tensor) -> None:
    """Refuse targets that are not as many as the predictions. Raises ValueError."""
    if prediction.size != target.size:
        raise ValueError(f"targets of shape {target.shape} do not match predictions of shape {prediction.shape}")


@dataclass(frozen=True)
class _Loss(Op):
    """What losses share: only the predictions have an adjoint, which `gradient` computes from the values that
    `of(call)` names and the loss's adjoint."""

    gradient: ClassVar[type[Op]]

    def of(self, call: Call) -> tuple[Value, Value]:
        return call.outputs[1], call.inputs[1]

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        dloss = adjoints[0]
        if dloss is None or not b.needs(call.inputs[0]):
            return None, None
        return b.op(self.gradient(), *self.of(call), dloss), None


@dataclass(frozen=True)
class _LossGradient(Op):
    """What losses' gradients share: they are shaped like the first input."""

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (inputs[0],)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (SCALAR,)

    def flops(self, *inputs: Tensor) -> int:
        return 2 * inputs[0].size


@dataclass(frozen=True)
class SoftmaxCrossEntropyGradient(_LossGradient):
    """(probabilities, labels, dloss (1,)) -> dlogits = dloss (p - one hot) / B."""

    name: ClassVar[str] = "softmax_cross_entropy_gradient"

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        batch, classes = inputs[0].shape
        return Tensor((batch, classes), DType.BOOL), Tensor((classes,), DType.INT64), SCALAR


@dataclass(frozen=True)
class SoftmaxCrossEntropy(_Loss):
    """(logits (B, C), labels int64 (B,)) -> (loss (1,), probabilities (B, C)).

    loss = mean of log sum_j exp(z_j) - z_label, taken after subtracting each row's maximum.
    """

    name: ClassVar[str] = "softmax_cross_entropy"
    gradient: ClassVar[type[Op]] = SoftmaxCrossEntropyGradient

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        logits, labels = inputs
        if len(logits.shape) != 2 or labels.size != logits.shape[0]:
            raise ValueError(f"labels of shape {labels.shape} do not match logits of shape {logits.shape}")
        return SCALAR, logits

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
        return 5 * inputs[0].size


@dataclass(frozen=True)
class SoftTargetCrossEntropyGradient(_LossGradient):
    """(probabilities, shares, dloss (1,)) -> dlogits = dloss (p - t) / B."""

    name: ClassVar[str] = "soft_target_cross_entropy_gradient"


@dataclass(frozen=True)
class SoftTargetCrossEntropy(_Loss):
    """(logits z (B, C), shares t of the classes (B, C), each row with the sum 1) -> (loss (1,), probabilities (B, C)).

    loss = mean of log sum_j exp(z_j) - sum_j t_j z_j = mean of -sum_j t_j log p_j, taken after subtracting each row's
    maximum.
    """

    name: ClassVar[str] = "soft_target_cross_entropy"
    gradient: ClassVar[type[Op]] = SoftTargetCrossEntropyGradient

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        logits, shares = inputs
        if len(logits.shape) != 2 or logits.shape != shares.shape:
            raise ValueError(f"shares of shape {shares.shape} do not match logits of shape {logits.shape}")
        return SCALAR, logits

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return Tensor((inputs[0].shape[0], 1)), inputs[0], SCALAR

    def flops(self, *inputs: Tensor) -> int:
        return 6 * inputs[0].size


@dataclass(frozen=True)
class BinaryCrossEntropyGradient(_LossGradient):
    """(probabilities, targets, dloss (1,)) -> dlogits = dloss (p - t) / count."""

    name: ClassVar[str] = "binary_cross_entropy_gradient"


@dataclass(frozen=True)
class BinaryCrossEntropy(_Loss):
    """(logits z, targets t in [0, 1], as many as logits; numbers or int64) -> (loss (1,), probabilities).

    loss = mean of max(z, 0) - z t + log(1 + exp(-|z|)), which never overflows.
    """

    name: ClassVar[str] = "binary_cross_entropy"
    gradient: ClassVar[type[Op]] = BinaryCrossEntropyGradient

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        check_same_size(*inputs)
        return SCALAR, inputs[0]

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return inputs[0], inputs[0]

    def flops(self, *inputs: Tensor) -> int:
        return 8 * inputs[0].size


@dataclass(frozen=True)
class MeanSquaredErrorGradient(_LossGradient):
    """(predictions, targets, dloss (1,)) -> dpredictions = 2 dloss (y - t) / count."""

    name: ClassVar[str] = "mean_squared_error_gradient"


@dataclass(frozen=True)
class MeanSquaredError(_Loss):
    """(predictions, targets, as many) -> loss (1,) = mean of (y - t)^2 over samples and outputs."""

    name: ClassVar[str] = "mean_squared_error"
    gradient: ClassVar[type[Op]] = MeanSquaredErrorGradient

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        check_same_size(*inputs)
        return (SCALAR,)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (inputs[0],)

    def of(self, call: Call) -> tuple[Value, Value]:
        return call.inputs[0], call.inputs[1]

    def flops(self, *inputs: Tensor) -> int:
        return 3 * inputs[0].size
