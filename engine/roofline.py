"""What a machine can do at most, what a program needs at least, and the share of the one that the other reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.ops.base import DType, Value
from engine.plan import Program

__all__ = ["Bound", "Level", "Machine", "Work", "bound", "work_of"]

BYTES = {DType.UINT32: 4, DType.INT64: 8, DType.BOOL: 1}


@dataclass(frozen=True)
class Level:
    """How fast a working set of `size` bytes streams through the cores, in bytes a second."""

    size: int
    rate: float


@dataclass(frozen=True)
class Machine:
    """Measured limits of `threads` threads together: floating-point operations a second in the program's precision (a
    multiply-add is 2), and bandwidth by size of the working set, the smallest first. `method` says how it was found."""

    threads: int
    flops: float
    levels: tuple[Level, ...]
    method: str

    def bandwidth(self, size: int) -> float:
        """Bytes a second for a working set of `size` bytes: of the smallest one measured that is as large."""
        return next((level.rate for level in self.levels if level.size >= size), self.levels[-1].rate)


@dataclass(frozen=True)
class Work:
    """What a program must do at least: floating-point operations, bytes to move, and the bytes of its working set."""

    flops: int
    bytes: int
    resident: int


@dataclass(frozen=True)
class Bound:
    """The least seconds that a step can take on a machine, and which of its limits says so."""

    seconds: float
    limit: Literal["arithmetic", "memory"]


def bound(work: Work, machine: Machine) -> Bound:
    """The roofline: the longer of the time for the arithmetic and the time for moving the bytes."""
    arithmetic = work.flops / machine.flops
    memory = work.bytes / machine.bandwidth(work.resident)
    return Bound(arithmetic, "arithmetic") if arithmetic >= memory else Bound(memory, "memory")


def work_of(program: Program) -> Work:
    """The work of one step. What a group of fused operations hands on inside itself need not move; everything else is
    read once and written once by each group, parameters and slots that an operation changes included."""
    width = np.dtype(program.precision).itemsize
    readers: dict[int, set[int]] = {}
    for place, group in enumerate(program.groups):
        for call in group.calls:
            for value in call.inputs:
                readers.setdefault(value.id, set()).add(place)
    moved = 0
    for place, group in enumerate(program.groups):
        read: dict[int, Value] = {}
        made: dict[int, Value] = {}
        for call in group.calls:
            if call.op.view:
                continue
            read |= {value.id: value for value in call.inputs if value.id not in made}
            made |= {value.id: value for value in call.outputs}
            moved += _bytes([call.inputs[index] for index in call.op.mutates], width)
        inner = {key for key in made if readers.get(key) == {place}}
        moved += _bytes(list(read.values()), width)
        moved += _bytes([value for key, value in made.items() if key not in inner], width)
    arenas = {location.arena: 0 for location in program.locations.values()}
    for location in program.locations.values():
        arenas[location.arena] = max(arenas[location.arena], location.start + location.size)
    batch = _bytes([*program.inputs.values(), *program.targets.values()], width)
    return Work(program.flops, moved, program.arena_bytes + batch + width * sum(arenas.values()))


def _bytes(values: Sequence[Value], width: int) -> int:
    return sum(value.size * BYTES.get(value.dtype, width) for value in values)
