"""Where a run's steps spend their time, told while somebody looks."""

import time
from typing import Any

import numpy as np
import pytest

from engine.executors import ExecutorKind
from engine.training import events
from engine.training.control import Control
from engine.training.trainer import Trainer
from tests.engine.training.experiments import Log, spiral
from tests.support.compiled import library


def run(topics: frozenset[str], executor: ExecutorKind = "array", **more: Any) -> tuple[Log, float]:
    """The events of a run that is watched, and the seconds that it took."""
    log, control = Log(), Control()
    control.watch(topics)
    begun = time.perf_counter()
    Trainer(spiral(epochs=5), device="cpu", executor=executor, report=log, control=control, **more).run()
    return log, time.perf_counter() - begun


@pytest.mark.parametrize("executor", ["array", "cpu"])
def test_a_timeline_comes_once_a_second_while_it_is_watched(executor: ExecutorKind) -> None:
    if executor == "cpu":
        library()  # compiled before the clock counts
    log, seconds = run(frozenset({"timeline"}), executor)
    found = log.of(events.Timeline)
    assert 1 <= len(found) <= 1 + seconds
    event = found[0]
    full = max(len(rows.table) for rows in log.of(events.StepRows))
    assert event.batch == 16 and event.step <= 1 + full
    seen = event.timeline
    assert {"forward", "backward", "update"} <= set(seen.phases)
    assert (seen.end >= seen.begin).all() and np.nanmin(seen.begin) >= 0 and seen.seconds > 0
    assert not any(name.startswith("observe") for name in seen.rows)


def test_nobody_looks_and_nothing_is_timed() -> None:
    log, _ = run(frozenset({"surface", "activations"}))
    assert log.of(events.Frame) and not log.of(events.Timeline)


def test_steps_by_hand_are_timed_as_they_are() -> None:
    log, control = Log(), Control()
    control.watch(frozenset({"timeline", "activations"}))
    trainer = Trainer(spiral(epochs=5), device="cpu", executor="array", report=log, control=control, steps=1)
    control.step(1)
    trainer.run()
    (event,) = log.of(events.Timeline)
    assert event.step == 1 and any(name.startswith("observe") for name in event.timeline.rows)
