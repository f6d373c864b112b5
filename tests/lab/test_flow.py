"""What Train, Step, Stop and the rest mean in each state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from engine import edits
from engine.training.store import RunStore
from lab.window import Window
from tests.support.examples import blobs, make


def wait(qtbot: Any, window: Window, state: str) -> None:
    qtbot.waitUntil(lambda: window.session.state == state)


def with_epochs(window: Window, epochs: int) -> None:
    experiment = window.document.experiment
    training = replace(experiment.training, epochs=epochs)
    window.document.apply("Change epochs", replace(experiment, training=training))


def test_train_pauses_resumes_and_begins_anew(make_window: Callable[..., Window], qtbot: Any) -> None:
    window = make_window(blobs(epochs=1000), rate=500.0)
    flow, session = window.flow, window.session
    assert flow.primary == "train" and flow.can_step and not flow.can_continue
    flow.press()
    wait(qtbot, window, "running")
    assert flow.primary == "pause"
    flow.press()
    assert flow.primary == "wait" or session.state == "paused"
    wait(qtbot, window, "paused")
    assert flow.primary == "resume"
    flow.press()
    wait(qtbot, window, "running")
    flow.stop()
    assert flow.primary == "wait"
    wait(qtbot, window, "finished")
    assert flow.primary == "again" and not flow.can_continue, "nothing is kept, so there is nothing to go on from"
    first = session.run_id
    flow.press()
    wait(qtbot, window, "running")
    assert session.run_id != first


def test_step_and_epoch_begin_a_run_that_waits(make_window: Callable[..., Window], qtbot: Any) -> None:
    window = make_window()
    window.flow.step()
    qtbot.waitUntil(lambda: window.session.state == "paused" and window.session.live.step_count == 1)
    window.flow.epoch()
    qtbot.waitUntil(lambda: window.session.state == "paused" and len(window.session.live.epochs) == 1)


def test_a_network_with_errors_is_refused_and_the_problems_get_the_focus(
    make_window: Callable[..., Window], qtbot: Any
) -> None:
    experiment = edits.disconnect(blobs(), "relu_1", "dense_2")
    window = make_window(experiment)
    window.activateWindow()
    with qtbot.waitSignal(window.flow.blocked):
        assert not window.flow.begin()
    assert window.session.state == "idle"
    assert "cannot be trained yet" in window.notices.texts[0]
    assert window.focusWidget() is window.problems.cards[0]


def test_reset_during_a_run_stops_it_and_forgets_it(make_window: Callable[..., Window], qtbot: Any) -> None:
    window = make_window(blobs(epochs=1000), rate=500.0)
    window.flow.press()
    wait(qtbot, window, "running")
    window.flow.reset()
    assert window.session.state == "stopping", "the window never waits"
    wait(qtbot, window, "idle")
    assert window.session.run_id is None and window.session.live.step_count == 0


def test_an_edit_during_a_run_offers_to_train_anew(make_window: Callable[..., Window], qtbot: Any) -> None:
    window = make_window(blobs(epochs=1000), rate=500.0)
    window.flow.press()
    wait(qtbot, window, "running")
    assert not window.flow.edited and not window.top.edited.isVisible()
    with_epochs(window, 900)
    assert window.flow.edited and window.top.edited.isVisible()
    first = window.session.run_id
    window.actions_by_id["restart"].trigger()
    qtbot.waitUntil(lambda: window.session.state == "running" and window.session.run_id != first)
    assert window.session.experiment is not None and window.session.experiment.training.epochs == 900
    assert not window.top.edited.isVisible()


def test_a_finished_run_goes_on_when_more_epochs_are_asked_for(
    make_window: Callable[..., Window], qtbot: Any, tmp_path: Path
) -> None:
    store = RunStore(tmp_path / "runs")
    window = make_window(blobs(epochs=2), fake=False, store=store)
    flow, session = window.flow, window.session
    flow.press()
    wait(qtbot, window, "finished")
    run, steps = session.run_id, session.live.step_count
    assert flow.primary == "again" and not flow.can_continue
    with_epochs(window, 5)
    assert flow.more_epochs == 5 and flow.primary == "continue"
    flow.press()
    qtbot.waitUntil(lambda: session.state == "finished" and session.live.step_count > steps)
    assert session.run_id == run
    assert [event.epoch for event in session.live.epochs] == [1, 2, 3, 4, 5]
    assert session.live.step_count == steps / 2 * 5
    assert len(store.list()) == 1 and store.list()[0].epochs == 5


def test_loaded_weights_are_where_the_run_begins(
    make_window: Callable[..., Window], qtbot: Any, tmp_path: Path
) -> None:
    from engine.export.weights import save_weights, weights_of

    window = make_window(blobs(epochs=3), fake=False, store=RunStore(tmp_path / "runs"))
    window.flow.press()
    wait(qtbot, window, "finished")
    checkpoint = window.session.store.open(window.session.run_id).last_checkpoint()
    assert checkpoint is not None
    arrays = weights_of(checkpoint[0])
    save_weights(tmp_path / "w.npz", arrays)
    first_loss = window.session.live.steps["loss"][0]
    last_loss = float(np.mean(window.session.live.steps["loss"][-4:]))
    window.taking.load_weights(tmp_path / "w.npz")
    qtbot.waitUntil(lambda: window.flow.weights is not None)
    assert "w.npz" in window.notices.texts[-1]
    window.flow.begin()
    qtbot.waitUntil(lambda: window.session.state == "finished" and len(window.session.live.epochs) == 3)
    assert window.session.live.steps["loss"][0] < (first_loss + last_loss) / 2
    window.flow.reset()
    assert window.flow.weights is None


def test_weights_that_do_not_fit_are_refused_in_words(
    make_window: Callable[..., Window], qtbot: Any, tmp_path: Path
) -> None:
    from engine.export.weights import save_weights

    window = make_window()
    save_weights(tmp_path / "other.npz", {"dense_1/weight": np.zeros((5, 5), np.float32)})
    window.taking.load_weights(tmp_path / "other.npz")
    qtbot.waitUntil(lambda: bool(window.notices.texts))
    assert "do not fit the network" in window.notices.texts[0] and window.flow.weights is None
    window.taking.load_weights(tmp_path / "none.npz")
    qtbot.waitUntil(lambda: len(window.notices.texts) == 2)
    # Weights that fitted once, and an edit since.
    window.flow.set_weights({"dense_1/weight": np.zeros((5, 5), np.float32)}, "old.npz")
    assert not window.flow.begin()
    assert "old.npz" in window.notices.texts[-1] and window.session.state == "idle"


@pytest.mark.parametrize("state", ["failed"])
def test_a_failure_is_told_with_its_words(make_window: Callable[..., Window], qtbot: Any, state: str) -> None:
    window = make_window(fail_at=5)
    window.flow.press()
    wait(qtbot, window, state)
    assert window.notices.texts == ["Training failed. Dense 128 met its end"]
    assert window.flow.primary == "again"
    window.flow.press()
    assert window.notices.texts == [] or "met its end" in window.notices.texts[0]
    qtbot.waitUntil(lambda: not window.session.active)


def test_the_notice_of_what_cannot_be_trained_ends_with_its_cause(
    make_window: Callable[..., Window], qtbot: Any
) -> None:
    window = make_window()
    good = window.document.experiment
    data = replace(good.data, source=make("source", "csv"))
    window.document.apply("Change data", replace(good, data=data))
    qtbot.waitUntil(lambda: bool(window.document.signature_error))
    window.flow.press()
    assert window.session.state == "idle" and any("1 error" in text for text in window.notices.texts)
    window.document.undo()
    qtbot.waitUntil(lambda: window.document.report.ok)
    assert window.notices.texts == []
