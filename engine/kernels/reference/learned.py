"""Elementwise functions with learned numbers. See `engine.ops.learned`.

A function is a pair: `value(xp, x, p, out, work)` writes f(x; p) and may find `out` to be x; `slopes(xp, x, p, dx, dp,
work)` writes the derivatives by x and by p to work space. x comes as rows of whole tiles, p repeated to one tile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.kernels.reference.blocks import fold, joined, repeat_into, spans

Formula = Callable[..., None]


def prelu(xp: Any, x: Any, p: Any, out: Any, t: Any) -> None:
    xp.minimum(x, 0, out=t)
    xp.multiply(t, p, out=t)
    xp.maximum(x, 0, out=out)
    xp.add(out, t, out=out)


def prelu_slopes(xp: Any, x: Any, p: Any, dx: Any, dp: Any, t: Any) -> None:
    # By x: 1 where x > 0, else p. By p: min(x, 0).
    xp.greater(x, 0, out=t)
    xp.subtract(1, t, out=dx)
    xp.multiply(dx, p, out=dx)
    xp.add(dx, t, out=dx)
    xp.minimum(x, 0, out=dp)


def _sigmoid(xp: Any, x: Any, p: Any, out: Any) -> None:
    xp.multiply(x, p, out=out)
    xp.negative(out, out=out)
    xp.exp(out, out=out)
    xp.add(out, 1, out=out)
    xp.reciprocal(out, out=out)


def swish(xp: Any, x: Any, p: Any, out: Any, t: Any) -> None:
    _sigmoid(xp, x, p, t)
    xp.multiply(x, t, out=out)


def swish_slopes(xp: Any, x: Any, p: Any, dx: Any, dp: Any, t: Any) -> None:
    # With s the sigmoid of p x: s + p x s (1 - s) by x, x^2 s (1 - s) by p. The small factor comes first.
    _sigmoid(xp, x, p, t)
    xp.subtract(1, t, out=dp)
    xp.multiply(dp, t, out=dp)
    xp.multiply(dp, x, out=dp)
    xp.multiply(dp, p, out=dx)
    xp.add(dx, t, out=dx)
    xp.multiply(dp, x, out=dp)


FUNCTIONS: dict[str, tuple[Formula, Formula]] = {
    "prelu": (prelu, prelu_slopes),
    "learned_swish": (swish, swish_slopes),
}


def _forward(value: Formula) -> Formula:
    def kernel(xp: Any, x: Any, p: Any, y: Any, tile: Any, work: Any) -> None:
        length = tile.shape[0]
        repeat_into(xp, p, tile)
        x, y = joined(x, length), joined(y, length)
        for here, there in spans(x.shape[0], work.shape[0]):
            value(xp, x[here], tile, y[here], work[there])

    return kernel


def _backward(slopes: Formula) -> Formula:
    def kernel(
        xp: Any, x: Any, p: Any, dy: Any, dx: Any, dp: Any, tile: Any, by_x: Any, by_p: Any, work: Any, sums: Any
    ) -> None:
        length = tile.shape[0]
        repeat_into(xp, p, tile)
        x, dy, dx = joined(x, length), joined(dy, length), joined(dx, length)
        total, part = sums
        total.fill(0)
        for here, there in spans(x.shape[0], work.shape[0]):
            slopes(xp, x[here], tile, by_x[there], by_p[there], work[there])
            xp.multiply(by_p[there], dy[here], out=by_p[there])
            xp.sum(by_p[there], axis=0, out=part)
            xp.add(total, part, out=total)
            xp.multiply(dy[here], by_x[there], out=dx[here])
        fold(xp, total, dp)

    return kernel


KERNELS: dict[str, Formula] = {name: _forward(value) for name, (value, _) in FUNCTIONS.items()}
KERNELS |= {f"{name}_gradient": _backward(slopes) for name, (_, slopes) in FUNCTIONS.items()}
