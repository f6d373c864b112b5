"""Convolutions without a matrix of patches: the register tile walks over the image itself.

In a row of the image the window of one output pixel is `kernel width x channels` numbers behind one another, and the
next pixel's begins `stride x channels` further on. So the tile's rows are neighbouring output pixels, its sum goes
along the window's rows (`runs`), and the weights are packed into panels as for a product. A thread takes a band of one
image at a time, puts margins of zeros around it in its own memory, and stays in the second-level cache.

The gradient by the input is the same with the weights mirrored, where the stride is 1; otherwise what each output pixel
gives to its window is added up pixel by pixel. For the gradient by the weights, windows and sums change places.

Where fewer multiplications pay, `winograd` makes the rows.
"""

from __future__ import annotations

import math
from typing import Any

from engine.kernels.cpu import winograd
from engine.kernels.cpu.interpreter import claim
from engine.kernels.cpu.language import clear, copy, device, f32, kernel, stack, tile
from engine.kernels.cpu.matrix import COLUMNS, LANES, ROWS, SCRATCH, pack, panel_width, take
from engine.kernels.cpu.rows import STAGES_ARGUMENT, Binding, Row, rows_of
from engine.kernels.cpu.stages import apply
from engine.ops import Conv2d, Conv2dInputGradient, Conv2dWeightGradient
from engine.ops.base import Call, Value
from engine.ops.convolution import correlates

SHARDS = 8
"""Parts of a batch whose weight gradients are summed apart: the same for every team, so that it does not show in the
bits."""


@device
def spread(
    target: int, image: int, height: int, width: int, channels: int, top: int, rows: int, margin: int, before: int
) -> None:
    """target (rows, width + 2 margin, channels) = rows of the image from `top` - `before` on, zeros where there are
    none."""
    length = (width + 2 * margin) * channels * 4
    for i in range(rows):
        row = top - before + i
        at = target + i * length
        if row < 0 or row >= height:
            clear(at, length)
            continue
        if margin > 0:
            clear(at, margin * channels * 4)
            clear(at + (margin + width) * channels * 4, margin * channels * 4)
        copy(at + margin * channels * 4, image + row * width * channels * 4, width * channels * 4)


@kernel
def pack_weights(a: Any, me: int, team: int, step: int) -> None:
    """Weights (taps, channels, filters) as panels (taps x channels, columns). Arguments: shared, weights, taps,
    channels, filters, mirrored, panels. Where `mirrored`, the taps come last to first and filters and channels change
    places."""
    taps, channels, filters = a[2], a[3], a[4]
    depth, columns = channels, filters
    if a[5] != 0:
        depth, columns = filters, channels
    panels = (columns + COLUMNS - 1) // COLUMNS
    while True:
        unit = claim(a[0])
        if unit >= panels * taps:
            return
        panel, tap = unit // taps, unit % taps
        column = panel * COLUMNS
        padded = panel_width(columns - column)
        width = min(padded, columns - column)
        target = a[6] + (panel * COLUMNS * taps * depth + tap * depth * padded) * 4
        if a[5] != 0:
            source = a[1] + ((taps - 1 - tap) * channels + column) * filters * 4
            pack(target, source, filters, 1, depth, width, padded)
        else:
            pack(target, a[1] + (tap * channels * filters + column) * 4, filters, 0, depth, width, padded)


@kernel
def conv2d(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared; x, its height, width, channels; panels of weights, kernel height and width, stride, margin
    above and left; y, its height, width, channels; batch, rows of a band; work memory, its bytes for each thread."""
    height, width, channels = a[2], a[3], a[4]
    kernel_height, kernel_width, stride, above, left = a[6], a[7], a[8], a[9], a[10]
    out_height, out_width, filters = a[12], a[13], a[14]
    band = a[16]
    bands = (out_height + band - 1) // band
    spread_image = a[17] + me * a[18]
    edge = stack(SCRATCH)
    length, depth = kernel_width * channels, kernel_height * kernel_width * channels
    row_length = (width + 2 * left) * channels
    tiles = (out_width + ROWS - 1) // ROWS
    while True:
        unit = claim(a[0])
        if unit >= a[15] * bands:
            return
        image, first = unit // bands, unit % bands * band
        rows = min(band, out_height - first)
        source = a[1] + image * height * width * channels * 4
        if above > 0 or left > 0:
            needed = (rows - 1) * stride + kernel_height
            spread(spread_image, source, height, width, channels, first * stride, needed, left, above)
            source = spread_image
        else:
            source += first * stride * width * channels * 4
        column = 0
        while column < filters:
            padded = panel_width(filters - column)
            used = min(padded, filters - column)
            panel = a[5] + column * depth * 4
            for row in range(rows):
                for t in range(tiles):
                    x = t * out_width // tiles
                    count = (t + 1) * out_width // tiles - x
                    pixel = (image * out_height + first + row) * out_width + x
                    at = a[11] + (pixel * filters + column) * 4
                    window = source + (row * stride * row_length + x * stride * channels) * 4
                    c, c_row = at, filters
                    if used < padded:
                        c, c_row = edge, padded
                    tile(
                        count, padded // LANES, 0, c, c_row, window, stride * channels, 1, row_length,
                        panel, padded, length * padded, length, kernel_height,
                    )  # fmt: skip
                    if used < padded:
                        take(at, filters, edge, padded, count, used, 0)
                    apply(a, STAGES_ARGUMENT, at, filters, pixel, count, column, used)
            column += used


@kernel
def conv2d_weights(a: Any, me: int, team: int, step: int) -> None:
    """The weight gradient of each shard of the batch. Arguments: shared; x, its height, width, channels; kernel height
    and width, stride, padding; dy, its height, width, channels; batch, shards; sums (shards, panels, depth, columns);
    work memory, its bytes for each thread."""
    height, width, channels = a[2], a[3], a[4]
    kernel_height, kernel_width, stride, padding = a[5], a[6], a[7], a[8]
    out_height, out_width, filters = a[10], a[11], a[12]
    batch, shards = a[13], a[14]
    panels = (filters + COLUMNS - 1) // COLUMNS
    work = a[16] + me * a[17]
    length = kernel_width * channels
    depth = kernel_height * length
    tiles = (length + ROWS - 1) // ROWS
    pixels = out_height * out_width
    spread_height, row_length = height + 2 * padding, (width + 2 * padding) * channels
    while True:
        unit = claim(a[0])
        if unit >= shards * panels:
            return
        shard, column = unit // panels, unit % panels * COLUMNS
        padded = panel_width(filters - column)
        used = min(padded, filters - column)
        sums = a[15] + (shard * panels * COLUMNS + column) * depth * 4
        first = shard * batch // shards
        for image in range(first, (shard + 1) * batch // shards):
            source = a[1] + image * height * width * channels * 4
            if padding > 0:
                spread(work, source, height, width, channels, 0, spread_height, padding, padding)
                source = work
            dy, dy_row = a[9] + (image * pixels * filters + column) * 4, filters
            if used < padded:
                packed = work + spread_height * row_length * 4
                pack(packed, dy, filters, 0, pixels, used, padded)
                dy, dy_row = packed, padded
            for i in range(kernel_height):
                for t in range(tiles):
                    j = t * length // tiles
                    count = (t + 1) * length // tiles - j
                    tile(
                        count, padded // LANES, image - first, sums + (i * length + j) * padded * 4, padded,
                        source + (i * row_length + j) * 4, 1, stride * channels, stride * row_length,
                        dy, dy_row, out_width * dy_row, out_width, out_height,
                    )  # fmt: skip


@kernel
def fold_shards(a: Any, me: int, team: int, step: int) -> None:
    """dw = the sum of the shards. Arguments: shared, sums, shards, depth, filters, dw."""
    shards, depth, filters = a[2], a[3], a[4]
    panels = (filters + COLUMNS - 1) // COLUMNS
    while True:
        first = claim(a[0]) * 32
        if first >= depth:
            return
        for panel in range(panels):
            column = panel * COLUMNS
            padded = panel_width(filters - column)
            used = min(padded, filters - column)
            for k in range(first, min(first + 32, depth)):
                to = f32(a[5] + (k * filters + column) * 4)
                for shard in range(shards):
                    part = f32(a[1] + ((shard * panels * COLUMNS + column) * depth + k * padded) * 4)
                    if shard == 0:
                        for j in range(used):
                            to[j] = part[j]
                    else:
                        for j in range(used):
                            to[j] = to[j] + part[j]


@kernel
def conv2d_scatter(a: Any, me: int, team: int, step: int) -> None:
    """The input gradient for any stride: every output pixel's contribution is added to its window. Arguments as for
    `conv2d`, with dx for x, the weights' transpose packed as panels (filters, taps x channels), and dy for y."""
    height, width, channels = a[2], a[3], a[4]
    kernel_height, kernel_width, stride, above = a[6], a[7], a[8], a[9]
    out_height, out_width, filters = a[12], a[13], a[14]
    sums = a[17] + me * a[18]
    row_length = (width + 2 * above) * channels
    size = (height + 2 * above) * row_length
    edge = stack(SCRATCH)
    length, depth = kernel_width * channels, kernel_height * kernel_width * channels
    tiles = (out_width + ROWS - 1) // ROWS
    while True:
        image = claim(a[0])
        if image >= a[15]:
            return
        clear(sums, size * 4)
        for row in range(out_height):
            for t in range(tiles):
                x = t * out_width // tiles
                count = (t + 1) * out_width // tiles - x
                dy = a[11] + ((image * out_height + row) * out_width + x) * filters * 4
                column = 0
                while column < depth:
                    padded = panel_width(depth - column)
                    used = min(padded, depth - column)
                    tile(
                        count, padded // LANES, 0, edge, padded, dy, filters, 1, 0,
                        a[5] + column * filters * 4, padded, 0, filters, 1,
                    )  # fmt: skip
                    for p in range(count):
                        window = row * stride * row_length + (x + p) * stride * channels
                        part = f32(edge + p * padded * 4)
                        for j in range(used):
                            k = column + j
                            at = f32(sums + (window + k // length * row_length + k % length) * 4)
                            at[0] = at[0] + part[j]
                    column += used
        for i in range(height):
            source = sums + ((i + above) * row_length + above * channels) * 4
            copy(a[1] + (image * height + i) * width * channels * 4, source, width * channels * 4)


# -- rows --------------------------------------------------------------------------------------------------------------


def _panels(columns: int, depth: int) -> int:
    """Elements of the packed weights."""
    return -(-columns // COLUMNS) * COLUMNS * depth


def _bands(batch: int, rows: int, team: int) -> int:
    """How many rows of an image a thread takes at a time: whole images where there are enough of them."""
    if batch >= 4 * team:
        return rows
    return max(1, -(-rows // -(-4 * team // batch)))


def _correlation(
    m: Binding, x: Value, w: Value, y: Value, mirrored: bool, stride: int, margins: tuple[int, int]
) -> list[Row]:
    height, width, channels, filters = w.shape
    if mirrored:
        channels, filters = filters, channels
    batch, in_height, in_width, _ = x.shape
    _, out_height, out_width, _ = y.shape
    panels = m.memory(_panels(filters, height * width * channels))
    band = _bands(batch, out_height, m.team)
    needed = ((band - 1) * stride + height) * (in_width + 2 * margins[1]) * channels
    packing = [m.shared, m.address(w), height * width, w.shape[2], w.shape[3], int(mirrored), panels]
    packed = Row("pack_weights", packing)
    if winograd.suits(w.shape, stride, y.shape):
        return [packed, *winograd.correlation(m, x, y, panels, height, margins[0])]
    return [
        packed,
        Row(
            "conv2d",
            [m.shared, m.address(x), in_height, in_width, channels, panels, height, width, stride, *margins]
            + [m.address(y), out_height, out_width, filters, batch, band]
            + [*m.scratch(needed if any(margins) else 1)],
            output=11,
        ),
    ]


@rows_of(Conv2d)
def _conv2d(call: Call, m: Binding) -> list[Row]:
    (x, w), (y,) = call.inputs, call.outputs
    attributes = call.op.attributes()
    padding = attributes["padding"]
    return _correlation(m, x, w, y, False, attributes["stride"], (padding, padding))


@rows_of(Conv2dInputGradient)
def _input_gradient(call: Call, m: Binding) -> list[Row]:
    (dy, w), (dx,) = call.inputs, call.outputs
    attributes = call.op.attributes()
    stride, padding = attributes["stride"], attributes["padding"]
    height, width, channels, filters = w.shape
    if correlates((height, width), stride, padding):
        return _correlation(m, dy, w, dx, True, 1, (height - 1 - padding, width - 1 - padding))
    depth = height * width * channels
    panels = m.memory(_panels(depth, filters))
    batch, in_height, in_width, _ = dx.shape
    _, out_height, out_width, _ = dy.shape
    spread_size = (in_height + 2 * padding) * (in_width + 2 * padding) * channels
    return [
        Row("pack_transposed", [m.shared, m.address(w), depth, filters, panels]),
        Row(
            "conv2d_scatter",
            [m.shared, m.address(dx), in_height, in_width, channels, panels, height, width, stride, padding, padding]
            + [m.address(dy), out_height, out_width, filters, batch, 0, *m.scratch(spread_size)],
        ),
    ]


@kernel
def pack_transposed(a: Any, me: int, team: int, step: int) -> None:
    """Weights (columns, depth) as panels (depth, columns). Arguments: shared, weights, columns, depth, panels."""
    columns, depth = a[2], a[3]
    while True:
        column = claim(a[0]) * COLUMNS
        if column >= columns:
            return
        padded = panel_width(columns - column)
        width = min(padded, columns - column)
        pack(a[4] + column * depth * 4, a[1] + column * depth * 4, depth, 1, depth, width, padded)


@rows_of(Conv2dWeightGradient)
def _weight_gradient(call: Call, m: Binding) -> list[Row]:
    (x, dy), (dw,) = call.inputs, call.outputs
    attributes = call.op.attributes()
    (height, width), stride, padding = attributes["size"], attributes["stride"], attributes["padding"]
    batch, in_height, in_width, channels = x.shape
    _, out_height, out_width, filters = dy.shape
    if winograd.suits(dw.shape, stride, dy.shape):
        return winograd.weight_gradient(m, x, dy, dw, padding)
    depth = math.prod((height, width, channels))
    shards = min(batch, SHARDS)
    sums = m.memory(shards * _panels(filters, depth))
    spread_size = (in_height + 2 * padding) * (in_width + 2 * padding) * channels
    return [
        Row(
            "conv2d_weights",
            [m.shared, m.address(x), in_height, in_width, channels, height, width, stride, padding]
            + [m.address(dy), out_height, out_width, filters, batch, shards, sums]
            + [*m.scratch(spread_size + out_height * out_width * COLUMNS)],
            main=True,
        ),
        Row("fold_shards", [m.shared, sums, shards, depth, filters, m.address(dw)]),
    ]
