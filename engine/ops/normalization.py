"""Batch normalization over the last axis. Source: Ioffe and Szegedy 2015, "Batch Normalization", algorithms 1 and 2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from engine.ops.base import Call, Fusion, Op, Tensor, Value
from engine.ops.tiling import BLOCK, tile

if TYPE_CHECKING:
    from engine.builder import Builder


def _work(x: Tensor) -> tuple[Tensor, ...]:
    """A block of whole tiles, and vectors of one tile: two for sums, two for factors."""
    length = tile(x.shape)
    rows = max(1, min(x.size, BLOCK) // length)
    return Tensor((rows, length)), Tensor((4, length))


@dataclass(frozen=True)
class BatchNorm(Op):
    """(x, gamma, beta, running_mean, running_var) -> (y, mean, rstd), with the statistics of the batch.

    x is (..., c), the others (c,). mean and the biased variance normalize: y = (x - mean) rstd gamma + beta with rstd =
    1 / sqrt(variance + epsilon). The running statistics move by `momentum` towards the batch's mean and its unbiased
    variance (of a single row: the biased one, which is zero).
    """

    name: ClassVar[str] = "batch_norm"
    fusion: ClassVar[Fusion] = "head"
    mutates: ClassVar[tuple[int, ...]] = (3, 4)
    momentum: float = 0.1
    epsilon: float = 1e-5

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return inputs[0], inputs[1], inputs[1]

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return _work(inputs[0])

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        dy = adjoints[0]
        if dy is None:
            return None, None, None, None, None
        x, gamma = call.inputs[:2]
        _, mean, rstd = call.outputs
        dx, dgamma, dbeta = b.op(BatchNormGradient(), x, gamma, mean, rstd, dy)
        return dx, dgamma, dbeta, None, None

    def flops(self, *inputs: Tensor) -> int:
        return 8 * inputs[0].size


@dataclass(frozen=True)
class BatchNormGradient(Op):
    """(x, gamma, mean, rstd, dy) -> (dx, dgamma, dbeta), through the statistics of the batch."""

    name: ClassVar[str] = "batch_norm_gradient"
    in_place: ClassVar[tuple[tuple[int, int], ...]] = ((0, 4),)

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return inputs[0], inputs[1], inputs[1]

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return _work(inputs[0])

    def flops(self, *inputs: Tensor) -> int:
        return 11 * inputs[0].size


@dataclass(frozen=True)
class BatchNormInference(Op):
    """(x, gamma, beta, running_mean, running_var) -> y, with the running statistics."""

    name: ClassVar[str] = "batch_norm_inference"
    fusion: ClassVar[Fusion] = "head"
    in_place: ClassVar[tuple[tuple[int, int], ...]] = ((0, 0),)
    epsilon: float = 1e-5

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (inputs[0],)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return _work(inputs[0])

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        if dy is None:
            return None, None, None, None, None
        x, gamma, _, mean, variance = call.inputs
        dx, dgamma, dbeta = b.op(BatchNormInferenceGradient(self.epsilon), x, gamma, mean, variance, dy)
        return dx, dgamma, dbeta, None, None

    def flops(self, *inputs: Tensor) -> int:
        return 4 * inputs[0].size


@dataclass(frozen=True)
class BatchNormInferenceGradient(Op):
    """(x, gamma, running_mean, running_var, dy) -> (dx, dgamma, dbeta), with the statistics held constant."""

    name: ClassVar[str] = "batch_norm_inference_gradient"
    in_place: ClassVar[tuple[tuple[int, int], ...]] = ((0, 4),)
    epsilon: float = 1e-5

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return inputs[0], inputs[1], inputs[1]

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return _work(inputs[0])

    def flops(self, *inputs: Tensor) -> int:
        return 6 * inputs[0].size
