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
BUDGET = 0.03  # share of the time that frames and filters may take
SURFACE_BUDGET = 0.1  # share of the time that the decision surface may take by itself, while it is watched


class Instrument:
    """One kind of look (frames, the decision surface, filters): at most `rate` a second, and within its budget."""

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
    """Decides which steps are observed, and measures what the instruments take.

    budget      share of the time that frames and filters may take, together.
    rate        most frames a second.

    The decision surface has `SURFACE_BUDGET` to itself: it is there to be seen moving.
    clock       seconds, as a function; replaced in tests.
    """

    def __init__(
        self, *, budget: float = BUDGET, rate: float = 10.0, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.budget = budget
        self.clock = clock
        self.frames = Instrument(rate)
        self.surface = Instrument(min(rate, 5.0))
        self.filters = Instrument(min(rate, 5.0))
        self.plain_steps: deque[float] = deque(maxlen=31)
        """Seconds of the last plain steps; the loop appends to it."""
        self._spent: deque[tuple[float, float, Instrument]] = deque()
        self._begun = clock()
        self._unsettled: tuple[float, float] | None = None

    def observe(self, topics: frozenset[str], *, first: bool, epoch_end: bool, by_hand: bool) -> bool:
        """Whether the coming step is to be observed.

        topics      what is watched.
        first       the run's first step: always observed.
        epoch_end   the last full step of an epoch: observed as long as the instruments keep to the budget, of which
                    the first seconds may take twice as much.
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
        """Whether the decision surface is to be drawn anew: several times a second, and at an epoch's end as long as
        that takes no more than `budget`, of which the first seconds may take twice as much."""
        if "surface" not in topics:
            return False
        if epoch_end:
            return self._has_room(self.surface)
        return self.surface.due(self.clock(), SURFACE_BUDGET)

    def wants_filters(self, topics: frozenset[str]) -> bool:
        """Whether the first layer's weights are to be shown anew."""
        return "filters" in topics and self._due(self.filters, topics)

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
        self._spent.append((now, seconds, instrument))

    def share(self) -> float:
        """The share of the last two seconds (or since the start) that instruments took, 0..1."""
        return self._share(None)

    def restart(self) -> None:
        """Time stood still (a pause): measure the share from here."""
        self._begun = self.clock()
        self._spent.clear()

    def forget(self) -> None:
        """Steps and looks cost something else from now on."""
        self.plain_steps.clear()
        self._unsettled = None
        for instrument in (self.frames, self.surface, self.filters):
            instrument.restart()

    def _settle(self) -> None:
        """Book the run's first frame, once a plain step has told what it cost."""
        if self._unsettled is not None and self.plain_steps:
            then, seconds = self._unsettled
            self._unsettled = None
            cost = max(0.0, seconds - median(self.plain_steps))
            self.frames.looked(then, cost)
            self._spent.appendleft((then, cost, self.frames))

    def _has_room(self, instrument: Instrument) -> bool:
        """Whether one more look keeps to the budget, over the last seconds or over all the time since the last one; the
        surface has one of its own."""
        self._settle()
        now = self.clock()
        self._forget(now)
        elapsed = min(WINDOW, now - self._begun)
        own = instrument is self.surface
        spent = sum(cost for _, cost, other in self._spent if (other is self.surface) == own)
        within = spent + instrument.cost <= self.budget * min(WINDOW, HEAD_START * elapsed)
        return within or instrument.due(now, self.budget)

    def _forget(self, now: float) -> None:
        while self._spent and self._spent[0][0] < now - WINDOW:
            self._spent.popleft()

    def _share(self, without: Instrument | None) -> float:
        self._settle()
        now = self.clock()
        self._forget(now)
        elapsed = min(WINDOW, now - self._begun)
        aside = () if without is None else (without, self.surface)
        spent = sum(cost for _, cost, instrument in self._spent if instrument not in aside)
        return min(1.0, spent / elapsed) if elapsed > 0 else 0.0

    def _due(self, instrument: Instrument, topics: frozenset[str]) -> bool:
        """Each watched instrument may have its part of the budget, and what the others leave of theirs."""
        self._settle()
        now = self.clock()
        if not instrument.due(now, self.budget):
            return False
        kinds = (not FRAME_TOPICS.isdisjoint(topics)) + ("filters" in topics)
        part = self.budget / max(1, kinds)
        return instrument.due(now, max(part, self.budget - self._share(instrument)))
