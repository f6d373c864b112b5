"""Whose turn it is to draw: panels draw one after another, so that the window answers between two of them.

All panels hear of news at the same moment. Were they all to draw at once, the window would stand still for the sum of
their drawing times; one at a time, it never stands still for longer than the slowest of them takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from PySide6.QtCore import QCoreApplication, QObject, QTimer

__all__ = ["Pacer", "pacer"]

TICK_MS = 16
SLOWEST_MS = 100


class Drawable(Protocol):
    """What a pacer calls up. `due` is the time (`time.monotonic`) before which it must not draw again; what is due is
    taken as if it had waited `lead` seconds longer."""

    due: float
    lead: float

    def wants_drawing(self) -> bool: ...

    def refresh(self) -> None: ...


class Pacer(QObject):
    """Calls up one drawable a tick, the one that has waited longest; a busy loop makes ticks rarer.

    clock       seconds, as a function; replaced in tests.
    """

    def __init__(self, parent: QObject | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(parent)
        self._clock = clock
        self._waiting: list[Drawable] = []
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self._tick)
        self._expected = 0.0

    def ask(self, drawable: Drawable) -> None:
        """Let something draw as soon as it is due and its turn has come."""
        if not any(item is drawable for item in self._waiting):
            self._waiting.append(drawable)
            if not self._timer.isActive():
                self._schedule(0.0)

    def forget(self, drawable: Drawable) -> None:
        """It wants to draw no more."""
        self._waiting = [item for item in self._waiting if item is not drawable]
        if not self._waiting:
            self._timer.stop()

    def _schedule(self, seconds: float) -> None:
        self._expected = self._clock() + seconds
        self._timer.start(round(seconds * 1000))

    def _tick(self) -> None:
        begun = self._clock()
        late = begun - self._expected
        self._waiting = [item for item in self._waiting if item.wants_drawing()]
        ready = min(
            (item for item in self._waiting if item.due <= begun), key=lambda item: item.due - item.lead, default=None
        )
        if ready is not None:
            self.forget(ready)
            ready.refresh()
        if self._waiting:
            spent = self._clock() - begun
            # Drawing gets about a third of the loop's time; a tick that came late says that the loop is full.
            pause = min(SLOWEST_MS, max(TICK_MS, 2000 * spent, 1000 * late)) / 1000
            soonest = min(item.due for item in self._waiting) - self._clock()
            self._schedule(max(pause, soonest))


_shared: list[Pacer] = []


def pacer() -> Pacer:
    """The one pacer of the window's thread."""
    if not _shared:
        _shared.append(Pacer(QCoreApplication.instance()))
    return _shared[0]
