"""Dropped parts and added noise. See `engine.ops.noise`."""

from __future__ import annotations

import math
from typing import Any

from engine.kernels.reference.blocks import spans
from engine.random import Bits


def drop(
    xp: Any,
    x: Any,
    rate: Any,
    counters: Any,
    y: Any,
    mask: Any,
    bits: Any,
    steps: Any,
    work: Any,
    key: Any,
    numbers: Any,
    *,
    stream: int,
    part: str,
    inverted: bool,
    survival: bool,
) -> None:
    source = Bits(xp, counters, stream, steps, work, key)
    limit, share, factor = key[-1:], numbers[:1], numbers[1:]
    if survival:
        xp.subtract(1, rate, out=share)
    else:
        xp.copyto(share, rate)
    xp.multiply(share, 2.0**32, out=factor)
    xp.copyto(limit, factor, casting="unsafe")
    xp.subtract(1, share, out=factor)
    xp.reciprocal(factor, out=factor)
    flat = mask.reshape(-1)
    for here, there in spans(flat.size, bits.size):
        t, kept = bits[there], flat[here]
        source.fill(here.start, t)
        xp.greater_equal(t, limit, out=kept)
        if inverted:
            xp.multiply(kept, factor, out=kept)
    _apply(xp, mask, x, y, part)


def drop_gradient(xp: Any, mask: Any, dy: Any, dx: Any, *, part: str) -> None:
    _apply(xp, mask, dy, dx, part)


def _apply(xp: Any, mask: Any, x: Any, y: Any, part: str) -> None:
    """y = x times the mask of its parts; y may be x."""
    batch, channels = x.shape[0], x.shape[-1]
    if part == "channel":
        shape: tuple[int, ...] = (batch, x.size // (batch * channels), channels)
        x, y, mask = x.reshape(shape), y.reshape(shape), mask.reshape(batch, 1, channels)
    elif part == "sample":
        x, y, mask = x.reshape(batch, -1), y.reshape(batch, -1), mask.reshape(batch, 1)
    xp.multiply(x, mask, out=y)


def expected(xp: Any, x: Any, rate: Any, y: Any, factor: Any, *, survival: bool) -> None:
    if survival:
        xp.multiply(x, rate, out=y)
        return
    xp.subtract(1, rate, out=factor)
    xp.multiply(x, factor, out=y)


def gaussian_noise(
    xp: Any,
    x: Any,
    deviation: Any,
    counters: Any,
    y: Any,
    bits: Any,
    steps: Any,
    work: Any,
    radius_key: Any,
    angle_key: Any,
    sizes: Any,
    waves: Any,
    *,
    radius: int,
    angle: int,
) -> None:
    radii = Bits(xp, counters, radius, steps, work, radius_key)
    angles = Bits(xp, counters, angle, steps, work, angle_key)
    x, y = x.reshape(-1), y.reshape(-1)
    for here, there in spans(x.size, bits.size):
        t, size, wave = bits[there], sizes[there], waves[there]
        _fraction(xp, radii, here.start, t, size)
        xp.add(size, 2.0**-24, out=size)
        xp.log(size, out=size)
        xp.multiply(size, -2.0, out=size)
        xp.sqrt(size, out=size)
        _fraction(xp, angles, here.start, t, wave)
        xp.multiply(wave, 2 * math.pi, out=wave)
        xp.cos(wave, out=wave)
        xp.multiply(size, wave, out=size)
        xp.multiply(size, deviation, out=size)
        xp.add(x[here], size, out=y[here])


def _fraction(xp: Any, source: Bits, start: int, bits: Any, out: Any) -> None:
    """out = the upper 24 bits of the stream's elements from `start` on, as numbers from 0 to below 1."""
    source.fill(start, bits)
    xp.right_shift(bits, 8, out=bits)
    xp.copyto(out, bits, casting="unsafe")
    xp.multiply(out, 2.0**-24, out=out)


KERNELS = {"drop": drop, "drop_gradient": drop_gradient, "expected": expected, "gaussian_noise": gaussian_noise}
