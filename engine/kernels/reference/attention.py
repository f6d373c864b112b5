"""Products of many matrices and the weights of attention. See `engine.ops.attention`."""

from __future__ import annotations

from typing import Any

from engine.kernels.reference.blocks import on_host, spans

SHORT = 32
"""Up to this length of its rows NumPy finds their largest numbers faster column by column."""


def batch_matmul(xp: Any, a: Any, b: Any, y: Any) -> None:
    xp.matmul(a, b, out=y)


def attention_weights(xp: Any, x: Any, y: Any, row: Any, ones: Any, mask: Any, *, scale: float, causal: bool) -> None:
    queries, columns = y.shape[-2:]
    xp.multiply(x, scale, out=y)
    if causal:
        mask.fill(0)
        for i in range(min(queries, columns - 1)):
            mask[i, i + 1 :].fill(-xp.inf)
        scores = y.reshape(-1, queries * columns)
        xp.add(scores, mask.reshape(-1), out=scores)
    ones.fill(1)
    y = y.reshape(-1, columns)
    for here, there in spans(y.shape[0], row.shape[0]):
        part, of_row = y[here], row[there]
        # Without the largest number no exponential overflows; it is finite where any score is.
        _largest(xp, part, of_row)
        xp.subtract(part, of_row, out=part)
        xp.exp(part, out=part)
        # Short rows are added up several times as fast by a product with ones.
        xp.matmul(part, ones, out=of_row)
        xp.reciprocal(of_row, out=of_row)
        xp.multiply(part, of_row, out=part)


def _largest(xp: Any, rows: Any, out: Any) -> None:
    """out (n, 1) = the largest number of each row."""
    columns = rows.shape[1]
    if columns > SHORT or columns == 1 or not on_host(rows):
        xp.max(rows, axis=1, keepdims=True, out=out)
        return
    flat = out.reshape(-1)
    xp.maximum(rows[:, 0], rows[:, 1], out=flat)
    for column in range(2, columns):
        xp.maximum(flat, rows[:, column], out=flat)


def attention_weights_gradient(
    xp: Any, y: Any, dy: Any, dx: Any, work: Any, row: Any, ones: Any, *, scale: float
) -> None:
    columns = y.shape[-1]
    y, dy, dx = y.reshape(-1, columns), dy.reshape(-1, columns), dx.reshape(-1, columns)
    ones.fill(1)
    for here, there in spans(y.shape[0], work.shape[0]):
        t, total, target = work[there], row[there], dx[here]
        xp.multiply(y[here], dy[here], out=t)
        xp.matmul(t, ones, out=total)
        xp.subtract(dy[here], total, out=target)
        xp.multiply(target, y[here], out=target)
        xp.multiply(target, scale, out=target)


KERNELS = {
    "batch_matmul": batch_matmul,
    "attention_weights": attention_weights,
    "attention_weights_gradient": attention_weights_gradient,
}
