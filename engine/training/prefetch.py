"""Threads that prepare the batches of coming steps, no more of them than a ring has slots."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["Prefetch"]


class Prefetch:
    """Calls `fill` for groups of steps, in order of their first step, ahead of who takes them.

    fill(step, count)       prepares the batches of `count` steps into their slots. Called on the threads.
    room(step, most)        how many of `most` steps may be prepared in one call, from `step` on.
    slots                   steps that may be prepared ahead, the one that is being read included.
    group                   steps in a call at most; no more than half of the slots.
    total                   the first step that is not to be prepared.

    The threads begin with the first `take` and end with `close`, or when everything is prepared. What `fill` raises is
    raised by the `take` of the first step that is not ready because of it.
    """

    def __init__(
        self,
        fill: Callable[[int, int], None],
        room: Callable[[int, int], int],
        slots: int,
        group: int,
        total: int,
        workers: int,
    ) -> None:
        self._fill, self._room = fill, room
        self._slots, self._group, self._total, self._workers = slots, group, total, workers
        self._condition = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._floor = self._claimed = self._ready = 0
        self._filled: dict[int, int] = {}
        """Groups that are done while an earlier one is not: from their first step to the one behind their last."""
        self._broken, self._error = total, Exception()
        """The first step that could not be prepared, and why; `total` before that."""
        self._closed = False
        self.waited = 0.0

    def take(self, step: int) -> int:
        """Wait until the batch of `step` is ready; returns how many are from there on. Slots of the steps before may
        be filled anew."""
        with self._condition:
            if not self._threads:
                self._floor = self._claimed = self._ready = step
                self._start()
            elif not self._floor <= step < self._total:
                raise ValueError(f"step {step} is taken out of order")
            self._floor = step
            self._condition.notify_all()
            if self._ready <= step:
                begun = time.perf_counter()
                while self._ready <= step < self._broken and not self._closed:
                    self._condition.wait()
                self.waited += time.perf_counter() - begun
            if self._ready > step:
                return self._ready - step
            if step >= self._broken:
                raise self._error
            raise ValueError("nothing is prepared any more")

    def close(self) -> None:
        """End the threads; a batch that is being prepared is finished before. Closing twice is harmless."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        for thread in self._threads:
            thread.join()

    def _start(self) -> None:
        for index in range(self._workers):
            thread = threading.Thread(target=self._work, name=f"batches-{index}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        while True:
            with self._condition:
                count = self._claim()
                while not count:
                    if self._closed or self._claimed >= self._broken:
                        return
                    self._condition.wait()
                    count = self._claim()
                first = self._claimed
                self._claimed += count
            try:
                self._fill(first, count)
            except Exception as error:  # raised where the batches are taken
                with self._condition:
                    if first < self._broken:
                        self._broken, self._error = first, error
                    self._condition.notify_all()
                return
            with self._condition:
                self._filled[first] = first + count
                while self._ready in self._filled:
                    self._ready = self._filled.pop(self._ready)
                self._condition.notify_all()

    def _claim(self) -> int:
        """How many steps to prepare next, 0 for none at present: whole groups, not one step whenever one was taken."""
        if self._closed or self._claimed >= self._broken:
            return 0
        count = self._room(self._claimed, min(self._group, self._total - self._claimed))
        return count if self._claimed + count <= self._floor + self._slots else 0
