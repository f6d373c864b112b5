"""Dropped parts and added noise. See `engine.ops.noise`; the random bits are those of the array executor."""

from __future__ import annotations

import math
from typing import Any

from engine.kernels.cpu import functions, stages
from engine.kernels.cpu.bits import element, stream_key
from engine.kernels.cpu.interpreter import claim
from engine.kernels.cpu.language import F, device, f32, kernel, stack
from engine.kernels.cpu.rows import Binding, Row, Stage, alone, rows_of, stage_of
from engine.ops.base import Call, Value
from engine.ops.noise import Drop, DropGradient, Expected, GaussianNoise

PIECE = 4096
"""Elements that a thread takes at a time."""


@kernel
def drop_mask(a: Any, me: int, team: int, step: int) -> None:
    """Draw a mask. Arguments: shared, mask, elements, rate, counters, stream, flags as for the stage `DROPOUT`."""
    while True:
        first = claim(a[0]) * PIECE
        if first >= a[2]:
            return
        mask = f32(a[1] + first * 4)
        stages.draw_mask(mask, f32(a[3])[0], a[4], a[5], a[6], first, min(PIECE, a[2] - first))


@kernel
def multiply_parts(a: Any, me: int, team: int, step: int) -> None:
    """y = x times a factor for each part. Arguments: shared, y, x, factors, rows, columns; rows that have the same
    factors, how far these lie apart, 1 where each column has a factor of its own and 0 where the row has one, whether
    1 - factor is meant."""
    rows, columns = a[4], a[5]
    across = (columns + PIECE - 1) // PIECE
    at_once = max(1, PIECE // columns)
    while True:
        start = claim(a[0]) * at_once
        if start >= rows * across:
            return
        for unit in range(start, min(start + at_once, rows * across)):
            row, first = unit // across, unit % across * PIECE
            width = min(PIECE, columns - first)
            at = (row * columns + first) * 4
            y, x = f32(a[1] + at), f32(a[2] + at)
            factors = f32(a[3] + (row // a[6] * a[7] + first * a[8]) * 4)
            if a[8] != 0:
                for j in range(width):
                    y[j] = x[j] * factors[j]
            else:
                factor = factors[0] if a[9] == 0 else F(1) - factors[0]
                for j in range(width):
                    y[j] = x[j] * factor


@device
def _minus_cosine(turns: Any) -> Any:
    """-cos(2 pi v) for 0 <= v < 1: the sine of an angle within a quarter turn, whose Taylor polynomial of degree 15 is
    exact to float32."""
    half = turns - F(0.5)
    z = (F(0.25) - (half if half > F(0) else -half)) * F(6.283185307179586)
    q = z * z
    p = q * F(-1 / 1307674368000) + F(1 / 6227020800)
    p = q * p + F(-1 / 39916800)
    p = q * p + F(1 / 362880)
    p = q * p + F(-1 / 5040)
    p = q * p + F(1 / 120)
    p = q * p + F(-1 / 6)
    return z + z * q * p


@kernel
def gaussian_noise(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared, y, x, elements, deviation, counters, streams of radii and of angles."""
    radius0, radius1 = stream_key(a[5], a[6], 0), stream_key(a[5], a[6], 1)
    angle0, angle1 = stream_key(a[5], a[7], 0), stream_key(a[5], a[7], 1)
    deviation, unit = f32(a[4])[0], F(2.0**-24)
    buffer = stack(PIECE)
    noise = f32(buffer)
    while True:
        first = claim(a[0]) * PIECE
        if first >= a[3]:
            return
        y, x = f32(a[1] + first * 4), f32(a[2] + first * 4)
        width = min(PIECE, a[3] - first)
        for j in range(width):
            r = F(element(first + j, radius0, radius1) >> 8) * unit
            v = F(element(first + j, angle0, angle1) >> 8) * unit
            size = math.sqrt(F(-2) * functions.log(r + unit))
            noise[j] = size * _minus_cosine(v) * deviation
        for j in range(width):
            y[j] = x[j] - noise[j]


def _parts(m: Binding, part: str, x: Value, y: Value, factors: int, complement: bool = False) -> Row:
    batch, channels = x.shape[0], x.shape[-1]
    # rows, columns, rows with the same factors, how far these lie apart, whether each column has one
    shape = {
        "element": (1, x.size, 1, 0, 1),
        "channel": (x.size // channels, channels, x.size // (batch * channels), channels, 1),
        "sample": (batch, x.size // batch, 1, 1, 0),
        "batch": (1, x.size, 1, 0, 0),
    }[part]
    return Row("multiply_parts", [m.shared, m.address(y), m.address(x), factors, *shape, int(complement)])


def _flags(call: Call) -> int:
    attributes = call.op.attributes()
    return (0 if attributes["inverted"] else stages.PLAIN) + (stages.SURVIVAL if attributes["survival"] else 0)


@rows_of(Drop)
def _drop(call: Call, m: Binding) -> list[Row] | None:
    (x, rate, counters), (y, mask) = call.inputs, call.outputs
    attributes = call.op.attributes()
    if attributes["part"] == "element":
        return alone(call, m)
    drawing = [m.address(mask), mask.size, m.address(rate), m.address(counters), attributes["stream"], _flags(call)]
    return [Row("drop_mask", [m.shared, *drawing]), _parts(m, attributes["part"], x, y, m.address(mask))]


@stage_of(Drop)
def _drop_stage(call: Call, m: Binding) -> Stage | None:
    _, rate, counters = call.inputs
    attributes = call.op.attributes()
    if attributes["part"] != "element":
        return None
    more = (m.address(rate), m.address(counters), attributes["stream"])
    return Stage(stages.DROPOUT, m.address(call.outputs[1]), float(_flags(call)), more)


@rows_of(DropGradient)
def _drop_gradient(call: Call, m: Binding) -> list[Row]:
    mask, dy = call.inputs
    return [_parts(m, call.op.attributes()["part"], dy, call.outputs[0], m.address(mask))]


@rows_of(Expected)
def _expected(call: Call, m: Binding) -> list[Row]:
    x, rate = call.inputs
    return [_parts(m, "batch", x, call.outputs[0], m.address(rate), not call.op.attributes()["survival"])]


@rows_of(GaussianNoise)
def _gaussian_noise(call: Call, m: Binding) -> list[Row]:
    x, *more = call.inputs
    attributes = call.op.attributes()
    (y,) = call.outputs
    arguments = [m.address(y), m.address(x), y.size, *(m.address(value) for value in more)]
    return [Row("gaussian_noise", [m.shared, *arguments, attributes["radius"], attributes["angle"]])]
