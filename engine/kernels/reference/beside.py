"""What stands beside the optimizer's rule, on arrays. See `engine.ops.beside`."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from engine.kernels.reference.blocks import spans

__all__ = ["KERNELS", "accumulate", "add_accumulated", "average", "clip_value", "max_norm", "soft_threshold"]


def clip_value(xp: ModuleType, gradient: Any, limit: Any, lowest: Any) -> None:
    xp.negative(limit, out=lowest)
    xp.minimum(gradient, limit, out=gradient)
    xp.maximum(gradient, lowest, out=gradient)


def soft_threshold(xp: ModuleType, parameter: Any, threshold: Any, block: Any, lowest: Any) -> None:
    xp.negative(threshold, out=lowest)
    flat = parameter.reshape(-1)
    for here, there in spans(flat.shape[0], block.shape[0]):
        p, t = flat[here], block[there]
        # What is taken away is the weight itself where it lies within the threshold: exactly nothing is left.
        xp.minimum(p, threshold, out=t)
        xp.maximum(t, lowest, out=t)
        xp.subtract(p, t, out=p)


def max_norm(xp: ModuleType, parameter: Any, bound: Any, block: Any, norm: Any, part: Any) -> None:
    rows = parameter.reshape(-1, parameter.shape[-1])
    norm.fill(0)
    for here, there in spans(rows.shape[0], block.shape[0]):
        xp.multiply(rows[here], rows[here], out=block[there])
        xp.sum(block[there], axis=0, out=part)
        xp.add(norm, part, out=norm)
    xp.sqrt(norm, out=norm)
    xp.maximum(norm, bound, out=norm)
    xp.divide(bound, norm, out=norm)
    xp.multiply(rows, norm, out=rows)


def average(xp: ModuleType, average: Any, parameter: Any, rest: Any, block: Any) -> None:
    averages, parameters = average.reshape(-1), parameter.reshape(-1)
    for here, there in spans(averages.shape[0], block.shape[0]):
        t = block[there]
        xp.subtract(parameters[here], averages[here], out=t)
        xp.multiply(t, rest, out=t)
        xp.add(averages[here], t, out=averages[here])


def accumulate(xp: ModuleType, total: Any, gradient: Any, share: Any, block: Any) -> None:
    totals, gradients = total.reshape(-1), gradient.reshape(-1)
    for here, there in spans(totals.shape[0], block.shape[0]):
        xp.multiply(gradients[here], share, out=block[there])
        xp.add(totals[here], block[there], out=totals[here])


def add_accumulated(xp: ModuleType, gradient: Any, total: Any, share: Any) -> None:
    xp.multiply(gradient, share, out=gradient)
    xp.add(gradient, total, out=gradient)


KERNELS = {
    "clip_value": clip_value,
    "soft_threshold": soft_threshold,
    "max_norm": max_norm,
    "average": average,
    "accumulate": accumulate,
    "add_accumulated": add_accumulated,
}
