"""Slow work off the window's thread: reading runs, writing weights, asking for devices.

Jobs run one after another on one thread, which ends when there is nothing left to do. Results arrive on the window's
thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from msgspec import Struct
from PySide6.QtCore import QObject, Signal, Slot

from engine.training.result import words

__all__ = ["Jobs"]


class Job(Struct, frozen=True):
    """What to do, and whom to tell."""

    work: Callable[[], Any]
    done: Callable[[Any], None] | None
    failed: Callable[[str], None] | None
    key: str


class Jobs(QObject):
    """A queue of jobs. `problem` carries the words of a failure that nobody asked to hear of."""

    problem = Signal(str)
    _ended = Signal(object, object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lock = threading.Lock()
        self._waiting: deque[Job] = deque()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._ended.connect(self._deliver)

    @property
    def busy(self) -> bool:
        """Whether a job is under way or waits."""
        with self._lock:
            return self._thread is not None

    def run(
        self,
        work: Callable[[], Any],
        done: Callable[[Any], None] | None = None,
        failed: Callable[[str], None] | None = None,
        *,
        key: str = "",
    ) -> None:
        """Call `work()` on the thread, then `done(result)` or `failed(words)` here. A job that still waits under the
        same `key` is dropped for this one."""
        with self._lock:
            if self._closed:
                return
            if key:
                self._waiting = deque(job for job in self._waiting if job.key != key)
            self._waiting.append(Job(work, done, failed, key))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="window-jobs", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting or self._closed:
                    self._thread = None
                    return
                job = self._waiting.popleft()
            result: Any = None
            error: Exception | None = None
            try:
                result = job.work()
            except Exception as problem:  # told in words where the job was asked for
                error = problem
            with self._lock:
                closed = self._closed
            if not closed:
                self._ended.emit(job, result, error)

    @Slot(object, object, object)
    def _deliver(self, job: Job, result: Any, error: Exception | None) -> None:
        if self._closed:
            return
        if error is None:
            if job.done is not None:
                job.done(result)
        elif job.failed is not None:
            job.failed(words(error))
        else:
            self.problem.emit(words(error))

    def close(self, seconds: float = 5.0) -> None:
        """Take no more jobs, deliver nothing more, and wait for the one under way."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
            thread = self._thread
        if thread is not None:
            thread.join(seconds)
