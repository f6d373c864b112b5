"""Absolute error and Huber's loss. See `engine.ops.robust_loss`."""

from __future__ import annotations

from typing import Any

from engine.kernels.reference.loss import total


def mean_absolute_error(xp: Any, y: Any, targets: Any, loss: Any, work: Any) -> None:
    xp.subtract(y, targets.reshape(y.shape), out=work)
    xp.absolute(work, out=work)
    total(xp, work, loss)
    xp.multiply(loss, 1.0 / y.size, out=loss)


def mean_absolute_error_gradient(xp: Any, y: Any, targets: Any, dloss: Any, dy: Any, factor: Any) -> None:
    xp.multiply(dloss, 1.0 / y.size, out=factor)
    xp.subtract(y, targets.reshape(y.shape), out=dy)
    xp.sign(dy, out=dy)
    xp.multiply(dy, factor, out=dy)


def huber(xp: Any, y: Any, targets: Any, loss: Any, work: Any, least: Any, *, delta: float) -> None:
    xp.subtract(y, targets.reshape(y.shape), out=work)
    xp.absolute(work, out=work)
    xp.minimum(work, delta, out=least)
    xp.multiply(work, least, out=work)
    xp.multiply(least, least, out=least)
    xp.multiply(least, 0.5, out=least)
    xp.subtract(work, least, out=work)
    total(xp, work, loss)
    xp.multiply(loss, 1.0 / y.size, out=loss)


def huber_gradient(xp: Any, y: Any, targets: Any, dloss: Any, dy: Any, factor: Any, *, delta: float) -> None:
    xp.multiply(dloss, 1.0 / y.size, out=factor)
    xp.subtract(y, targets.reshape(y.shape), out=dy)
    xp.minimum(dy, delta, out=dy)
    xp.maximum(dy, -delta, out=dy)
    xp.multiply(dy, factor, out=dy)


KERNELS = {
    "mean_absolute_error": mean_absolute_error,
    "mean_absolute_error_gradient": mean_absolute_error_gradient,
    "huber": huber,
    "huber_gradient": huber_gradient,
}
