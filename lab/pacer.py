"""Whose turn it is to draw: what is live draws one after another, within a budget of processor time.

All views hear of news at the same moment. Were they all to draw at once, the window would stand still for the sum of
their drawing times; one at a time, it never stands still for longer than the slowest of them takes. While a run goes
on, what the window's thread takes is taken from the training. Drawing then waits until all that this thread has done is
within a small share of the time: on a fast machine everything moves at its own pace, on a slow one everything moves
more slowly, and training keeps its speed on both. For a moment after a person's input the share is large.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from PySide6.QtCore import QCoreApplication, QObject, QTimer
from shiboken6 import isValid

from lab.cores import usable_cores

__all__ = ["Budget", "Drawable", "Pacer", "Turn", "attend", "pacer"]

TICK_MS = 16
SLOWEST_MS = 100
MACHINE_SHARE = 0.02
"""Of all cores together, while a run goes on."""
MOST_SHARE = 0.08
"""Of one core: Python code of two threads takes turns, however many cores there are."""
FREE_SHARE = 1 / 3
"""Of one core, when nothing trains or a person is at work."""
BURST = 0.02
"""Seconds of work that may be saved up."""
DEBT = 0.04
"""Seconds of work that are held against the window at most: a dialog that took a second to open stops no curve."""
BUSY = frozenset({"starting", "running"})
HASTE = 1.5
"""For so long, seconds, after a person's input drawing is free."""


class Drawable(Protocol):
    """What a pacer calls up. `due` is the time (`time.monotonic`) before which it must not draw again, `pace` how many
    seconds it leaves between two drawings when there is time for all. Of those that are due the one goes first that has
    waited for most of its own paces; `lead` seconds count as waited."""

    due: float
    lead: float
    pace: float

    def wants_drawing(self) -> bool: ...

    def refresh(self) -> None: ...


class Budget:
    """How much of the processor the calling thread may take for drawing. All that the thread does is counted: drawing,
    painting, layouts, mail.

    clock, spent    seconds that have passed, and that this thread has worked, as functions; replaced in tests.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, spent: Callable[[], float] = time.thread_time
    ) -> None:
        self._clock, self._worked = clock, spent
        self.thrifty = False
        """Whether a run goes on that needs the processor."""
        self.share = min(MOST_SHARE, MACHINE_SHARE * usable_cores())
        self._credit, self._at, self._until = BURST, clock(), spent()
        self._free_until = 0.0

    def hasten(self, seconds: float = HASTE) -> None:
        """A person has done something: what it changes is to be seen at once."""
        self._free_until = max(self._free_until, self._clock() + seconds)

    def wait(self) -> float:
        """Seconds until the next drawing may begin."""
        now, worked = self._clock(), self._worked()
        free = not self.thrifty or now < self._free_until
        share = FREE_SHARE if free else self.share
        credit = self._credit + share * (now - self._at) - (worked - self._until)
        self._credit, self._at, self._until = max(-DEBT, min(BURST, credit)), now, worked
        return 0.0 if free or self._credit >= 0.0 else -self._credit / share


class Pacer(QObject):
    """Calls up one drawable a tick; a busy loop makes ticks rarer.

    clock       seconds, as a function; replaced in tests.
    """

    def __init__(
        self,
        parent: QObject | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        budget: Budget | None = None,
    ) -> None:
        super().__init__(parent)
        self._clock = clock
        self.budget = budget or Budget(clock=clock)
        self._waiting: dict[int, Drawable] = {}
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self._tick)
        self._expected = 0.0

    def ask(self, drawable: Drawable) -> None:
        """Let something draw as soon as it is due, its turn has come, and the budget allows it."""
        if id(drawable) not in self._waiting:
            self._waiting[id(drawable)] = drawable
            if not self._timer.isActive():
                self._schedule(0.0)

    def forget(self, drawable: Drawable) -> None:
        """It wants to draw no more."""
        self._waiting.pop(id(drawable), None)
        if not self._waiting:
            self._timer.stop()

    def hasten(self, *_: object) -> None:
        """A person has done something: let what waits draw soon."""
        self.budget.hasten()
        if self._timer.isActive() and self._timer.remainingTime() > TICK_MS:
            self._schedule(TICK_MS / 1000)

    def _schedule(self, seconds: float) -> None:
        self._expected = self._clock() + seconds
        self._timer.start(round(seconds * 1000))

    def _tick(self) -> None:
        begun = self._clock()
        late = begun - self._expected
        self._waiting = {key: item for key, item in self._waiting.items() if item.wants_drawing()}
        due = [item for item in self._waiting.values() if item.due <= begun]
        if due and self.budget.wait() == 0.0:
            ready = max(due, key=lambda item: (begun - item.due + item.lead) / max(item.pace, 1e-3))
            self.forget(ready)
            ready.refresh()
        if self._waiting:
            spent = self._clock() - begun
            # Drawing gets about a third of the loop's time; a tick that came late says that the loop is full.
            pause = min(SLOWEST_MS, max(TICK_MS, 2000 * spent, 1000 * late)) / 1000
            soonest = min(item.due for item in self._waiting.values()) - self._clock()
            self._schedule(max(pause, soonest, self.budget.wait()))


class Turn:
    """Something that draws when its turn comes and is no panel: `draw` is called at most every `pace` seconds, while
    `wanted` says that anybody can see it. `owner` is the object whose end is the end of this, too."""

    def __init__(self, owner: QObject, draw: Callable[[], object], wanted: Callable[[], bool], pace: float) -> None:
        self._owner, self._draw, self._wanted = owner, draw, wanted
        self.pace, self.lead, self.due = pace, 0.0, 0.0

    def ask(self, *_: object) -> None:
        """Draw when the turn comes."""
        if self._wanted():
            pacer().ask(self)

    def forget(self) -> None:
        """Draw no more, unless asked again."""
        pacer().forget(self)

    def wants_drawing(self) -> bool:
        """Whether a request still stands."""
        return isValid(self._owner) and self._wanted()

    def refresh(self) -> None:
        """Draw now."""
        self.due = time.monotonic() + self.pace
        self._draw()


def attend(states: Any, inputs: Iterable[Any]) -> None:
    """Let the pacer be thrifty in those of a session's states in which a run needs the processor, and hasten after each
    of the signals that tell of a person's `inputs`."""

    def on_state(state: str) -> None:
        pacer().budget.thrifty = state in BUSY
        pacer().hasten()  # what a pause or an end shows is waited for

    states.connect(on_state)
    for signal in inputs:
        signal.connect(pacer().hasten)


_shared: list[Pacer] = []


def pacer() -> Pacer:
    """The one pacer of the window's thread."""
    if not _shared or not isValid(_shared[0]):
        _shared[:] = [Pacer(QCoreApplication.instance())]
    return _shared[0]
