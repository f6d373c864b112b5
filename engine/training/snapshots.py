"""Which of a run's checkpoints counts when the run goes on: the last state of its own, and the best one until then."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from engine.schema import SchemaError
from engine.training.checkpoint import CheckpointError
from engine.training.live import change
from engine.training.recovery import Counters, read_counters

if TYPE_CHECKING:
    import numpy as np

    from engine.experiment import Experiment
    from engine.training.events import Changed
    from engine.training.reader import RunReader

__all__ = ["LastState", "before_restoring", "best_before", "last_state", "with_changes"]


class LastState(NamedTuple):
    """What a run goes on with: its experiment, live changes included, and the arrays and counters of its last
    checkpoint; None where there is none, and it begins anew."""

    experiment: Experiment
    arrays: dict[str, np.ndarray] | None
    counters: Counters | None


def last_state(reader: RunReader) -> LastState:
    """Where a stored run stands. What is damaged is passed over, and told by `reader.problems`."""
    checkpoint = reader.last_checkpoint()
    if checkpoint is None:
        return LastState(reader.experiment, None, None)
    arrays, plain = checkpoint
    counters = read_counters(plain)
    if counters.restored is not None:
        arrays, counters = before_restoring(reader) or (arrays, counters)
    return LastState(with_changes(counters, reader.changes()[0]), arrays, counters)


def with_changes(counters: Counters, changes: Sequence[Changed]) -> Experiment:
    """The experiment of a checkpoint with the live changes up to its step: one ordered in a pause may be younger than
    the checkpoint that was written there."""
    experiment = counters.experiment
    for event in changes:
        if event.step <= counters.step:
            # The checkpoint knows the older ones; those of a part that another has replaced since have no place.
            with contextlib.suppress(SchemaError):
                experiment = change(experiment, event.path, event.after)[0]
    return experiment


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
