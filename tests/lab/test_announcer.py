"""What becomes of a run in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from engine.schedules import PlateauSchedule
from engine.stopping import EarlyStopping, StopAfterSteps
from lab.window import Window
from tests.support.examples import blobs

MakeWindow = Callable[..., Window]


def said_at_the_end(window: Window, qtbot: Any) -> str:
    said: list[str] = []
    window.status.say = said.append  # type: ignore[method-assign]
    window.flow.press()
    qtbot.waitUntil(lambda: window.session.finished is not None and not window.session.active)
    return said[-1]


def test_it_says_which_condition_ended_a_run(make_window: MakeWindow, qtbot: Any) -> None:
    experiment = blobs(epochs=5)
    training = replace(experiment.training, stopping=(StopAfterSteps(steps=7),))
    window = make_window(replace(experiment, training=training), fake=False)
    assert said_at_the_end(window, qtbot) == "Training is done: The limit of 7 steps has been reached."


def test_it_says_why_early_stopping_ended_a_run(make_window: MakeWindow, qtbot: Any) -> None:
    experiment = blobs(epochs=6)
    schedule = PlateauSchedule(patience=0, min_delta=1e6, relative=False)
    stopping = (EarlyStopping(patience=2, min_delta=1e6),)
    training = replace(experiment.training, schedule=schedule, stopping=stopping)
    window = make_window(replace(experiment, training=training), fake=False)
    words = said_at_the_end(window, qtbot)
    assert "has not got better for 2 epochs" in words
    assert [drop.scale for drop in window.session.live.drops] == [0.1, 0.1**2]
