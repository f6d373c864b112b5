"""Work off the window's thread: one job at a time, always the newest; results of older jobs are dropped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Signal, Slot

__all__ = ["Loader"]


class Loader(QObject):
    """Runs jobs on a worker thread and delivers results on the window's thread, in words where a job fails."""

    loaded = Signal(object)
    failed = Signal(object)
    """Carries the exception."""

    _done = Signal(int, object, object)

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._name = name
        self._lock = threading.Lock()
        self._pending: tuple[int, Callable[[], Any]] | None = None
        self._thread: threading.Thread | None = None
        self._generation = 0
        self._closed = False
        self._done.connect(self._on_done)

    @property
    def busy(self) -> bool:
        """Whether a job is under way or waits."""
        with self._lock:
            return self._thread is not None

    def submit(self, job: Callable[[], Any]) -> None:
        """Run `job` soon; one that still waits is dropped for it, and the result of one under way is not delivered."""
        with self._lock:
            if self._closed:
                return
            self._generation += 1
            self._pending = (self._generation, job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()

    def cancel(self) -> None:
        """Deliver nothing of what was submitted so far."""
        with self._lock:
            self._generation += 1
            self._pending = None

    def _work(self) -> None:
        while True:
            with self._lock:
                if self._pending is None or self._closed:
                    self._thread = None
                    return
                generation, job = self._pending
                self._pending = None
            result: Any = None
            error: Exception | None = None
            try:
                result = job()
            except Exception as problem:  # shown in the panel; a job's failure must not end the thread silently
                error = problem
            with self._lock:
                wanted = generation == self._generation and not self._closed
            if wanted:
                self._done.emit(generation, result, error)

    @Slot(int, object, object)
    def _on_done(self, generation: int, result: object, error: object) -> None:
        if generation != self._generation:
            return
        if error is not None:
            self.failed.emit(error)
        else:
            self.loaded.emit(result)

    def close(self) -> None:
        """Take no more jobs, deliver nothing more, and wait for the one under way."""
        with self._lock:
            self._closed = True
            self._pending = None
            thread = self._thread
        if thread is not None:
            thread.join(timeout=10.0)
