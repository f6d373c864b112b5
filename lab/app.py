"""The application: looks whether there is a screen, makes the window, and sees it through to its end."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lab import display
from lab.offscreen import import_qt

if TYPE_CHECKING:
    from PySide6.QtCore import QSocketNotifier

    from lab.settings import Settings
    from lab.window import Window

__all__ = ["main", "make_window"]


def main(path: str | os.PathLike[str] | None = None) -> int:
    """Open the window, with a file or with the first preset, and return when it is closed.

    Raises QtError where Qt or a screen is missing, and FileError for a file that cannot be read.
    """
    import_qt()
    display.check()
    from PySide6.QtCore import QCoreApplication
    from PySide6.QtWidgets import QApplication

    from lab.recovery import Hooks, start_log
    from lab.settings import Settings
    from widgets import theme

    QCoreApplication.setApplicationName("Descent Lab")
    QCoreApplication.setOrganizationName("Descent Lab")
    app = QApplication([sys.argv[0]])
    app.setDesktopFileName("descent-lab")
    settings = Settings.of_user()
    theme.apply(app, settings.theme)
    handler = start_log()
    window = make_window(Path(path) if path is not None else None, settings)
    hooks = Hooks(window.keeper.tell)
    hooks.install()
    quitting = _close_on_signals(window)
    window.closed.connect(app.quit)
    app.setQuitOnLastWindowClosed(False)
    window.show()
    if settings.executor != "array":
        window.kernels.start()
    try:
        return int(app.exec())
    finally:
        quitting.setEnabled(False)
        hooks.remove()
        if handler is not None:
            handler.close()


def make_window(path: Path | None, settings: Settings) -> Window:
    """The window of a person: with the run store and recovery copies in the data folder."""
    from engine import files, presets
    from engine.training.store import RunStore
    from lab.recovery import Recovery
    from lab.window import Window

    experiment = files.load(path) if path is not None else presets.make(presets.FIRST)
    window = Window(experiment, path, settings=settings, store=RunStore(), recovery=Recovery())
    if path is not None:
        settings.add_recent(path)
    return window


def _close_on_signals(window: Window) -> QSocketNotifier:
    """Let SIGTERM, SIGINT and SIGHUP close the window in order: unsaved work is kept as a recovery copy."""
    from PySide6.QtCore import QSocketNotifier

    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    ours.setblocking(False)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    names = ("SIGTERM", "SIGINT", "SIGHUP")
    for number in (getattr(signal, name) for name in names if hasattr(signal, name)):
        # A Python handler has to stand there; Qt's loop is woken through the socket.
        signal.signal(number, lambda *_: None)
    notifier = QSocketNotifier(ours.fileno(), QSocketNotifier.Type.Read, window)
    sockets = (ours, theirs)

    def close(*_: object) -> None:
        sockets[0].recv(64)
        window.close_at_once()

    notifier.activated.connect(close)
    return notifier
