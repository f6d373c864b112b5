"""What a run takes of a device's memory, asked before it is taken."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from engine.device_errors import REMEDY, OutOfDeviceMemory
from engine.roofline import BYTES
from engine.text import bytes_text

if TYPE_CHECKING:
    from engine.backend import Backend
    from engine.plan import Program

__all__ = ["RESERVE", "program_bytes", "require"]

RESERVE = 128 << 20
"""Bytes that are left to the kernels' code, the captured graphs and the work memory of matrix products."""


def program_bytes(programs: Iterable[Program]) -> int:
    """Bytes that programs take together: one arena, as large as the largest needs, and each one's batch."""
    programs = tuple(programs)
    arena = max((program.arena_bytes for program in programs), default=0)
    return arena + sum(_batch_bytes(program) for program in programs)


def _batch_bytes(program: Program) -> int:
    width = np.dtype(program.precision).itemsize
    values = (*program.inputs.values(), *program.targets.values())
    return sum(value.size * BYTES.get(value.dtype, width) for value in values)


def require(backend: Backend, parts: dict[str, int], taken: int = 0, remedy: str = REMEDY) -> None:
    """Refuse, before anything is allocated, what a GPU has not room for; nothing is refused on the processor.

    `parts` are the bytes to be allocated by what they are for; `taken` are those that the run has already. Raises
    OutOfDeviceMemory, with the numbers and what to do.
    """
    free = backend.free_memory()
    needed = sum(parts.values())
    if free is None or needed + RESERVE <= free:
        return
    named = [f"{bytes_text(size)} for {what}" for what, size in parts.items() if size]
    before = f" beside {bytes_text(taken)} that it has" if taken else ""
    raise OutOfDeviceMemory(
        f"This run needs {bytes_text(needed)} of the GPU's memory{before} ({', '.join(named)}), and of "
        f"{backend.label.partition(' · ')[2] or backend.label} only {bytes_text(free)} are free, of which "
        f"{bytes_text(RESERVE)} are left to the kernels. {remedy}"
    )
