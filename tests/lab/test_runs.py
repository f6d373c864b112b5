"""The list of runs: what it says, and what can be done with a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMessageBox

from engine.training.control import Control
from engine.training.events import Event, StepRows
from engine.training.store import RunReader, RunStore
from engine.training.trainer import Trainer
from lab.run_row import LOOK
from lab.window import Window
from tests.support.examples import blobs

MakeWindow = Callable[..., Window]


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """Two short runs of one experiment and one of another, of which the last was stopped."""
    store = RunStore(tmp_path / "store")
    Trainer(blobs(epochs=2), store=store, device="cpu").run()
    Trainer(replace(blobs(epochs=3), name="Other"), store=store, device="cpu").run()
    Trainer(blobs(epochs=4), store=store, device="cpu", steps=9).run()
    return store


def settled(qtbot: Any, window: Window) -> None:
    qtbot.waitUntil(lambda: not window.jobs.busy)
    qtbot.wait(1)


def test_the_list_shows_every_run_newest_first(make_window: MakeWindow, qtbot: Any, store: RunStore) -> None:
    window = make_window(fake=False, store=store)
    settled(qtbot, window)
    runs = window.runs
    assert [run.name for run in runs.summaries] == ["Blobs", "Other", "Blobs"]
    assert runs.list.count() == 3 and not runs.hint.isVisibleTo(runs)
    assert runs.number_of(runs.summaries[0].id) == (2, "Blobs") and runs.number_of(runs.summaries[2].id) == (1, "Blobs")
    assert not runs.open_button.isEnabled()
    runs.select(runs.summaries[1].id)
    assert runs.open_button.isEnabled() and not runs.resume_button.isEnabled() and runs.delete_button.isEnabled()


def test_ticking_lays_curves_over(make_window: MakeWindow, qtbot: Any, store: RunStore) -> None:
    window = make_window(fake=False, store=store)
    window.show_left("runs")
    settled(qtbot, window)
    runs = window.runs
    rect = runs.list.visualItemRect(runs.list.item(1))
    box = rect.topLeft() + QPoint(18, 17)
    QTest.mouseClick(runs.list.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, box)
    other = runs.summaries[1].id
    qtbot.waitUntil(lambda: other in window.session.overlays)
    assert window.session.overlays[other].label == "#1 Other"
    QTest.mouseClick(runs.list.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, box)
    assert not window.session.overlays


def test_opening_a_run_shows_its_curves_and_its_experiment(
    make_window: MakeWindow, qtbot: Any, store: RunStore
) -> None:
    window = make_window(fake=False, store=store)
    settled(qtbot, window)
    other = window.runs.summaries[1]
    window.runs.open_run(other.id)
    qtbot.waitUntil(lambda: window.session.run_id == other.id)
    assert window.document.experiment.name == "Other" and not window.document.dirty
    assert len(window.session.live.epochs) == 3 and window.flow.primary == "again"
    assert not window.flow.edited


def test_continuing_a_run_that_stopped_short(make_window: MakeWindow, qtbot: Any, store: RunStore) -> None:
    window = make_window(fake=False, store=store)
    settled(qtbot, window)
    newest, done = window.runs.summaries[:2]
    assert done.status == "done" and not window.runs.can_resume(done)
    # Ended by a limit of steps before its last epoch, it can go on, and then it is done.
    assert newest.steps == 9 and newest.status == "stopped" and window.runs.can_resume(newest)
    window.runs.open_run(newest.id)
    qtbot.waitUntil(lambda: window.session.run_id == newest.id)
    assert window.flow.primary == "continue"
    window.flow.press()
    qtbot.waitUntil(lambda: window.session.finished is not None and window.session.finished.reason == "done")
    assert window.session.live.step_count == 12 and window.flow.primary == "again"
    qtbot.waitUntil(lambda: not window.session.active)
    window.flow.reset()
    # Stopped by hand, it can go on as well.
    window.document.replace(blobs(epochs=100_000))
    window.flow.press()
    qtbot.waitUntil(lambda: window.session.live.step_count > 30)
    window.flow.stop()
    qtbot.waitUntil(lambda: window.session.state == "finished")
    window.flow.reset()
    window.runs.refresh()
    settled(qtbot, window)
    stopped = window.runs.summaries[0]
    assert stopped.status == "stopped" and window.runs.can_resume(stopped)
    window.runs.select(stopped.id)
    QTest.mouseClick(window.left.tabBar(), Qt.MouseButton.LeftButton, pos=window.left.tabBar().tabRect(1).center())
    assert window.runs.resume_button.isVisible()
    QTest.mouseClick(window.runs.resume_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.session.live.step_count > stopped.steps + 10)
    assert window.session.run_id == stopped.id
    with qtbot.waitSignal(window.runs.opened):
        window.runs.open_run(newest.id)
    assert "Stop it before" in window.notices.texts[-1]


def test_deleting_asks_and_removes(make_window: MakeWindow, qtbot: Any, store: RunStore, answers: list[Any]) -> None:
    window = make_window(fake=False, store=store)
    settled(qtbot, window)
    window.runs.select(window.runs.summaries[1].id)
    answers.append(QMessageBox.StandardButton.Cancel)
    window.runs.delete_button.click()
    settled(qtbot, window)
    assert len(store.list()) == 3
    answers.append(QMessageBox.StandardButton.Yes)
    window.runs.delete_button.click()
    qtbot.waitUntil(lambda: len(window.runs.summaries) == 2)
    assert [run.name for run in store.list()] == ["Blobs", "Blobs"]


def test_a_run_of_the_list_is_exported(make_window: MakeWindow, qtbot: Any, store: RunStore, tmp_path: Path) -> None:
    window = make_window(fake=False, store=store)
    settled(qtbot, window)
    window.runs.export_run(window.runs.summaries[1].id)
    qtbot.waitUntil(lambda: window.taking.dialog is not None)
    dialog = window.taking.dialog
    assert dialog is not None and not dialog.pictures.isEnabled()
    dialog.folder.setText(str(tmp_path / "out"))
    dialog.weights_format.setCurrentText(".npz")
    dialog.which.setCurrentIndex(1)
    dialog.go.click()
    qtbot.waitUntil(lambda: "written" in dialog.status.text())
    assert sorted(path.name for path in dialog.written) == ["history.csv", "weights.npz"] and dialog.problems == []
    rows = (tmp_path / "out" / "history.csv").read_text().splitlines()
    assert len(rows) == 1 + store.list()[1].steps


def test_rows_say_which_run_it_is_what_is_different_and_its_colour(
    make_window: MakeWindow, qtbot: Any, store: RunStore
) -> None:
    window = make_window(fake=False, store=store)
    window.show_left("runs")
    settled(qtbot, window)
    runs = window.runs
    looks = [runs.list.item(row).data(LOOK) for row in range(3)]
    assert [look.position for look in looks] == [2, 1, 1]
    assert [look.changes for look in looks] == ["epochs 4", "", ""]
    assert "epochs 4" in runs.list.item(0).toolTip() and "Since the run before it" in runs.list.item(0).toolTip()
    assert looks[0].series is None
    first, second = runs.summaries[0].id, runs.summaries[1].id
    for run_id in (first, second):
        runs.overlay(run_id, True)
        qtbot.waitUntil(lambda run_id=run_id: run_id in window.session.overlays)
    assert [runs.list.item(row).data(LOOK).series for row in range(3)] == [2, 3, None]
    runs.overlay(first, False)
    assert [runs.list.item(row).data(LOOK).series for row in range(3)] == [None, 3, None], "colours stay"
    runs.overlay(runs.summaries[2].id, True)
    qtbot.waitUntil(lambda: len(window.session.overlays) == 2)
    assert [runs.list.item(row).data(LOOK).series for row in range(3)] == [None, 3, 2]


def test_a_row_says_what_was_changed_during_the_run(
    make_window: MakeWindow, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.training.chunks.MOST", 1)  # so that the fourth step is told before the fifth
    store, control = RunStore(tmp_path / "store"), Control()

    def change(event: Event) -> None:
        if isinstance(event, StepRows) and event.step == 4:
            control.set("training.optimizer.learning_rate", 0.05)

    Trainer(blobs(epochs=3), store=store, device="cpu").run()
    Trainer(blobs(epochs=3), store=store, device="cpu", control=control, report=change).run()
    read: list[str] = []
    changes = RunReader.changes
    monkeypatch.setattr(RunReader, "changes", lambda reader: read.append(reader.run) or changes(reader))
    window = make_window(fake=False, store=store)
    window.show_left("runs")
    settled(qtbot, window)
    runs = window.runs
    words = "learning rate 0.01 → 0.05 in epoch 2"
    assert [runs.list.item(row).data(LOOK).changes for row in range(2)] == [words, ""]
    assert f"Changed while it ran:\n  {words}" in runs.list.item(0).toolTip()
    runs.refresh()
    settled(qtbot, window)
    assert sorted(read) == sorted(run.id for run in runs.summaries), "each is read once"


def test_a_button_that_is_off_says_why_and_the_focus_is_seen(
    make_window: MakeWindow, qtbot: Any, store: RunStore
) -> None:
    window = make_window(fake=False, store=store)
    window.show_left("runs")
    settled(qtbot, window)
    runs = window.runs
    assert "Select one run" in runs.resume_button.toolTip()
    runs.select(runs.summaries[1].id)
    assert not runs.resume_button.isEnabled() and "is done" in runs.resume_button.toolTip()
    for button in (runs.open_button, runs.resume_button):
        assert button.width() >= button.sizeHint().width(), button.text()
    runs.list.setCurrentRow(-1)
    runs.open_button.setFocus()
    before = runs.list.grab().toImage()
    runs.list.setFocus(Qt.FocusReason.TabFocusReason)
    assert runs.list.currentRow() == 0 and runs.list.grab().toImage() != before


def choose(window: Window, text: str) -> None:
    """Open the menu of the selected run and take an entry."""
    item = window.runs.list.visualItemRect(window.runs.list.item(0)).center()
    window.runs.list.customContextMenuRequested.emit(item)
    menu = window.runs._menu
    assert menu is not None
    entry = next(action for action in menu.actions() if action.text() == text)
    assert entry.isEnabled()
    menu.setActiveAction(entry)
    QTest.keyClick(menu, Qt.Key.Key_Return)


def test_replaying_a_run_makes_it_anew_with_its_edits(make_window: MakeWindow, qtbot: Any, tmp_path: Path) -> None:
    from engine.training.replay import differing

    store, control = RunStore(tmp_path / "store"), Control()

    def report(event: Event) -> None:
        if isinstance(event, StepRows) and event.step < 9:
            control.set("training.optimizer.learning_rate", 0.3)

    Trainer(blobs(epochs=3), store=store, device="cpu", control=control, report=report).run()
    window = make_window(fake=False, store=store)
    window.show_left("runs")
    settled(qtbot, window)
    old = window.runs.summaries[0]
    window.runs.select(old.id)
    choose(window, "Replay with its edits")
    qtbot.waitUntil(lambda: window.session.finished is not None and window.session.finished.reason == "done")
    new = window.session.run_id
    assert new is not None and new != old.id
    edits = [(event.step, event.path) for event in store.open(old.id).changes()[0]]
    assert edits and [(event.step, event.path) for event in window.session.live.changes] == edits
    qtbot.waitUntil(lambda: not window.session.active)
    assert differing(store.open(old.id), store.open(new)) == []


def test_new_runs_start_from_the_best_weights_of_a_run(make_window: MakeWindow, qtbot: Any, store: RunStore) -> None:
    window = make_window(fake=False, store=store)
    window.show_left("runs")
    settled(qtbot, window)
    run = window.runs.summaries[0]
    window.document.replace(store.open(run.id).experiment)
    window.runs.select(run.id)
    choose(window, "Start new runs from its best weights")
    qtbot.waitUntil(lambda: window.flow.weights is not None)
    best = store.open(run.id).best_checkpoint()
    assert best is not None and window.flow.weights is not None
    assert window.flow.weights["dense_1/weight"].tobytes() == best[0]["parameter/dense_1/weight"].tobytes()
    assert f"step {best[1]['step']}" in window.notices.texts[-1]
