"""Normalization within each sample, over groups of channels, and of each filter's weights.

Sources: Wu and He 2018, "Group Normalization", section 3; Ba, Kiros, Hinton 2016, "Layer Normalization", section 3 (one
group); Ulyanov, Vedaldi, Lempitsky 2016, "Instance Normalization" (as many groups as channels); Qiao et al. 2019,
"Micro-Batch Training with Batch-Channel Normalization and Weight Standardization", section 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from engine.ops.base import Call, Op, Tensor, Value
from engine.ops.tiling import BLOCK

if TYPE_CHECKING:
    from engine.builder import Builder


def _work(x: Tensor, groups: int) -> tuple[Tensor, ...]:
    """A block of whole samples, sums of each of its channels (two) and of each of its groups, a vector of channels."""
    batch, channels = x.shape[0], x.shape[-1]
    size = x.size // batch
    count = max(1, min(batch, BLOCK // size))
    return Tensor((count, size)), Tensor((2, count, channels)), Tensor((count, groups)), Tensor((channels,))


@dataclass(frozen=True)
class GroupNorm(Op):
    """(x, gamma, beta) -> (y, mean, rstd), or (x) -> (y, mean, rstd) unless `affine`.

    x is (n, ..., c), gamma and beta have c elements in any shape, mean and rstd are (n, groups). Each sample's channels
    are cut into `groups` runs of equal length; with the mean and the biased variance over all places and channels of a
    group, y = (x - mean) rstd gamma + beta and rstd = 1 / sqrt(variance + epsilon).
    """

    name: ClassVar[str] = "group_norm"
    groups: int = 1
    epsilon: float = 1e-5
    affine: bool = True

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        x = inputs[0]
        if x.shape[-1] % self.groups:
            raise ValueError(f"{x.shape[-1]} channels cannot be cut into {self.groups} groups of equal size")
        statistics = Tensor((x.shape[0], self.groups))
        return x, statistics, statistics

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return _work(inputs[0], self.groups)[:2]

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        dy = adjoints[0]
        if dy is None:
            return (None,) * len(call.inputs)
        _, mean, rstd = call.outputs
        gradient = GroupNormGradient(self.groups, self.affine)
        if not self.affine:
            return (b.op(gradient, call.inputs[0], mean, rstd, dy),)
        dx, dgamma, dbeta = b.op(gradient, *call.inputs[:2], mean, rstd, dy)
        return dx, dgamma, dbeta

    def flops(self, *inputs: Tensor) -> int:
        return (8 if self.affine else 6) * inputs[0].size


@dataclass(frozen=True)
class GroupNormGradient(Op):
    """(x, gamma, mean, rstd, dy) -> (dx, dgamma, dbeta), or (x, mean, rstd, dy) -> dx unless `affine`."""

    name: ClassVar[str] = "group_norm_gradient"
    groups: int = 1
    affine: bool = True

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (inputs[0], inputs[1], inputs[1]) if self.affine else (inputs[0],)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return _work(inputs[0], self.groups)

    def flops(self, *inputs: Tensor) -> int:
        return (13 if self.affine else 9) * inputs[0].size


@dataclass(frozen=True)
class StandardizeWeights(Op):
    """w -> (standardized, mean, rstd): the weights of each filter (last axis) brought to mean 0 and variance 1.

    mean and rstd are (filters,); rstd = 1 / sqrt(variance + epsilon) with the biased variance of a filter's weights.
    """

    name: ClassVar[str] = "standardize_weights"
    epsilon: float = 1e-5

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        (w,) = inputs
        statistics = Tensor(w.shape[-1:])
        return w, statistics, statistics

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return _work(rows(inputs[0]), inputs[0].shape[-1])[:2]

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        dy = adjoints[0]
        if dy is None or not b.needs(call.inputs[0]):
            return (None,)
        _, mean, rstd = call.outputs
        return (b.op(StandardizeWeightsGradient(), call.inputs[0], mean, rstd, dy),)

    def flops(self, *inputs: Tensor) -> int:
        return 6 * inputs[0].size


@dataclass(frozen=True)
class StandardizeWeightsGradient(Op):
    """(w, mean, rstd, adjoint of the standardized weights) -> dw, through mean and variance."""

    name: ClassVar[str] = "standardize_weights_gradient"

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (inputs[0],)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return _work(rows(inputs[0]), inputs[0].shape[-1])

    def flops(self, *inputs: Tensor) -> int:
        return 9 * inputs[0].size


def rows(w: Tensor) -> Tensor:
    """Weights as one sample with a place for each input of a filter, a channel for each filter."""
    return Tensor((1, math.prod(w.shape[:-1]), w.shape[-1]))
