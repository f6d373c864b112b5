"""Pooling, row by row of the result: the rows of a window first, whose loops are long, then its columns.

Rows of all images are one sequence that threads take pieces of; a gradient's pieces end with stages. See
`engine.ops.pooling` for what is computed.
"""

from __future__ import annotations

import math
from typing import Any

from engine.kernels.cpu.interpreter import claim
from engine.kernels.cpu.language import F, clear, copy, device, f32, kernel, number, stack
from engine.kernels.cpu.reduction import WIDE, sum_columns
from engine.kernels.cpu.rows import STAGES_ARGUMENT, Binding, Row, rows_of
from engine.kernels.cpu.stages import apply
from engine.ops import (
    AveragePool,
    AveragePoolGradient,
    GlobalAveragePool,
    GlobalAveragePoolGradient,
    MaxPool,
    MaxPoolGradient,
)
from engine.ops.base import Call

PIECE = 8192
"""Elements that a thread takes at a time, about."""

CHANNELS = 256
"""Channels whose windows are searched at once for their maximum."""


@device
def _combined(first: Any, second: Any, average: int) -> Any:
    """The sum, or the larger one; what is not a number wins."""
    larger = first if first > second else second
    larger = first if first != first else larger
    return first + second if average != 0 else larger


@device
def _combine(out: int, source: int, apart: int, count: int, length: int, average: int, scale: Any) -> None:
    """out (length) = `count` >= 1 pieces combined, which lie `apart` elements apart, times `scale`."""
    y, x0 = f32(out), f32(source)
    if count == 1:
        for j in range(length):
            y[j] = x0[j] * scale
        return
    x1 = f32(source + apart * 4)
    factor = scale if count == 2 else F(1)
    for j in range(length):
        y[j] = _combined(x0[j], x1[j], average) * factor
    for i in range(2, count):
        x1 = f32(source + i * apart * 4)
        factor = scale if i == count - 1 else F(1)
        for j in range(length):
            y[j] = _combined(y[j], x1[j], average) * factor


@device
def _fill(out: int, length: int, value: Any) -> None:
    y = f32(out)
    for j in range(length):
        y[j] = value


@kernel
def pool(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared, x, y; images, height, width, channels; rows, columns; size, stride, padding; whether the
    average is taken, what a window is multiplied with, what an empty one yields; rows at a time; work memory, its bytes
    for each thread."""
    height, width, channels, rows, columns = a[4], a[5], a[6], a[7], a[8]
    size, stride, padding, average = a[9], a[10], a[11], a[12]
    scale, neutral = F(number(a[13])), F(number(a[14]))
    line = width * channels
    buffer = a[16] + me * a[17]
    while True:
        begin = claim(a[0]) * a[15]
        if begin >= a[3] * rows:
            return
        for row in range(begin, min(begin + a[15], a[3] * rows)):
            out = a[2] + row * columns * channels * 4
            top = row % rows * stride - padding
            first, last = max(top, 0), min(top + size, height)
            if first >= last:
                _fill(out, columns * channels, neutral)
                continue
            source = a[1] + (row // rows * height + first) * line * 4
            if last - first > 1:
                _combine(buffer, source, line, last - first, line, average, F(1))
                source = buffer
            for column in range(columns):
                left = column * stride - padding
                begins, ends = max(left, 0), min(left + size, width)
                at = out + column * channels * 4
                if begins < ends:
                    _combine(at, source + begins * channels * 4, channels, ends - begins, channels, average, scale)
                else:
                    _fill(at, channels, neutral)


@device
def _pass_back(x: int, y: int, dy: int, dx: int, waiting: int, channels: int, adding: int) -> None:
    """One pixel of a window: where it equals the maximum and none before it did, it gets the gradient. `waiting` holds
    1 where the maximum was not met so far, and 0 elsewhere."""
    pixel, maximum, gradient, target, still = f32(x), f32(y), f32(dy), f32(dx), f32(waiting)
    if adding != 0:
        for c in range(channels):
            hit = still[c] if pixel[c] == maximum[c] else F(0)
            still[c] = still[c] - hit
            target[c] = target[c] + hit * gradient[c]
        return
    for c in range(channels):
        hit = still[c] if pixel[c] == maximum[c] else F(0)
        still[c] = still[c] - hit
        target[c] = hit * gradient[c]


@device
def _first_of(a: bool, b: bool, c: bool, d: bool) -> Any:
    """1 for the first that is true, and 0 for the others."""
    first = F(1) if a else F(0)
    second = F(1) - first if b else F(0)
    still = F(1) - first - second
    third = still if c else F(0)
    fourth = still - third if d else F(0)
    return first, second, third, fourth


@device
def _pass_back_four(x: int, y: int, dy: int, dx: int, channels: int, line: int) -> None:
    """All of a window of 2 x 2 that lies apart from others; rows of the image are `line` elements long."""
    x0, x1, x2, x3 = f32(x), f32(x + channels * 4), f32(x + line * 4), f32(x + (line + channels) * 4)
    d0, d1, d2, d3 = f32(dx), f32(dx + channels * 4), f32(dx + line * 4), f32(dx + (line + channels) * 4)
    maximum, gradient = f32(y), f32(dy)
    # Two loops, because one that is known to be short gets vectors of half the length.
    if channels >= 16:
        for c in range(channels):
            m, g = maximum[c], gradient[c]
            hit0, hit1, hit2, hit3 = _first_of(x0[c] == m, x1[c] == m, x2[c] == m, x3[c] == m)
            d0[c] = hit0 * g
            d1[c] = hit1 * g
            d2[c] = hit2 * g
            d3[c] = hit3 * g
    else:
        for c in range(channels & 15):
            m, g = maximum[c], gradient[c]
            hit0, hit1, hit2, hit3 = _first_of(x0[c] == m, x1[c] == m, x2[c] == m, x3[c] == m)
            d0[c] = hit0 * g
            d1[c] = hit1 * g
            d2[c] = hit2 * g
            d3[c] = hit3 * g


@kernel
def max_pool_gradient(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared, x, y, dy, dx; images, height, width, channels; rows, columns; size, stride, padding; rows at a
    time (whole images where windows overlap); whether every pixel lies in a window of its own."""
    height, width, channels, rows, columns = a[6], a[7], a[8], a[9], a[10]
    size, stride, padding, tight = a[11], a[12], a[13], a[15]
    line = width * channels
    waiting = stack(CHANNELS)
    adding = 1 if stride < size else 0
    while True:
        begin = claim(a[0]) * a[14]
        if begin >= a[5] * rows:
            return
        end = min(begin + a[14], a[5] * rows)
        # From the first pixel that belongs to these rows up to the first one of the next.
        above = _first_line(begin, rows, height, stride, padding)
        below = _first_line(end, rows, height, stride, padding)
        if tight == 0:
            clear(a[4] + above * line * 4, (below - above) * line * 4)
        for row in range(begin, end):
            top = row % rows * stride - padding
            first, last = max(top, 0), min(top + size, height)
            for column in range(columns):
                left = column * stride - padding
                begins, ends = max(left, 0), min(left + size, width)
                window = (row * columns + column) * channels * 4
                image = ((row // rows * height + first) * width + begins) * channels * 4
                if tight != 0 and size == 2:
                    _pass_back_four(a[1] + image, a[2] + window, a[3] + window, a[4] + image, channels, line)
                    continue
                for c in range(0, channels, CHANNELS):
                    count = min(CHANNELS, channels - c)
                    _fill(waiting, count, F(1))
                    of = window + c * 4
                    for i in range(last - first):
                        for j in range(ends - begins):
                            at = image + ((i * width + j) * channels + c) * 4
                            _pass_back(a[1] + at, a[2] + of, a[3] + of, a[4] + at, waiting, count, adding)
        _end_with_stages(a, a[4], above * width, below * width, channels)


@device
def _end_with_stages(a: Any, dx: int, first: int, last: int, channels: int) -> None:
    """Apply the row's stages to pixels from `first` up to `last`."""
    apply(a, STAGES_ARGUMENT, dx + first * channels * 4, channels, first, last - first, 0, channels)


@device
def _first_line(row: int, rows: int, height: int, stride: int, padding: int) -> int:
    """The first row of pixels, of those of all images, that is left to pooled row `row` and those after it."""
    inside = row % rows * stride - padding if row % rows > 0 else 0
    return row // rows * height + min(max(inside, 0), height)


@kernel
def average_pool_gradient(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared, dy, dx; images, height, width, channels; rows, columns; size, stride, padding; what a gradient
    is multiplied with; rows of pixels at a time; work memory, its bytes for each thread."""
    height, width, channels, rows, columns = a[4], a[5], a[6], a[7], a[8]
    size, stride, padding = a[9], a[10], a[11]
    scale = F(number(a[12]))
    line = columns * channels
    buffer = a[14] + me * a[15]
    while True:
        begin = claim(a[0]) * a[13]
        if begin >= a[3] * height:
            return
        end = min(begin + a[13], a[3] * height)
        for row in range(begin, end):
            out = a[2] + row * width * channels * 4
            pixel = row % height + padding
            first, last = _windows(pixel, size, stride, rows)
            if first >= last:
                clear(out, width * channels * 4)
                continue
            _combine(buffer, a[1] + (row // height * rows + first) * line * 4, line, last - first, line, 1, scale)
            # The windows that see a pixel, as in `_windows`, without a division for each.
            begins, ends = 0, 0
            for column in range(width):
                while begins * stride + size <= column + padding:
                    begins += 1
                while ends < columns and ends * stride <= column + padding:
                    ends += 1
                at = out + column * channels * 4
                if begins < ends:
                    _combine(at, buffer + begins * channels * 4, channels, ends - begins, channels, 1, F(1))
                else:
                    _fill(at, channels, F(0))
        _end_with_stages(a, a[2], begin * width, end * width, channels)


@device
def _windows(pixel: int, size: int, stride: int, count: int) -> Any:
    """(first, behind the last) of `count` windows that see a pixel, counted from where the first one begins."""
    first = (pixel - size + stride) // stride if pixel >= size else 0
    return first, min(pixel // stride + 1, count)


@kernel
def global_average_pool(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared, x, y, images, pixels, channels, images at a time."""
    pixels, channels = a[4], a[5]
    scale = F(1.0 / pixels)
    total = stack(WIDE)
    sums = f32(total)
    while True:
        begin = claim(a[0]) * a[6]
        if begin >= a[3]:
            return
        for image in range(begin, min(begin + a[6], a[3])):
            for c in range(0, channels, WIDE):
                count = min(WIDE, channels - c)
                sum_columns(total, a[1] + (image * pixels * channels + c) * 4, channels, pixels, count)
                y = f32(a[2] + (image * channels + c) * 4)
                for j in range(count):
                    y[j] = sums[j] * scale


@kernel
def global_average_pool_gradient(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared, dy, dx, images, pixels, channels, images at a time."""
    pixels, channels = a[4], a[5]
    scale = F(1.0 / pixels)
    size = pixels * channels
    while True:
        begin = claim(a[0]) * a[6]
        if begin >= a[3]:
            return
        for image in range(begin, min(begin + a[6], a[3])):
            dy, dx = f32(a[1] + image * channels * 4), f32(a[2] + image * size * 4)
            for c in range(channels):
                dx[c] = dy[c] * scale
            done = channels
            while done < size:
                # Twice as much each time, up to what stays in the first-level cache.
                count = min(min(done, max(PIECE // 2 // channels, 1) * channels), size - done)
                copy(a[2] + (image * size + done) * 4, a[2] + image * size * 4, count * 4)
                done += count
            _end_with_stages(a, a[2], image * pixels, (image + 1) * pixels, channels)


def _images(x: tuple[int, ...], y: tuple[int, ...]) -> list[int]:
    """images, height, width, channels; rows, columns of the result."""
    return [*x, *y[1:3]]


def _windows_of(call: Call) -> list[int]:
    attributes = call.op.attributes()
    return [attributes[name] for name in ("size", "stride", "padding")]


def _at_once(elements: int) -> int:
    """How many rows of so many elements make a piece."""
    return max(1, PIECE // max(1, elements))


def _forward(call: Call, m: Binding, average: bool) -> list[Row]:
    (x,), (y,) = call.inputs, call.outputs
    size, stride, padding = _windows_of(call)
    _, _, width, channels = x.shape
    factors = [1.0 / (size * size), 0.0] if average else [1.0, -math.inf]
    shape = [*_images(x.shape, y.shape), size, stride, padding]
    work = [_at_once(stride * width * channels), *m.scratch(width * channels)]
    return [Row("pool", [m.shared, m.address(x), m.address(y), *shape, int(average), *factors, *work])]


@rows_of(MaxPool)
def _max(call: Call, m: Binding) -> list[Row]:
    return _forward(call, m, average=False)


@rows_of(AveragePool)
def _average(call: Call, m: Binding) -> list[Row]:
    return _forward(call, m, average=True)


@rows_of(MaxPoolGradient)
def _max_gradient(call: Call, m: Binding) -> list[Row]:
    x, y, _ = call.inputs
    size, stride, padding = _windows_of(call)
    _, height, width, channels = x.shape
    rows = y.shape[1]
    at_once = _at_once(stride * width * channels)
    if stride < size:
        at_once = max(1, at_once // rows) * rows
    tight = size == stride and padding == 0 and height % size == 0 and width % size == 0
    addresses = [m.address(value) for value in (*call.inputs, *call.outputs)]
    shape = [*_images(x.shape, y.shape), size, stride, padding]
    return [Row("max_pool_gradient", [m.shared, *addresses, *shape, at_once, int(tight)], output=4)]


@rows_of(AveragePoolGradient)
def _average_gradient(call: Call, m: Binding) -> list[Row]:
    (dy,), (dx,) = call.inputs, call.outputs
    size, stride, padding = _windows_of(call)
    _, _, width, channels = dx.shape
    shape = [*_images(dx.shape, dy.shape), size, stride, padding]
    work = [_at_once(width * channels), *m.scratch(dy.shape[2] * channels)]
    arguments = [m.shared, m.address(dy), m.address(dx), *shape, 1.0 / (size * size), *work]
    return [Row("average_pool_gradient", arguments, output=2)]


def _over_images(call: Call, m: Binding, images: tuple[int, ...]) -> list[int | float]:
    """The arguments of both operations over all pixels of an image."""
    (source,), (result,) = call.inputs, call.outputs
    count, height, width, channels = images
    pixels = height * width
    return [m.shared, m.address(source), m.address(result), count, pixels, channels, _at_once(pixels * channels)]


@rows_of(GlobalAveragePool)
def _global_average(call: Call, m: Binding) -> list[Row]:
    return [Row("global_average_pool", _over_images(call, m, call.inputs[0].shape))]


@rows_of(GlobalAveragePoolGradient)
def _global_average_gradient(call: Call, m: Binding) -> list[Row]:
    return [Row("global_average_pool_gradient", _over_images(call, m, call.outputs[0].shape), output=2)]
