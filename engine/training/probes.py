"""When to look inside: a cadence that keeps the instruments' share of the time within a budget.

Observed steps are timed apart from plain ones; the difference of their medians is what looking costs, and the next
look is put off until that cost is a small enough share of the time since the last. The decisions depend on the clock,
so they must never touch the numbers: a program that observes computes the same bits as one that does not.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from statistics import median

__all__ = ["Instrument", "ProbePolicy"]

FRAME_TOPICS = frozenset({"activations", "gradients", "weights"})
WINDOW = 2.0  # seconds over which the measured share is taken
HEAD_START = 2.0  # times the budget that the ends of the first epochs may take, so that short runs have a timeline
BUDGET = 0.03  # share of the time that everything that is looked at may take together


class Instrument:
    """One kind of look (frames, the decision surface, ...): at most `rate` a second, and within its budget."""

    def __init__(self, rate: float) -> None:
        self.interval = 1.0 / rate
        self._last: float | None = None
        self._costs: deque[float] = deque(maxlen=9)

    @property
    def cost(self) -> float:
        """Median seconds of one look; 0 before the first."""
        return median(self._costs) if self._costs else 0.0

    @property
    def looks(self) -> int:
        """How many looks `cost` rests on."""
        return len(self._costs)

    def due(self, now: float, budget: float) -> bool:
        """Whether the next look keeps the share of time spent on looking within `budget` (0..1)."""
        if self._last is None:
            return True
        elapsed = now - self._last
        return elapsed >= self.interval and elapsed >= self.cost / budget

    def wait(self, now: float) -> None:
        """One look ended at `now`; what it took is not known yet."""
        self._last = now

    def restart(self) -> None:
        """Looks cost something else from now on."""
        self._costs.clear()

    def looked(self, now: float, cost: float) -> None:
        """One look ended at `now` and took `cost` seconds."""
        self._last = now
        self._costs.append(cost)


class ProbePolicy:
    """Decides when what is looked at, and measures what that takes.

    budget      share of the time that all looks may take together.
    rate        most looks of a kind a second: cards and panels draw no more often.
    clock       seconds, as a function; replaced in tests.
    """

    def __init__(
        self, *, budget: float = BUDGET, rate: float = 5.0, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.budget = budget
        self.clock = clock
        self.frames = Instrument(rate)
        self.surface = Instrument(rate)
        self.filters = Instrument(rate)
        self.confusion = Instrument(rate)
        self.timeline = Instrument(min(rate, 1.0))
        self._instruments = {name: getattr(self, name) for name in ("surface", "filters", "confusion", "timeline")}
        self.plain_steps: deque[float] = deque(maxlen=31)
        """Seconds of the last plain steps; the loop appends to it."""
        self._spent: deque[tuple[float, float]] = deque()
        self._begun = clock()
        self._unsettled: tuple[float, float] | None = None

    def observe(self, topics: frozenset[str], *, first: bool, epoch_end: bool, by_hand: bool) -> bool:
        """Whether the coming step is to be observed.

        topics      what is watched.
        first       the run's first step: always observed.
        epoch_end   the last full step of an epoch: observed as often as any other, and more often in the first
                    seconds of a run, which may take twice the budget.
        by_hand     a step that a person asked for singly: observed when anything is watched.
        """
        if first:
            return True
        if epoch_end and self._has_room(self.frames):
            return True
        if FRAME_TOPICS.isdisjoint(topics):
            return False
        return by_hand or self._due(self.frames, topics)

    def wants_surface(self, topics: frozenset[str], *, epoch_end: bool = False) -> bool:
        """Whether the decision surface is to be drawn anew; `epoch_end` as for `observe`."""
        if "surface" not in topics:
            return False
        return self._has_room(self.surface) if epoch_end else self._due(self.surface, topics)

    def wants_filters(self, topics: frozenset[str]) -> bool:
        """Whether the first layer's weights are to be shown anew."""
        return "filters" in topics and self._due(self.filters, topics)

    def wants_confusion(self) -> bool:
        """Whether an evaluation at an epoch's end is to count the classes one by one."""
        return self._has_room(self.confusion)

    def wants_timeline(self, topics: frozenset[str]) -> bool:
        """Whether the next steps are to be timed operation by operation."""
        return "timeline" in topics and self._due(self.timeline, topics)

    def observed(self, seconds: float) -> None:
        """An observed step, its readout included, took `seconds`: what is above a plain step's median is its cost."""
        now = self.clock()
        if self.plain_steps:
            self.spent(self.frames, max(0.0, seconds - median(self.plain_steps)))
        else:
            self.frames.wait(now)
            self._unsettled = now, seconds

    def spent(self, instrument: Instrument, seconds: float) -> None:
        """`instrument` has just taken `seconds`."""
        now = self.clock()
        instrument.looked(now, seconds)
        self._spent.append((now, seconds))

    def share(self) -> float:
        """The share of the last two seconds (or since the start) that instruments took, 0..1."""
        self._settle()
        now = self.clock()
        elapsed = min(WINDOW, now - self._begun)
        return min(1.0, self._spent_lately(now) / elapsed) if elapsed > 0 else 0.0

    def restart(self) -> None:
        """Time stood still (a pause): measure the share from here."""
        self._begun = self.clock()
        self._spent.clear()

    def forget(self) -> None:
        """Steps and looks cost something else from now on."""
        self.plain_steps.clear()
        self._unsettled = None
        for instrument in (self.frames, *self._instruments.values()):
            instrument.restart()

    def _settle(self) -> None:
        """Book the run's first frame, once a plain step has told what it cost."""
        if self._unsettled is not None and self.plain_steps:
            then, seconds = self._unsettled
            self._unsettled = None
            cost = max(0.0, seconds - median(self.plain_steps))
            self.frames.looked(then, cost)
            self._spent.appendleft((then, cost))

    def _has_room(self, instrument: Instrument) -> bool:
        """Whether one more look at an epoch's end keeps to the budget: over all the time since the last one, or in the
        first seconds over these, so that a run that is over by then has a history to look back at."""
        self._settle()
        now = self.clock()
        elapsed = now - self._begun
        if elapsed < WINDOW and self._spent_lately(now) + instrument.cost <= self.budget * min(
            WINDOW, HEAD_START * elapsed
        ):
            return True
        return instrument.due(now, self.budget)

    def _spent_lately(self, now: float) -> float:
        """Seconds that all instruments took within the window."""
        while self._spent and self._spent[0][0] < now - WINDOW:
            self._spent.popleft()
        return sum([cost for _, cost in self._spent])

    def _due(self, instrument: Instrument, topics: frozenset[str]) -> bool:
        """Each watched instrument may have its part of the budget; what some do not need goes to the others."""
        self._settle()
        watched = [item for name, item in self._instruments.items() if name in topics]
        if not FRAME_TOPICS.isdisjoint(topics):
            watched.append(self.frames)
        part = self.budget / max(1, len(watched))
        left = [part - item.cost / item.interval for item in watched]
        spare, short = sum(share for share in left if share > 0), sum(share <= 0 for share in left)
        return instrument.due(self.clock(), part + spare / max(1, short))
