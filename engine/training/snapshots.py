"""Which of a run's checkpoints counts when the run goes on: the last state of its own, and the best one until then."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from engine.training.checkpoint import CheckpointError
from engine.training.recovery import Counters, read_counters

if TYPE_CHECKING:
    import numpy as np

    from engine.training.reader import RunReader

__all__ = ["before_restoring", "best_before"]


def before_restoring(reader: RunReader) -> tuple[dict[str, np.ndarray], Counters] | None:
    """The arrays and counters of a run's last state before its best one was put back, where they are kept."""
    for info in reversed(reader.checkpoints()):
        with contextlib.suppress(CheckpointError):
            arrays, plain = reader.checkpoint(info.name)
            counters = read_counters(plain)
            if counters.restored is None:
                return arrays, counters
    return None


def best_before(reader: RunReader, step: int) -> tuple[int, dict[str, np.ndarray]] | None:
    """The step and the arrays of the best state up to a step, or None: what came after the checkpoint that a run goes
    on from does not count any more. Raises CheckpointError where it is damaged."""
    kept = [info for info in reader.checkpoints() if info.best and info.step <= step]
    return (kept[-1].step, reader.checkpoint(kept[-1].name)[0]) if kept else None
