"""The multi-class hinge loss. See `engine.ops.margin_loss`."""

from __future__ import annotations

from typing import Any

from engine.kernels.reference.loss import one_hot, softmax, total


def _violations(xp: Any, z: Any, labels: Any, row: Any, work: Any, hot: Any, classes: Any, margin: float) -> None:
    """work = max(0, z_j - z_y + margin), 0 for the right class; hot = whether a class is not the right one."""
    one_hot(xp, labels, classes, hot)
    xp.copyto(work, 0)
    xp.copyto(work, z, where=hot)
    xp.sum(work, axis=1, keepdims=True, out=row)
    xp.subtract(z, row, out=work)
    xp.add(work, margin, out=work)
    xp.maximum(work, 0, out=work)
    xp.logical_not(hot, out=hot)
    xp.multiply(work, hot, out=work)


def multi_margin(
    xp: Any,
    z: Any,
    labels: Any,
    loss: Any,
    shares: Any,
    row: Any,
    work: Any,
    hot: Any,
    classes: Any,
    *,
    margin: float,
    squared: bool,
    mean: bool,
) -> None:
    _violations(xp, z, labels, row, work, hot, classes, margin)
    if squared:
        xp.multiply(work, work, out=work)
    total(xp, work, loss)
    xp.multiply(loss, 1.0 / (z.size if mean else z.shape[0]), out=loss)
    softmax(xp, z, shares, row)


def multi_margin_gradient(
    xp: Any,
    z: Any,
    labels: Any,
    dloss: Any,
    dz: Any,
    row: Any,
    work: Any,
    hot: Any,
    classes: Any,
    factor: Any,
    *,
    margin: float,
    squared: bool,
    mean: bool,
) -> None:
    _violations(xp, z, labels, row, work, hot, classes, margin)
    if squared:
        xp.add(work, work, out=work)
    else:
        xp.sign(work, out=work)
    xp.sum(work, axis=1, keepdims=True, out=row)
    # What is not the right class is 0 here, so that the row's sum can be taken off there alone.
    xp.logical_not(hot, out=hot)
    xp.multiply(row, hot, out=dz)
    xp.subtract(work, dz, out=dz)
    xp.multiply(dloss, 1.0 / (z.size if mean else z.shape[0]), out=factor)
    xp.multiply(dz, factor, out=dz)


KERNELS = {"multi_margin": multi_margin, "multi_margin_gradient": multi_margin_gradient}
