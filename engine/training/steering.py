"""A run's levers, on the training thread: what is done about the orders of `Control` between steps and batches."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Any

from engine.paths import get_path
from engine.schema import SchemaError
from engine.training import events
from engine.training.live import change
from engine.training.present import refresh

if TYPE_CHECKING:
    from engine.training.loop import Loop

__all__ = ["Steering"]

log = logging.getLogger(__name__)

DRAG = 1.0  # seconds: changes that follow each other sooner are one


class Steering:
    """Pauses, single steps and live changes of one `Loop`.

    waiting      the run stands still.
    by_hand      the next step was asked for singly.
    paused_for   seconds spent waiting so far.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop, self._control = loop, loop.control
        self.waiting = self.by_hand = False
        self.paused_for = 0.0
        self._told_paused = False
        self._changed = -math.inf  # when a live field was changed last

    def obey(self) -> bool:
        """Do what was ordered before the next step; False when the run is to end."""
        self.apply_changes()
        while True:
            match self._control.permission():
                case "stop":
                    return False
                case "go":
                    self.by_hand = False
                    self._resumed()
                    return True
                case "step":
                    self.by_hand, self.waiting = True, False
                    return True
                case "wait":
                    self._wait()

    def proceed(self) -> bool:
        """Between two batches of an evaluation: wait while held, and say whether to go on."""
        while self._control.held and not self._control.stopping:
            self._wait()
        if not (self._control.paused or self._control.stopping):
            self._resumed()
        return not self._control.stopping

    def apply_changes(self) -> None:
        """Take over the live changes that were ordered; what is refused is logged."""
        for path, value in self._control.changes():
            self.change(path, value)

    def change(self, path: str, value: Any) -> None:
        """Set a live field from the next step on. A checkpoint of the state before is written first; of changes that
        follow each other within a second, as those of a drag, before the first one."""
        loop = self._loop
        try:
            experiment, before = change(loop.experiment, path, value)
        except SchemaError as error:
            log.warning("a live change was refused: %s", error)
            return
        now = time.perf_counter()
        if now - self._changed > DRAG:
            loop.save()
        self._changed = time.perf_counter()
        loop.adopt(experiment)
        after = get_path(experiment, path)
        loop.tell(events.Changed(run=loop.run_id, step=loop.step, path=path, before=before, after=after))

    def _wait(self) -> None:
        loop = self._loop
        begun = time.perf_counter()
        looked = self._control.looked()
        if not self.waiting:
            self.waiting = self._told_paused = True
            loop.tell(events.Paused(run=loop.run_id, step=loop.step))
            # Every single step made by hand is a pause: they share the epochs' limit of one checkpoint a second.
            loop.save(sparing=self.by_hand)
            loop.progress()
            refresh(loop)
        elif looked:
            refresh(loop)
        self.by_hand = False
        self._control.wait()
        self.paused_for += time.perf_counter() - begun
        loop.after_pause()
        self.apply_changes()

    def _resumed(self) -> None:
        # Told to go on in the midst of steps made by hand, it no longer waits, yet its last word was that it does.
        self.waiting = False
        if self._told_paused:
            self._told_paused = False
            self._loop.tell(events.Resumed(run=self._loop.run_id, step=self._loop.step))
