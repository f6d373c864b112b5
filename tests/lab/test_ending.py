"""The end of the program while something stands in its way: a question, a full disk, a run that was to follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QMessageBox

from lab.window import Window
from tests.lab.test_window_files import rename
from tests.support.examples import blobs

MakeWindow = Callable[..., Window]
Answer = QMessageBox.StandardButton


def test_the_program_ends_while_a_question_stands(
    make_window: MakeWindow, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = make_window(blobs(epochs=1000), rate=300.0)
    window.flow.press()
    qtbot.waitUntil(lambda: window.session.state == "running")
    rename(window, "Other")

    def wait(box: QMessageBox) -> Answer:
        box.open()
        QTimer.singleShot(0, window.close_at_once)
        qtbot.waitUntil(lambda: not box.isVisible())
        return Answer.Cancel

    monkeypatch.setattr(QMessageBox, "exec", wait)
    window.close()
    qtbot.waitUntil(lambda: window.ended)
    assert window.keeper.recovery is not None and (window.keeper.recovery.own / "copy.dlab").exists()


def test_the_program_ends_when_no_copy_can_be_written(
    make_window: MakeWindow, qtbot: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    window = make_window()
    rename(window, "Other")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(window.keeper.recovery, "keep", full)
    window.close_at_once()
    qtbot.waitUntil(lambda: window.ended)
    assert "could not be written" in caplog.text


def test_what_was_to_follow_a_run_does_not_begin_when_the_window_closes(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window(blobs(epochs=1000), rate=300.0)
    window.flow.press()
    qtbot.waitUntil(lambda: window.session.state == "running")
    states: list[str] = []
    window.flow.restart()
    window.session.stateChanged.connect(states.append)
    window.close()
    qtbot.waitUntil(lambda: window.ended)
    assert "starting" not in states
