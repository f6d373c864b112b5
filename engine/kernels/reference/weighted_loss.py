"""Cross-entropy with label smoothing and class weights. See `engine.ops.weighted_loss`."""

from __future__ import annotations

from typing import Any

from engine.kernels.reference.loss import normalize, one_hot, shift, total

LEAST = 1e-30


def class_shares(
    xp: Any,
    target: Any,
    shares: Any,
    divisor: Any,
    hot: Any,
    columns: Any,
    *,
    classes: int,
    smoothing: float,
    weights: tuple[float, ...],
    by_weights: bool,
) -> None:
    labels = target.ndim == 1
    if labels:
        one_hot(xp, target, columns, hot)
        xp.copyto(shares, hot)
    else:
        xp.copyto(shares, target)
    # The weights are numbers of the program, few of them; an array of them would have to be made.
    for c, weight in enumerate(weights):
        xp.multiply(shares[:, c], weight, out=shares[:, c])
    if labels and weights and by_weights:
        total(xp, shares, divisor)
        xp.maximum(divisor, LEAST, out=divisor)
    else:
        divisor.fill(shares.shape[0])
    if smoothing:
        xp.multiply(shares, 1.0 - smoothing, out=shares)
        for c, weight in enumerate(weights):
            xp.add(shares[:, c], weight * smoothing / classes, out=shares[:, c])
        if not weights:
            xp.add(shares, smoothing / classes, out=shares)


def weighted_cross_entropy(
    xp: Any, logits: Any, shares: Any, divisor: Any, loss: Any, p: Any, row: Any, work: Any, part: Any
) -> None:
    shift(xp, logits, p, row)
    xp.multiply(p, shares, out=work)
    total(xp, work, part)
    normalize(xp, p, row)
    xp.log(row, out=row)
    xp.multiply(shares, row, out=work)
    total(xp, work, loss)
    xp.subtract(loss, part, out=loss)
    xp.divide(loss, divisor, out=loss)


def weighted_cross_entropy_gradient(
    xp: Any, p: Any, shares: Any, divisor: Any, dloss: Any, dlogits: Any, row: Any, factor: Any
) -> None:
    xp.sum(shares, axis=1, keepdims=True, out=row)
    xp.multiply(p, row, out=dlogits)
    xp.subtract(dlogits, shares, out=dlogits)
    xp.divide(dloss, divisor, out=factor)
    xp.multiply(dlogits, factor, out=dlogits)


KERNELS = {
    "class_shares": class_shares,
    "weighted_cross_entropy": weighted_cross_entropy,
    "weighted_cross_entropy_gradient": weighted_cross_entropy_gradient,
}
