"""Normalization within each sample, some samples at a time. See `engine.ops.group_norm`.

Sums are taken over places first, whose inner loops run over all channels, then over the channels of a group. What
belongs to a group is spread over its channels before it meets an image, for the same reason.
"""

from __future__ import annotations

from typing import Any

from engine.kernels.reference.blocks import spans


def _by_place(x: Any) -> Any:
    """(n, ..., c) as (n, places, c)."""
    return x.reshape(x.shape[0], -1, x.shape[-1])


def _sum_groups(xp: Any, image: Any, sums: Any, out: Any) -> None:
    """out (n, groups) = sums of image (n, places, c) over places and the channels of each group."""
    xp.sum(image, axis=1, out=sums)
    _fold(xp, sums, out)


def _fold(xp: Any, sums: Any, out: Any) -> None:
    """out (n, groups) = sums of (n, c) over the channels of each group."""
    xp.sum(sums.reshape(*out.shape, -1), axis=2, out=out)


def _spread(xp: Any, values: Any, channels: Any) -> Any:
    """values (n, groups) over the channels (n, c) of each group, as (n, 1, c)."""
    count, groups = values.shape
    xp.copyto(channels.reshape(count, groups, -1), values.reshape(count, groups, 1))
    return channels.reshape(count, 1, -1)


def _forward(xp: Any, x: Any, y: Any, mean: Any, rstd: Any, work: Any, sums: Any, epsilon: float) -> None:
    """y = (x - mean) rstd for x (n, places, c), mean (n, groups)."""
    scale = mean.shape[1] / (x.shape[1] * x.shape[2])
    for here, there in spans(x.shape[0], work.shape[0]):
        image, target, m, r = x[here], y[here], mean[here], rstd[here]
        t, part, wide = work[there].reshape(image.shape), sums[0, there], sums[1, there]
        _sum_groups(xp, image, part, m)
        xp.multiply(m, scale, out=m)
        xp.subtract(image, _spread(xp, m, wide), out=target)
        xp.multiply(target, target, out=t)
        _sum_groups(xp, t, part, r)
        xp.multiply(r, scale, out=r)
        xp.add(r, epsilon, out=r)
        xp.sqrt(r, out=r)
        xp.reciprocal(r, out=r)
        xp.multiply(target, _spread(xp, r, wide), out=target)


def group_norm(xp: Any, x: Any, *arrays: Any, groups: int, epsilon: float, affine: bool) -> None:
    gamma, beta = arrays[:2] if affine else (None, None)
    y, mean, rstd, work, sums = arrays[2:] if affine else arrays
    x, y = _by_place(x), _by_place(y)
    _forward(xp, x, y, mean, rstd, work, sums, epsilon)
    if affine:
        gain, shift = gamma.reshape(1, 1, -1), beta.reshape(1, 1, -1)
        for here, _ in spans(x.shape[0], work.shape[0]):
            xp.multiply(y[here], gain, out=y[here])
            xp.add(y[here], shift, out=y[here])


def _backward(
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
    sums: Any,
    small: Any,
    vector: Any,
) -> None:
    """For x (n, places, c); gamma, dgamma, dbeta are (c,), or None for a gain of one."""
    scale = mean.shape[1] / (x.shape[1] * x.shape[2])
    for here, there in spans(x.shape[0], work.shape[0]):
        image, gradient, target = x[here], dy[here], dx[here]
        t, part, wide, group = work[there].reshape(image.shape), sums[0, there], sums[1, there], small[there]
        xp.subtract(image, _spread(xp, mean[here], wide), out=t)
        xp.multiply(t, _spread(xp, rstd[here], wide), out=t)
        # dx = rstd (g - mean(g) - t mean(g t)) with g = gamma dy
        xp.multiply(gradient, t, out=target)
        xp.sum(target, axis=1, out=part)
        if gamma is not None:
            _gather(xp, part, dgamma, vector, first=here.start == 0)
            xp.multiply(part, gamma, out=part)
        _fold(xp, part, group)
        xp.multiply(group, scale, out=group)
        xp.multiply(t, _spread(xp, group, wide), out=t)
        xp.sum(gradient, axis=1, out=part)
        if gamma is not None:
            _gather(xp, part, dbeta, vector, first=here.start == 0)
            xp.multiply(part, gamma, out=part)
        _fold(xp, part, group)
        xp.multiply(group, scale, out=group)
        xp.add(t, _spread(xp, group, wide), out=t)
        if gamma is not None:
            xp.multiply(gradient, gamma.reshape(1, 1, -1), out=target)
            xp.subtract(target, t, out=target)
        else:
            xp.subtract(gradient, t, out=target)
        xp.multiply(target, _spread(xp, rstd[here], wide), out=target)


def _gather(xp: Any, part: Any, total: Any, vector: Any, *, first: bool) -> None:
    """Add the sums of (n, c) over n to `total` (c,); the first ones begin it."""
    xp.sum(part, axis=0, out=total if first else vector)
    if not first:
        xp.add(total, vector, out=total)


def group_norm_gradient(xp: Any, x: Any, *arrays: Any, groups: int, affine: bool) -> None:
    gamma: Any = None
    dgamma: Any = None
    dbeta: Any = None
    if affine:
        gamma, mean, rstd, dy, dx, dgamma, dbeta, *work = arrays
        gamma, dgamma, dbeta = gamma.reshape(-1), dgamma.reshape(-1), dbeta.reshape(-1)
    else:
        mean, rstd, dy, dx, *work = arrays
    _backward(xp, _by_place(x), gamma, mean, rstd, _by_place(dy), _by_place(dx), dgamma, dbeta, *work)


def _as_sample(w: Any) -> Any:
    return w.reshape(1, -1, w.shape[-1])


def standardize_weights(xp: Any, w: Any, y: Any, mean: Any, rstd: Any, work: Any, sums: Any, *, epsilon: float) -> None:
    statistics = mean.reshape(1, -1), rstd.reshape(1, -1)
    _forward(xp, _as_sample(w), _as_sample(y), *statistics, work, sums, epsilon)


def standardize_weights_gradient(xp: Any, w: Any, mean: Any, rstd: Any, dy: Any, dw: Any, *work: Any) -> None:
    statistics = mean.reshape(1, -1), rstd.reshape(1, -1)
    _backward(xp, _as_sample(w), None, *statistics, _as_sample(dy), _as_sample(dw), None, None, *work)


KERNELS = {
    "group_norm": group_norm,
    "group_norm_gradient": group_norm_gradient,
    "standardize_weights": standardize_weights,
    "standardize_weights_gradient": standardize_weights_gradient,
}
