"""The one place where the training thread and the window meet: a lock and three lanes. No Qt.

Scalars are many: the lane is bounded, and when the window is slow it is thinned by keeping the lowest and the highest
loss of each group (and the first and the last row), so that no spike is lost. Slots hold the latest value of each type.
Rare events are kept, all of them, in order. The exact rows go to the run store: thinning touches only what is drawn.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from engine.training.events import DeviceFailed, EpochEnd, Event, StepRow, StepRows
from lab.thinning import COLUMNS, LOSS, MEAN, thin_table

__all__ = ["Mail", "Mailbox"]

CAPACITY = 8192
"""Rows that wait at most. At 100,000 steps a second a drain every 33 ms finds 3,300: nothing is thinned as a rule."""

GROUP = 8
"""Rows of which thinning keeps two."""

PICTURED = 256
"""Epochs' ends that wait with pictures at most; the ends themselves, a few numbers each, all wait."""

WIDTH, OWN = len(COLUMNS), len(StepRow._fields)
"""Columns of a row that waits, and those of them that are a step's own."""


class Mail(Struct, frozen=True):
    """What one drain found. `rows` is a table of the columns `lab.thinning.COLUMNS`, of shape (7, n), of the run `run`.
    `seen[i]` holds the slots as they stood when `events[i]`, an epoch's end, was posted: a later value may have taken
    their place before the window came to look. It is empty for other events, and for some epochs' ends where many
    waited."""

    run: str
    rows: np.ndarray
    slots: Sequence[Event] = ()
    events: Sequence[Event] = ()
    seen: Sequence[tuple[Event, ...]] = ()

    def __bool__(self) -> bool:
        return bool(self.rows.size or self.slots or self.events)


class Mailbox:
    """Posted to by the training thread, drained by the window. Both calls return at once."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        if capacity < 2 * GROUP:
            raise ValueError(f"a mailbox needs room for at least {2 * GROUP} rows, got {capacity}")
        self._limit = capacity * WIDTH
        self._groups = capacity // GROUP
        self._lock = threading.Lock()
        self._run = ""
        # Row after row of plain numbers: no object a row, and the window has them as an array for nothing.
        self._rows = array("d")
        self._slots: dict[type[Event], Event] = {}
        self._latest: dict[type[Event], Event] = {}
        self._events: list[Event] = []
        self._seen: list[tuple[Event, ...]] = []
        self._pictured, self._stride = 0, 1

    def post(self, event: Event) -> None:
        """Hand over one event; any thread. Rows of another run take the place of those that wait."""
        if event.lane == "scalar":
            assert isinstance(event, StepRows)
            rows = np.ones((len(event.table), WIDTH))
            rows[:, :OWN] = event.table
            rows[:, MEAN] = event.table[:, LOSS]
            with self._lock:
                if event.run != self._run:
                    self._run = event.run
                    del self._rows[:]
                self._rows.frombytes(rows.data.cast("B"))
                if len(self._rows) >= self._limit:
                    self._thin()
            return
        with self._lock:
            if isinstance(event, DeviceFailed):
                self._take_back(event)
            if event.lane == "slot":
                self._slots[type(event)] = self._latest[type(event)] = event
            else:
                pictured = isinstance(event, EpochEnd) and event.epoch % self._stride == 0
                self._events.append(event)
                self._seen.append(tuple(self._latest.values()) if pictured else ())
                self._pictured += pictured
                if self._pictured > PICTURED:
                    self._let_pictures_go()

    def drain(self) -> Mail:
        """Everything that has arrived since the last drain, in order within each lane."""
        with self._lock:
            run, rows, slots, events, seen = self._run, self._rows, self._slots, self._events, self._seen
            self._rows, self._slots, self._events, self._seen = array("d"), {}, [], []
            self._pictured, self._stride = 0, 1
        return Mail(run, _table(rows), tuple(slots.values()), events, seen)

    def __len__(self) -> int:
        """How many events wait, in all lanes."""
        with self._lock:
            return len(self._rows) // WIDTH + len(self._slots) + len(self._events)

    def _take_back(self, event: DeviceFailed) -> None:
        """Let go of what waits of steps that come again."""
        if event.run == self._run:
            table = _table(self._rows)
            self._rows = array("d", np.ascontiguousarray(table[:, table[0] <= event.step].T).tobytes())
        kept = [i for i, item in enumerate(self._events) if item.run != event.run or item.step <= event.step]
        self._events, self._seen = [self._events[i] for i in kept], [self._seen[i] for i in kept]
        self._pictured = sum(map(bool, self._seen))
        for slots in (self._slots, self._latest):
            for kind in [kind for kind, item in slots.items() if item.run == event.run and item.step > event.step]:
                del slots[kind]

    def _let_pictures_go(self) -> None:
        """Nobody drains: every second epoch's end waits on without its pictures, as will those to come."""
        self._stride *= 2
        for i, event in enumerate(self._events):
            if isinstance(event, EpochEnd) and event.epoch % self._stride:
                self._seen[i] = ()
        self._pictured = sum(map(bool, self._seen))

    def _thin(self) -> None:
        thinned = thin_table(_table(self._rows), self._groups)
        self._rows = array("d", np.ascontiguousarray(thinned.T).tobytes())


def _table(rows: array[float]) -> np.ndarray:
    return np.frombuffer(rows, dtype=np.float64).reshape(-1, WIDTH).T
