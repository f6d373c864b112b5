"""More update rules that treat each element by itself. See `engine.ops.update` for inputs, output and what comes first.

Here g is the gradient that the rule sees, p the parameter, η the learning rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from engine.ops.update import UpdateRule

__all__ = [
    "UpdateAMSGrad",
    "UpdateAdadelta",
    "UpdateAdagrad",
    "UpdateAdamax",
    "UpdateCenteredRMSprop",
    "UpdateLion",
    "UpdateNadam",
    "UpdateRAdam",
    "UpdateRMSprop",
    "UpdateRateInside",
]

_MOMENTS = ("beta1_rest", "beta2", "beta2_rest")


@dataclass(frozen=True)
class UpdateRateInside(UpdateRule):
    """Scalars: momentum. Slots: displacement.

    v = momentum v - η g; p += (momentum v - η g if nesterov else v)."""

    name: ClassVar[str] = "update_rate_inside"
    RULE_SCALARS: ClassVar[tuple[str, ...]] = ("momentum",)
    SLOTS: ClassVar[tuple[str, ...]] = ("displacement",)
    RULE_FLOPS: ClassVar[int] = 4

    nesterov: bool = False


@dataclass(frozen=True)
class UpdateAdagrad(UpdateRule):
    """Scalars: epsilon. Slots: sum.

    s += g²; p -= η g / (sqrt(s) + epsilon), or g / sqrt(s + epsilon) where `inside`."""

    name: ClassVar[str] = "update_adagrad"
    RULE_SCALARS: ClassVar[tuple[str, ...]] = ("epsilon",)
    SLOTS: ClassVar[tuple[str, ...]] = ("sum",)
    RULE_FLOPS: ClassVar[int] = 7

    inside: bool = False


@dataclass(frozen=True)
class UpdateAdadelta(UpdateRule):
    """Scalars: rho, rho_rest (1 - rho), epsilon. Slots: square, delta.

    s = rho s + rho_rest g²; d = g sqrt(delta + epsilon) / sqrt(s + epsilon); delta = rho delta + rho_rest d²;
    p -= η d."""

    name: ClassVar[str] = "update_adadelta"
    RULE_SCALARS: ClassVar[tuple[str, ...]] = ("rho", "rho_rest", "epsilon")
    SLOTS: ClassVar[tuple[str, ...]] = ("square", "delta")
    RULE_FLOPS: ClassVar[int] = 16
    WORK: ClassVar[int] = 2


@dataclass(frozen=True)
class UpdateRMSprop(UpdateRule):
    """Scalars: alpha, alpha_rest (1 - alpha), momentum, epsilon. Slots: square, velocity.

    s = alpha s + alpha_rest g²; v = momentum v + g / (sqrt(s) + epsilon), or g / sqrt(s + epsilon) where `inside`;
    p -= η v."""

    name: ClassVar[str] = "update_rmsprop"
    RULE_SCALARS: ClassVar[tuple[str, ...]] = ("alpha", "alpha_rest", "momentum", "epsilon")
    SLOTS: ClassVar[tuple[str, ...]] = ("square", "velocity")
    RULE_FLOPS: ClassVar[int] = 11

    inside: bool = False


@dataclass(frozen=True)
class UpdateCenteredRMSprop(UpdateRule):
    """As `UpdateRMSprop`, with one more slot, mean (between the two): m += alpha_rest (g - m), and s - m², which
    rounding shall not make negative, in place of s under the root."""

    name: ClassVar[str] = "update_centered_rmsprop"
    RULE_SCALARS: ClassVar[tuple[str, ...]] = ("alpha", "alpha_rest", "momentum", "epsilon")
    SLOTS: ClassVar[tuple[str, ...]] = ("square", "mean", "velocity")
    RULE_FLOPS: ClassVar[int] = 17

    inside: bool = False


@dataclass(frozen=True)
class UpdateAMSGrad(UpdateRule):
    """Scalars: those of `engine.ops.update.UpdateAdam`. Slots: mean, square, largest.

    m += beta1_rest (g - m); s = beta2 s + beta2_rest g²; largest = max(largest, s);
    p -= step_size * m / (sqrt(largest) / square_correction + epsilon)."""

    name: ClassVar[str] = "update_amsgrad"
    RULE_SCALARS: ClassVar[tuple[str, ...]] = (*_MOMENTS, "step_size", "square_correction", "epsilon")
    SLOTS: ClassVar[tuple[str, ...]] = ("mean", "square", "largest")
    RULE_FLOPS: ClassVar[int] = 15


@dataclass(frozen=True)
class UpdateNadam(UpdateRule):
    """Scalars: beta1_rest (1 - beta1), beta2, beta2_rest (1 - beta2), gradient_size, mean_size, square_correction
    (sqrt(1 - beta2^t)), epsilon. Slots: mean, square.

    m += beta1_rest (g - m); s = beta2 s + beta2_rest g²;
    p -= (gradient_size g + mean_size m) / (sqrt(s) / square_correction + epsilon)."""

    name: ClassVar[str] = "update_nadam"
    RULE_SCALARS: ClassVar[tuple[str, ...]] = (
        *_MOMENTS,
        "gradient_size",
        "mean_size",
        "square_correction",
        "epsilon",
    )
    SLOTS: ClassVar[tuple[str, ...]] = ("mean", "square")
    RULE_FLOPS: ClassVar[int] = 16
    WORK: ClassVar[int] = 2


@dataclass(frozen=True)
class UpdateRAdam(UpdateRule):
    """Scalars: beta1_rest (1 - beta1), beta2, beta2_rest (1 - beta2), plain_size, adaptive_size, epsilon; of the two
    sizes one is 0. Slots: mean, square.

    m += beta1_rest (g - m); s = beta2 s + beta2_rest g²; p -= m (plain_size + adaptive_size / (sqrt(s) + epsilon))."""

    name: ClassVar[str] = "update_radam"
    RULE_SCALARS: ClassVar[tuple[str, ...]] = (*_MOMENTS, "plain_size", "adaptive_size", "epsilon")
    SLOTS: ClassVar[tuple[str, ...]] = ("mean", "square")
    RULE_FLOPS: ClassVar[int] = 13


@dataclass(frozen=True)
class UpdateAdamax(UpdateRule):
    """Scalars: beta1_rest (1 - beta1), beta2, step_size (η / (1 - beta1^t)), epsilon. Slots: mean, largest.

    m += beta1_rest (g - m); largest = max(beta2 largest, |g| + epsilon); p -= step_size * m / largest."""

    name: ClassVar[str] = "update_adamax"
    RULE_SCALARS: ClassVar[tuple[str, ...]] = ("beta1_rest", "beta2", "step_size", "epsilon")
    SLOTS: ClassVar[tuple[str, ...]] = ("mean", "largest")
    RULE_FLOPS: ClassVar[int] = 10


@dataclass(frozen=True)
class UpdateLion(UpdateRule):
    """Scalars: beta1_rest (1 - beta1), beta2_rest (1 - beta2). Slots: mean.

    p -= η sign(m + beta1_rest (g - m)); m += beta2_rest (g - m)."""

    name: ClassVar[str] = "update_lion"
    RULE_SCALARS: ClassVar[tuple[str, ...]] = ("beta1_rest", "beta2_rest")
    SLOTS: ClassVar[tuple[str, ...]] = ("mean",)
    RULE_FLOPS: ClassVar[int] = 9
