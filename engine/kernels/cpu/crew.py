"""How many threads a step is worth just now: all of a team's, unless somebody else needs their cores.

The threads of a team wait for one another many times a step. Where another program holds the core of one, all of them
wait with it, and one thread alone is several times as fast. So steps that take much longer than they did are tried on
one thread, and later on all again. The numbers do not depend on it: every piece of work has the same bits on every
thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Crew"]

SLOWER = 1.5
"""Times the least time of a step on all threads from which one thread is tried."""

PATIENCE = 1.0
"""Seconds between two trials."""

SHARE = 20
"""A trial waits until so many times what the last one took has passed: it may be the slower way."""

IN_A_ROW = 5
"""Calls that must be slow one after the other: another program's moment is over before one thread would be tried."""


class Crew:
    """Chooses between all `most` threads and one, from the seconds that steps took. `clock` is replaced in tests."""

    def __init__(self, most: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self._most, self._clock = most, clock
        self._least = self._all = self._one = 0.0
        self._slow = 0
        self._alone = False
        self._tried = clock()
        self._pause = PATIENCE

    def size(self) -> int:
        """With how many threads to run the next steps."""
        if self._most == 1:
            return 1
        due = self._clock() - self._tried >= self._pause
        if self._alone:
            return self._most if due else 1
        return 1 if due and self._slow >= IN_A_ROW else self._most

    def took(self, threads: int, steps: int, seconds: float) -> None:
        """`steps` steps on so many threads took `seconds` in all."""
        each = seconds / max(1, steps)
        trial = (threads == 1) != self._alone
        if threads == self._most:
            self._all, self._least = each, min(self._least or each, each)
            self._slow = self._slow + 1 if each > SLOWER * self._least else 0
        else:
            self._one = each
        if trial and self._most > 1:
            self._alone = self._one < 0.9 * self._all
            self._tried = self._clock()
            self._pause = max(PATIENCE, SHARE * seconds)
