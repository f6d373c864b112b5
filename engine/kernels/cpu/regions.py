"""Adaptive pooling, both ways, image by image. See `engine.ops.regions`; inner loops run over channels."""

from __future__ import annotations

from typing import Any

from engine.kernels.cpu.interpreter import claim
from engine.kernels.cpu.language import F, clear, copy, device, f32, kernel
from engine.kernels.cpu.rows import Binding, Row, rows_of
from engine.ops.base import Call, Value
from engine.ops.regions import (
    AdaptiveAveragePool,
    AdaptiveAveragePoolGradient,
    AdaptiveMaxPool,
    AdaptiveMaxPoolGradient,
)


@device
def _start(i: int, length: int, count: int) -> int:
    """The first pixel of region i."""
    return i * length // count


@device
def _stop(i: int, length: int, count: int) -> int:
    """The pixel behind the last of region i."""
    return ((i + 1) * length + count - 1) // count


@device
def _collect(result: int, line: int, pixels: int, channels: int, largest: int) -> None:
    """Take pixels side by side into the result of their region."""
    y = f32(result)
    for k in range(pixels):
        x = f32(line + k * channels * 4)
        if largest != 0:
            for c in range(channels):
                high = x[c] if x[c] > y[c] else y[c]
                y[c] = x[c] if x[c] != x[c] else high
        else:
            for c in range(channels):
                y[c] = y[c] + x[c]


@kernel
def adaptive_pool(a: Any, me: int, team: int, step: int) -> None:
    """A row of regions at a time. Arguments: shared, x, y, images, height, width, channels, rows and columns of y,
    whether the largest is wanted and not the mean."""
    height, width, channels, rows, columns, largest = a[4], a[5], a[6], a[7], a[8], a[9]
    while True:
        unit = claim(a[0])
        if unit >= a[3] * rows:
            return
        image, i = unit // rows, unit % rows
        upper, lower = _start(i, height, rows), _stop(i, height, rows)
        for j in range(columns):
            left, right = _start(j, width, columns), _stop(j, width, columns)
            out = a[2] + (unit * columns + j) * channels * 4
            corner = a[1] + ((image * height + upper) * width + left) * channels * 4
            if largest != 0:
                copy(out, corner, channels * 4)
            else:
                clear(out, channels * 4)
            for r in range(lower - upper):
                _collect(out, corner + r * width * channels * 4, right - left, channels, largest)
            if largest == 0:
                y, share = f32(out), F(1.0 / ((lower - upper) * (right - left)))
                for c in range(channels):
                    y[c] = y[c] * share


@device
def _spread(target: int, pixels: int, gradient: int, share: Any, channels: int) -> None:
    dy = f32(gradient)
    for k in range(pixels):
        dx = f32(target + k * channels * 4)
        for c in range(channels):
            dx[c] = dx[c] + dy[c] * share


@device
def _give_to_first(
    target: int, line: int, pixels: int, largest: int, gradient: int, waiting: int, channels: int
) -> None:
    """Hand gradients to the pixels that hold a region's largest numbers; `waiting` is 1 where none did before."""
    y, dy, w = f32(largest), f32(gradient), f32(waiting)
    for k in range(pixels):
        dx, x = f32(target + k * channels * 4), f32(line + k * channels * 4)
        for c in range(channels):
            hit = w[c] if x[c] == y[c] else F(0)
            w[c] = w[c] - hit
            dx[c] = dx[c] + hit * dy[c]


@kernel
def adaptive_pool_gradient(a: Any, me: int, team: int, step: int) -> None:
    """An image at a time, because regions may overlap. Arguments: shared, dx, dy, images, height, width, channels, rows
    and columns of dy; x and y where the largest was taken, else 0; work memory, its bytes for each thread."""
    height, width, channels, rows, columns = a[4], a[5], a[6], a[7], a[8]
    waiting = a[11] + me * a[12]
    w = f32(waiting)
    while True:
        image = claim(a[0])
        if image >= a[3]:
            return
        whole = image * height * width * channels * 4
        clear(a[1] + whole, height * width * channels * 4)
        for region in range(rows * columns):
            i, j = region // columns, region % columns
            upper, lower = _start(i, height, rows), _stop(i, height, rows)
            left, right = _start(j, width, columns), _stop(j, width, columns)
            result = (image * rows * columns + region) * channels * 4
            for c in range(channels):
                w[c] = F(1)
            for r in range(upper, lower):
                at = whole + (r * width + left) * channels * 4
                if a[9] != 0:
                    pixels = right - left
                    _give_to_first(a[1] + at, a[9] + at, pixels, a[10] + result, a[2] + result, waiting, channels)
                else:
                    share = F(1.0 / ((lower - upper) * (right - left)))
                    _spread(a[1] + at, right - left, a[2] + result, share, channels)


def _pool(call: Call, m: Binding, largest: int) -> list[Row]:
    (x,), (y,) = call.inputs, call.outputs
    return [Row("adaptive_pool", [m.shared, m.address(x), m.address(y), *x.shape, *y.shape[1:3], largest])]


@rows_of(AdaptiveMaxPool)
def _max_pool(call: Call, m: Binding) -> list[Row]:
    return _pool(call, m, 1)


@rows_of(AdaptiveAveragePool)
def _average_pool(call: Call, m: Binding) -> list[Row]:
    return _pool(call, m, 0)


def _gradient(m: Binding, dx: Value, dy: Value, images: list[int]) -> list[Row]:
    place = [m.shared, m.address(dx), m.address(dy), *dx.shape, *dy.shape[1:3], *images]
    return [Row("adaptive_pool_gradient", [*place, *m.scratch(dx.shape[3])])]


@rows_of(AdaptiveMaxPoolGradient)
def _max_pool_gradient(call: Call, m: Binding) -> list[Row]:
    x, y, dy = call.inputs
    return _gradient(m, call.outputs[0], dy, [m.address(x), m.address(y)])


@rows_of(AdaptiveAveragePoolGradient)
def _average_pool_gradient(call: Call, m: Binding) -> list[Row]:
    return _gradient(m, call.outputs[0], call.inputs[0], [0, 0])
