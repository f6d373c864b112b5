"""Nothing is lost in a crash: copies of unsaved work, found again at the next start, and a log of what went wrong.

Each window keeps its copy in a folder of its own, whose lock the operating system lets go when the process ends,
however it ends. A folder without a lock belongs to a window that did not come to close.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import secrets
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from msgspec import Struct

from engine import files
from engine.experiment import Experiment
from engine.training.database import data_folder
from engine.training.locks import FileLock, held

__all__ = ["Hooks", "Lost", "Recovery", "log_file", "start_log"]

COPY, INFO, LOCK = "copy.dlab", "info.json", "lock"
LOG_BYTES = 1_000_000

log = logging.getLogger("descent")


class Lost(Struct, frozen=True):
    """Unsaved work of a window that did not come to close. `path` is the file it belonged to, if any."""

    folder: Path
    name: str
    path: Path | None
    time: float

    def load(self) -> Experiment:
        """The experiment. Raises what `engine.files.load` raises."""
        return files.load(self.folder / COPY)

    def discard(self) -> None:
        """Remove the copy."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Recovery:
    """The copies below `folder` (default: in the user's data folder). Safe to call from any thread."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder if folder is not None else data_folder() / "recovery"
        self.own = self.folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
        self._lock: FileLock | None = None
        self._mutex = threading.Lock()
        self._closed = False

    def keep(self, experiment: Experiment, path: Path | None) -> None:
        """Write a copy of unsaved work. Raises OSError or FileError."""
        with self._mutex:
            if self._closed:
                return
            if self._lock is None:
                self.own.mkdir(parents=True, exist_ok=True)
                lock = FileLock(self.own / LOCK)
                lock.acquire()
                self._lock = lock
            files.save(experiment, self.own / COPY)
            about = {"name": experiment.name, "path": str(path) if path is not None else None, "time": time.time()}
            files.write_atomically(self.own / INFO, json.dumps(about).encode())

    def forget(self) -> None:
        """The work is saved: the copy is not needed."""
        with self._mutex:
            for name in (INFO, COPY):
                (self.own / name).unlink(missing_ok=True)

    def close(self, *, keep: bool = False) -> None:
        """Remove the copy and the folder, for the orderly end of the window; with `keep`, leave it to be found."""
        with self._mutex:
            self._closed = True
            if self._lock is not None:
                self._lock.release()
                self._lock = None
            if not keep:
                shutil.rmtree(self.own, ignore_errors=True)

    def lost(self) -> list[Lost]:
        """What windows that did not come to close have left, the latest first."""
        found = []
        for folder in self.folder.iterdir() if self.folder.is_dir() else ():
            if folder == self.own or not folder.is_dir():
                continue
            try:
                if held(folder / LOCK):
                    continue
                about = json.loads((folder / INFO).read_text(encoding="utf-8"))
                path = Path(about["path"]) if about["path"] else None
                found.append(Lost(folder, str(about["name"]), path, float(about["time"])))
            except (OSError, ValueError, KeyError, TypeError):
                # Nothing to restore: a window that had nothing unsaved. A young folder's owner may be about to lock it.
                if not (folder / COPY).exists() and _age(folder) > 60:
                    shutil.rmtree(folder, ignore_errors=True)
        return sorted(found, key=lambda item: -item.time)


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def log_file() -> Path:
    """Where errors are written down."""
    return data_folder() / "descent.log"


def start_log() -> logging.Handler | None:
    """Write the program's log to `log_file`; None where that cannot be done."""
    path = log_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(
            path, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8", delay=True
        )
    except OSError:
        return None
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    return handler


class Hooks:
    """While installed, errors that nobody caught are written down and told to `tell(words)`; the program goes on.

    `tell` may be called from any thread.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._before: tuple[Any, Any] | None = None
        self._within = False

    def install(self) -> None:
        self._before = (sys.excepthook, threading.excepthook)
        sys.excepthook = self._on_error
        threading.excepthook = self._on_thread_error

    def remove(self) -> None:
        if self._before is not None:
            sys.excepthook, threading.excepthook = self._before
            self._before = None

    def _on_error(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        self._report(kind, error, trace, "")

    def _on_thread_error(self, arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_type is SystemExit or arguments.exc_value is None:
            return
        name = arguments.thread.name if arguments.thread is not None else "a thread"
        self._report(arguments.exc_type, arguments.exc_value, arguments.exc_traceback, f" in “{name}”")

    def _report(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None, where: str) -> None:
        text = "".join(traceback.format_exception(kind, error, trace))
        log.error("Error%s\n%s", where, text)
        if self._within:  # telling of it failed too
            return
        self._within = True
        try:
            self._tell(f"Something went wrong{where}: {kind.__name__}: {error}")
        finally:
            self._within = False
