"""Pieces, arrays side by side, and orders of axes. See `engine.ops.arrange`."""

from __future__ import annotations

from typing import Any


def _piece(begin: tuple[int, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(start, start + size) for start, size in zip(begin, shape, strict=True))


def crop(xp: Any, x: Any, y: Any, *, begin: tuple[int, ...], shape: tuple[int, ...]) -> None:
    xp.copyto(y, x[_piece(begin, shape)])


def pad(xp: Any, x: Any, y: Any, *, begin: tuple[int, ...], shape: tuple[int, ...]) -> None:
    y.fill(0)
    xp.copyto(y[_piece(begin, x.shape)], x)


def concatenate(xp: Any, *arrays: Any) -> None:
    *parts, y = arrays
    start = 0
    for part in parts:
        stop = start + part.shape[-1]
        xp.copyto(y[..., start:stop], part)
        start = stop


def permute(xp: Any, x: Any, y: Any, *, axes: tuple[int, ...]) -> None:
    xp.copyto(y, x.transpose(*axes))


KERNELS = {"crop": crop, "pad": pad, "concatenate": concatenate, "permute": permute}
