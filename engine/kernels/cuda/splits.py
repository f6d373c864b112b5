"""Sums whose terms were shared between blocks: see splits.cu."""

from __future__ import annotations

from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.launches import Launch, blocks
from engine.kernels.cuda.signatures import Argument, Pointer
from engine.ops.base import Value

__all__ = ["add_up"]

MANY = 16
"""From so many on, terms are shared between warps again."""


def add_up(partials: Pointer, splits: int, y: Value, b: Binding) -> Launch:
    """y = the sum of `splits` arrays of its size that lie one behind the other."""
    columns = y.shape[-1] if y.shape else 1
    arguments: list[Argument] = [partials, b.pointer(y), y.size, splits]
    if splits < MANY:
        return Launch("add_splits", arguments, blocks(y.size), output=1, columns=columns)
    return Launch("add_many_splits", arguments, -(-y.size // 32), output=1, columns=columns)
