"""The window as a whole: its first moments, its layout, what it asks, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from engine import presets
from engine.paths import set_path
from engine.training.events import Compiling, ExecutorChanged
from engine.training.trainer import Trainer
from lab.panelarea import GRID
from lab.settings import Settings
from lab.window import Window
from tests.support.examples import blobs, make
from widgets import theme

MakeWindow = Callable[..., Window]


def test_the_first_start_shows_a_preset_that_learns_at_once(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window(presets.make(presets.FIRST), fake=False)
    assert window.document.report.ok and "press Train or F5" in window.top.standing.where.text()
    QTest.keyClick(window, Qt.Key.Key_F5)
    qtbot.waitUntil(lambda: len(window.session.live.epochs) >= 10)
    epochs = window.session.live.epochs
    assert epochs[-1].train_loss < 0.7 * epochs[0].train_loss
    assert "surface" in window.area.shown and window.area.panel("surface").isVisible()


@pytest.mark.parametrize("size", [(1280, 800), (1600, 1000), (1920, 1080)])
def test_nothing_is_cut_off(make_window: MakeWindow, qtbot: Any, size: tuple[int, int]) -> None:
    window = make_window(size=size)
    qtbot.wait(20)

    def all_fit() -> None:
        assert (window.width(), window.height()) == size
        for child in window.top.findChildren(QWidget):
            if child.isVisible() and child.parentWidget() is window.top:
                assert window.top.rect().contains(child.geometry()), child
        buttons = [window.top.train, *window.top.minor, window.top.pill, window.top.seed]
        for left, right in pairwise(buttons):
            assert left.geometry().right() < right.geometry().left()
        for name in (name for row in GRID for name in row):
            dock = window.area.docks[name]
            if window.area.panel(name).isVisible():
                assert dock.width() >= 200 and dock.height() >= 130
        assert window.canvas.height() >= 200 and window.problems.width() >= 290

    qtbot.waitUntil(all_fit)


def test_columns_of_panels_are_of_one_width(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window(size=(1600, 1000))
    qtbot.wait(20)

    def even() -> None:
        widths = [window.area.docks[name].width() for name in GRID[1]]
        assert max(widths) - min(widths) <= 3
        heights = [window.area.docks[row[0]].height() for row in GRID]
        assert max(heights) - min(heights) <= 3

    qtbot.waitUntil(even)


def test_panels_follow_the_kind_of_data(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window(blobs())
    qtbot.waitUntil(lambda: {"surface", "confusion"} <= set(window.area.shown))
    window.filing.put(presets.make("sine-regression"), None)
    qtbot.waitUntil(lambda: "surface" not in window.area.shown)
    assert "confusion" not in window.area.shown
    qtbot.waitUntil(window.area.panel("activations").isVisible)


def test_a_panel_behind_a_tab_costs_nothing(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window()
    qtbot.wait(20)
    area = window.area
    qtbot.waitUntil(lambda: area.panel("surface").isVisible() and not area.panel("activations").isVisible())
    qtbot.waitUntil(lambda: "confusion" in area.shown and "confusion" not in window.session.watched)
    window.area.open_panel("confusion")
    qtbot.waitUntil(lambda: "confusion" in window.session.watched)
    assert not window.area.panel("metrics").isVisible()
    window.area.open_panel("metrics")
    qtbot.waitUntil(lambda: "confusion" not in window.session.watched)


def test_a_panel_takes_all_the_room_and_gives_it_back(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window()
    qtbot.wait(20)
    before = window.area.shown
    QTest.mouseDClick(window.area.panel("loss").header.title, Qt.MouseButton.LeftButton)
    assert window.area.maximized == "loss" and not window.canvas.isVisible()
    qtbot.waitUntil(lambda: window.area.docks["loss"].width() > 0.95 * window.width())
    QTest.keyClick(window, Qt.Key.Key_Escape)
    assert window.area.maximized == "" and window.canvas.isVisible() and window.area.shown == before


def test_the_way_back_from_a_panel_that_has_all_the_room_is_in_sight(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window()
    QTest.keyClick(window, Qt.Key.Key_F6)
    header = window.area.panel("checks").header
    qtbot.waitUntil(header.back.isVisible)
    assert window.area.maximized == "checks" and "Esc" in header.back.text()
    QTest.mouseClick(header.back, Qt.MouseButton.LeftButton)
    assert window.area.maximized == "" and window.canvas.isVisible() and header.back.isHidden()
    window.area.toggle_maximized("loss")
    window.show_right("training")
    assert window.area.maximized == "" and window.training_tab.isVisible()


def test_panels_close_open_and_float(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window()
    window.area.close_panel("updates")
    assert "updates" not in window.area.shown
    window.area.open_panel("updates")
    assert "updates" in window.area.shown
    dock = window.area.docks["gradients"]
    dock.setFloating(True)
    assert dock.isWindow()
    window.reset_layout()
    assert not dock.isFloating() and "updates" in window.area.shown


def test_a_panel_is_dragged_by_its_header(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window()
    qtbot.wait(20)
    dock = window.area.docks["updates"]
    button, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QTest.mousePress(window.area.panel("updates").header, button, none, QPoint(60, 10))
    QTest.mouseMove(window.area.panel("updates").header, QPoint(62, 12))
    assert not dock.isFloating()
    QTest.mouseMove(window.area.panel("updates").header, QPoint(90, 60))
    qtbot.waitUntil(dock.isFloating)
    QTest.mouseRelease(dock, button, none, QPoint(60, 0))
    qtbot.wait(50)
    window.reset_layout()
    assert not dock.isFloating()


def test_the_layout_comes_back(make_window: MakeWindow, qtbot: Any, tmp_path: Path) -> None:
    path = tmp_path / "window.ini"
    window = make_window(settings=Settings(path))
    qtbot.wait(20)
    window.area.close_panel("updates")
    window.area.panel("loss").set_view_state({"log_x": True})
    window.places.across.setSizes([300, 700, 400])
    width = window.left.width()
    window.close()
    assert window.ended
    again = make_window(settings=Settings(path))
    qtbot.wait(20)
    assert "updates" not in again.area.shown and "gradients" in again.area.shown
    assert again.area.panel("loss").view_state()["log_x"] is True
    qtbot.waitUntil(lambda: abs(again.left.width() - width) <= 2)


def test_the_canvas_shows_the_run_and_forgets_it(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window()
    window.flow.press()
    qtbot.waitUntil(lambda: window.session.state == "finished")
    assert window.session.frame is not None and window.canvas.live._frame is window.session.frame
    window.flow.reset()
    assert window.canvas.live._frame is None


def test_a_hidden_window_watches_nothing(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window()
    qtbot.waitUntil(lambda: {"activations", "gradients"} <= window.session.watched)
    window.hide()
    assert window.session.watched == frozenset()
    window.show()
    assert {"activations", "gradients"} <= window.session.watched


def test_space_trains_where_nobody_else_wants_it(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window(blobs(epochs=1000), rate=300.0)
    QTest.keyClick(window.timeline, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: window.session.state == "running")
    QTest.keyClick(window.canvas, Qt.Key.Key_Space)
    assert window.flow.primary == "pause", "on the canvas, Space moves the view"


def test_the_theme_is_switched_and_remembered(make_window: MakeWindow) -> None:
    window = make_window()
    window.actions_by_id["theme_light"].trigger()
    assert theme.current() is theme.LIGHT and window.settings.theme == "light"
    assert window.actions_by_id["theme_light"].isChecked() and not window.actions_by_id["theme_dark"].isChecked()
    window.actions_by_id["theme_dark"].trigger()
    assert theme.current() is theme.DARK


def test_the_device_is_chosen(make_window: MakeWindow, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.executors.compiled", lambda: False)
    window = make_window()
    assert "NumPy" in window.top.pill.text()
    window.actions_by_id["device_cpu"].trigger()
    assert window.session.device == "cpu" and window.settings.device == "cpu"
    assert window.actions_by_id["device_cpu"].isChecked()
    qtbot.waitUntil(lambda: not window.jobs.busy)


def test_the_executor_is_chosen(make_window: MakeWindow, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.executors.compiled", lambda: True)
    monkeypatch.setattr("engine.executors.unavailable", lambda: "")
    window = make_window(blobs(epochs=2))
    assert window.top.pill.text() == "Compiled" and window.actions_by_id["executor_auto"].isChecked()
    window.actions_by_id["executor_array"].trigger()
    assert window.session.executor == window.settings.executor == "array"
    qtbot.waitUntil(lambda: "NumPy" in window.top.pill.text())
    assert window.actions_by_id["executor_array"].isChecked()
    window.flow.press()
    qtbot.waitUntil(lambda: window.session.state == "finished")
    assert window.session._holder[0].executor == "array"


def test_an_executor_that_is_not_to_be_had_cannot_be_chosen(
    make_window: MakeWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.executors.unavailable", lambda: "There is no numba.")
    window = make_window()
    assert not window.actions_by_id["executor_cpu"].isEnabled()
    assert window.actions_by_id["executor_auto"].isEnabled()


def test_a_change_of_executor_is_shown_while_running(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window(blobs(epochs=100_000), rate=200.0)
    window.flow.press()
    qtbot.waitUntil(lambda: window.session.state == "running")
    assert window.top.pill.text() == "NumPy · 1 thread"
    run = window.session.run_id
    assert run is not None and window.session._mailbox is not None
    window.session._mailbox.post(ExecutorChanged(run=run, step=30, executor="cpu", device="Compiled · 2 threads"))
    qtbot.waitUntil(lambda: window.session.device_label == "Compiled · 2 threads")
    window.top.refresh()
    assert window.top.pill.text() == "Compiled · 2 threads"
    assert window.status.message.text() == "From step 30 on: Compiled · 2 threads."


def test_weights_scaled_by_the_first_batch_are_told_of(make_window: MakeWindow, qtbot: Any) -> None:
    experiment = set_path(blobs(epochs=100_000), "nodes.dense_1.weight_init", make("initializer", "lsuv"))
    window = make_window(experiment, fake=False)
    window.flow.press()
    qtbot.waitUntil(lambda: window.status.message.text().startswith("LSUV scaled the weights of one layer: "))


def test_a_run_that_waits_for_kernels_says_how_far_they_are(make_window: MakeWindow) -> None:
    window = make_window()
    session = window.session
    session._take_slot(Compiling(run="", step=0, done=0, total=0))
    session._set_state("starting")
    assert window.top.describe() == ("waiting for the kernels", "once", 0.0)
    session._take_slot(Compiling(run="", step=0, done=3, total=12))
    assert window.top.describe() == ("compiling kernels 3 / 12", "once", 0.25)
    session._set_state("idle")


# -- the end -----------------------------------------------------------------------------------------------------------


def test_closing_during_a_run_is_quick_and_orderly(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window(blobs(epochs=10_000), fake=False)
    window.flow.press()
    qtbot.waitUntil(lambda: len(window.session.live.epochs) > 1)
    run = window.session.run_id
    window.close()
    assert not window.ended and window.session.state == "stopping", "the window does not wait for the run"
    qtbot.waitUntil(lambda: window.ended)
    summary = next(item for item in window.session.store.list() if item.id == run)
    assert summary.status == "stopped" and summary.checkpoints


def test_a_trainer_that_does_not_listen_does_not_hold_the_window(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window(blobs(epochs=1000), rate=0.4)
    window.flow.press()
    qtbot.waitUntil(lambda: window.session.live.step_count == 1)
    window.close()
    assert window.isVisible() and "Stopping" in window.status.message.text()
    qtbot.waitUntil(lambda: window.ended)
    assert not window.isVisible()


def test_adding_from_the_palette_and_the_actions(make_window: MakeWindow) -> None:
    window = make_window()
    window.selection.set(["dense_1"])
    window.palette_tab.addRequested.emit(make("layer", "tanh"))
    assert window.document.experiment.network.node("relu_1").inputs == ("tanh_1",)
    window.actions_by_id["undo"].trigger()
    assert window.document.undo_label == "" and window.actions_by_id["redo"].isEnabled()
    window.actions_by_id["add"].trigger()
    assert window.canvas.quick_add.isVisible()
    QTest.keyClick(window.canvas.quick_add.field, Qt.Key.Key_Escape)


def test_layers_that_a_run_shows_to_be_unwell_are_told_and_shown(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window()
    window.canvas.centre_on(QPointF(4000, 4000))
    window.canvas.live.judged.emit(("relu_1",))
    qtbot.mouseClick(window.problems.run_line, Qt.MouseButton.LeftButton)
    assert window.selection.nodes == ("relu_1",)
    assert window.canvas.seen.contains(window.canvas.net().nodes["relu_1"].extent)


def test_escape_returns_to_the_present_wherever_the_focus_is(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window(blobs(epochs=4))
    window.flow.press()
    qtbot.waitUntil(lambda: window.session.state == "finished")
    window.session.look(2)
    window.show_left("runs")
    QTest.keyClick(window.runs.list, Qt.Key.Key_Escape)
    assert window.session.looking is None


def test_continuing_the_run_on_the_screen_leaves_the_document_alone(
    make_window: MakeWindow, qtbot: Any, answers: list[Any]
) -> None:
    window = make_window(blobs(epochs=100_000), fake=False)
    window.flow.press()
    qtbot.waitUntil(lambda: window.session.live.step_count > 20)
    window.document.apply("Slower", set_path(window.document.experiment, "training.optimizer.learning_rate", 0.0123))
    qtbot.waitUntil(lambda: bool(window.session.live.changes))
    window.flow.stop()
    qtbot.waitUntil(lambda: window.session.state == "finished" and not window.jobs.busy)
    run, edited = window.session.run_id, window.document.experiment
    assert run is not None
    window.runs.refresh()
    qtbot.waitUntil(lambda: [item.id for item in window.runs.summaries] == [run] and not window.jobs.busy)
    window.runs.resume_run(run)  # no question is asked: `answers` is empty
    qtbot.waitUntil(lambda: window.session.state == "running")
    assert window.document.experiment is edited and not window.flow.edited
    assert window.session.experiment.training.optimizer.learning_rate == 0.0123
    window.flow.stop()
    qtbot.waitUntil(lambda: window.session.state == "finished")


def test_another_run_brings_nothing_of_the_one_before(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window(blobs(epochs=3), fake=False)
    for _ in range(2):
        window.flow.begin()
        qtbot.waitUntil(lambda: window.session.state == "finished" and not window.jobs.busy)
    second = window.session.run_id
    window.runs.refresh()
    qtbot.waitUntil(lambda: len(window.runs.summaries) == 2 and not window.jobs.busy)
    first = next(item.id for item in window.runs.summaries if item.id != second)
    window.session.look(1)
    window.runs.open_run(first)
    qtbot.waitUntil(lambda: window.session.run_id == first)
    assert window.session.looking is None and window.session.progress is None and window.session.dataset is None


def test_a_run_that_went_on_elsewhere_is_read_anew_before_it_is_continued(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window(blobs(epochs=2), fake=False)
    session = window.session
    window.flow.begin()
    qtbot.waitUntil(lambda: session.state == "finished")
    run, store, experiment = session.run_id, session.store, session.experiment
    assert run is not None and store is not None and experiment is not None
    shown = session.live.step_count
    Trainer(experiment, store=store, resume=run, epochs=5).run()
    session.start(experiment, resume=run, epochs=7)
    qtbot.waitUntil(lambda: session.state == "finished")
    stored = store.open(run).steps()["step"]
    assert len(stored) == 7 * shown // 2
    assert session.live.steps["step"].tolist() == stored.tolist() and session.live.step_count == len(stored)
    assert [event.epoch for event in session.live.epochs] == [1, 2, 3, 4, 5, 6, 7]
