"""Stages as numbers: see stages.cuh, which declares the same codes and structures for the device."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

from engine.kernels.cuda.signatures import NULL, Pointer

__all__ = ["LIMIT", "Stage", "Stages", "encode"]

LIMIT = 4
"""Stages that a launch can end with."""

KEEP, ADD_BIAS, ADD, MULTIPLY, SCALE, DROPOUT, SHAPE, SLOPE, LEARNED = range(1, 10)

PLAIN, SURVIVAL = 1, 2
"""Flags of a mask: what is kept is multiplied by 1, not 1 / (1 - rate); 1 - rate is given."""

ONE_FOR_ALL = 1024
"""Added to a learned shape: one parameter for all columns."""


@dataclass(frozen=True)
class Stage:
    """One stage; what each field is for depends on the code, as stages.cuh says."""

    code: int
    other: Pointer = NULL
    number: float = 0.0
    second: float = 0.0
    shape: int = 0
    extra: Pointer = NULL
    counters: Pointer = NULL
    stream: int = 0


class _Stage(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_int32),
        ("shape", ctypes.c_int32),
        ("number", ctypes.c_float),
        ("second", ctypes.c_float),
        ("other", ctypes.c_void_p),
        ("extra", ctypes.c_void_p),
        ("counters", ctypes.c_void_p),
        ("stream", ctypes.c_uint32),
        ("unused", ctypes.c_int32),
    ]


class Stages(ctypes.Structure):
    """The last argument of a launch that ends with stages."""

    _fields_ = [("count", ctypes.c_int32), ("columns", ctypes.c_int32), ("stage", _Stage * LIMIT)]


def encode(stages: Sequence[Stage], columns: int) -> Stages:
    """The structure for the device; `columns` is the length of the last axis."""
    found = Stages(len(stages), columns)
    for place, item in zip(found.stage, stages, strict=False):
        place.code, place.shape, place.number, place.second = item.code, item.shape, item.number, item.second
        place.other, place.extra, place.counters = item.other.address, item.extra.address, item.counters.address
        place.stream = item.stream
    return found
