"""Batch normalization in few passes. See `engine.ops.normalization`.

`work` is a block of whole tiles, `tiles` four vectors of one tile; a tile is the vector of channels repeated over some
rows, so that inner loops are long and sums are taken in two stages.
"""

from __future__ import annotations

from typing import Any

from engine.kernels.reference.blocks import fold, joined, repeat_into, spans


def batch_norm(
    xp: Any,
    x: Any,
    gamma: Any,
    beta: Any,
    running_mean: Any,
    running_var: Any,
    y: Any,
    mean: Any,
    rstd: Any,
    work: Any,
    tiles: Any,
    *,
    momentum: float,
    epsilon: float,
) -> None:
    length = tiles.shape[1]
    x, y = joined(x, length), joined(y, length)
    count = x.size // mean.size
    means, squares, part, factor = tiles
    xp.sum(x, axis=0, out=part)
    fold(xp, part, mean)
    xp.multiply(mean, 1.0 / count, out=mean)
    repeat_into(xp, mean, means)
    squares.fill(0)
    for here, there in spans(x.shape[0], work.shape[0]):
        t = work[there]
        xp.subtract(x[here], means, out=t)
        xp.multiply(t, t, out=t)
        xp.sum(t, axis=0, out=part)
        xp.add(squares, part, out=squares)
    fold(xp, squares, rstd)

    xp.multiply(running_mean, 1.0 - momentum, out=running_mean)
    small = part[: mean.size]
    xp.multiply(mean, momentum, out=small)
    xp.add(running_mean, small, out=running_mean)
    xp.multiply(running_var, 1.0 - momentum, out=running_var)
    xp.multiply(rstd, momentum / max(count - 1, 1), out=small)
    xp.add(running_var, small, out=running_var)

    xp.multiply(rstd, 1.0 / count, out=rstd)
    xp.add(rstd, epsilon, out=rstd)
    xp.sqrt(rstd, out=rstd)
    xp.reciprocal(rstd, out=rstd)
    xp.multiply(gamma, rstd, out=small)
    repeat_into(xp, small, factor)
    repeat_into(xp, beta, squares)
    _normalize(xp, x, y, means, factor, squares, work.shape[0])


def _normalize(xp: Any, x: Any, y: Any, means: Any, factor: Any, offset: Any, at_once: int) -> None:
    """y = (x - mean) factor + offset, block by block; y may be x."""
    for here, _ in spans(x.shape[0], at_once):
        t = y[here]
        xp.subtract(x[here], means, out=t)
        xp.multiply(t, factor, out=t)
        xp.add(t, offset, out=t)


def batch_norm_gradient(
    xp: Any,
    x: Any,
    gamma: Any,
    mean: Any,
    rstd: Any,
    dy: Any,
    dx: Any,
    dgamma: Any,
    dbeta: Any,
    work: Any,
    tiles: Any,
) -> None:
    length = tiles.shape[1]
    x, dy, dx = joined(x, length), joined(dy, length), joined(dx, length)
    count = x.size // mean.size
    means, factor, total, part = tiles
    repeat_into(xp, mean, means)
    total.fill(0)
    for here, there in spans(x.shape[0], work.shape[0]):
        t = work[there]
        xp.subtract(x[here], means, out=t)
        xp.multiply(t, dy[here], out=t)
        xp.sum(t, axis=0, out=part)
        xp.add(total, part, out=total)
    fold(xp, total, dgamma)
    xp.multiply(dgamma, rstd, out=dgamma)
    xp.sum(dy, axis=0, out=part)
    fold(xp, part, dbeta)

    # dx = gamma rstd (dy - dbeta / n - (x - mean) rstd dgamma / n)
    small = work[0, : mean.size]
    xp.multiply(gamma, rstd, out=small)
    repeat_into(xp, small, factor)
    xp.multiply(dgamma, rstd, out=small)
    xp.multiply(small, 1.0 / count, out=small)
    repeat_into(xp, small, total)
    xp.multiply(dbeta, 1.0 / count, out=small)
    repeat_into(xp, small, part)
    for here, there in spans(x.shape[0], work.shape[0]):
        t, target = work[there], dx[here]
        xp.subtract(x[here], means, out=t)
        xp.multiply(t, total, out=t)
        xp.add(t, part, out=t)
        xp.subtract(dy[here], t, out=target)
        xp.multiply(target, factor, out=target)


def _reciprocal_deviation(xp: Any, variance: Any, epsilon: float, out: Any) -> None:
    xp.add(variance, epsilon, out=out)
    xp.sqrt(out, out=out)
    xp.reciprocal(out, out=out)


def batch_norm_inference(
    xp: Any,
    x: Any,
    gamma: Any,
    beta: Any,
    running_mean: Any,
    running_var: Any,
    y: Any,
    work: Any,
    tiles: Any,
    *,
    epsilon: float,
) -> None:
    length = tiles.shape[1]
    means, factor, offset, part = tiles
    small = part[: gamma.size]
    _reciprocal_deviation(xp, running_var, epsilon, small)
    xp.multiply(small, gamma, out=small)
    repeat_into(xp, small, factor)
    repeat_into(xp, running_mean, means)
    repeat_into(xp, beta, offset)
    _normalize(xp, joined(x, length), joined(y, length), means, factor, offset, work.shape[0])


def batch_norm_inference_gradient(
    xp: Any,
    x: Any,
    gamma: Any,
    running_mean: Any,
    running_var: Any,
    dy: Any,
    dx: Any,
    dgamma: Any,
    dbeta: Any,
    work: Any,
    tiles: Any,
    *,
    epsilon: float,
) -> None:
    length = tiles.shape[1]
    x, dy, dx = joined(x, length), joined(dy, length), joined(dx, length)
    means, factor, total, part = tiles
    small = factor[: gamma.size]
    repeat_into(xp, running_mean, means)
    total.fill(0)
    for here, there in spans(x.shape[0], work.shape[0]):
        t = work[there]
        xp.subtract(x[here], means, out=t)
        xp.multiply(t, dy[here], out=t)
        xp.sum(t, axis=0, out=part)
        xp.add(total, part, out=total)
    fold(xp, total, dgamma)
    xp.sum(dy, axis=0, out=part)
    fold(xp, part, dbeta)
    _reciprocal_deviation(xp, running_var, epsilon, small)
    xp.multiply(dgamma, small, out=dgamma)
    xp.multiply(small, gamma, out=small)
    repeat_into(xp, small, part)
    xp.multiply(dy, part, out=dx)


KERNELS = {
    "batch_norm": batch_norm,
    "batch_norm_gradient": batch_norm_gradient,
    "batch_norm_inference": batch_norm_inference,
    "batch_norm_inference_gradient": batch_norm_inference_gradient,
}
