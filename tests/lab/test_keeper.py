"""Unsaved work: copied while it changes, forgotten when it is saved, offered when a window did not come to close."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from lab.recovery import COPY, Recovery
from lab.window import Window
from tests.support.examples import blobs

MakeWindow = Callable[..., Window]


def settled(qtbot: Any, window: Window) -> None:
    qtbot.waitUntil(lambda: not window.jobs.busy)
    qtbot.wait(1)


def rename(window: Window, name: str) -> None:
    window.document.apply("Change name", replace(window.document.experiment, name=name))


def test_changes_are_copied_and_a_save_ends_the_copy(make_window: MakeWindow, qtbot: Any, tmp_path: Path) -> None:
    window = make_window()
    recovery = window.keeper.recovery
    assert recovery is not None
    rename(window, "Changed")
    window.document.flush_autosave()
    settled(qtbot, window)
    assert "Changed" in (recovery.own / COPY).read_text(encoding="utf-8")
    assert window.filing.save_to(tmp_path / "saved.dlab")
    settled(qtbot, window)
    assert not (recovery.own / COPY).exists()


def test_undone_changes_need_no_copy(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window()
    recovery = window.keeper.recovery
    assert recovery is not None
    rename(window, "Changed")
    window.document.flush_autosave()
    settled(qtbot, window)
    window.document.undo()
    settled(qtbot, window)
    assert not (recovery.own / COPY).exists()


def test_what_was_lost_is_offered_and_put_back(make_window: MakeWindow, qtbot: Any, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    other = Recovery(folder)
    other.keep(replace(blobs(), name="Lost work"), None)
    other.close(keep=True)
    window = make_window(recovery=Recovery(folder))
    settled(qtbot, window)
    (text,) = window.notices.texts
    assert "Lost work" in text
    restore = window.notices.items[0].buttons[0]
    qtbot.waitUntil(restore.isVisible)
    QTest.mouseClick(restore, Qt.MouseButton.LeftButton)
    settled(qtbot, window)
    assert window.document.experiment.name == "Lost work" and window.document.dirty and window.notices.texts == []


def test_an_error_is_told_and_the_work_kept(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window()
    recovery = window.keeper.recovery
    assert recovery is not None
    rename(window, "Precious")
    window.keeper.tell("Something went wrong")
    settled(qtbot, window)
    assert window.notices.texts[-1].startswith("Something went wrong. Your work is kept")
    assert "Precious" in (recovery.own / COPY).read_text(encoding="utf-8")
