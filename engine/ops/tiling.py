"""How large work space is cut: sizes that operations declare and kernels read off their scratch arrays.

Two facts about array libraries decide the speed of elementwise passes. A pass over a large array runs at the speed of
main memory, a pass over a block that fits the cache several times faster, so chains of passes go block by block. And
broadcasting a short vector of channels over many rows pays the overhead of the inner loop once per row, so several rows
are joined to one and the vector is repeated to match.
"""

from __future__ import annotations

import math
from functools import lru_cache

BLOCK = 1 << 16
"""Elements of one block of an elementwise chain: 256 KiB in float32, so that three blocks fit a 1 MiB cache."""

TILE = 2048
"""The most elements to which a vector of channels is repeated."""

FEW_ROWS = 256

COLUMNS = 1 << 18
"""The most elements of the matrix of image patches that a convolution lays out at once: it stays in the cache between
the copy and the product."""


def block(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of the work block for arrays of `shape`: their own where they fit one block, else one flat block."""
    return shape if math.prod(shape) <= BLOCK else (BLOCK,)


@lru_cache(maxsize=4096)
def repeats(rows: int, channels: int) -> int:
    """How many of `rows` rows of `channels` values to join into one: a divisor of `rows`.

    1 where nothing fits, and where the rows are so few that filling the repeated vector costs more than it saves.
    """
    if rows <= FEW_ROWS:
        return 1
    for count in range(min(rows, TILE // max(channels, 1)), 1, -1):
        if rows % count == 0:
            return count
    return 1


def rows_of(shape: tuple[int, ...]) -> int:
    """The product of all axes but the last."""
    return math.prod(shape[:-1])


def tile(shape: tuple[int, ...]) -> int:
    """The length of the repeated vector of channels for an array of `shape` (channels last)."""
    return repeats(rows_of(shape), shape[-1]) * shape[-1]


def images_at_once(batch: int, elements_per_image: int) -> int:
    """How many images of a batch a kernel lays out at once."""
    return max(1, min(batch, COLUMNS // max(elements_per_image, 1)))
