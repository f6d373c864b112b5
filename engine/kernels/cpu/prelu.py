"""PReLU: a stage forward; backward one pass that writes dx and adds up what the slopes get.

Sums go as in `engine.kernels.cpu.reduction`: pieces whose number depends on the shapes alone, added up in their order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.kernels.cpu import activation_stages as codes
from engine.kernels.cpu.interpreter import claim
from engine.kernels.cpu.language import F, clear, copy, device, f32, f64, kernel, stack
from engine.kernels.cpu.pieces import is_last
from engine.kernels.cpu.reduction import DOUBLE, WIDE, add_partials, blocks, combine
from engine.kernels.cpu.rows import Binding, Row, Stage, rows_of, stage_of
from engine.ops.base import Call
from engine.ops.learned import PReLU, PReLUGradient

PIECE = 16384
SHORT = 1024
"""Elements that are added up in float32; their sums are added in float64."""


@device
def _factor(x: Any, slope: Any) -> Any:
    """1 where x > 0, else the slope; a slope that is not finite shows everywhere, as in the reference kernel."""
    positive = F(1) if x > F(0) else F(0)
    return (F(1) - positive) * slope + positive


@kernel
def prelu_gradient(a: Any, me: int, team: int, step: int) -> None:
    """One slope for each column. Arguments: shared, x, slopes, dy, dx, rows, columns, dslopes, rows of a block, columns
    of a block, partial sums (blocks, columns), a counter for each block of columns."""
    rows, columns, out, block_rows, block_columns = a[5], a[6], a[7], a[8], a[9]
    total, narrowed = stack(DOUBLE), stack(WIDE)
    sums, parts = f64(total), f32(narrowed)
    across = (columns + block_columns - 1) // block_columns
    down = (rows + block_rows - 1) // block_rows
    while True:
        unit = claim(a[0])
        if unit >= across * down:
            return
        block, first = unit // across, unit % across * block_columns
        width = min(block_columns, columns - first)
        row = block * block_rows
        slope = f32(a[2] + first * 4)
        clear(total, width * 8)
        for i in range(row, min(row + block_rows, rows)):
            at = (i * columns + first) * 4
            x, dy, dx = f32(a[1] + at), f32(a[3] + at), f32(a[4] + at)
            for j in range(width):
                low = F(0) if x[j] > F(0) else x[j]
                sums[j] = sums[j] + float(low * dy[j])
                dx[j] = dy[j] * _factor(x[j], slope[j])
        for j in range(width):
            parts[j] = F(sums[j])
        if down == 1:
            copy(out + first * 4, narrowed, width * 4)
            continue
        copy(a[10] + (block * columns + first) * 4, narrowed, width * 4)
        if is_last(a[11] + unit % across * 8, down):
            combine(total, a[10] + first * 4, columns, down, width)
            result = f32(out + first * 4)
            for j in range(width):
                result[j] = F(sums[j])


@kernel
def prelu_layer_gradient(a: Any, me: int, team: int, step: int) -> None:
    """One slope for all. Arguments: shared, x, slope, dy, dx, elements, dslope, partial sums (float64), a counter."""
    size = a[5]
    pieces = (size + PIECE - 1) // PIECE
    slope = f32(a[2])[0]
    partials = f64(a[7])
    while True:
        piece = claim(a[0])
        if piece >= pieces:
            return
        total = 0.0
        for start in range(piece * PIECE, min(size, (piece + 1) * PIECE), SHORT):
            x, dy, dx = f32(a[1] + start * 4), f32(a[3] + start * 4), f32(a[4] + start * 4)
            count = min(SHORT, min(size, (piece + 1) * PIECE) - start)
            part = F(0)
            # Two loops: the first writes nothing, so that its sum has the same bits wherever dx lies.
            for j in range(count):
                part = part + (F(0) if x[j] > F(0) else x[j]) * dy[j]
            for j in range(count):
                dx[j] = dy[j] * _factor(x[j], slope)
            total += float(part)
        partials[piece] = total
        if is_last(a[8], pieces):
            f32(a[6])[0] = F(add_partials(a[7], pieces))


@rows_of(PReLUGradient)
def _gradient(call: Call, m: Binding) -> list[Row]:
    x, slope, dy = call.inputs
    dx, dslope = call.outputs
    arrays = [m.shared, m.address(x), m.address(slope), m.address(dy), m.address(dx)]
    if slope.size == 1:
        pieces = -(-x.size // PIECE)
        partials, counter = m.memory(2 * pieces), m.memory(1, np.int64)
        return [Row("prelu_layer_gradient", [*arrays, x.size, m.address(dslope), partials, counter])]
    columns = slope.size
    rows = x.size // columns
    height, width = blocks(rows, columns)
    partials, counters = m.memory(-(-rows // height) * columns), m.memory(-(-columns // width), np.int64)
    place = [rows, columns, m.address(dslope), height, width, partials, counters]
    return [Row("prelu_gradient", [*arrays, *place])]


@stage_of(PReLU)
def _forward(call: Call, m: Binding) -> Stage:
    slope = call.inputs[1]
    return Stage(codes.PRELU_LAYER if slope.size == 1 else codes.PRELU, m.address(slope))
