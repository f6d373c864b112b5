"""What is kept of unsaved work, what a crash leaves, what an error that nobody caught does."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from engine import files
from lab.recovery import COPY, Hooks, Recovery, log_file, start_log
from lab.window import Window
from tests.support.examples import blobs

ROOT = Path(__file__).parents[2]
CHILD = """
import sys, time
from pathlib import Path
from engine import presets
from lab.recovery import Recovery
recovery = Recovery(Path(sys.argv[1]))
recovery.keep(presets.make("moons-mlp"), Path("/somewhere/moons.dlab"))
print("kept", flush=True)
time.sleep(600)
"""


def rename(window: Window, name: str) -> None:
    window.document.apply("Change name", replace(window.document.experiment, name=name))


def settled(qtbot: Any, window: Window) -> None:
    qtbot.waitUntil(lambda: not window.jobs.busy)
    qtbot.wait(1)


def test_a_killed_process_leaves_its_work_and_a_living_one_keeps_it(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None and child.stdout.readline() == "kept\n"
        assert Recovery(tmp_path).lost() == [], "its window still lives"
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    (lost,) = Recovery(tmp_path).lost()
    assert lost.name.startswith("Moons") and lost.path == Path("/somewhere/moons.dlab")
    assert lost.load().name == lost.name
    lost.discard()
    assert Recovery(tmp_path).lost() == []


def test_copies_come_and_go(tmp_path: Path) -> None:
    recovery = Recovery(tmp_path / "deep" / "folder")
    assert recovery.lost() == []
    recovery.keep(blobs(), None)
    assert files.load(recovery.own / COPY) == blobs()
    recovery.forget()
    assert not (recovery.own / COPY).exists()
    recovery.keep(blobs(), None)
    recovery.close()
    assert not recovery.own.exists()
    recovery.keep(blobs(), None)
    assert not recovery.own.exists(), "a closed window writes nothing any more"


def test_damaged_copies_do_not_disturb(tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "info.json").write_text("{")
    (folder / COPY).write_text("something")
    stale = tmp_path / "empty"
    stale.mkdir()
    os.utime(stale, (time.time() - 1000,) * 2)
    assert Recovery(tmp_path).lost() == []
    assert folder.exists() and not stale.exists()


def test_the_window_keeps_unsaved_work_and_offers_it_again(
    make_window: Callable[..., Window], qtbot: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "copies"
    recovery = Recovery(folder)
    window = make_window(recovery=recovery)
    rename(window, "Precious")
    window.document.flush_autosave()
    settled(qtbot, window)
    assert files.load(recovery.own / COPY).name == "Precious"
    assert window.filing.save_to(tmp_path / "saved.dlab")
    settled(qtbot, window)
    assert not (recovery.own / COPY).exists(), "what is saved needs no copy"
    rename(window, "More precious")
    window.close_at_once()
    qtbot.waitUntil(lambda: window.ended)
    again = make_window(recovery=Recovery(folder))
    qtbot.waitUntil(lambda: bool(again.notices.texts))
    assert "“More precious” had unsaved changes" in again.notices.texts[0]
    restore = again.notices.items[0].buttons[0]
    qtbot.waitUntil(restore.isVisible)
    QTest.mouseClick(restore, Qt.MouseButton.LeftButton)
    assert again.document.experiment.name == "More precious" and again.document.dirty
    assert again.document.path == tmp_path / "saved.dlab" and again.notices.texts == []
    settled(qtbot, again)
    assert Recovery(folder).lost() == []


def test_a_copy_that_is_not_wanted_is_discarded(make_window: Callable[..., Window], qtbot: Any, tmp_path: Path) -> None:
    recovery = Recovery(tmp_path)
    recovery.keep(blobs(), None)
    recovery.close(keep=True)
    window = make_window(recovery=Recovery(tmp_path))
    qtbot.waitUntil(lambda: bool(window.notices.texts))
    discard = window.notices.items[0].buttons[1]
    qtbot.waitUntil(discard.isVisible)
    QTest.mouseClick(discard, Qt.MouseButton.LeftButton)
    assert not recovery.own.exists() and not window.document.dirty


def test_errors_are_logged_and_told(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []
    hooks = Hooks(told.append)
    before = sys.excepthook, threading.excepthook
    hooks.install()
    try:
        with caplog.at_level(logging.ERROR, "descent"):
            error = ValueError("seven")
            sys.excepthook(ValueError, error, None)
            thread = threading.Thread(target=lambda: 1 / 0, name="worker")
            thread.start()
            thread.join()
    finally:
        hooks.remove()
    assert told == [
        "Something went wrong: ValueError: seven",
        "Something went wrong in “worker”: ZeroDivisionError: division by zero",
    ]
    assert "Traceback" in caplog.text and (sys.excepthook, threading.excepthook) == before


def test_an_error_while_telling_does_not_go_round(caplog: pytest.LogCaptureFixture) -> None:
    def tell(_text: str) -> None:
        sys.excepthook(RuntimeError, RuntimeError("again"), None)

    hooks = Hooks(tell)
    hooks.install()
    try:
        sys.excepthook(ValueError, ValueError("first"), None)
    finally:
        hooks.remove()
    assert "first" in caplog.text and "again" in caplog.text


def test_the_window_tells_and_keeps(make_window: Callable[..., Window], qtbot: Any, tmp_path: Path) -> None:
    recovery = Recovery(tmp_path)
    window = make_window(recovery=recovery)
    rename(window, "Kept")
    thread = threading.Thread(target=window.keeper.tell, args=("Something went wrong: seven",))
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: bool(window.notices.texts))
    assert window.notices.texts[0].startswith("Something went wrong: seven. Your work is kept")
    settled(qtbot, window)
    assert files.load(recovery.own / COPY).name == "Kept"


def test_the_log_lies_in_the_data_folder(home: Path) -> None:
    handler = start_log()
    assert handler is not None
    try:
        logging.getLogger("descent").info("a line")
    finally:
        handler.close()
        logging.getLogger("descent").removeHandler(handler)
    assert log_file().parent == home and "a line" in log_file().read_text()
