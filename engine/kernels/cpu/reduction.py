"""Sums over rows, and what sums in pieces have in common.

A long sum is cut into pieces whose number depends on the shapes alone. Each piece is added up in float32, in many
partial sums side by side, and leaves its result in a place of its own; whoever finishes the last piece adds these up in
their order, in float64. So the bits are the same whoever computed which piece.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.kernels.cpu.interpreter import claim
from engine.kernels.cpu.language import F, clear, copy, device, f32, f64, kernel, stack
from engine.kernels.cpu.pieces import is_last
from engine.kernels.cpu.rows import Binding, Row, rows_of
from engine.ops import SumRows
from engine.ops.base import Call

__all__ = [
    "DOUBLE",
    "WIDE",
    "add_partials",
    "blocks",
    "combine",
    "joined_rows",
    "repeat",
    "sum_columns",
    "sum_rows_row",
]

PIECE = 16384
"""Elements of a piece of a pass that only reads: some microseconds."""

WIDE = 512
"""Columns that are summed at once; narrower rows are joined to about this length, so that inner loops are long."""

DOUBLE = 2 * WIDE
"""The float32 that as many float64 take."""

NARROW = 64
"""The fewest columns that a matrix is cut to."""


@device
def add_partials(partials: int, pieces: int) -> Any:
    """The sum of float64 at an address, in their order."""
    values = f64(partials)
    total = 0.0
    for i in range(pieces):
        total += values[i]
    return total


@device
def joined_rows(columns: int, rows: int) -> int:
    """How many rows are taken as one: a power of two, at most `rows`, 1 where a row is long enough by itself."""
    joined = 1
    while 2 * joined * columns <= WIDE and 2 * joined <= rows:
        joined *= 2
    return joined


@device
def fold(total: int, joined: int, columns: int) -> None:
    """total (columns) = the sum over the first axis of total (joined, columns), `joined` a power of two."""
    while joined > 1:
        joined //= 2
        half = joined * columns
        low, high = f32(total), f32(total + half * 4)
        for j in range(half):
            low[j] = low[j] + high[j]


@device
def sum_columns(total: int, x: int, x_row: int, rows: int, columns: int) -> None:
    """total (columns) = the sum of `rows` rows that lie `x_row` elements apart; there is room for WIDE elements, and
    columns <= WIDE."""
    joined = joined_rows(columns, rows) if x_row == columns else 1
    length, apart = joined * columns, joined * x_row
    count = rows // joined
    t = f32(total)
    clear(total, length * 4)
    r = 0
    while r + 4 <= count:
        x0, x1 = f32(x + r * apart * 4), f32(x + (r + 1) * apart * 4)
        x2, x3 = f32(x + (r + 2) * apart * 4), f32(x + (r + 3) * apart * 4)
        for j in range(length):
            t[j] = t[j] + ((x0[j] + x1[j]) + (x2[j] + x3[j]))
        r += 4
    while r < count:
        one = f32(x + r * apart * 4)
        for j in range(length):
            t[j] = t[j] + one[j]
        r += 1
    rest = f32(x + count * apart * 4)
    for j in range((rows - count * joined) * columns):
        t[j] = t[j] + rest[j]
    fold(total, joined, columns)


@device
def combine(total: int, partials: int, apart: int, pieces: int, columns: int) -> None:
    """total (columns, float64) = the sum of `pieces` float32 rows that lie `apart` elements apart, in their order."""
    t = f64(total)
    clear(total, columns * 8)
    for i in range(pieces):
        p = f32(partials + i * apart * 4)
        for j in range(columns):
            t[j] = t[j] + float(p[j])


@device
def repeat(vector: int, joined: int, columns: int) -> None:
    """Fill vector (joined, columns) with its first row, `joined` a power of two."""
    done = 1
    while done < joined:
        copy(vector + done * columns * 4, vector, done * columns * 4)
        done *= 2


@kernel
def sum_rows(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared, x, rows, columns, y, rows of a block, columns of a block, partial sums (blocks, columns), a
    counter for each block of columns."""
    rows, columns, y, block_rows, block_columns = a[2], a[3], a[4], a[5], a[6]
    total, combined = stack(WIDE), stack(DOUBLE)
    across = (columns + block_columns - 1) // block_columns
    down = (rows + block_rows - 1) // block_rows
    while True:
        unit = claim(a[0])
        if unit >= across * down:
            return
        block, first = unit // across, unit % across * block_columns
        width = min(block_columns, columns - first)
        row = block * block_rows
        sum_columns(total, a[1] + (row * columns + first) * 4, columns, min(block_rows, rows - row), width)
        if down == 1:
            copy(y + first * 4, total, width * 4)
            continue
        copy(a[7] + (block * columns + first) * 4, total, width * 4)
        if is_last(a[8] + unit % across * 8, down):
            combine(combined, a[7] + first * 4, columns, down, width)
            sums, out = f64(combined), f32(y + first * 4)
            for j in range(width):
                out[j] = F(sums[j])


def blocks(rows: int, columns: int) -> tuple[int, int]:
    """(rows, columns) of the blocks that a matrix is cut into to be summed over its rows: whole columns where these are
    short."""
    if rows * min(columns, NARROW) <= PIECE:
        width = PIECE // rows // NARROW * NARROW
        return rows, min(columns, WIDE, max(NARROW, width))
    width = min(columns, WIDE)
    return max(1, PIECE // width), width


def sum_rows_row(m: Binding, x: int, rows: int, columns: int, y: int) -> Row:
    """The row that writes the sum of a matrix's rows to the address y."""
    height, width = blocks(rows, columns)
    partials = m.memory(-(-rows // height) * columns)
    counters = m.memory(-(-columns // width), np.int64)
    return Row("sum_rows", [m.shared, x, rows, columns, y, height, width, partials, counters])


@rows_of(SumRows)
def _sum_rows(call: Call, m: Binding) -> list[Row]:
    (x,), (y,) = call.inputs, call.outputs
    return [sum_rows_row(m, m.address(x), x.size // y.size, y.size, m.address(y))]
