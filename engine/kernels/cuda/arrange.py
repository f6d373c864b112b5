"""Pieces of arrays, frames of zeros, other orders of axes, arrays side by side: each in one launch.

Axes that stay together count as one. Numbers move in fours where all lengths allow it; matrices are transposed tile by
tile, so that both sides are read and written line by line.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np

from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.launches import Launch, Work, blocks, launches_of
from engine.kernels.cuda.signatures import Argument, Pointer
from engine.ops.arrange import Concatenate, Crop, Pad, Permute
from engine.ops.base import Call

__all__ = ["Axis", "Places", "join", "transposed"]

WIDE = 4
TILE = 32
MOST = 8
"""Axes that are left when those that stay together are joined."""

NARROW = 8
"""Matrices with fewer rows or columns are not worth a tile."""


class Places(ctypes.Structure):
    """As in arrange.cu."""

    _fields_ = [
        ("axes", ctypes.c_int32),
        ("wide", ctypes.c_int32),
        ("length", ctypes.c_int32 * MOST),
        ("begin", ctypes.c_int32 * MOST),
        ("inside", ctypes.c_int32 * MOST),
        ("step", ctypes.c_int32 * MOST),
    ]


@dataclass(frozen=True)
class Axis:
    """An axis of a result: its length, where the source's elements begin along it and how many they are, and how far
    they lie apart in memory."""

    length: int
    begin: int
    inside: int
    step: int

    @property
    def whole(self) -> bool:
        """Whether the source fills it."""
        return self.begin == 0 and self.inside == self.length

    def times(self, factor: int) -> Axis:
        """With each element made of `factor`, side by side in memory."""
        return Axis(self.length * factor, self.begin * factor, self.inside * factor, self.step // factor)


def join(axes: list[Axis]) -> list[Axis]:
    """The same with fewer axes: those that lie within each other as in the source are one."""
    found: list[Axis] = []
    for axis in axes:
        if axis.whole and axis.length == 1:
            continue
        if found and axis.whole and found[-1].step == axis.step * axis.length:
            found[-1] = found[-1].times(axis.length)
        else:
            found.append(axis)
    return found or [Axis(1, 0, 1, 1)]


def _steps(shape: tuple[int, ...]) -> list[int]:
    """How far elements lie apart along each axis of an array."""
    steps = [1]
    for length in shape[:0:-1]:
        steps.append(steps[-1] * length)
    return steps[::-1]


def _rearranged(call: Call, b: Binding, axes: list[Axis]) -> list[Work]:
    arrays = b.pointers(call.inputs[0], call.outputs[0])
    count = call.outputs[0].size
    axes = join(axes)
    *outer, last = axes
    units = [last.length, last.begin, last.inside, *(axis.step for axis in outer)]
    wide = last.step == 1 and all(unit % WIDE == 0 for unit in units)
    if wide:
        count //= WIDE
        outer = [Axis(axis.length, axis.begin, axis.inside, axis.step // WIDE) for axis in outer]
        axes = [*outer, Axis(last.length // WIDE, last.begin // WIDE, last.inside // WIDE, 1)]
    if len(axes) > MOST:
        raise NotImplementedError(f"{call.op.name} with {len(axes)} separate axes")
    places = Places(len(axes), int(wide))
    for place, axis in enumerate(reversed(axes)):
        places.length[place], places.begin[place] = axis.length, axis.begin
        places.inside[place], places.step[place] = axis.inside, axis.step
    return [Launch("rearrange", [*arrays, count, places], blocks(count))]


@launches_of(Crop)
def _crop(call: Call, b: Binding) -> list[Work]:
    (x,), (y,) = call.inputs, call.outputs
    begin = call.op.attributes()["begin"]
    sides = zip(y.shape, begin, x.shape, _steps(x.shape), strict=True)
    return _rearranged(call, b, [Axis(length, -start, inside, step) for length, start, inside, step in sides])


@launches_of(Pad)
def _pad(call: Call, b: Binding) -> list[Work]:
    (x,), (y,) = call.inputs, call.outputs
    sides = zip(y.shape, call.op.attributes()["begin"], x.shape, _steps(x.shape), strict=True)
    return _rearranged(call, b, [Axis(*side) for side in sides])


@launches_of(Permute)
def _permute(call: Call, b: Binding) -> list[Work]:
    (x,), (y,) = call.inputs, call.outputs
    steps = _steps(x.shape)
    axes = join([Axis(x.shape[axis], 0, x.shape[axis], steps[axis]) for axis in call.op.attributes()["axes"]])
    if len(axes) > 1:
        columns, rows = (axis.length for axis in axes[-2:])
        matrices = y.size // (rows * columns)
        turned = [axis.step for axis in axes] == [rows * columns, 1, columns][-len(axes) :]
        if turned and min(rows, columns) >= NARROW:
            return [transposed(b.pointer(x), b.pointer(y), rows, columns, matrices)]
    return _rearranged(call, b, axes)


def transposed(x: Pointer, y: Pointer, rows: int, columns: int, matrices: int = 1) -> Launch:
    """y (matrices, columns, rows) = x (matrices, rows, columns) transposed."""
    tiles = matrices * -(-rows // TILE) * -(-columns // TILE)
    return Launch("transpose", [x, y, rows, columns], tiles)


@launches_of(Concatenate)
def _concatenate(call: Call, b: Binding) -> list[Work]:
    (y,) = call.outputs
    widths = [value.shape[-1] for value in call.inputs]
    unit = WIDE if all(width % WIDE == 0 for width in widths) else 1
    parts = b.constants(np.array([b.pointer(value).address for value in call.inputs], np.uint64))
    starts = b.constants(np.cumsum([0, *widths]).astype(np.int32) // unit)
    count, columns = y.size // unit, y.shape[-1] // unit
    arguments: list[Argument] = [parts, starts, len(widths), b.pointer(y), count, columns, int(unit == WIDE)]
    return [Launch("concatenate", arguments, blocks(count))]
