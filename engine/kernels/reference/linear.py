"""Matrix products and biases. See `engine.ops.linear`."""

from __future__ import annotations

from typing import Any

from engine.kernels.reference.blocks import fold, joined, repeat_into


def matmul(xp: Any, a: Any, b: Any, y: Any, *, transpose_a: bool, transpose_b: bool) -> None:
    xp.matmul(a.T if transpose_a else a, b.T if transpose_b else b, out=y)


def add_bias(xp: Any, x: Any, b: Any, y: Any, tile: Any) -> None:
    if tile.shape == b.shape:
        xp.add(x, b, out=y)
        return
    repeat_into(xp, b, tile)
    xp.add(joined(x, tile.shape[0]), tile, out=joined(y, tile.shape[0]))


def sum_rows(xp: Any, x: Any, y: Any, tile: Any) -> None:
    if tile.shape == y.shape:
        xp.sum(x.reshape(-1, y.shape[0]), axis=0, out=y)
        return
    xp.sum(joined(x, tile.shape[0]), axis=0, out=tile)
    fold(xp, tile, y)


KERNELS = {"matmul": matmul, "add_bias": add_bias, "sum_rows": sum_rows}
