"""Sums, scalings and constants. See `engine.ops.elementwise`."""

from __future__ import annotations

from typing import Any

from engine.ops.base import DType


def add(xp: Any, *arrays: Any) -> None:
    first, *others, y = arrays
    for other in others:
        xp.add(first, other, out=y)
        first = y


def multiply(xp: Any, a: Any, b: Any, y: Any) -> None:
    xp.multiply(a, b, out=y)


def scale(xp: Any, x: Any, y: Any, *, factor: float) -> None:
    xp.multiply(x, factor, out=y)


def fill(xp: Any, y: Any, *, shape: tuple[int, ...], value: float, dtype: DType) -> None:
    y.fill(value)


KERNELS = {"add": add, "multiply": multiply, "scale": scale, "fill": fill}
