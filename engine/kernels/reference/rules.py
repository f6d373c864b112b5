"""More update rules on arrays, each element by itself. See `engine.ops.rules`.

The order of operations is PyTorch's where it has the rule, so that runs agree to rounding.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from engine.kernels.reference.update import add_adam_step, add_moments, add_square_mean, elementwise
from engine.ops.rules import (
    UpdateAdadelta,
    UpdateAdagrad,
    UpdateAdamax,
    UpdateAMSGrad,
    UpdateCenteredRMSprop,
    UpdateLion,
    UpdateNadam,
    UpdateRAdam,
    UpdateRateInside,
    UpdateRMSprop,
)

__all__ = ["KERNELS"]


def _root(xp: ModuleType, s: Any, epsilon: Any, out: Any, *, inside: bool) -> None:
    """sqrt(s) + epsilon, or sqrt(s + epsilon)."""
    if inside:
        xp.add(s, epsilon, out=out)
        xp.sqrt(out, out=out)
    else:
        xp.sqrt(s, out=out)
        xp.add(out, epsilon, out=out)


@elementwise(UpdateRateInside)
def update_rate_inside(
    xp: ModuleType, p: Any, g: Any, t: Any, learning_rate: Any, momentum: Any, v: Any, *, nesterov: bool
) -> None:
    xp.multiply(g, learning_rate, out=t)
    xp.multiply(v, momentum, out=v)
    xp.subtract(v, t, out=v)
    if nesterov:
        xp.subtract(p, t, out=p)
        xp.multiply(v, momentum, out=t)
        xp.add(p, t, out=p)
    else:
        xp.add(p, v, out=p)


@elementwise(UpdateAdagrad)
def update_adagrad(
    xp: ModuleType, p: Any, g: Any, t: Any, learning_rate: Any, epsilon: Any, s: Any, *, inside: bool
) -> None:
    xp.multiply(g, g, out=t)
    xp.add(s, t, out=s)
    _root(xp, s, epsilon, t, inside=inside)
    xp.divide(g, t, out=t)
    xp.multiply(t, learning_rate, out=t)
    xp.subtract(p, t, out=p)


@elementwise(UpdateAdadelta)
def update_adadelta(
    xp: ModuleType,
    p: Any,
    g: Any,
    t: Any,
    u: Any,
    learning_rate: Any,
    rho: Any,
    rho_rest: Any,
    epsilon: Any,
    s: Any,
    delta: Any,
) -> None:
    add_square_mean(xp, g, t, rho, rho_rest, s)
    xp.add(s, epsilon, out=t)
    xp.sqrt(t, out=t)
    xp.add(delta, epsilon, out=u)
    xp.sqrt(u, out=u)
    xp.divide(u, t, out=u)
    xp.multiply(u, g, out=u)
    add_square_mean(xp, u, t, rho, rho_rest, delta)
    xp.multiply(u, learning_rate, out=u)
    xp.subtract(p, u, out=p)


def _move(xp: ModuleType, p: Any, g: Any, t: Any, learning_rate: Any, momentum: Any, v: Any) -> None:
    """v = momentum v + g / t; p -= learning_rate v."""
    xp.divide(g, t, out=t)
    xp.multiply(v, momentum, out=v)
    xp.add(v, t, out=v)
    xp.multiply(v, learning_rate, out=t)
    xp.subtract(p, t, out=p)


@elementwise(UpdateRMSprop)
def update_rmsprop(
    xp: ModuleType,
    p: Any,
    g: Any,
    t: Any,
    learning_rate: Any,
    alpha: Any,
    alpha_rest: Any,
    momentum: Any,
    epsilon: Any,
    s: Any,
    v: Any,
    *,
    inside: bool,
) -> None:
    add_square_mean(xp, g, t, alpha, alpha_rest, s)
    _root(xp, s, epsilon, t, inside=inside)
    _move(xp, p, g, t, learning_rate, momentum, v)


@elementwise(UpdateCenteredRMSprop)
def update_centered_rmsprop(
    xp: ModuleType,
    p: Any,
    g: Any,
    t: Any,
    learning_rate: Any,
    alpha: Any,
    alpha_rest: Any,
    momentum: Any,
    epsilon: Any,
    s: Any,
    m: Any,
    v: Any,
    *,
    inside: bool,
) -> None:
    add_moments(xp, g, t, alpha_rest, alpha, alpha_rest, m, s)
    xp.multiply(m, m, out=t)
    xp.subtract(s, t, out=t)
    # Where a gradient hardly varies, rounding may leave less than nothing.
    xp.maximum(t, 0, out=t)
    _root(xp, t, epsilon, t, inside=inside)
    _move(xp, p, g, t, learning_rate, momentum, v)


@elementwise(UpdateAMSGrad)
def update_amsgrad(
    xp: ModuleType,
    p: Any,
    g: Any,
    t: Any,
    learning_rate: Any,
    beta1_rest: Any,
    beta2: Any,
    beta2_rest: Any,
    step_size: Any,
    square_correction: Any,
    epsilon: Any,
    m: Any,
    s: Any,
    largest: Any,
) -> None:
    add_moments(xp, g, t, beta1_rest, beta2, beta2_rest, m, s)
    xp.maximum(largest, s, out=largest)
    add_adam_step(xp, p, t, m, largest, step_size, square_correction, epsilon)


@elementwise(UpdateNadam)
def update_nadam(
    xp: ModuleType,
    p: Any,
    g: Any,
    t: Any,
    u: Any,
    learning_rate: Any,
    beta1_rest: Any,
    beta2: Any,
    beta2_rest: Any,
    gradient_size: Any,
    mean_size: Any,
    square_correction: Any,
    epsilon: Any,
    m: Any,
    s: Any,
) -> None:
    add_moments(xp, g, t, beta1_rest, beta2, beta2_rest, m, s)
    xp.sqrt(s, out=t)
    xp.divide(t, square_correction, out=t)
    xp.add(t, epsilon, out=t)
    xp.divide(g, t, out=u)
    xp.multiply(u, gradient_size, out=u)
    xp.subtract(p, u, out=p)
    xp.divide(m, t, out=u)
    xp.multiply(u, mean_size, out=u)
    xp.subtract(p, u, out=p)


@elementwise(UpdateRAdam)
def update_radam(
    xp: ModuleType,
    p: Any,
    g: Any,
    t: Any,
    learning_rate: Any,
    beta1_rest: Any,
    beta2: Any,
    beta2_rest: Any,
    plain_size: Any,
    adaptive_size: Any,
    epsilon: Any,
    m: Any,
    s: Any,
) -> None:
    add_moments(xp, g, t, beta1_rest, beta2, beta2_rest, m, s)
    xp.sqrt(s, out=t)
    xp.add(t, epsilon, out=t)
    xp.divide(adaptive_size, t, out=t)
    xp.add(t, plain_size, out=t)
    xp.multiply(t, m, out=t)
    xp.subtract(p, t, out=p)


@elementwise(UpdateAdamax)
def update_adamax(
    xp: ModuleType,
    p: Any,
    g: Any,
    t: Any,
    learning_rate: Any,
    beta1_rest: Any,
    beta2: Any,
    step_size: Any,
    epsilon: Any,
    m: Any,
    largest: Any,
) -> None:
    xp.subtract(g, m, out=t)
    xp.multiply(t, beta1_rest, out=t)
    xp.add(m, t, out=m)
    xp.absolute(g, out=t)
    xp.add(t, epsilon, out=t)
    xp.multiply(largest, beta2, out=largest)
    xp.maximum(largest, t, out=largest)
    xp.divide(m, largest, out=t)
    xp.multiply(t, step_size, out=t)
    xp.subtract(p, t, out=p)


@elementwise(UpdateLion)
def update_lion(
    xp: ModuleType, p: Any, g: Any, t: Any, learning_rate: Any, beta1_rest: Any, beta2_rest: Any, m: Any
) -> None:
    xp.subtract(g, m, out=t)
    xp.multiply(t, beta1_rest, out=t)
    xp.add(m, t, out=t)
    xp.sign(t, out=t)
    xp.multiply(t, learning_rate, out=t)
    xp.subtract(p, t, out=p)
    xp.subtract(g, m, out=t)
    xp.multiply(t, beta2_rest, out=t)
    xp.add(m, t, out=m)


KERNELS = {
    "update_rate_inside": update_rate_inside,
    "update_adagrad": update_adagrad,
    "update_adadelta": update_adadelta,
    "update_rmsprop": update_rmsprop,
    "update_centered_rmsprop": update_centered_rmsprop,
    "update_amsgrad": update_amsgrad,
    "update_nadam": update_nadam,
    "update_radam": update_radam,
    "update_adamax": update_adamax,
    "update_lion": update_lion,
}
