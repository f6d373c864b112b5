"""Pieces of arrays, arrays side by side, and other orders of axes: one kernel copies from strides to strides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from engine.kernels.cpu.interpreter import claim
from engine.kernels.cpu.language import copy, f32, kernel
from engine.kernels.cpu.rows import Binding, Row, rows_of
from engine.ops.arrange import Concatenate, Crop, Pad, Permute
from engine.ops.base import Call, DType

PIECE = 4096
"""Elements that a thread copies at a time."""

LONG = 16
"""From this length on a call that copies memory is faster than a loop."""

OUTER = 4
"""Axes that are walked through around the innermost one."""


@kernel
def move(a: Any, me: int, team: int, step: int) -> None:
    """Copy an array of up to five axes. Arguments: shared, target, source, walks along the innermost axis; its length,
    stride in the target, stride in the source; the last three of the four outer lengths; the outer strides in the
    target; those in the source."""
    walks, inner, to_step, from_step = a[3], a[4], a[5], a[6]
    across = (inner + PIECE - 1) // PIECE
    at_once = max(1, PIECE // inner)
    while True:
        first = claim(a[0]) * at_once
        if first >= walks * across:
            return
        walk, start = first // across, first % across * PIECE
        # The walk's place on the outer axes, and what that is in both arrays.
        k3, k2, k1 = walk % a[9], walk // a[9] % a[8], walk // (a[9] * a[8]) % a[7]
        k0 = walk // (a[9] * a[8] * a[7])
        for _ in range(first, min(first + at_once, walks * across)):
            to = k0 * a[10] + k1 * a[11] + k2 * a[12] + k3 * a[13] + start * to_step
            at = k0 * a[14] + k1 * a[15] + k2 * a[16] + k3 * a[17] + start * from_step
            width = min(PIECE, inner - start)
            if width >= LONG and to_step == 1 and from_step == 1:
                copy(a[1] + to * 4, a[2] + at * 4, width * 4)
            else:
                target, source = f32(a[1] + to * 4), f32(a[2] + at * 4)
                for j in range(width):
                    target[j * to_step] = source[j * from_step]
            k3 += 1
            if k3 == a[9]:
                k3 = 0
                k2 += 1
                if k2 == a[8]:
                    k2 = 0
                    k1 += 1
                    if k1 == a[7]:
                        k1 = 0
                        k0 += 1


def strides(shape: Sequence[int]) -> tuple[int, ...]:
    """In elements, of an array whose last axis is contiguous."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def moving(
    m: Binding, target: int, source: int, shape: Sequence[int], to: Sequence[int], at: Sequence[int]
) -> list[Row] | None:
    """The row that copies an array of `shape` between these strides; None where it has too many axes."""
    axes: list[tuple[int, int, int]] = []
    for axis in zip(shape, to, at, strict=True):
        if axis[0] == 1:
            continue
        # What lies behind one another in both is one axis.
        if axes and all(axes[-1][k] == axis[0] * axis[k] for k in (1, 2)):
            axes[-1] = (axes[-1][0] * axis[0], axis[1], axis[2])
        else:
            axes.append(axis)
    *outer, (inner, to_step, from_step) = axes or [(1, 1, 1)]
    if len(outer) > OUTER:
        return None
    outer = [(1, 0, 0)] * (OUTER - len(outer)) + outer
    walks = math.prod(length for length, _, _ in outer)
    lengths = [length for length, _, _ in outer[1:]]
    apart = [axis[1] for axis in outer] + [axis[2] for axis in outer]
    return [Row("move", [m.shared, target, source, walks, inner, to_step, from_step, *lengths, *apart])]


def _offset(begin: Sequence[int], shape: Sequence[int]) -> int:
    """Bytes to the element `begin` of an array."""
    return 4 * sum(start * stride for start, stride in zip(begin, strides(shape), strict=True))


@rows_of(Crop)
def _crop(call: Call, m: Binding) -> list[Row] | None:
    (x,), (y,) = call.inputs, call.outputs
    if y.dtype is not DType.FLOAT:
        return None
    source = m.address(x) + _offset(call.op.attributes()["begin"], x.shape)
    return moving(m, m.address(y), source, y.shape, strides(y.shape), strides(x.shape))


@rows_of(Pad)
def _pad(call: Call, m: Binding) -> list[Row] | None:
    (x,), (y,) = call.inputs, call.outputs
    if y.dtype is not DType.FLOAT:
        return None
    target = m.address(y) + _offset(call.op.attributes()["begin"], y.shape)
    moved = moving(m, target, m.address(x), x.shape, strides(y.shape), strides(x.shape))
    return moved and [Row("fill", [m.shared, m.address(y), y.size, 0.0]), *moved]


@rows_of(Concatenate)
def _concatenate(call: Call, m: Binding) -> list[Row] | None:
    (y,) = call.outputs
    rows: list[Row] = []
    target = m.address(y)
    for part in call.inputs:
        moved = moving(m, target, m.address(part), part.shape, strides(y.shape), strides(part.shape))
        if y.dtype is not DType.FLOAT or moved is None:
            return None
        rows += moved
        target += 4 * part.shape[-1]
    return rows


@rows_of(Permute)
def _permute(call: Call, m: Binding) -> list[Row] | None:
    (x,), (y,) = call.inputs, call.outputs
    if y.dtype is not DType.FLOAT:
        return None
    at = [strides(x.shape)[axis] for axis in call.op.attributes()["axes"]]
    return moving(m, m.address(y), m.address(x), y.shape, strides(y.shape), at)
