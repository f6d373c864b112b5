"""The softmax over the last axis. See `engine.ops.softmax`."""

from __future__ import annotations

from typing import Any

from engine.kernels.reference.blocks import spans


def softmax(xp: Any, x: Any, y: Any, row: Any) -> None:
    columns = x.shape[-1]
    x, y = x.reshape(-1, columns), y.reshape(-1, columns)
    xp.max(x, axis=1, keepdims=True, out=row)
    xp.subtract(x, row, out=y)
    xp.exp(y, out=y)
    xp.sum(y, axis=1, keepdims=True, out=row)
    xp.divide(y, row, out=y)


def softmax_gradient(xp: Any, y: Any, dy: Any, dx: Any, work: Any, row: Any) -> None:
    columns = y.shape[-1]
    y, dy, dx = y.reshape(-1, columns), dy.reshape(-1, columns), dx.reshape(-1, columns)
    for here, there in spans(y.shape[0], work.shape[0]):
        t, total = work[there], row[there]
        xp.multiply(y[here], dy[here], out=t)
        xp.sum(t, axis=1, keepdims=True, out=total)
        xp.subtract(dy[here], total, out=dx[here])
        xp.multiply(dx[here], y[here], out=dx[here])


KERNELS = {"softmax": softmax, "softmax_gradient": softmax_gradient}
