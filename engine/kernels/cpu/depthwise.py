"""Convolutions of each channel by itself, both ways. See `engine.ops.grouped_convolution`; other groups are left to the
reference kernels, which make matrix products of them.

Inner loops run over channels. Where three pixels side by side are met, their products are added up in one go.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.kernels.cpu.interpreter import claim
from engine.kernels.cpu.language import F, clear, device, f32, f64, kernel
from engine.kernels.cpu.pieces import is_last
from engine.kernels.cpu.reduction import combine
from engine.kernels.cpu.rows import STAGES_ARGUMENT, Binding, Row, rows_of
from engine.kernels.cpu.stages import apply
from engine.ops.base import Call, Value
from engine.ops.grouped_convolution import (
    GroupedConv2d,
    GroupedConv2dInputGradient,
    GroupedConv2dWeightGradient,
)

PIECE = 16384
"""Products of one offset that the weights' gradient adds up in float32."""


@device
def _place(pixel: int, stride: int, start: int, apart: int, divisor: int, offset: int, length: int) -> int:
    """Where the offset of a pixel's window lies in the other image; -1: nowhere."""
    place = pixel * stride + start + offset * apart
    if place < 0 or place % divisor != 0 or place // divisor >= length:
        return -1
    return place // divisor


@device
def _add_offset(y: int, x: int, w: int, channels: int) -> None:
    target, pixel, weights = f32(y), f32(x), f32(w)
    for c in range(channels):
        target[c] = target[c] + pixel[c] * weights[c]


@device
def _add_three(y: int, x: int, x_apart: int, w: int, channels: int) -> None:
    target, w0 = f32(y), f32(w)
    w1, w2 = f32(w + channels * 4), f32(w + channels * 8)
    x0, x1, x2 = f32(x), f32(x + x_apart), f32(x + 2 * x_apart)
    for c in range(channels):
        target[c] = target[c] + (x0[c] * w0[c] + x1[c] * w1[c] + x2[c] * w2[c])


@device
def _add_nothing(y: int, w: int, channels: int) -> None:
    """Zeros beside the image, times weights: what is not finite shows."""
    target, weights = f32(y), f32(w)
    for c in range(channels):
        target[c] = target[c] + weights[c] * F(0)


@kernel
def depthwise(a: Any, me: int, team: int, step: int) -> None:
    """Row by row of the result. Arguments: shared, result, its images, rows, columns, channels; source, its rows,
    columns; weights, their rows, columns; where a window lies: stride, start, apart, divisor; whether what lies beside
    the source is zeros."""
    rows, columns, channels = a[3], a[4], a[5]
    height, width, taps = a[7], a[8], a[11]
    stride, start, apart, divisor = a[12], a[13], a[14], a[15]
    while True:
        unit = claim(a[0])
        if unit >= a[2] * rows:
            return
        image, row = unit // rows, unit % rows
        out = a[1] + unit * columns * channels * 4
        clear(out, columns * channels * 4)
        for i in range(a[10]):
            line = _place(row, stride, start, apart, divisor, i, height)
            weights = a[9] + i * taps * channels * 4
            source = a[6] + (image * height + line) * width * channels * 4
            for column in range(columns):
                y = out + column * channels * 4
                first = column * stride + start
                last = first + (taps - 1) * apart
                inside = min(first, last) >= 0 and max(first, last) < width
                if line >= 0 and taps == 3 and divisor == 1 and inside:
                    _add_three(y, source + first * channels * 4, apart * channels * 4, weights, channels)
                    continue
                for j in range(taps):
                    place = _place(column, stride, start, apart, divisor, j, width)
                    if line >= 0 and place >= 0:
                        _add_offset(y, source + place * channels * 4, weights + j * channels * 4, channels)
                    elif a[16] != 0:
                        _add_nothing(y, weights + j * channels * 4, channels)
        apply(a, STAGES_ARGUMENT, out, channels, unit * columns, columns, 0, channels)


@kernel
def depthwise_weights(a: Any, me: int, team: int, step: int) -> None:
    """Some rows of dy at a time, their number told by the shapes. Arguments: shared, dw, images, rows, columns,
    channels of dy; x, its rows, columns; rows of a piece, rows and columns of the weights; stride, start, apart;
    partial sums (pieces, weights); a counter; room for their sum in float64; dy."""
    rows, columns, channels = a[3], a[4], a[5]
    height, width, taps = a[7], a[8], a[11]
    stride, start, apart = a[12], a[13], a[14]
    size = a[10] * taps * channels
    pieces = (a[2] * rows + a[9] - 1) // a[9]
    while True:
        piece = claim(a[0])
        if piece >= pieces:
            return
        sums = a[15] + piece * size * 4
        clear(sums, size * 4)
        for unit in range(piece * a[9], min((piece + 1) * a[9], a[2] * rows)):
            dy = a[18] + unit * columns * channels * 4
            for i in range(a[10]):
                line = _place(unit % rows, stride, start, apart, 1, i, height)
                source = a[6] + (unit // rows * height + line) * width * channels * 4
                for j in range(taps):
                    target = sums + (i * taps + j) * channels * 4
                    for column in range(columns):
                        place = _place(column, stride, start, apart, 1, j, width)
                        if line >= 0 and place >= 0:
                            _add_offset(target, source + place * channels * 4, dy + column * channels * 4, channels)
                        else:
                            _add_nothing(target, dy + column * channels * 4, channels)
        if is_last(a[16], pieces):
            combine(a[17], a[15], size, pieces, size)
            total, dw = f64(a[17]), f32(a[1])
            for k in range(size):
                dw[k] = F(total[k])


def _is_by_channel(call: Call, channels: int, filters: int) -> bool:
    return bool(call.op.attributes()["groups"] == channels == filters > 1)


def _shape(value: Value) -> list[int]:
    return list(value.shape[1:3])


@rows_of(GroupedConv2d)
def _forward(call: Call, m: Binding) -> list[Row] | None:
    (x, w), (y,) = call.inputs, call.outputs
    if not _is_by_channel(call, x.shape[3], y.shape[3]):
        return None
    attributes = call.op.attributes()
    place = [attributes["stride"], -attributes["padding"], attributes["dilation"], 1]
    arguments = [m.address(y), *y.shape, m.address(x), *_shape(x), m.address(w), *w.shape[:2], *place, 1]
    return [Row("depthwise", [m.shared, *arguments], output=1)]


@rows_of(GroupedConv2dInputGradient)
def _input_gradient(call: Call, m: Binding) -> list[Row] | None:
    (dy, w), (dx,) = call.inputs, call.outputs
    if not _is_by_channel(call, dx.shape[3], dy.shape[3]):
        return None
    attributes = call.op.attributes()
    place = [1, attributes["padding"], -attributes["dilation"], attributes["stride"]]
    arguments = [m.address(dx), *dx.shape, m.address(dy), *_shape(dy), m.address(w), *w.shape[:2], *place, 0]
    return [Row("depthwise", [m.shared, *arguments], output=1)]


@rows_of(GroupedConv2dWeightGradient)
def _weight_gradient(call: Call, m: Binding) -> list[Row] | None:
    (x, dy), (dw,) = call.inputs, call.outputs
    if not _is_by_channel(call, x.shape[3], dy.shape[3]):
        return None
    attributes = call.op.attributes()
    batch, rows, columns, channels = dy.shape
    at_once = max(1, -(-batch * rows // 64), PIECE // (columns * channels))
    pieces = -(-batch * rows // at_once)
    place = [attributes["stride"], -attributes["padding"], attributes["dilation"]]
    sums = [m.memory(pieces * dw.size), m.memory(1, np.int64), m.memory(dw.size, np.float64)]
    arguments = [m.address(dw), *dy.shape, m.address(x), *_shape(x), at_once, *dw.shape[:2], *place, *sums]
    return [Row("depthwise_weights", [m.shared, *arguments, m.address(dy)])]
