"""The update phase on arrays: gradient norm, clipping, penalties and the optimizers' rules. See `engine.ops.update`.

Everything runs block by block: a pass over a block that stays in the cache costs a fraction of a pass over the array.
The order of operations is PyTorch's, so that runs agree to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

from engine.ops.tiling import BLOCK

__all__ = ["KERNELS", "clip_scale", "gradient_norm", "penalty_value", "update_adam", "update_sgd"]


def _blocks(size: int, length: int) -> Iterator[tuple[slice, slice]]:
    """(part of the arrays, part of a scratch block) pairs that cover `size` elements."""
    for start in range(0, size, length):
        stop = min(start + length, size)
        yield slice(start, stop), slice(0, stop - start)


def _add_squares(xp: ModuleType, values: Any, total: Any, part: Any) -> None:
    """total += sum of values², both (1,), by way of `part`. A dot product takes a ninth of multiply and sum."""
    xp.dot(values, values, out=part.reshape(()))
    xp.add(total, part, out=total)


def gradient_norm(xp: ModuleType, *arrays: Any) -> None:
    *gradients, squared, part = arrays
    squared.fill(0)
    for gradient in gradients:
        flat = gradient.reshape(-1)
        for here, _ in _blocks(flat.shape[0], BLOCK):
            _add_squares(xp, flat[here], squared, part)


def clip_scale(xp: ModuleType, squared: Any, max_norm: Any, scale: Any) -> None:
    xp.sqrt(squared, out=scale)
    xp.add(scale, 1e-6, out=scale)
    xp.divide(max_norm, scale, out=scale)
    xp.minimum(scale, 1, out=scale)


def penalty_value(xp: ModuleType, l1: Any, l2: Any, *arrays: Any, has_l1: bool, has_l2: bool) -> None:
    *parameters, value, block, part = arrays
    value.fill(0)
    for parameter in parameters:
        flat = parameter.reshape(-1)
        for here, there in _blocks(flat.shape[0], block.shape[0]):
            p, t = flat[here], block[there]
            if has_l1:
                xp.absolute(p, out=t)
                xp.sum(t, axis=0, keepdims=True, out=part)
                xp.multiply(part, l1, out=part)
                xp.add(value, part, out=value)
            if has_l2:
                xp.dot(p, p, out=part.reshape(()))
                xp.multiply(part, l2, out=part)
                xp.add(value, part, out=value)


def _effective_gradient(
    xp: ModuleType, p: Any, g: Any, d: Any, t: Any, l1: Any, l2: Any, clip: Any, flags: dict[str, bool]
) -> Any:
    """The gradient that the rule sees: clipped, with the penalties' gradients. `g` itself when nothing applies."""
    if flags["has_clip"]:
        xp.multiply(g, clip, out=d)
        g = d
    if flags["has_l1"]:
        xp.sign(p, out=t)
        xp.multiply(t, l1, out=t)
        xp.add(g, t, out=d)
        g = d
    if flags["has_l2"]:
        xp.multiply(p, l2, out=t)
        xp.add(t, t, out=t)
        xp.add(g, t, out=d)
        g = d
    return g


def _before(xp: ModuleType, p: Any, g: Any, old: Any, norms: Any, part: Any) -> None:
    """Sums of the gradient's and the parameter's squares, and a copy of the parameter."""
    _add_squares(xp, g, norms[0:1], part)
    _add_squares(xp, p, norms[1:2], part)
    xp.copyto(old, p)


def _after(xp: ModuleType, p: Any, t: Any, old: Any, norms: Any, part: Any) -> None:
    """The sum of the update's squares."""
    xp.subtract(p, old, out=t)
    _add_squares(xp, t, norms[2:3], part)


def update_sgd(
    xp: ModuleType,
    parameter: Any,
    gradient: Any,
    learning_rate: Any,
    l1: Any,
    l2: Any,
    keep: Any,
    clip: Any,
    momentum: Any,
    velocity: Any,
    *rest: Any,
    nesterov: bool,
    norms: bool,
    **flags: bool,
) -> None:
    (sums, block1, block2, *more) = rest if norms else (None, *rest)
    if norms:
        sums.fill(0)
    parameters, gradients, velocities = parameter.reshape(-1), gradient.reshape(-1), velocity.reshape(-1)
    for here, there in _blocks(parameters.shape[0], block1.shape[0]):
        p, g, v, d, t = parameters[here], gradients[here], velocities[here], block1[there], block2[there]
        if norms:
            _before(xp, p, g, more[0][there], sums, more[1])
        g = _effective_gradient(xp, p, g, d, t, l1, l2, clip, flags)
        if flags["has_decay"]:
            xp.multiply(p, keep, out=p)
        xp.multiply(v, momentum, out=v)
        xp.add(v, g, out=v)
        if nesterov:
            xp.multiply(v, momentum, out=t)
            xp.add(t, g, out=t)
            xp.multiply(t, learning_rate, out=t)
        else:
            xp.multiply(v, learning_rate, out=t)
        xp.subtract(p, t, out=p)
        if norms:
            _after(xp, p, t, more[0][there], sums, more[1])


def update_adam(
    xp: ModuleType,
    parameter: Any,
    gradient: Any,
    learning_rate: Any,
    l1: Any,
    l2: Any,
    keep: Any,
    clip: Any,
    beta1_rest: Any,
    beta2: Any,
    beta2_rest: Any,
    step_size: Any,
    square_correction: Any,
    epsilon: Any,
    mean: Any,
    square: Any,
    *rest: Any,
    norms: bool,
    **flags: bool,
) -> None:
    (sums, block1, block2, *more) = rest if norms else (None, *rest)
    if norms:
        sums.fill(0)
    parameters, gradients = parameter.reshape(-1), gradient.reshape(-1)
    means, squares = mean.reshape(-1), square.reshape(-1)
    for here, there in _blocks(parameters.shape[0], block1.shape[0]):
        p, g, m, s = parameters[here], gradients[here], means[here], squares[here]
        d, t = block1[there], block2[there]
        if norms:
            _before(xp, p, g, more[0][there], sums, more[1])
        g = _effective_gradient(xp, p, g, d, t, l1, l2, clip, flags)
        if flags["has_decay"]:
            xp.multiply(p, keep, out=p)
        xp.subtract(g, m, out=t)
        xp.multiply(t, beta1_rest, out=t)
        xp.add(m, t, out=m)
        xp.multiply(g, g, out=t)
        xp.multiply(t, beta2_rest, out=t)
        xp.multiply(s, beta2, out=s)
        xp.add(s, t, out=s)
        xp.sqrt(s, out=t)
        xp.divide(t, square_correction, out=t)
        xp.add(t, epsilon, out=t)
        xp.divide(m, t, out=t)
        xp.multiply(t, step_size, out=t)
        xp.subtract(p, t, out=p)
        if norms:
            _after(xp, p, t, more[0][there], sums, more[1])


KERNELS = {
    "gradient_norm": gradient_norm,
    "clip_scale": clip_scale,
    "penalty_value": penalty_value,
    "update_sgd": update_sgd,
    "update_adam": update_adam,
}
