"""Matrix products: panels of b are packed side by side, rows of a are read where they lie.

A unit of work is a block of rows by a block of columns of the result. Its thread packs a panel of b (all k, as many
columns as a tile has) into its own memory once, and runs the tile down the block's rows; the panel stays in the
second-level cache, the rows of a in the first. What follows the product in its group (`stages`) is applied to each tile
while that is hot. Every element is summed in the same order whoever computes it, so that the number of threads does not
show in the bits.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from engine.kernels.cpu.interpreter import claim
from engine.kernels.cpu.language import clear, copy, device, f32, kernel, stack, tile, transpose
from engine.kernels.cpu.rows import STAGES_ARGUMENT, Binding, Row, rows_of
from engine.kernels.cpu.stages import apply
from engine.kernels.cpu.target import host
from engine.ops import MatMul
from engine.ops.attention import BatchMatMul
from engine.ops.base import Call

LANES = host().lanes
ROWS = host().rows
COLUMNS = host().lanes * host().vectors
SCRATCH = ROWS * COLUMNS
DEPTH = 4096
"""Steps of a sum taken at once: a panel of so many rows fits the second-level cache."""


@device
def pack(target: int, b: int, b_row: int, transposed: int, depth: int, width: int, padded: int) -> None:
    """target (depth, padded) = `width` columns of b, zeros beyond. b's rows lie `b_row` elements apart; where it is
    `transposed` its rows are the columns."""
    if width < padded:
        clear(target, depth * padded * 4)
    if transposed == 0:
        for k in range(depth):
            copy(target + k * padded * 4, b + k * b_row * 4, width * 4)
        return
    whole_j = width - width % LANES
    whole_k = depth - depth % LANES
    for k in range(0, whole_k, LANES):
        for j in range(0, whole_j, LANES):
            transpose(target + (k * padded + j) * 4, padded, b + (j * b_row + k) * 4, b_row)
    _pack_rest(target, b, b_row, 0, whole_k, whole_j, width, padded)
    _pack_rest(target, b, b_row, whole_k, depth, 0, width, padded)


@device
def _pack_rest(
    target: int, b: int, b_row: int, first: int, last: int, first_column: int, width: int, padded: int
) -> None:
    for j in range(first_column, width):
        for k in range(first, last):
            copy(target + (k * padded + j) * 4, b + (j * b_row + k) * 4, 4)


@device
def panel_width(left: int) -> int:
    """How many columns a panel is padded to when `left` columns are left."""
    if left >= COLUMNS:
        return COLUMNS
    return (left + LANES - 1) // LANES * LANES


@device
def multiply_block(
    a: Any,
    right: int,
    out: int,
    c_row: int,
    first_row: int,
    height: int,
    first_column: int,
    last_column: int,
    packed: int,
    edge: int,
) -> None:
    """The block of a product that begins at (first_row, first_column), to the address `out`; `a` as for `matmul`, but
    the right factor lies at the address `right`.
    `packed` is work memory for a panel, `edge` for a tile."""
    left, a_row, a_step = a[1], a[2], a[3]
    b_row, transposed, depth = a[5], a[6], a[11]
    tiles = (height + ROWS - 1) // ROWS
    column = first_column
    while column < last_column:
        padded = panel_width(last_column - column)
        width = min(padded, last_column - column)
        for k in range(0, depth, DEPTH):
            part = min(DEPTH, depth - k)
            if transposed != 0:
                pack(packed, right + (column * b_row + k) * 4, b_row, 1, part, width, padded)
            else:
                pack(packed, right + (k * b_row + column) * 4, b_row, 0, part, width, padded)
            for t in range(tiles):
                row = t * height // tiles
                count = (t + 1) * height // tiles - row
                at = out + (row * c_row + column - first_column) * 4
                row += first_row
                from_a = left + (row * a_row + k * a_step) * 4
                if width == padded:
                    tile(count, padded // LANES, k, at, c_row, from_a, a_row, a_step, 0, packed, padded, 0, part, 1)
                else:
                    tile(count, padded // LANES, 0, edge, padded, from_a, a_row, a_step, 0, packed, padded, 0, part, 1)
                    take(at, c_row, edge, padded, count, width, k)
                if k + part == depth and a[STAGES_ARGUMENT] > 0:
                    apply(a, STAGES_ARGUMENT, at, c_row, row, count, column, width)
        column += width


@kernel
def matmul(a: Any, me: int, team: int, step: int) -> None:
    """c = a b. Arguments: shared; a, a_row, a_step; b, b_row, transposed; c, c_row; rows, columns, depth; block_rows,
    block_columns; work memory, its bytes for each thread; how many products there are whose left factors and results
    lie behind one another, and how many elements the right factors lie apart."""
    out, c_row, rows, columns, block_rows, block_columns = a[7], a[8], a[9], a[10], a[12], a[13]
    packed = a[14] + me * a[15]
    edge = stack(SCRATCH)
    across = (columns + block_columns - 1) // block_columns
    down = (rows + block_rows - 1) // block_rows
    while True:
        unit = claim(a[0])
        if unit >= across * down * a[16]:
            break
        product, unit = unit // (across * down), unit % (across * down)
        row, column = unit // across * block_rows, unit % across * block_columns
        height = min(block_rows, rows - row)
        end = min(column + block_columns, columns)
        row += product * rows
        right = a[4] + product * a[17] * 4
        multiply_block(a, right, out + (row * c_row + column) * 4, c_row, row, height, column, end, packed, edge)


@device
def take(c: int, c_row: int, edge: int, padded: int, rows: int, width: int, add: int) -> None:
    """The `width` columns that are real, out of a whole tile."""
    from_edge, to = f32(edge), f32(c)
    for i in range(rows):
        for j in range(width):
            if add != 0:
                to[i * c_row + j] = to[i * c_row + j] + from_edge[i * padded + j]
            else:
                to[i * c_row + j] = from_edge[i * padded + j]


PACKING = 4 / (ROWS * host().vectors)
"""What packing a panel of b costs beside running the tile down one of its rows of tiles."""

UNEVEN = 0.3
"""By how much of a piece of work the threads miss one another at the end: one core is often slower than another."""


@cache
def blocks(rows: int, columns: int, team: int) -> tuple[int, int]:
    """(rows, columns) of the blocks that a product is cut into, so that `team` threads end together: small blocks even
    the threads out, large ones pack each panel of b less often."""
    if team == 1:
        return rows, columns
    panels, tiles = -(-columns // COLUMNS), -(-rows // ROWS)
    best, chosen = math.inf, (rows, columns)
    for wide in range(1, panels + 1):
        for down in range(1, max(1, tiles // 2) + 1):
            tall = -(-tiles // down)
            piece = wide * (tall + PACKING)
            turns = -(-(-(-panels // wide) * -(-tiles // tall)) // team)
            cost = piece * (turns + UNEVEN)
            if cost < best:
                best, chosen = cost, (-(-rows // -(-tiles // tall)), wide * COLUMNS)
        if wide * COLUMNS > 1024:
            break
    return chosen


PAGE = 1024
"""float32 of 4 KiB: rows that lie a multiple of it apart fall into the same few lines of the first-level cache, and the
rows of a tile push one another out."""


@kernel
def copy_apart(a: Any, me: int, team: int, step: int) -> None:
    """Copy a matrix to rows that lie further apart. Arguments: shared, matrix, rows, columns, copy, its row stride."""
    columns = a[3]
    while True:
        first = claim(a[0]) * ROWS
        if first >= a[2]:
            return
        for i in range(first, min(first + ROWS, a[2])):
            copy(a[4] + i * a[5] * 4, a[1] + i * columns * 4, columns * 4)


@rows_of(MatMul)
def _matmul(call: Call, m: Binding) -> list[Row]:
    return product_rows(call, m)


def product_rows(call: Call, m: Binding) -> list[Row]:
    """The rows of a product; the last one multiplies."""
    a, b = call.inputs
    (c,) = call.outputs
    attributes = call.op.attributes()
    rows, columns = c.shape
    depth = a.shape[0] if attributes["transpose_a"] else a.shape[1]
    a_row, a_step = (1, rows) if attributes["transpose_a"] else (depth, 1)
    left, before = m.address(a), []
    if a_step == 1 and depth % PAGE == 0 and rows > 2 * ROWS:
        a_row = depth + LANES
        left = m.memory(rows * a_row)
        before.append(Row("copy_apart", [m.shared, m.address(a), rows, depth, left, a_row]))
    block_rows, block_columns = blocks(rows, columns, m.team)
    product = Row(
        "matmul",
        [m.shared, left, a_row, a_step, m.address(b), b.shape[1], int(attributes["transpose_b"])]
        + [m.address(c), columns, rows, columns, depth, block_rows, block_columns]
        + [*m.scratch(min(depth, DEPTH) * COLUMNS), 1, 0],
        output=7,
    )
    return [*before, product]


@rows_of(BatchMatMul)
def _batch_matmul(call: Call, m: Binding) -> list[Row]:
    a, b = call.inputs
    (c,) = call.outputs
    rows, columns = c.shape[-2:]
    depth = a.shape[-1]
    count = c.size // (rows * columns)
    # Where there are many, each is one piece of work.
    block_rows, block_columns = blocks(rows, columns, m.team) if count < 4 * m.team else (rows, columns)
    arguments = [m.address(a), depth, 1, m.address(b), columns, 0, m.address(c), columns, rows, columns, depth]
    arguments += [block_rows, block_columns, *m.scratch(min(depth, DEPTH) * COLUMNS), count, depth * columns]
    return [Row("matmul", [m.shared, *arguments], output=7)]
