"""How many steps to run in one call: as many as fit into a few milliseconds, so that levers and views answer at once.

How long a step takes depends on the clock, so that this must never touch the numbers: a chunk has its steps' bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from engine.executors import Executor
    from engine.plan import Program

__all__ = ["LONGEST", "MOST", "ChunkPolicy", "output_bytes"]

LONGEST = {"array": 0.001, "cpu": 0.004, "cuda": 0.010}
"""Seconds that a chunk may take. The array executor holds the interpreter all that time, the others do not; a GPU's
steps are launched together, and their statistics read at the end."""
MOST = 4096
"""Steps in a chunk at most."""
OUTPUT_BYTES = 2 << 20
"""Predictions that a chunk may keep for the metrics."""
GROWTH = 4
"""How much longer than the last a chunk may be: a single measurement may have been lucky."""


class ChunkPolicy:
    """Measures how long steps take and says how many the next call may run.

    executor    decides how long a chunk may last.
    outputs     bytes of predictions that each step keeps; 0 when nobody reads them.
    """

    def __init__(self, executor: Executor, outputs: int = 0) -> None:
        self._bound = max(1, OUTPUT_BYTES // outputs) if outputs else MOST
        self.restart(executor)

    def restart(self, executor: Executor) -> None:
        """Steps take another time from now on."""
        self._longest = LONGEST[executor.kind]
        self._seconds: float | None = None
        self._last = 1

    @property
    def steps(self) -> int:
        """How many steps the next chunk may have."""
        if self._seconds is None:
            return 1
        fitting = int(self._longest / self._seconds) if self._seconds > 0 else MOST
        return max(1, min(fitting, GROWTH * self._last, self._bound, MOST))

    def took(self, steps: int, seconds: float) -> None:
        """A chunk of full batches without instruments has taken so long."""
        each = seconds / steps
        # Shorter chunks than might be come in between, at an epoch's end; most of their time is not that of the steps.
        if self._seconds is None or 2 * steps >= min(self._last, self.steps):
            # A chunk that had to wait for others may seem a thousand times as long.
            before = each if self._seconds is None else self._seconds
            self._seconds = 0.5 * (before + min(each, GROWTH * before))
            self._last = steps


def output_bytes(program: Program) -> int:
    """Bytes of a step's predictions on the host."""
    return sum(value.size for value in program.predictions.values()) * np.dtype(program.precision).itemsize
