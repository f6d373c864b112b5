"""Looks for what a test left behind: threads, active timers, top-level widgets, and warnings in the log.

Qt is looked at only where a QApplication lives, so that tests of the engine pay nothing for it.
"""

from __future__ import annotations

import gc
import logging
import sys
import threading
import time
import traceback
import weakref
from typing import Any

GRACE_SECONDS = 20.0
"""How long a thread that was told to stop may take to end."""

_thread_starts: weakref.WeakKeyDictionary[threading.Thread, str] = weakref.WeakKeyDictionary()
_timer_starts: dict[int, tuple[Any, str]] = {}


class Hygiene:
    """One test's watch: `start()` before it, `finish()` after it."""

    def __init__(self, *, watch_log: bool) -> None:
        self._log = _Records() if watch_log else None
        self._threads: set[threading.Thread] = set()
        self._widgets: set[int] = set()

    def start(self) -> None:
        """Remember what is there already."""
        _watch_threads()
        self._threads = set(threading.enumerate())
        if self._log is not None:
            logging.getLogger().addHandler(self._log)
        if "PySide6.QtCore" in sys.modules:
            _watch_timers()
            _timer_starts.clear()
        self._widgets = {id(widget) for widget in _top_level_widgets()}

    def finish(self) -> list[str]:
        """What was left behind, in words."""
        problems = []
        if self._log is not None:
            logging.getLogger().removeHandler(self._log)
            problems += [f"unexpected log record: {text}" for text in self._log.texts]
        return problems + self._dangling_threads() + _active_timers() + self._leaked_widgets()

    def _dangling_threads(self) -> list[str]:
        deadline = time.monotonic() + GRACE_SECONDS
        found = [thread for thread in threading.enumerate() if thread not in self._threads]
        for thread in found:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        return [
            f"a thread still runs: “{thread.name}”, started at {_thread_starts.get(thread, 'an unknown place')}"
            for thread in found
            if thread.is_alive() and not _foreign(thread)
        ]

    def _leaked_widgets(self) -> list[str]:
        if not self._new_widgets():
            return []
        _process_deferred_deletes()
        if self._new_widgets():
            gc.collect()
        leaked = self._new_widgets()
        texts = [f"a top-level widget was left behind: {widget!r}" for widget in leaked]
        for widget in leaked:
            widget.close()
            widget.deleteLater()
        _process_deferred_deletes()
        return texts

    def _new_widgets(self) -> list[Any]:
        return [widget for widget in _top_level_widgets() if id(widget) not in self._widgets]


class _Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(f"{record.levelname} {record.name}: {record.getMessage()}")


def _foreign(thread: threading.Thread) -> bool:
    # The test tools' own threads: xdist's channel, the timeout's timer. And those that compile a GPU's kernels, which
    # nobody can stop: they end when what they are at is done.
    return thread.name.startswith(("pytest_timeout", "execnet", "nvrtc")) or type(thread).__module__.startswith(
        "execnet"
    )


def _watch_threads() -> None:
    if getattr(threading.Thread.start, "watched", False):
        return
    original = threading.Thread.start

    def start(self: threading.Thread) -> None:
        _thread_starts[self] = _place()
        original(self)

    start.watched = True  # type: ignore[attr-defined]
    threading.Thread.start = start  # type: ignore[method-assign]


def _watch_timers() -> None:
    from PySide6.QtCore import QTimer

    if getattr(QTimer.start, "watched", False):
        return
    original = QTimer.start

    def start(self: QTimer, *arguments: Any) -> None:
        _timer_starts[id(self)] = (weakref.ref(self), _place())
        original(self, *arguments)

    start.watched = True  # type: ignore[attr-defined]
    QTimer.start = start  # type: ignore[method-assign]


def _active_timers() -> list[str]:
    if not _timer_starts:
        return []
    from shiboken6 import isValid

    _process_deferred_deletes()
    texts = []
    for reference, place in _timer_starts.values():
        timer = reference()
        if timer is not None and isValid(timer) and timer.isActive():
            texts.append(f"a QTimer is still active, started at {place}")
            timer.stop()
    _timer_starts.clear()
    return texts


def _top_level_widgets() -> list[Any]:
    widgets = sys.modules.get("PySide6.QtWidgets")
    if widgets is None or widgets.QApplication.instance() is None:
        return []
    # Tool tips, and the containers of pop-ups that Qt keeps for itself, are not the test's.
    return [
        widget
        for widget in widgets.QApplication.topLevelWidgets()
        if not widget.inherits("QTipLabel") and not widget.inherits("QComboBoxPrivateContainer")
    ]


def _process_deferred_deletes() -> None:
    core = sys.modules.get("PySide6.QtCore")
    if core is not None and core.QCoreApplication.instance() is not None:
        core.QCoreApplication.sendPostedEvents(None, core.QEvent.Type.DeferredDelete.value)
        core.QCoreApplication.processEvents()


def _place() -> str:
    for frame in reversed(traceback.extract_stack(limit=12)):
        if not frame.filename.endswith(("threading.py", "hygiene.py")):
            return f"{frame.filename}:{frame.lineno} in {frame.name}"
    return "an unknown place"
