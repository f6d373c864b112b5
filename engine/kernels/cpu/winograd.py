"""Convolutions with fewer multiplications: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks"
(CVPR 2016), after Winograd.

m neighbouring outputs of a window of r numbers are the coefficients of a product of polynomials, transposed, and that
product is known from its values at m + r - 1 points. In two dimensions a tile of 6 x 6 inputs gives m x m outputs, with
m + r = 7, for 36 products a pair of channels, where the direct way needs (m r)^2: 144 for windows of 3 x 3, 100 for
5 x 5. The tiles of a block become, at each of the 36 pairs of points, the rows of a plain matrix product over channels.

Three transforms, each the same along both axes and on a vector of channels at a time, serve all operations:

    interpolate     6 inputs to 6 points
    evaluate        the n numbers of a window, as a polynomial, at 6 points
    collect         6 products to n outputs: the transpose of `evaluate`

Forwards, outputs are collected from interpolated inputs times evaluated weights; the gradient by the input is the same
with weights mirrored. The gradient by the weights is the correlation of the image with dy as the window: collected from
interpolated inputs times evaluated dy, and linear, so that it is summed over all tiles before it is collected.

The points are 0, +-sqrt(1/2), +-sqrt(2) and infinity: with 0, +-1, +-2, as in the paper, four times the error arises.
An output that is not finite makes its tile so.
"""

from __future__ import annotations

import math
from typing import Any

from engine.kernels.cpu.interpreter import claim
from engine.kernels.cpu.language import F, broadcast, clear, copy, device, kernel, put, stack, tile, vector
from engine.kernels.cpu.matrix import COLUMNS, LANES, ROWS, panel_width
from engine.kernels.cpu.rows import STAGES_ARGUMENT, Binding, Row
from engine.kernels.cpu.stages import apply
from engine.ops.base import Value

SIZE = 6
"""Pixels of a tile of inputs along an axis, and points."""

POINTS = SIZE * SIZE
WORK = POINTS * LANES

BLOCK = 28
"""Tiles that a thread takes at a time: at all points they stay in the second-level cache."""

# p and q are the points beside 0 and infinity, each with both signs; p q = 1.
P, Q = F(0.5**0.5), F(2**0.5)
PP, QQ = F(0.5), F(2.0)
PPP, QQQ = F(0.5**1.5), F(2**1.5)
# What a polynomial of degree 5 with zeros at all other points is at this one, inverted: 2 p^2 (p^2 - q^2) is -3/2.
AT_P, AT_Q = F(-2 / 3), F(1 / 6)


# -- transforms --------------------------------------------------------------------------------------------------------


@device
def interpolate(to: int, to_step: int, at: int, step: int) -> None:
    """6 vectors from 6, each `step` elements from the one before."""
    x1, x2 = vector(at + step * 4), vector(at + step * 8)
    x3, x4 = vector(at + step * 12), vector(at + step * 16)
    put(to, vector(at) - x2 * F(2.5) + x4)
    even, odd = x4 - x2 * QQ, (x3 - x1 * QQ) * P
    put(to + to_step * 4, even + odd)
    put(to + to_step * 8, even - odd)
    even, odd = x4 - x2 * PP, (x3 - x1 * PP) * Q
    put(to + to_step * 12, even + odd)
    put(to + to_step * 16, even - odd)
    put(to + to_step * 20, x1 - x3 * F(2.5) + vector(at + step * 20))


@device
def evaluate(n: int, to: int, to_step: int, at: int, step: int) -> None:
    """6 vectors from n, 2 <= n <= 5."""
    zero = broadcast(F(0))
    x0, x1 = vector(at), vector(at + step * 4)
    x2 = vector(at + step * 8) if n > 2 else zero
    x3 = vector(at + step * 12) if n > 3 else zero
    x4 = vector(at + step * 16) if n > 4 else zero
    put(to, x0)
    even, odd = (x0 + x2 * PP + x4 * (PP * PP)) * AT_P, (x1 + x3 * PP) * (P * AT_P)
    put(to + to_step * 4, even + odd)
    put(to + to_step * 8, even - odd)
    even, odd = (x0 + x2 * QQ + x4 * (QQ * QQ)) * AT_Q, (x1 + x3 * QQ) * (Q * AT_Q)
    put(to + to_step * 12, even + odd)
    put(to + to_step * 16, even - odd)
    put(to + to_step * 20, vector(at + (n - 1) * step * 4))


@device
def collect(n: int, to: int, to_step: int, at: int, step: int) -> None:
    """n vectors from 6, 2 <= n <= 5."""
    x1, x2 = vector(at + step * 4), vector(at + step * 8)
    x3, x4 = vector(at + step * 12), vector(at + step * 16)
    last = vector(at + step * 20)
    even_p, odd_p, even_q, odd_q = x1 + x2, x1 - x2, x3 + x4, x3 - x4
    put(to, vector(at) + even_p + even_q)
    x = odd_p * P + odd_q * Q
    put(to + to_step * 4, x + last if n == 2 else x)
    if n > 2:
        x = even_p * PP + even_q * QQ
        put(to + to_step * 8, x + last if n == 3 else x)
    if n > 3:
        x = odd_p * PPP + odd_q * QQQ
        put(to + to_step * 12, x + last if n == 4 else x)
    if n > 4:
        put(to + to_step * 16, even_p * (PP * PP) + even_q * (QQ * QQ) + last)


@device
def interpolate_tile(to: int, plane: int, at: int, row: int, pixel: int, channels: int, work: int) -> None:
    """The 36 points of a tile of 6 x 6 pixels and `channels`; what belongs to a point lies `plane` elements from what
    belongs to the one before. `work` is memory for 36 vectors."""
    for c in range(0, channels, LANES):
        for j in range(SIZE):
            interpolate(work + j * LANES * 4, SIZE * LANES, at + (j * pixel + c) * 4, row)
        for i in range(SIZE):
            interpolate(to + (i * SIZE * plane + c) * 4, plane, work + i * SIZE * LANES * 4, LANES)


@device
def evaluate_tile(n: int, to: int, plane: int, at: int, row: int, pixel: int, channels: int, work: int) -> None:
    """The 36 points of a window of n x n pixels."""
    for c in range(0, channels, LANES):
        for j in range(n):
            evaluate(n, work + j * LANES * 4, SIZE * LANES, at + (j * pixel + c) * 4, row)
        for i in range(SIZE):
            evaluate(n, to + (i * SIZE * plane + c) * 4, plane, work + i * SIZE * LANES * 4, LANES)


@device
def collect_tile(n: int, to: int, row: int, pixel: int, at: int, plane: int, channels: int, work: int) -> None:
    """n x n pixels from 36 points."""
    for c in range(0, channels, LANES):
        for j in range(SIZE):
            collect(n, work + j * LANES * 4, SIZE * LANES, at + (j * plane + c) * 4, SIZE * plane)
        for i in range(n):
            collect(n, to + (i * row + c) * 4, pixel, work + i * SIZE * LANES * 4, LANES)


# -- tiles of images ---------------------------------------------------------------------------------------------------


@device
def crosses(height: int, width: int, top: int, left: int, size: int) -> int:
    """Whether `size` x `size` pixels from (top, left) on reach beyond an image."""
    return 1 if top < 0 or left < 0 or top + size > height or left + size > width else 0


@device
def cut(
    to: int, image: int, height: int, width: int, pixel: int, top: int, left: int, size: int, channels: int
) -> None:
    """to (size, size, channels) = the pixels from (top, left) on, zeros where there are none."""
    clear(to, size * size * channels * 4)
    first, last = max(left, 0), min(left + size, width)
    for i in range(max(top, 0), min(top + size, height)):
        source, target = image + (i * width + first) * pixel * 4, to + ((i - top) * size + first - left) * channels * 4
        if pixel == channels:
            copy(target, source, (last - first) * channels * 4)
        else:
            for j in range(last - first):
                copy(target + j * channels * 4, source + j * pixel * 4, channels * 4)


@device
def sample(
    n: int, to: int, plane: int, image: int, height: int, width: int, pixel: int, top: int, left: int, channels: int,
    patch: int, work: int,
) -> None:  # fmt: skip
    """The 36 points of the n x n pixels from (top, left) on: a tile of inputs where n is 6, else a window. Pixels lie
    `pixel` elements apart; `patch` is memory for them, where some must be made up."""
    at, row = image + (top * width + left) * pixel * 4, width * pixel
    if crosses(height, width, top, left, n) != 0:
        cut(patch, image, height, width, pixel, top, left, n, channels)
        at, row, pixel = patch, n * channels, channels
    if n == SIZE:
        interpolate_tile(to, plane, at, row, pixel, channels, work)
    else:
        evaluate_tile(n, to, plane, at, row, pixel, channels, work)


@kernel
def winograd_windows(a: Any, me: int, team: int, step: int) -> None:
    """The weights at the 36 points. Arguments: shared; panels (window x window x depth, columns), window, depth,
    columns; for each panel, points (36, depth, columns)."""
    window, depth, columns = a[2], a[3], a[4]
    work = stack(WORK)
    panels = (columns + COLUMNS - 1) // COLUMNS
    while True:
        unit = claim(a[0])
        if unit >= panels * depth:
            return
        column, k = unit // depth * COLUMNS, unit % depth
        padded = panel_width(columns - column)
        source = a[1] + (column * window * window * depth + k * padded) * 4
        target = a[5] + (column * POINTS * depth + k * padded) * 4
        plane = depth * padded
        evaluate_tile(window, target, plane, source, window * plane, plane, padded, work)


@kernel
def winograd(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared; x, its height, width, channels; points of the weights, window, margin; y, its height, width,
    channels; batch; work memory, its bytes for each thread."""
    height, width, channels, margin = a[2], a[3], a[4], a[7]
    out_height, out_width, filters = a[9], a[10], a[11]
    n = SIZE + 1 - a[6]
    across = (out_width + n - 1) // n
    tiles = (out_height + n - 1) // n * across
    plane, out_plane = BLOCK * channels + LANES, BLOCK * COLUMNS + LANES
    inputs = a[13] + me * a[14]
    products = inputs + POINTS * plane * 4
    patch = products + POINTS * out_plane * 4
    work = stack(WORK)
    while True:
        begin = claim(a[0]) * BLOCK
        if begin >= a[12] * tiles:
            return
        count = min(BLOCK, a[12] * tiles - begin)
        for t in range(count):
            image, place = (begin + t) // tiles, (begin + t) % tiles
            top, left = place // across * n - margin, place % across * n - margin
            source = a[1] + image * height * width * channels * 4
            to = inputs + t * channels * 4
            sample(SIZE, to, plane, source, height, width, channels, top, left, channels, patch, work)
        stripes = (count + ROWS - 1) // ROWS
        for column in range(0, filters, COLUMNS):
            padded = panel_width(filters - column)
            for point in range(POINTS):
                panel = a[5] + (column * POINTS + point * padded) * channels * 4
                for s in range(stripes):
                    t = s * count // stripes
                    tile(
                        (s + 1) * count // stripes - t, padded // LANES, 0,
                        products + (point * out_plane + t * padded) * 4, padded,
                        inputs + (point * plane + t * channels) * 4, channels, 1, 0, panel, padded, 0, channels, 1,
                    )  # fmt: skip
            for t in range(count):
                image, place = (begin + t) // tiles, (begin + t) % tiles
                top, left = place // across * n, place % across * n
                source = products + t * padded * 4
                to = a[8] + (((image * out_height + top) * out_width + left) * filters + column) * 4
                if crosses(out_height, out_width, top, left, n) == 0:
                    collect_tile(n, to, out_width * filters, filters, source, out_plane, padded, work)
                    continue
                collect_tile(n, patch, n * padded, padded, source, out_plane, padded, work)
                for i in range(min(n, out_height - top)):
                    for j in range(min(n, out_width - left)):
                        copy(to + (i * out_width + j) * filters * 4, patch + (i * n + j) * padded * 4, padded * 4)
        if a[STAGES_ARGUMENT] == 0:
            continue
        # Once all channels are there: whole pixels lie behind one another.
        for t in range(count):
            image, place = (begin + t) // tiles, (begin + t) % tiles
            top, left = place // across * n, place % across * n
            for i in range(top, min(top + n, out_height)):
                pixel = (image * out_height + i) * out_width + left
                pixels = min(n, out_width - left)
                apply(a, STAGES_ARGUMENT, a[8] + pixel * filters * 4, filters, pixel, pixels, 0, filters)


@kernel
def winograd_weights(a: Any, me: int, team: int, step: int) -> None:
    """The weight gradient of each shard of the batch. Arguments: shared; x, its height, width, channels; window,
    padding; dy, its height, width, channels; batch, shards; sums (shards, panels, depth, columns); work memory, its
    bytes for each thread."""
    height, width, channels, window, padding = a[2], a[3], a[4], a[5], a[6]
    out_height, out_width, filters = a[8], a[9], a[10]
    batch, shards = a[11], a[12]
    n = SIZE + 1 - window
    across = (out_width + n - 1) // n
    tiles = (out_height + n - 1) // n * across
    panels = (filters + COLUMNS - 1) // COLUMNS
    plane, out_plane = BLOCK * channels + LANES, BLOCK * COLUMNS + LANES
    inputs = a[14] + me * a[15]
    gradients = inputs + POINTS * plane * 4
    products = gradients + POINTS * out_plane * 4
    patch = products + POINTS * channels * COLUMNS * 4
    work = stack(WORK)
    stripes = (channels + ROWS - 1) // ROWS
    while True:
        unit = claim(a[0])
        if unit >= shards * panels:
            return
        shard, column = unit // panels, unit % panels * COLUMNS
        padded = panel_width(filters - column)
        first, last = shard * batch // shards * tiles, (shard + 1) * batch // shards * tiles
        for begin in range(first, last, BLOCK):
            count = min(BLOCK, last - begin)
            for t in range(count):
                image, place = (begin + t) // tiles, (begin + t) % tiles
                top, left = place // across * n, place % across * n
                x = a[1] + image * height * width * channels * 4
                dy = a[7] + (image * out_height * out_width * filters + column) * 4
                sample(
                    SIZE, inputs + t * channels * 4, plane, x, height, width, channels, top - padding, left - padding,
                    channels, patch, work,
                )  # fmt: skip
                sample(
                    n, gradients + t * padded * 4, out_plane, dy, out_height, out_width, filters, top, left,
                    padded, patch, work,
                )  # fmt: skip
            for point in range(POINTS):
                for s in range(stripes):
                    c = s * channels // stripes
                    tile(
                        (s + 1) * channels // stripes - c, padded // LANES, begin - first,
                        products + (point * channels + c) * padded * 4, padded,
                        inputs + (point * plane + c) * 4, 1, channels, 0,
                        gradients + point * out_plane * 4, padded, 0, count, 1,
                    )  # fmt: skip
        sums = a[13] + (shard * panels * COLUMNS + column) * window * window * channels * 4
        row = channels * padded
        for c in range(0, row, padded):
            collect_tile(window, sums + c * 4, window * row, row, products + c * 4, row, padded, work)


# -- rows --------------------------------------------------------------------------------------------------------------

TRANSFORM = 400
"""Multiplications that take as long as the transforms of a tile take for each channel, in and out; measured."""

TILES = 64
"""Tiles of a shard of the batch, at least."""

SHARDS = 16
"""Parts of the weight gradient that are summed apart, panels times shards, as far as there are tiles and images: the
same for any small team, so that it does not show in the bits."""


def _tiles(shape: tuple[int, ...], window: int) -> int:
    """How many tiles cover the outputs (batch, height, width, channels)."""
    n = SIZE + 1 - window
    return shape[0] * -(-shape[1] // n) * -(-shape[2] // n)


def suits(w: tuple[int, ...], stride: int, out: tuple[int, ...]) -> bool:
    """Whether the kernels here do weights of shape `w` to outputs of shape `out`, and faster than the direct ones."""
    height, width, channels, filters = w
    if height != width or not 2 < height < SIZE or stride != 1 or channels % LANES or filters % LANES:
        return False
    pairs = channels * filters
    direct = math.prod(out[:3]) * height * width * pairs
    tiles = _tiles(out, height)
    return tiles * (POINTS * pairs + TRANSFORM * (channels + filters)) + TRANSFORM * pairs < direct


def correlation(m: Binding, x: Value, y: Value, panels: int, window: int, margin: int) -> list[Row]:
    """y = x correlated with the weights in `panels`; the last row takes stages."""
    batch, height, width, channels = x.shape
    _, out_height, out_width, filters = y.shape
    points = m.memory(POINTS * channels * -(-filters // COLUMNS) * COLUMNS)
    size = BLOCK * (channels + COLUMNS) + 2 * LANES + max(channels, COLUMNS)
    return [
        Row("winograd_windows", [m.shared, panels, window, channels, filters, points]),
        Row(
            "winograd",
            [m.shared, m.address(x), height, width, channels, points, window, margin]
            + [m.address(y), out_height, out_width, filters, batch, *m.scratch(POINTS * size)],
            output=8,
        ),
    ]


def weight_gradient(m: Binding, x: Value, dy: Value, dw: Value, padding: int) -> list[Row]:
    """The rows of the gradient by the weights."""
    window = dw.shape[0]
    batch, height, width, channels = x.shape
    _, out_height, out_width, filters = dy.shape
    panels = -(-filters // COLUMNS)
    shards = max(1, min(batch, SHARDS // panels, _tiles(dy.shape, window) // TILES))
    depth = window * window * channels
    sums = m.memory(shards * panels * COLUMNS * depth)
    size = BLOCK * (channels + COLUMNS) + channels * COLUMNS + 2 * LANES + max(channels, COLUMNS)
    return [
        Row(
            "winograd_weights",
            [m.shared, m.address(x), height, width, channels, window, padding]
            + [m.address(dy), out_height, out_width, filters, batch, shards, sums, *m.scratch(POINTS * size)],
            main=True,
        ),
        Row("fold_shards", [m.shared, sums, shards, depth, filters, m.address(dw)]),
    ]
