"""A run that the engine trained and kept is shown, laid over another, and gone on with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from pytestqt.qtbot import QtBot

from engine import presets
from engine.experiment import Experiment
from engine.training.store import RunStore
from engine.training.trainer import Trainer
from lab.session import Session
from lab.stored import stored_history


def small(epochs: int = 3) -> Experiment:
    preset = presets.make("spiral-mlp")
    return replace(preset, training=replace(preset.training, epochs=epochs))


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path)


def test_a_stored_run_has_all_that_was_reported(store: RunStore) -> None:
    reported: list[object] = []
    result = Trainer(small(), store=store, report=reported.append).run()
    run = stored_history(store.open(result.run))
    assert run.history.step_count == result.steps
    assert [event.epoch for event in run.history.epochs] == [1, 2, 3]
    assert run.history.epochs[-1].train_loss == result.train_loss
    assert run.started is not None and run.finished is not None and run.finished.reason == "done"
    assert [moment.epoch for moment in run.history.moments] == [1, 2, 3]
    frame = run.history.moments[-1].frame
    assert frame is not None and "dense_1" in frame.activations


def test_a_live_run_and_the_stored_one_show_the_same(store: RunStore, qtbot: QtBot) -> None:
    live, again = Session(store=store), Session(store=store)
    live.start(small())
    qtbot.waitUntil(lambda: live.state == "finished")
    assert live.run_id is not None
    again.open_run(live.run_id)
    assert again.state == "finished" and again.run_id == live.run_id
    for name in ("step", "loss", "learning_rate"):
        np.testing.assert_array_equal(again.live.steps[name], live.live.steps[name])
    assert again.live.epochs == live.live.epochs
    again.add_overlay(stored_history(store.open(live.run_id), label="first"))
    assert again.overlays[live.run_id].label == "first"
    live.close()
    again.close()


def test_a_stopped_run_shows_what_was_seen_last(store: RunStore) -> None:
    result = Trainer(small(), store=store, steps=30).run()
    run = stored_history(store.open(result.run))
    assert run.history.moments[-1].step == 22 and run.last is not None
    assert run.last.frame is not None and run.last.frame.step == 30
    assert run.last.surface is not None and run.last.surface.step == 30
    session = Session(store=store)
    session.open_run(result.run)
    assert session.surface is not None and session.surface.step == 30 and session.moment().step == 30
    session.close()


@pytest.mark.parametrize("forgotten", [True, False])
def test_a_stopped_run_goes_on_where_it_was(store: RunStore, qtbot: QtBot, forgotten: bool) -> None:
    session = Session(store=store)
    session.start(small(400), paused=True)
    qtbot.waitUntil(lambda: session.state == "paused")
    session.step(30)
    qtbot.waitUntil(lambda: session.live.step_count == 30 and session.state == "paused")
    session.stop()
    qtbot.waitUntil(lambda: session.state == "finished")
    run_id = session.run_id
    assert run_id is not None
    shown = session.live
    if forgotten:
        session.reset()
    session.start(small(400), paused=True, resume=run_id)
    assert (session.live is shown) is not forgotten, "what is shown already is not read again"
    assert session.live.step_count == 30, "what was trained before is there at once"
    qtbot.waitUntil(lambda: session.state == "paused")
    session.step(5)
    qtbot.waitUntil(lambda: session.live.step_count == 35)
    assert session.live.steps["step"].tolist() == list(range(1, 36))
    assert session.run_id == run_id
    session.close()
    assert store.open(run_id).steps()["step"].tolist() == list(range(1, 36))
