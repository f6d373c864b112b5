"""Files in the window: dropped on it, opened, saved, refused in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QMessageBox

from engine import files
from lab.window import Window
from tests.support.examples import blobs

MakeWindow = Callable[..., Window]
Answer = QMessageBox.StandardButton


def rename(window: Window, name: str) -> None:
    window.document.apply("Change name", replace(window.document.experiment, name=name))


def test_a_file_dropped_on_the_window_is_opened(make_window: MakeWindow, tmp_path: Path) -> None:
    window = make_window()
    path = tmp_path / "dropped.dlab"
    files.save(replace(blobs(), name="Dropped"), path)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    point, buttons, keys = QPointF(300, 300), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(point.toPoint(), Qt.DropAction.CopyAction, data, buttons, keys)
    QApplication.sendEvent(window, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(window, QDropEvent(point, Qt.DropAction.CopyAction, data, buttons, keys))
    assert window.document.experiment.name == "Dropped" and window.document.path == path
    assert window.settings.recent == (path,)
    data.setUrls([QUrl.fromLocalFile(str(tmp_path / "picture.png"))])
    enter = QDragEnterEvent(point.toPoint(), Qt.DropAction.CopyAction, data, buttons, keys)
    enter.setAccepted(False)
    QApplication.sendEvent(window, enter)
    assert not enter.isAccepted()


def test_opening_another_experiment_ends_the_run(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window(blobs(epochs=1000), rate=300.0)
    window.flow.press()
    qtbot.waitUntil(lambda: window.session.state == "running")
    assert window.filing.new_from("moons-mlp")
    qtbot.waitUntil(lambda: window.session.state == "idle")
    assert window.document.experiment.name.startswith("Moons")


def test_unsaved_changes_are_asked_about(make_window: MakeWindow, answers: list[Any], tmp_path: Path) -> None:
    window = make_window(path=tmp_path / "mine.dlab")
    rename(window, "Other")
    assert window.isWindowModified() and window.status.saved.text() == "Not saved"
    answers.append(Answer.Cancel)
    assert not window.close() and window.isVisible()
    answers.append(Answer.Save)
    assert window.close() and window.ended
    assert files.load(tmp_path / "mine.dlab").name == "Other"


def test_a_file_that_cannot_be_written_is_told_with_its_name(make_window: MakeWindow, tmp_path: Path) -> None:
    window = make_window()
    rename(window, "Other")
    assert not window.filing.save_to(tmp_path / "no" / "x.dlab")
    assert window.document.dirty and "x.dlab: the folder does not exist" in window.notices.texts[0]
    window.discard()


def test_a_name_without_end_does_not_stretch_the_window(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window()
    size = window.size()
    window.filing.put(replace(blobs(), name="N" * 2000 + "[*]"), None)
    window.status.set_run("Run 1 of " + "N" * 2000)
    qtbot.wait(20)
    assert window.size() == size and window.minimumSizeHint().width() < size.width()
    assert len(window.windowTitle()) < 100


def test_a_file_that_cannot_be_read_is_told(make_window: MakeWindow, tmp_path: Path) -> None:
    window = make_window()
    (tmp_path / "bad.dlab").write_text("{")
    before = window.document.experiment
    assert not window.filing.open(tmp_path / "bad.dlab")
    assert window.document.experiment is before and "bad.dlab" in window.notices.texts[0]
