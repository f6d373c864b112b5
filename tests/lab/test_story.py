"""The whole story with real events and the real engine: build, train, save, close, open, go on, export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QPushButton, QWidget

from engine import files
from engine.experiment import Experiment, NetworkSpec
from engine.export.weights import load_weights
from engine.training.store import RunStore
from lab.canvas.geometry import card_rect, input_port, output_port
from lab.window import Window
from tests.lab.conftest import make_active
from tests.support.examples import blobs

LEFT = Qt.MouseButton.LeftButton
NONE, CTRL, SHIFT = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
)


class Person:
    """Mouse and keys on a window."""

    def __init__(self, window: Window, qtbot: Any) -> None:
        self.window, self.qtbot = window, qtbot

    def click(self, widget: QWidget) -> None:
        assert widget.isVisible() and widget.isEnabled(), widget
        QTest.mouseClick(widget, LEFT, NONE, widget.rect().center())

    def key(self, key: Qt.Key, modifiers: Qt.KeyboardModifier = NONE, widget: QWidget | None = None) -> None:
        make_active(self.window, self.qtbot)
        QTest.keyClick(widget or self.window, key, modifiers)

    def type_layer(self, text: str) -> None:
        """Type on the canvas: the first letter opens quick-add, Enter adds."""
        canvas = self.window.canvas
        QTest.keyClicks(canvas, text[0])
        assert canvas.quick_add.isVisible()
        QTest.keyClicks(canvas.quick_add.field, text[1:])
        QTest.keyClick(canvas.quick_add.field, Qt.Key.Key_Return)

    def pixel(self, point: QPointF) -> QPoint:
        return self.window.canvas.mapFromScene(point)

    def drag(self, start: QPointF, end: QPointF) -> None:
        port = self.window.canvas.viewport()
        QTest.mousePress(port, LEFT, NONE, self.pixel(start))
        QTest.mouseMove(port, self.pixel(start + (end - start) / 2))
        QTest.mouseMove(port, self.pixel(end))
        QTest.mouseRelease(port, LEFT, NONE, self.pixel(end))

    def select(self, node: str) -> None:
        item = self.window.canvas.net().nodes[node]
        middle = card_rect(item.pos()).center() - QPointF(0, 35)
        QTest.mouseClick(self.window.canvas.viewport(), LEFT, NONE, self.pixel(middle))

    def wait(self, state: str) -> None:
        self.qtbot.waitUntil(lambda: self.window.session.state == state)

    def settle(self) -> None:
        self.qtbot.waitUntil(lambda: not self.window.jobs.busy)
        self.qtbot.wait(1)


def empty() -> Experiment:
    experiment = replace(blobs(), network=NetworkSpec(), name="Story")
    return replace(experiment, training=replace(experiment.training, epochs=40_000))


@pytest.mark.timeout(600)  # it waits more than ten times
def test_the_whole_story(make_window: Callable[..., Window], qtbot: Any, tmp_path: Path, monkeypatch: Any) -> None:
    store = RunStore(tmp_path / "store")
    file = tmp_path / "story.dlab"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(file), ""))
    window = make_window(empty(), fake=False, store=store)
    person = Person(window, qtbot)
    document, session = window.document, window.session

    # Train refuses an empty network and says where to look.
    person.click(window.top.train)
    assert session.state == "idle" and any("cannot be trained" in text for text in window.notices.texts)

    # A network is typed; one wire is drawn by hand.
    window.canvas.setFocus()
    for text in ("input", "dense 16", "relu", "dense 3"):
        person.type_layer(text)
    person.key(Qt.Key.Key_Escape, widget=window.canvas)
    QTest.mouseDClick(window.canvas.viewport(), LEFT, NONE, person.pixel(QPointF(700, 130)))
    QTest.keyClicks(window.canvas.quick_add.field, "softmax")
    QTest.keyClick(window.canvas.quick_add.field, Qt.Key.Key_Return)
    net = window.canvas.net()
    assert document.experiment.network.node("softmax_cross_entropy_1").inputs == ()
    window.canvas.home()
    person.drag(output_port(net.nodes["dense_2"].pos()), input_port(net.nodes["softmax_cross_entropy_1"].pos(), 0, 1))
    assert document.experiment.network.node("softmax_cross_entropy_1").inputs == ("dense_2",)
    assert document.report.ok

    # A field is edited in the inspector, undone and redone.
    person.select("dense_1")
    assert window.layer_tab.form is not None
    editor = window.layer_tab.form.rows["units"].editor
    field = editor.focusProxy() or editor
    field.setFocus()
    QTest.keyClick(field, Qt.Key.Key_A, CTRL)
    QTest.keyClicks(field, "12")
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert document.experiment.network.node("dense_1").component.units == 12
    person.key(Qt.Key.Key_Z, CTRL)
    assert document.experiment.network.node("dense_1").component.units == 16
    person.key(Qt.Key.Key_Z, CTRL | SHIFT)
    assert document.experiment.network.node("dense_1").component.units == 12

    # Train, pause, three steps, on, stop.
    person.click(window.top.train)
    person.wait("running")
    qtbot.waitUntil(lambda: len(session.live.epochs) >= 2)
    assert not any("cannot be trained" in text for text in window.notices.texts)
    assert window.top.train.text() == "Pause" and window.top.pill.busy
    person.key(Qt.Key.Key_F5)
    person.wait("paused")
    session.drain()
    before = session.live.step_count
    for _ in range(3):
        person.key(Qt.Key.Key_F10)
    qtbot.waitUntil(lambda: session.live.step_count == before + 3 and session.state == "paused")
    assert window.top.train.text() == "Resume"
    person.click(window.top.train)
    person.wait("running")
    qtbot.waitUntil(lambda: session.live.step_count > before + 20)
    person.click(window.top.stop)
    person.wait("finished")
    stopped_at = session.live.step_count
    assert session.finished is not None and session.finished.reason == "stopped"
    assert window.top.train.text() == "Continue"
    assert session.live.steps["loss"][-1] < session.live.steps["loss"][0]

    # Save and close.
    person.key(Qt.Key.Key_S, CTRL)
    assert not document.dirty and files.load(file) == document.experiment
    assert window.windowTitle() == "Story[*] – Descent Lab" and not window.isWindowModified()
    run = session.run_id
    assert run is not None
    window.close()
    qtbot.waitUntil(lambda: window.ended)

    # Open the file in another window, find the run, go on with it.
    window = make_window(blobs(), fake=False, store=store)
    person, session = Person(window, qtbot), window.session
    assert window.filing.open(file)
    assert window.document.experiment.name == "Story"
    person.key(Qt.Key.Key_2, Qt.KeyboardModifier.AltModifier)
    person.settle()
    assert [(item.id, item.status) for item in window.runs.summaries] == [(run, "stopped")]
    window.runs.select(run)
    person.click(window.runs.open_button)
    qtbot.waitUntil(lambda: session.run_id == run and session.state == "finished")
    assert session.live.step_count == stopped_at
    assert window.status.run.text() == "Run 1 of Story"
    person.click(window.top.train)
    qtbot.waitUntil(lambda: session.live.step_count > stopped_at + 50)
    assert session.run_id == run and session.live.steps["step"][-1] == session.live.step_count

    # Export during the run: weights, pictures, numbers.
    qtbot.waitUntil(lambda: session.frame is not None)
    person.key(Qt.Key.Key_E, CTRL)
    dialog = window.taking.dialog
    assert dialog is not None
    dialog.folder.setText(str(tmp_path / "export"))
    person.click(dialog.go)
    qtbot.waitUntil(lambda: bool(dialog.written or dialog.problems) and dialog.go.isEnabled())
    assert dialog.problems == []
    names = {path.name for path in dialog.written}
    assert {"weights.safetensors", "history.csv", "loss.png", "activations.png", "learning_rate.png"} <= names
    arrays = load_weights(tmp_path / "export" / "weights.safetensors")
    assert arrays["dense_1/weight"].shape == (2, 12) and np.isfinite(arrays["dense_2/bias"]).all()
    assert (tmp_path / "export" / "loss.png").read_bytes().startswith(b"\x89PNG")
    close = next(button for button in dialog.findChildren(QPushButton) if button.text() == "Close")
    person.click(close)

    # Closing in the midst of the run ends it in order, with a checkpoint.
    window.close()
    qtbot.waitUntil(lambda: window.ended)
    summary = store.list()[0]
    assert summary.id == run and summary.status == "stopped" and summary.resumable
