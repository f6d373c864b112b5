"""Elementwise non-linearities. See `engine.ops.activation`."""

from __future__ import annotations

from typing import Any

from engine.kernels.reference.blocks import cut, parts


def relu(xp: Any, x: Any, y: Any, zeros: Any) -> None:
    length = zeros.shape[0]
    if x.size == length:
        xp.maximum(x, 0, out=y)
        return
    # The maximum of two arrays is vectorized in NumPy, that of an array and a number is not: four times slower.
    zeros.fill(0)
    x, y = x.reshape(-1), y.reshape(-1)
    whole = x.size - x.size % length
    xp.maximum(x[:whole].reshape(-1, length), zeros, out=y[:whole].reshape(-1, length))
    if whole < x.size:
        xp.maximum(x[whole:], zeros[: x.size - whole], out=y[whole:])


def relu_gradient(xp: Any, y: Any, dy: Any, dx: Any, positive: Any) -> None:
    for mask, y_, dy_, dx_ in parts(positive, y, dy, dx):
        xp.greater(y_, 0, out=mask)
        xp.multiply(dy_, mask, out=dx_)


def leaky_relu(xp: Any, x: Any, y: Any, work: Any, *, slope: float) -> None:
    for t, x_, y_ in parts(work, x, y):
        xp.multiply(x_, slope, out=t)
        xp.maximum(x_, t, out=y_)


def leaky_relu_gradient(xp: Any, y: Any, dy: Any, dx: Any, work: Any, *, slope: float) -> None:
    for t, y_, dy_, dx_ in parts(work, y, dy, dx):
        # The factor is 1 or slope: slope + (1 - slope) [y > 0].
        xp.greater(y_, 0, out=t)
        xp.multiply(t, 1.0 - slope, out=t)
        xp.add(t, slope, out=t)
        xp.multiply(dy_, t, out=dx_)


def sigmoid(xp: Any, x: Any, y: Any) -> None:
    # Where exp overflows to infinity, its reciprocal is the right result: zero.
    for x_, y_ in cut(x, y):
        xp.negative(x_, out=y_)
        xp.exp(y_, out=y_)
        xp.add(y_, 1, out=y_)
        xp.reciprocal(y_, out=y_)


def sigmoid_gradient(xp: Any, y: Any, dy: Any, dx: Any, work: Any) -> None:
    for t, y_, dy_, dx_ in parts(work, y, dy, dx):
        xp.subtract(1, y_, out=t)
        xp.multiply(t, y_, out=t)
        xp.multiply(dy_, t, out=dx_)


def tanh(xp: Any, x: Any, y: Any) -> None:
    xp.tanh(x, out=y)


def tanh_gradient(xp: Any, y: Any, dy: Any, dx: Any, work: Any) -> None:
    for t, y_, dy_, dx_ in parts(work, y, dy, dx):
        xp.multiply(y_, y_, out=t)
        xp.subtract(1, t, out=t)
        xp.multiply(dy_, t, out=dx_)


KERNELS = {
    "relu": relu,
    "relu_gradient": relu_gradient,
    "leaky_relu": leaky_relu,
    "leaky_relu_gradient": leaky_relu_gradient,
    "sigmoid": sigmoid,
    "sigmoid_gradient": sigmoid_gradient,
    "tanh": tanh,
    "tanh_gradient": tanh_gradient,
}
