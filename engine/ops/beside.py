"""Operations of the update phase that stand beside the optimizer's rule: on gradients before it, on weights after it.

Each changes its first input in place and has no output. The rules know nothing of them, so that every rule, compiled
or not, goes with every one of them. Scalars are arrays of shape (1,).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from engine.ops.base import Op, Tensor
from engine.ops.tiling import BLOCK

__all__ = ["Accumulate", "AddAccumulated", "Average", "ClipValue", "MaxNorm", "SoftThreshold"]

_ONE = Tensor((1,))


def _block(tensor: Tensor) -> Tensor:
    return Tensor((max(1, min(BLOCK, tensor.size)),))


@dataclass(frozen=True)
class _Beside(Op):
    """Changes its first input, and yields nothing."""

    FLOPS: ClassVar[int] = 2
    mutates: ClassVar[tuple[int, ...]] = (0,)

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return ()

    def flops(self, *inputs: Tensor) -> int:
        return self.FLOPS * inputs[0].size


@dataclass(frozen=True)
class ClipValue(_Beside):
    """(gradient, limit): every element brought into [-limit, limit], as PyTorch's clip_grad_value_ does."""

    name: ClassVar[str] = "clip_value"

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (_ONE,)


@dataclass(frozen=True)
class SoftThreshold(_Beside):
    """(parameter, threshold): p = sign(p) max(|p| - threshold, 0), the proximal step of threshold * sum |p|.

    Parikh, Boyd: Proximal algorithms (2014), section 6.5.2. Elements within the threshold become exactly zero."""

    name: ClassVar[str] = "soft_threshold"
    FLOPS: ClassVar[int] = 3

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (_block(inputs[0]), _ONE)


@dataclass(frozen=True)
class MaxNorm(_Beside):
    """(parameter (..., units), bound): each unit's incoming weights w, all with one index of the last axis, are brought
    back to ||w|| <= bound: w *= bound / max(||w||, bound). Weights within the bound keep their bits."""

    name: ClassVar[str] = "max_norm"
    FLOPS: ClassVar[int] = 3

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        units = inputs[0].shape[-1]
        rows = max(1, min(inputs[0].size // units, BLOCK // units))
        return (Tensor((rows, units)), Tensor((units,)), Tensor((units,)))


@dataclass(frozen=True)
class Average(_Beside):
    """(average, parameter, rest): a += rest (p - a), an exponential moving average with the decay 1 - rest."""

    name: ClassVar[str] = "average"
    FLOPS: ClassVar[int] = 3

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (_block(inputs[0]),)


@dataclass(frozen=True)
class Accumulate(_Beside):
    """(sum, gradient, share): s += share g, where `share` is the micro-batch's part of the batch's samples."""

    name: ClassVar[str] = "accumulate"

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (_block(inputs[0]),)


@dataclass(frozen=True)
class AddAccumulated(_Beside):
    """(gradient, sum, share): g = share g + s, the whole batch's gradient at its last micro-batch."""

    name: ClassVar[str] = "add_accumulated"
