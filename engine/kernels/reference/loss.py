"""Losses and their gradients. See `engine.ops.loss`."""

from __future__ import annotations

from typing import Any

from engine.random import count_into


def total(xp: Any, values: Any, out: Any) -> None:
    """out (1,) = the sum of all values."""
    xp.sum(values.reshape(1, -1), axis=1, out=out)


def one_hot(xp: Any, labels: Any, classes: Any, hot: Any) -> None:
    """hot[i, j] = whether j is label i."""
    count_into(xp, classes)
    xp.equal(labels.reshape(-1, 1), classes, out=hot)


def shift(xp: Any, z: Any, p: Any, row: Any) -> None:
    """p = z less the maximum of each row of z (B, C), which is kept in `row` (B, 1)."""
    xp.max(z, axis=1, keepdims=True, out=row)
    xp.subtract(z, row, out=p)


def normalize(xp: Any, p: Any, row: Any) -> None:
    """p = softmax of each row of p (B, C), which `shift` has made; `row` (B, 1) = the sums of exponentials."""
    xp.exp(p, out=p)
    xp.sum(p, axis=1, keepdims=True, out=row)
    xp.divide(p, row, out=p)


def softmax(xp: Any, z: Any, p: Any, row: Any) -> None:
    """p = softmax of each row of z (B, C); `row` (B, 1) is work space."""
    shift(xp, z, p, row)
    normalize(xp, p, row)


def softmax_cross_entropy(
    xp: Any, logits: Any, labels: Any, loss: Any, p: Any, row: Any, work: Any, hot: Any, classes: Any, part: Any
) -> None:
    one_hot(xp, labels, classes, hot)
    shift(xp, logits, p, row)
    xp.copyto(work, hot)
    xp.multiply(p, work, out=work)
    total(xp, work, part)
    normalize(xp, p, row)
    xp.log(row, out=row)
    total(xp, row, loss)
    xp.subtract(loss, part, out=loss)
    xp.multiply(loss, 1.0 / logits.shape[0], out=loss)


def softmax_cross_entropy_gradient(
    xp: Any, p: Any, labels: Any, dloss: Any, dlogits: Any, hot: Any, classes: Any, factor: Any
) -> None:
    one_hot(xp, labels, classes, hot)
    xp.multiply(dloss, 1.0 / p.shape[0], out=factor)
    xp.copyto(dlogits, hot)
    xp.subtract(p, dlogits, out=dlogits)
    xp.multiply(dlogits, factor, out=dlogits)


def soft_target_cross_entropy(
    xp: Any, logits: Any, shares: Any, loss: Any, p: Any, row: Any, work: Any, part: Any
) -> None:
    shift(xp, logits, p, row)
    xp.multiply(p, shares, out=work)
    total(xp, work, part)
    normalize(xp, p, row)
    xp.log(row, out=row)
    total(xp, row, loss)
    xp.subtract(loss, part, out=loss)
    xp.multiply(loss, 1.0 / logits.shape[0], out=loss)


def soft_target_cross_entropy_gradient(xp: Any, p: Any, shares: Any, dloss: Any, dlogits: Any, factor: Any) -> None:
    xp.multiply(dloss, 1.0 / p.shape[0], out=factor)
    xp.subtract(p, shares, out=dlogits)
    xp.multiply(dlogits, factor, out=dlogits)


def binary_cross_entropy(xp: Any, logits: Any, targets: Any, loss: Any, p: Any, work: Any, target: Any) -> None:
    xp.copyto(target, targets.reshape(target.shape))
    # p = exp(-|z|) for now: never more than 1.
    xp.absolute(logits, out=p)
    xp.negative(p, out=p)
    xp.exp(p, out=p)
    xp.log1p(p, out=work)
    xp.multiply(logits, target, out=target)
    xp.subtract(work, target, out=work)
    xp.maximum(logits, 0, out=target)
    xp.add(work, target, out=work)
    total(xp, work, loss)
    xp.multiply(loss, 1.0 / logits.size, out=loss)
    # 1 / (1 + e) where z >= 0, e / (1 + e) where z < 0.
    xp.add(p, 1, out=work)
    xp.greater_equal(logits, 0, out=target)
    xp.maximum(p, target, out=p)
    xp.divide(p, work, out=p)


def binary_cross_entropy_gradient(xp: Any, p: Any, targets: Any, dloss: Any, dlogits: Any, factor: Any) -> None:
    xp.multiply(dloss, 1.0 / p.size, out=factor)
    xp.copyto(dlogits, targets.reshape(p.shape))
    xp.subtract(p, dlogits, out=dlogits)
    xp.multiply(dlogits, factor, out=dlogits)


def mean_squared_error(xp: Any, y: Any, targets: Any, loss: Any, work: Any) -> None:
    xp.subtract(y, targets.reshape(y.shape), out=work)
    xp.multiply(work, work, out=work)
    total(xp, work, loss)
    xp.multiply(loss, 1.0 / y.size, out=loss)


def mean_squared_error_gradient(xp: Any, y: Any, targets: Any, dloss: Any, dy: Any, factor: Any) -> None:
    xp.multiply(dloss, 2.0 / y.size, out=factor)
    xp.subtract(y, targets.reshape(y.shape), out=dy)
    xp.multiply(dy, factor, out=dy)


KERNELS = {
    "softmax_cross_entropy": softmax_cross_entropy,
    "softmax_cross_entropy_gradient": softmax_cross_entropy_gradient,
    "soft_target_cross_entropy": soft_target_cross_entropy,
    "soft_target_cross_entropy_gradient": soft_target_cross_entropy_gradient,
    "binary_cross_entropy": binary_cross_entropy,
    "binary_cross_entropy_gradient": binary_cross_entropy_gradient,
    "mean_squared_error": mean_squared_error,
    "mean_squared_error_gradient": mean_squared_error_gradient,
}
