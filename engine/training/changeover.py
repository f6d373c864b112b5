"""The change of a run from the array executor to the compiled one, when its kernels become ready meanwhile."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine import executors
from engine.training import events
from engine.training.result import TrainingError

if TYPE_CHECKING:
    from engine.training.loop import Loop

__all__ = ["ChangeOver"]

log = logging.getLogger(__name__)

INTERVAL = 0.5  # seconds between two looks: epochs may end hundreds of times a second


class ChangeOver:
    """Looks at epochs' ends whether the compiled executor is ready, and takes it for the rest of the run."""

    def __init__(self, loop: Loop, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._loop, self._clock = loop, clock
        self._looked = clock()
        self._over = False

    def look(self) -> None:
        """At an epoch's end: change over if that is possible by now. The event tells of it."""
        now = self._clock()
        if self._over or now - self._looked < INTERVAL:
            return
        self._looked = now
        loop = self._loop
        if not executors.compiled():
            return
        self._over = True
        executor = executors.choose("auto", loop.state)
        if executor.kind == "array":
            return
        try:
            loop.programs.change(executor)
        except TrainingError as error:
            executor.close()
            log.warning("the run stays on the array executor: %s", error)
            return
        loop.steps.restart()
        loop.after_pause()
        loop.policy.forget()
        loop.tell(
            events.ExecutorChanged(run=loop.run_id, step=loop.step, executor=executor.kind, device=executor.label)
        )
