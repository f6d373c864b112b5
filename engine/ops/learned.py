"""Elementwise functions with learned numbers: one for the whole layer, or one for each element of the last axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from engine.ops.base import Call, Fusion, Op, Tensor, Value
from engine.ops.tiling import BLOCK, tile

if TYPE_CHECKING:
    from engine.builder import Builder


def _work(x: Tensor, blocks: int) -> tuple[Tensor, ...]:
    """A vector of one tile for the learned numbers, and blocks of whole tiles."""
    length = tile(x.shape)
    rows = max(1, min(x.size, BLOCK) // length)
    return (Tensor((length,)), *(Tensor((rows, length)),) * blocks)


@dataclass(frozen=True)
class Learned(Op):
    """(x, p) -> y = f(x; p), elementwise; p is (1,) or has one number for each element of x's last axis."""

    in_place: ClassVar[tuple[tuple[int, int], ...]] = ((0, 0),)
    fusion: ClassVar[Fusion] = "epilogue"
    gradient: ClassVar[type[LearnedGradient]]
    flops_per_element: ClassVar[int] = 4

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        x, p = inputs
        if p.shape not in ((1,), x.shape[-1:]):
            raise ValueError(f"{self.name}: numbers of shape {p.shape} do not fit {x.shape}")
        return (x,)

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return _work(inputs[0], 1)

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        if dy is None:
            return None, None
        dx, dp = b.op(self.gradient(), *call.inputs, dy)
        return dx, dp

    def flops(self, *inputs: Tensor) -> int:
        return self.flops_per_element * inputs[0].size


@dataclass(frozen=True)
class LearnedGradient(Op):
    """(x, p, dy) -> (dx, dp)."""

    in_place: ClassVar[tuple[tuple[int, int], ...]] = ((0, 2),)
    fusion: ClassVar[Fusion] = "epilogue_gradient"
    flops_per_element: ClassVar[int] = 8

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return inputs[0], inputs[1]

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        sums = Tensor((2, tile(inputs[0].shape)))
        return (*_work(inputs[0], 3), sums)

    def flops(self, *inputs: Tensor) -> int:
        return self.flops_per_element * inputs[0].size


@dataclass(frozen=True)
class PReLUGradient(LearnedGradient):
    """(x, slope, dy) -> (dx, dslope); see `PReLU`."""

    name: ClassVar[str] = "prelu_gradient"


@dataclass(frozen=True)
class PReLU(Learned):
    """(x, slope) -> y = x where x > 0, else slope x. Source: He et al. 2015, eq. 1 and section 2.1."""

    name: ClassVar[str] = "prelu"
    gradient: ClassVar[type[LearnedGradient]] = PReLUGradient


@dataclass(frozen=True)
class LearnedSwishGradient(LearnedGradient):
    """(x, beta, dy) -> (dx, dbeta); see `LearnedSwish`."""

    name: ClassVar[str] = "learned_swish_gradient"
    flops_per_element: ClassVar[int] = 16


@dataclass(frozen=True)
class LearnedSwish(Learned):
    """(x, beta) -> y = x / (1 + exp(-beta x)). Source: Ramachandran, Zoph and Le 2017, section 2."""

    name: ClassVar[str] = "learned_swish"
    gradient: ClassVar[type[LearnedGradient]] = LearnedSwishGradient
    flops_per_element: ClassVar[int] = 6
