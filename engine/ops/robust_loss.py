"""Losses of numbers whose gradient does not grow with the error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from engine.ops.base import Call, Op, Tensor, Value
from engine.ops.loss import SCALAR, check_same_size

if TYPE_CHECKING:
    from engine.builder import Builder

__all__ = ["Huber", "HuberGradient", "MeanAbsoluteError", "MeanAbsoluteErrorGradient"]


@dataclass(frozen=True)
class MeanAbsoluteErrorGradient(Op):
    """(predictions, targets, dloss (1,)) -> dpredictions = dloss sign(y - t) / count, 0 where they are equal."""

    name: ClassVar[str] = "mean_absolute_error_gradient"

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (inputs[0],)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (SCALAR,)

    def flops(self, *inputs: Tensor) -> int:
        return 3 * inputs[0].size


@dataclass(frozen=True)
class MeanAbsoluteError(Op):
    """(predictions, targets, as many) -> loss (1,) = mean of |y - t| over samples and outputs."""

    name: ClassVar[str] = "mean_absolute_error"

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        check_same_size(*inputs)
        return (SCALAR,)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (inputs[0],)

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dloss,) = adjoints
        if dloss is None or not b.needs(call.inputs[0]):
            return None, None
        return b.op(MeanAbsoluteErrorGradient(), *call.inputs, dloss), None

    def flops(self, *inputs: Tensor) -> int:
        return 3 * inputs[0].size


@dataclass(frozen=True)
class HuberGradient(Op):
    """(predictions, targets, dloss (1,)) -> dpredictions = dloss clip(y - t, -delta, delta) / count."""

    name: ClassVar[str] = "huber_gradient"
    delta: float = 1.0

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (inputs[0],)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (SCALAR,)

    def flops(self, *inputs: Tensor) -> int:
        return 4 * inputs[0].size


@dataclass(frozen=True)
class Huber(Op):
    """(predictions, targets, as many) -> loss (1,): the mean of d²/2 where |d| <= delta, else delta (|d| - delta/2),
    with d = y - t. Computed as m (|d| - m/2) with m = min(|d|, delta), which is both.

    Huber 1964, Robust estimation of a location parameter."""

    name: ClassVar[str] = "huber"
    delta: float = 1.0

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        check_same_size(*inputs)
        return (SCALAR,)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return inputs[0], inputs[0]

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dloss,) = adjoints
        if dloss is None or not b.needs(call.inputs[0]):
            return None, None
        return b.op(HuberGradient(self.delta), *call.inputs, dloss), None

    def flops(self, *inputs: Tensor) -> int:
        return 6 * inputs[0].size
