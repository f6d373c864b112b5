"""Operations that move elements without computing: pieces of an array, arrays side by side, another order of axes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from engine.ops.base import Call, Op, Tensor, Value

if TYPE_CHECKING:
    from engine.builder import Builder


@dataclass(frozen=True)
class _Move(Op):
    """What moves only has no floating-point operations."""

    def flops(self, *inputs: Tensor) -> int:
        return 0


@dataclass(frozen=True)
class Crop(_Move):
    """x -> y of `shape` (batch included): the piece of x that begins at `begin`, one index for each axis."""

    name: ClassVar[str] = "crop"
    begin: tuple[int, ...] = ()
    shape: tuple[int, ...] = ()

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        (x,) = inputs
        _require_inside(self.begin, self.shape, x.shape)
        return (Tensor(self.shape, x.dtype),)

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        if dy is None or not b.needs(call.inputs[0]):
            return (None,)
        return (b.op(Pad(self.begin, call.inputs[0].shape), dy),)


@dataclass(frozen=True)
class Pad(_Move):
    """x -> y of `shape` (batch included): zeros, and x where the piece that begins at `begin` lies."""

    name: ClassVar[str] = "pad"
    begin: tuple[int, ...] = ()
    shape: tuple[int, ...] = ()

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        (x,) = inputs
        _require_inside(self.begin, x.shape, self.shape)
        return (Tensor(self.shape, x.dtype),)

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        if dy is None or not b.needs(call.inputs[0]):
            return (None,)
        return (b.op(Crop(self.begin, call.inputs[0].shape), dy),)


@dataclass(frozen=True)
class Concatenate(_Move):
    """(a, b, ...) -> y: two or more arrays side by side along the last axis; all other axes are equal."""

    name: ClassVar[str] = "concatenate"

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        first = inputs[0]
        if len(inputs) < 2 or any(item.shape[:-1] != first.shape[:-1] for item in inputs):
            raise ValueError(f"cannot join arrays of shapes {', '.join(str(item.shape) for item in inputs)}")
        return (Tensor((*first.shape[:-1], sum(item.shape[-1] for item in inputs)), first.dtype),)

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        parts: list[Value | None] = []
        start = 0
        for value in call.inputs:
            begin = (0,) * (len(value.shape) - 1) + (start,)
            start += value.shape[-1]
            parts.append(b.op(Crop(begin, value.shape), dy) if dy is not None and b.needs(value) else None)
        return tuple(parts)


@dataclass(frozen=True)
class Permute(_Move):
    """x -> y with its axes in another order: axis i of y is axis `axes[i]` of x."""

    name: ClassVar[str] = "permute"
    axes: tuple[int, ...] = ()

    def infer(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        (x,) = inputs
        if sorted(self.axes) != list(range(len(x.shape))):
            raise ValueError(f"{self.axes} is no order of the axes of {x.shape}")
        return (Tensor(tuple(x.shape[axis] for axis in self.axes), x.dtype),)

    def vjp(self, b: Builder, call: Call, *adjoints: Value | None) -> tuple[Value | None, ...]:
        (dy,) = adjoints
        if dy is None or not b.needs(call.inputs[0]):
            return (None,)
        back = sorted(range(len(self.axes)), key=self.axes.__getitem__)
        return (b.op(Permute(tuple(back)), dy),)


def _require_inside(begin: tuple[int, ...], piece: tuple[int, ...], whole: tuple[int, ...]) -> None:
    """Refuse a piece that reaches outside the whole."""
    fits = len(begin) == len(piece) == len(whole) and all(
        start >= 0 and start + size <= length for start, size, length in zip(begin, piece, whole, strict=False)
    )
    if not fits or math.prod(piece) == 0:
        raise ValueError(f"a piece of shape {piece} at {begin} does not lie within {whole}")
