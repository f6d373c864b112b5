"""Walking through large arrays in blocks, and joining rows so that inner loops are long. See `engine.ops.tiling`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from engine.ops.tiling import BLOCK


def cut(*arrays: Any) -> Iterator[tuple[Any, ...]]:
    """Arrays of one shape, block by block; as they are where they fit one block."""
    size = arrays[0].size
    if size <= BLOCK:
        yield arrays
        return
    flat = [array.reshape(-1) for array in arrays]
    for start in range(0, size, BLOCK):
        yield tuple(array[start : start + BLOCK] for array in flat)


def parts(work: Any, *arrays: Any) -> Iterator[tuple[Any, ...]]:
    """(work, *arrays) block by block, where `work` has the shape that `engine.ops.tiling.block` gives."""
    whole = arrays[0].size <= BLOCK
    for pieces in cut(*arrays):
        yield (work if whole else work[: pieces[0].shape[0]]), *pieces


def spans(count: int, at_once: int) -> Iterator[tuple[slice, slice]]:
    """(part of `count` items, part of a work array for `at_once`) pairs that cover all items."""
    for start in range(0, count, at_once):
        stop = min(start + at_once, count)
        yield slice(start, stop), slice(0, stop - start)


def joined(x: Any, length: int) -> Any:
    """x (..., c) as (rows, length): `length` a multiple of c that divides x's size."""
    return x.reshape(-1, length)


def repeat_into(xp: Any, vector: Any, tile: Any) -> None:
    """Fill `tile` with repetitions of `vector` (c,)."""
    xp.copyto(tile.reshape(-1, vector.shape[0]), vector)


def fold(xp: Any, tile: Any, out: Any) -> None:
    """out (c,) = the sum of the repetitions in `tile`."""
    xp.sum(tile.reshape(-1, out.shape[0]), axis=0, out=out)


def on_host(array: Any) -> bool:
    """Whether what an array holds may decide what is done next: on a device that would mean waiting for it."""
    return isinstance(array, np.ndarray)


def count(xp: Any, flags: Any, out: Any) -> None:
    """out (n,) = how many of each row of `flags` (n, m) are set."""
    if on_host(flags):
        # Many times as fast as adding truth values up.
        for i in range(len(flags)):
            out[i] = np.count_nonzero(flags[i])
    else:
        xp.sum(flags, axis=1, out=out)
