"""Elementwise functions: f and f' of each, block by block. See `engine.ops.pointwise`.

A function is a pair `(value, slope)`. `value(xp, x, out, *work, **attributes)` writes f(x); `out` may be x, which is
therefore not read after `out` is written. `slope(xp, x, out, *work, **attributes)` writes f'(x), where functions that
read their output get y in place of x; its `out` is work space, never an input. Both stay finite at any finite input.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from engine.kernels.reference.blocks import cut
from engine.kernels.reference.normal_distribution import lower_tail
from engine.ops.tiling import BLOCK

Formula = Callable[..., None]


def elu(xp: Any, x: Any, out: Any, t: Any, *, alpha: float, scale: float) -> None:
    xp.minimum(x, 0, out=t)
    xp.expm1(t, out=t)
    xp.multiply(t, alpha * scale, out=t)
    xp.maximum(x, 0, out=out)
    xp.multiply(out, scale, out=out)
    xp.add(out, t, out=out)


def elu_slope(xp: Any, y: Any, out: Any, t: Any, *, alpha: float, scale: float) -> None:
    # scale where y > 0, else y + scale alpha: both are min(y, 0) + scale alpha + scale (1 - alpha) [y > 0].
    xp.greater(y, 0, out=t)
    xp.multiply(t, scale * (1.0 - alpha), out=t)
    xp.minimum(y, 0, out=out)
    xp.add(out, scale * alpha, out=out)
    xp.add(out, t, out=out)


def sigmoid(xp: Any, x: Any, factor: float, out: Any) -> None:
    """out = 1 / (1 + exp(-factor x)). Where exp overflows to infinity, its reciprocal is the right result: zero."""
    xp.multiply(x, -factor, out=out)
    xp.exp(out, out=out)
    xp.add(out, 1, out=out)
    xp.reciprocal(out, out=out)


def swish(xp: Any, x: Any, out: Any, t: Any, *, beta: float) -> None:
    sigmoid(xp, x, beta, t)
    xp.multiply(x, t, out=out)


def swish_slope(xp: Any, x: Any, out: Any, t: Any, *, beta: float) -> None:
    # s + beta x s (1 - s) = s (1 + beta x (1 - s)).
    sigmoid(xp, x, beta, t)
    xp.subtract(1, t, out=out)
    xp.multiply(out, x, out=out)
    xp.multiply(out, beta, out=out)
    xp.add(out, 1, out=out)
    xp.multiply(out, t, out=out)


def gelu(xp: Any, x: Any, out: Any, t: Any, *work: Any) -> None:
    lower_tail(xp, x, t, *work)
    xp.multiply(x, t, out=out)


def gelu_slope(xp: Any, x: Any, out: Any, t: Any, *work: Any) -> None:
    # Phi(x) + x phi(x).
    lower_tail(xp, x, out, t, *work)
    xp.multiply(x, x, out=t)
    xp.multiply(t, -0.5, out=t)
    xp.exp(t, out=t)
    xp.multiply(t, 1.0 / math.sqrt(2.0 * math.pi), out=t)
    xp.multiply(t, x, out=t)
    xp.add(out, t, out=out)


ROOT, CUBIC = math.sqrt(2.0 / math.pi), 0.044715
FLAT = 20.0
"""Beyond it the hyperbolic tangents here are 1 in either precision, and nothing is left of their derivatives."""


def _gelu_tanh(xp: Any, x: Any, out: Any) -> None:
    """out = tanh(sqrt(2 / pi) (x + 0.044715 x^3))."""
    xp.multiply(x, x, out=out)
    xp.multiply(out, CUBIC * ROOT, out=out)
    xp.add(out, ROOT, out=out)
    xp.multiply(out, x, out=out)
    xp.tanh(out, out=out)


def gelu_tanh(xp: Any, x: Any, out: Any, t: Any) -> None:
    _gelu_tanh(xp, x, t)
    xp.add(t, 1, out=t)
    xp.multiply(t, 0.5, out=t)
    xp.multiply(x, t, out=out)


def gelu_tanh_slope(xp: Any, x: Any, out: Any, t: Any, u: Any) -> None:
    # (1 + t) / 2 + x (1 - t^2) sqrt(2 / pi) (1 + 3 0.044715 x^2) / 2, the second part being 0 far out.
    xp.minimum(x, FLAT, out=u)
    xp.maximum(u, -FLAT, out=u)
    _gelu_tanh(xp, u, t)
    xp.multiply(t, t, out=out)
    xp.subtract(1, out, out=out)
    xp.multiply(out, u, out=out)
    xp.multiply(u, u, out=u)
    xp.multiply(u, 3.0 * CUBIC * ROOT, out=u)
    xp.add(u, ROOT, out=u)
    xp.multiply(out, u, out=out)
    xp.add(out, t, out=out)
    xp.add(out, 1, out=out)
    xp.multiply(out, 0.5, out=out)


def softplus(xp: Any, x: Any, out: Any, *, beta: float) -> None:
    xp.multiply(x, beta, out=out)
    xp.logaddexp(out, 0, out=out)
    xp.multiply(out, 1.0 / beta, out=out)


def softplus_slope(xp: Any, y: Any, out: Any, *, beta: float) -> None:
    # The sigmoid of beta x is 1 - exp(-beta y).
    xp.multiply(y, -beta, out=out)
    xp.expm1(out, out=out)
    xp.negative(out, out=out)


def mish(xp: Any, x: Any, out: Any, t: Any, u: Any) -> None:
    # With e = exp(x) and n = e (e + 2), tanh(ln(1 + e)) = n / (n + 2).
    xp.minimum(x, FLAT, out=t)
    xp.exp(t, out=t)
    xp.add(t, 2, out=u)
    xp.multiply(t, u, out=t)
    xp.add(t, 2, out=u)
    xp.divide(t, u, out=t)
    xp.multiply(x, t, out=out)


def mish_slope(xp: Any, x: Any, out: Any, t: Any, u: Any, v: Any) -> None:
    # n / (n + 2) + x 4 e (e + 1) / (n + 2)^2.
    xp.minimum(x, FLAT, out=v)
    xp.exp(v, out=t)
    xp.add(t, 2, out=out)
    xp.multiply(out, t, out=out)
    xp.add(out, 2, out=u)
    xp.divide(out, u, out=out)
    xp.multiply(v, t, out=v)
    xp.add(t, 1, out=t)
    xp.divide(t, u, out=t)
    xp.multiply(v, t, out=v)
    xp.divide(v, u, out=v)
    xp.multiply(v, 4, out=v)
    xp.add(out, v, out=out)


def hard_tanh(xp: Any, x: Any, out: Any) -> None:
    xp.maximum(x, -1, out=out)
    xp.minimum(out, 1, out=out)


def hard_tanh_slope(xp: Any, y: Any, out: Any) -> None:
    xp.absolute(y, out=out)
    xp.less(out, 1, out=out)


FUNCTIONS: dict[str, tuple[Formula, Formula]] = {
    "elu": (elu, elu_slope),
    "swish": (swish, swish_slope),
    "gelu": (gelu, gelu_slope),
    "gelu_tanh": (gelu_tanh, gelu_tanh_slope),
    "softplus": (softplus, softplus_slope),
    "mish": (mish, mish_slope),
    "hard_tanh": (hard_tanh, hard_tanh_slope),
}
"""f and f' by the name of the operation."""


def _blocks(work: tuple[Any, ...], *arrays: Any) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """(arrays, work) block by block, each of the work arrays having the shape that `engine.ops.tiling.block` gives."""
    whole = arrays[0].size <= BLOCK
    for pieces in cut(*arrays):
        yield pieces, work if whole else tuple(item[: pieces[0].shape[0]] for item in work)


def _forward(value: Formula) -> Formula:
    def kernel(xp: Any, x: Any, y: Any, *work: Any, **attributes: float) -> None:
        for (x_, y_), work_ in _blocks(work, x, y):
            value(xp, x_, y_, *work_, **attributes)

    return kernel


def _backward(slope: Formula) -> Formula:
    def kernel(xp: Any, read: Any, dy: Any, dx: Any, *work: Any, **attributes: float) -> None:
        for (read_, dy_, dx_), (factor, *work_) in _blocks(work, read, dy, dx):
            slope(xp, read_, factor, *work_, **attributes)
            xp.multiply(dy_, factor, out=dx_)

    return kernel


KERNELS: dict[str, Formula] = {name: _forward(value) for name, (value, _) in FUNCTIONS.items()}
KERNELS |= {f"{name}_gradient": _backward(slope) for name, (_, slope) in FUNCTIONS.items()}
