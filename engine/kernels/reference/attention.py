"""Products of many matrices and the weights of attention. See `engine.ops.attention`."""

from __future__ import annotations

from typing import Any

from engine.kernels.reference.blocks import spans


def batch_matmul(xp: Any, a: Any, b: Any, y: Any) -> None:
    xp.matmul(a, b, out=y)


def attention_weights(xp: Any, x: Any, y: Any, row: Any, *, scale: float, causal: bool) -> None:
    xp.multiply(x, scale, out=y)
    if causal:
        columns = y.shape[-1]
        for i in range(min(y.shape[-2], columns - 1)):
            y[..., i, i + 1 :].fill(-xp.inf)
    # Without the largest number no exponential overflows; it is finite where any score is.
    xp.max(y, axis=-1, keepdims=True, out=row)
    xp.subtract(y, row, out=y)
    xp.exp(y, out=y)
    xp.sum(y, axis=-1, keepdims=True, out=row)
    xp.divide(y, row, out=y)


def attention_weights_gradient(xp: Any, y: Any, dy: Any, dx: Any, work: Any, row: Any, *, scale: float) -> None:
    columns = y.shape[-1]
    y, dy, dx = y.reshape(-1, columns), dy.reshape(-1, columns), dx.reshape(-1, columns)
    for here, there in spans(y.shape[0], work.shape[0]):
        t, total, target = work[there], row[there], dx[here]
        xp.multiply(y[here], dy[here], out=t)
        xp.sum(t, axis=1, keepdims=True, out=total)
        xp.subtract(dy[here], total, out=target)
        xp.multiply(target, y[here], out=target)
        xp.multiply(target, scale, out=target)


KERNELS = {
    "batch_matmul": batch_matmul,
    "attention_weights": attention_weights,
    "attention_weights_gradient": attention_weights_gradient,
}
