"""Update rules that need a parameter's array as a whole: its norm, or its shape as a matrix.

For inputs, output and what comes first see `engine.ops.update`; the call's parameter is one array. g is the gradient
that the rule sees, p the parameter, η the learning rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from engine.ops.base import Tensor
from engine.ops.update import UpdateRule

__all__ = ["COEFFICIENTS", "UpdateLAMB", "UpdateMuon", "matrix_shape"]

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""a, b, c of the iteration X = a X + b (X Xᵀ) X + c (X Xᵀ)² X, whose slope at 0 is as large as convergence to about 1
allows (Jordan et al. 2024, Muon: an optimizer for hidden layers in neural networks)."""

_ONE = Tensor((1,))


def matrix_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """A weight as a matrix: one column for each output, so (height * width * channels, filters) for a convolution.

    Raises ValueError for a vector."""
    if len(shape) < 2:
        raise ValueError(f"an array of shape {shape} is no matrix")
    return math.prod(shape[:-1]), shape[-1]


@dataclass(frozen=True)
class UpdateLAMB(UpdateRule):
    """Scalars: beta1_rest (1 - beta1), beta2, beta2_rest (1 - beta2), mean_correction (1 - beta1^t), square_correction
    (sqrt(1 - beta2^t)), epsilon, decay. Slots: mean, square.

    m += beta1_rest (g - m); s = beta2 s + beta2_rest g²;
    r = m / mean_correction / (sqrt(s) / square_correction + epsilon); p -= η r.

    Where `has_decay`: r += decay p, p -= η |p| / |r| r (both norms over the whole array; the ratio is 1 where one of
    them is 0), and keep multiplies p first, as ever."""

    name: ClassVar[str] = "update_lamb"
    RULE_SCALARS: ClassVar[tuple[str, ...]] = (
        "beta1_rest",
        "beta2",
        "beta2_rest",
        "mean_correction",
        "square_correction",
        "epsilon",
        "decay",
    )
    SLOTS: ClassVar[tuple[str, ...]] = ("mean", "square")
    RULE_FLOPS: ClassVar[int] = 27
    WORK: ClassVar[int] = 2

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (*super().scratch(*inputs), _ONE, _ONE, _ONE, _ONE)


@dataclass(frozen=True)
class UpdateMuon(UpdateRule):
    """Scalars: momentum, momentum_rest (1 - momentum). Slots: mean.

    m += momentum_rest (g - m); X = g + momentum (m - g) if nesterov else m; X /= max(|X|, 1e-7);
    `iterations` times X = a X + b (X Xᵀ) X + c (X Xᵀ)² X with `COEFFICIENTS`, X being a matrix (`matrix_shape`);
    p -= η f X, where f = 0.2 sqrt(max(rows, columns)) where `like_adam`, sqrt(max(1, columns / rows)) otherwise."""

    name: ClassVar[str] = "update_muon"
    RULE_SCALARS: ClassVar[tuple[str, ...]] = ("momentum", "momentum_rest")
    SLOTS: ClassVar[tuple[str, ...]] = ("mean",)
    RULE_FLOPS: ClassVar[int] = 10

    nesterov: bool = True
    iterations: int = 5
    like_adam: bool = True

    def scratch(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        rows, columns = matrix_shape(inputs[0].shape)
        whole, square = Tensor((rows, columns)), Tensor((min(rows, columns),) * 2)
        return (*super().scratch(*inputs), whole, whole, square, square, _ONE, _ONE)

    def flops(self, *inputs: Tensor) -> int:
        rows, columns = matrix_shape(inputs[0].shape)
        inner = min(rows, columns)
        products = 4 * rows * columns * inner + 2 * inner**3
        return super().flops(*inputs) + self.iterations * (products + 3 * inner**2 + 2 * rows * columns)
