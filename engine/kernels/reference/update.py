"""The update phase on arrays: gradient norm, clipping, penalties and the optimizers' rules. See `engine.ops.update`.

Everything runs block by block: a pass over a block that stays in the cache costs a fraction of a pass over the array.
The order of operations is PyTorch's, so that runs agree to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from engine.ops.tiling import BLOCK
from engine.ops.update import UpdateAdam, UpdateRule, UpdateSGD

__all__ = [
    "KERNELS",
    "add_moments",
    "add_square_mean",
    "add_squares",
    "blocks",
    "clip_scale",
    "effective_gradient",
    "elementwise",
    "gradient_norm",
    "penalty_value",
    "sums_after",
    "sums_before",
    "update_adam",
    "update_sgd",
]


def blocks(size: int, length: int) -> Iterator[tuple[slice, slice]]:
    """(part of the arrays, part of a scratch block) pairs that cover `size` elements."""
    for start in range(0, size, length):
        stop = min(start + length, size)
        yield slice(start, stop), slice(0, stop - start)


def add_squares(xp: ModuleType, values: Any, total: Any, part: Any) -> None:
    """total += sum of values², both (1,), by way of `part`. A dot product takes a ninth of multiply and sum."""
    xp.dot(values, values, out=part.reshape(()))
    xp.add(total, part, out=total)


def gradient_norm(xp: ModuleType, *arrays: Any) -> None:
    *gradients, squared, part = arrays
    squared.fill(0)
    for gradient in gradients:
        flat = gradient.reshape(-1)
        for here, _ in blocks(flat.shape[0], BLOCK):
            add_squares(xp, flat[here], squared, part)


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
        for here, there in blocks(flat.shape[0], block.shape[0]):
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


def effective_gradient(
    xp: ModuleType, p: Any, g: Any, d: Any, t: Any, l1: Any, l2: Any, clip: Any, flags: dict[str, bool]
) -> Any:
    """The gradient that the rule sees: clipped, with the penalties' gradients. `g` itself when nothing applies, `d`
    otherwise; `t` is overwritten."""
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


def sums_before(xp: ModuleType, p: Any, g: Any, old: Any, norms: Any, part: Any) -> None:
    """Sums of the gradient's and the parameter's squares, and a copy of the parameter."""
    add_squares(xp, g, norms[0:1], part)
    add_squares(xp, p, norms[1:2], part)
    xp.copyto(old, p)


def sums_after(xp: ModuleType, p: Any, t: Any, old: Any, norms: Any, part: Any) -> None:
    """The sum of the update's squares."""
    xp.subtract(p, old, out=t)
    add_squares(xp, t, norms[2:3], part)


def elementwise(op: type[UpdateRule]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Makes the kernel of a rule that treats each element by itself: adds what comes before the rule, and the sums.

    The rule is called block by block with (xp, parameter, effective gradient, the rule's work, learning rate, the
    rule's scalars, slots) and, by name, what the operation has beside its flags. It must not write the gradient."""
    scalar_count, slot_count, work_count = len(op.RULE_SCALARS), len(op.SLOTS), op.WORK

    def decorate(rule: Callable[..., None]) -> Callable[..., None]:
        def kernel(
            xp: ModuleType,
            parameter: Any,
            gradient: Any,
            learning_rate: Any,
            l1: Any,
            l2: Any,
            keep: Any,
            clip: Any,
            *rest: Any,
            has_l1: bool,
            has_l2: bool,
            has_decay: bool,
            has_clip: bool,
            norms: bool,
            **options: Any,
        ) -> None:
            flags = {"has_l1": has_l1, "has_l2": has_l2, "has_clip": has_clip}
            scalars, slots = rest[:scalar_count], rest[scalar_count : scalar_count + slot_count]
            sums, *scratch = rest[scalar_count + slot_count :] if norms else (None, *rest[scalar_count + slot_count :])
            effective, *work = scratch[: 1 + work_count]
            if norms:
                sums.fill(0)
            flat = [array.reshape(-1) for array in (parameter, gradient, *slots)]
            for here, there in blocks(flat[0].shape[0], effective.shape[0]):
                p, g, *own = (array[here] for array in flat)
                d, *spare = (array[there] for array in (effective, *work))
                if norms:
                    sums_before(xp, p, g, scratch[-2][there], sums, scratch[-1])
                g = effective_gradient(xp, p, g, d, spare[0], l1, l2, clip, flags)
                if has_decay:
                    xp.multiply(p, keep, out=p)
                rule(xp, p, g, *spare, learning_rate, *scalars, *own, **options)
                if norms:
                    sums_after(xp, p, spare[0], scratch[-2][there], sums, scratch[-1])

        return kernel

    return decorate


@elementwise(UpdateSGD)
def update_sgd(
    xp: ModuleType, p: Any, g: Any, t: Any, learning_rate: Any, momentum: Any, v: Any, *, nesterov: bool
) -> None:
    xp.multiply(v, momentum, out=v)
    xp.add(v, g, out=v)
    if nesterov:
        xp.multiply(v, momentum, out=t)
        xp.add(t, g, out=t)
        xp.multiply(t, learning_rate, out=t)
    else:
        xp.multiply(v, learning_rate, out=t)
    xp.subtract(p, t, out=p)


def add_moments(xp: ModuleType, g: Any, t: Any, beta1_rest: Any, beta2: Any, beta2_rest: Any, m: Any, s: Any) -> None:
    """Exponential means: m of the gradient, s of its square."""
    xp.subtract(g, m, out=t)
    xp.multiply(t, beta1_rest, out=t)
    xp.add(m, t, out=m)
    add_square_mean(xp, g, t, beta2, beta2_rest, s)


def add_square_mean(xp: ModuleType, g: Any, t: Any, beta2: Any, beta2_rest: Any, s: Any) -> None:
    """s = beta2 s + beta2_rest g²."""
    xp.multiply(g, g, out=t)
    xp.multiply(t, beta2_rest, out=t)
    xp.multiply(s, beta2, out=s)
    xp.add(s, t, out=s)


def add_adam_step(
    xp: ModuleType, p: Any, t: Any, m: Any, s: Any, step_size: Any, square_correction: Any, epsilon: Any
) -> None:
    """p -= step_size m / (sqrt(s) / square_correction + epsilon)."""
    xp.sqrt(s, out=t)
    xp.divide(t, square_correction, out=t)
    xp.add(t, epsilon, out=t)
    xp.divide(m, t, out=t)
    xp.multiply(t, step_size, out=t)
    xp.subtract(p, t, out=p)


@elementwise(UpdateAdam)
def update_adam(
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
) -> None:
    add_moments(xp, g, t, beta1_rest, beta2, beta2_rest, m, s)
    add_adam_step(xp, p, t, m, s, step_size, square_correction, epsilon)


KERNELS = {
    "gradient_norm": gradient_norm,
    "clip_scale": clip_scale,
    "penalty_value": penalty_value,
    "update_sgd": update_sgd,
    "update_adam": update_adam,
}
