"""The checks before training, run one at a time on a thread of their own; results are kept until they are made anew."""

from __future__ import annotations

import logging
import threading
from time import monotonic
from typing import Any, Literal

from msgspec import Struct
from PySide6.QtCore import QObject, Signal, Slot

from engine.checks import Cancelled, Check
from engine.experiment import Experiment
from engine.training.result import words
from lab.substance import substance

__all__ = ["Checking", "Outcome"]

log = logging.getLogger(__name__)

PACE = 0.05
"""Seconds between two words of progress: a check may look up thousands of times a second."""

State = Literal["done", "failed", "cancelled"]


class Outcome(Struct, frozen=True):
    """How a check ended: its result, or the words of what kept it from one. `experiment` is what was checked."""

    state: State
    experiment: Experiment
    result: Any = None
    words: str = ""


class Checking(QObject):
    """Starts checks and keeps what they found, by tag. `changed` tells of every start and end, `progressed` how far the
    one under way has come."""

    changed = Signal()
    progressed = Signal(float, str)
    _ended = Signal(str, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.outcomes: dict[str, Outcome] = {}
        self.running = ""
        """The tag of the check under way, or an empty string."""
        self._thread: threading.Thread | None = None
        self._cancelled = threading.Event()
        self._told = 0.0
        self._ended.connect(self._deliver)

    def start(self, check: Check, experiment: Experiment, options: Any) -> None:
        """Begin a check, unless one is under way."""
        if self.running:
            return
        self.running = check.tag
        self._cancelled.clear()
        self._told = 0.0
        self._thread = threading.Thread(
            target=self._work, args=(check, experiment, options), name="checks", daemon=True
        )
        self._thread.start()
        self.changed.emit()

    def cancel(self) -> None:
        """End the check under way as soon as it looks up."""
        self._cancelled.set()

    def is_of(self, tag: str, experiment: Experiment) -> bool:
        """Whether the outcome kept for `tag` is of this experiment, names and places on the canvas aside."""
        outcome = self.outcomes.get(tag)
        return outcome is not None and (
            outcome.experiment is experiment or substance(outcome.experiment) == substance(experiment)
        )

    def close(self) -> None:
        """Cancel, and wait for the thread to end."""
        self.cancel()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()
        self.running = ""

    def _work(self, check: Check, experiment: Experiment, options: Any) -> None:
        from engine import data

        try:
            found = check.run(experiment, data.load(experiment.data), options, self._watch)
            outcome = Outcome("done", experiment, found, found.words)
        except Cancelled:
            outcome = Outcome("cancelled", experiment)
        except Exception as error:
            if type(error).__module__ == "builtins" and not isinstance(error, ValueError | OSError):
                log.exception("a check failed")
            outcome = Outcome("failed", experiment, words=words(error))
        self._ended.emit(check.tag, outcome)

    def _watch(self, share: float, what: str) -> bool:
        if self._cancelled.is_set():
            return False
        now = monotonic()
        if now - self._told >= PACE:
            self._told = now
            self.progressed.emit(share, what)
        return True

    @Slot(str, object)
    def _deliver(self, tag: str, outcome: Outcome) -> None:
        if self._thread is None:
            return  # closed meanwhile
        self._thread.join()
        self._thread = None
        self.running = ""
        if outcome.state == "cancelled":
            self.outcomes.pop(tag, None)
        else:
            self.outcomes[tag] = outcome
        self.changed.emit()
