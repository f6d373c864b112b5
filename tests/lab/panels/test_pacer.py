"""Panels draw one at a time, each when it is due, and the loop breathes in between."""

from __future__ import annotations

import time

import pytest
from PySide6.QtCore import QTimer
from pytestqt.qtbot import QtBot

from lab.panels.pacer import SLOWEST_MS, TICK_MS, Pacer


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Drawing:
    """Something to draw; drawing lets the clock go on by `takes` seconds."""

    def __init__(
        self, log: list[str], name: str, clock: Clock, *, due: float = 0.0, takes: float = 0.0, lead: float = 0.0
    ) -> None:
        self.log, self.name, self.clock, self.due, self.takes, self.wants = log, name, clock, due, takes, True
        self.lead = lead

    def wants_drawing(self) -> bool:
        return self.wants

    def refresh(self) -> None:
        self.log.append(self.name)
        self.clock.now += self.takes


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pacer(qapp: object, clock: Clock) -> Pacer:
    return Pacer(clock=clock)


def tick(pacer: Pacer, clock: Clock, late: float = 0.0) -> float:
    """Let the time go by until the next tick; for how long, in seconds. The event loop has no part in it."""
    assert pacer._timer.isActive()
    passed = pacer._timer.interval() / 1000 + late
    pacer._timer.stop()
    clock.now += passed
    pacer._tick()
    return passed


def test_the_one_that_has_waited_longest_comes_first(pacer: Pacer, clock: Clock) -> None:
    log: list[str] = []
    for name, due in (("b", 2.0), ("a", 1.0), ("c", 3.0)):
        pacer.ask(Drawing(log, name, clock, due=due))
    assert log == []
    assert tick(pacer, clock) == 0.0 and log == ["a"]
    assert tick(pacer, clock) == TICK_MS / 1000 and log == ["a", "b"]
    assert tick(pacer, clock) == TICK_MS / 1000 and log == ["a", "b", "c"]
    assert not pacer._timer.isActive()


def test_who_has_a_lead_goes_first_once_it_is_due(pacer: Pacer, clock: Clock) -> None:
    log: list[str] = []
    now = clock.now
    pacer.ask(Drawing(log, "a", clock, due=now - 0.5))
    pacer.ask(Drawing(log, "ahead", clock, due=now - 0.1, lead=1.0))
    pacer.ask(Drawing(log, "not yet", clock, due=now + 0.05, lead=1.0))
    for _ in range(3):
        tick(pacer, clock)
    assert log == ["ahead", "a", "not yet"] and clock.now >= now + 0.05


def test_drawing_takes_a_third_of_the_time_and_a_full_loop_makes_it_rarer(pacer: Pacer, clock: Clock) -> None:
    log: list[str] = []
    for name, takes in (("a", 0.02), ("b", 10.0), ("c", 0.0), ("d", 0.0), ("e", 0.0)):
        pacer.ask(Drawing(log, name, clock, takes=takes))
    tick(pacer, clock)
    assert tick(pacer, clock) == pytest.approx(0.04), "twice what the last one took"
    assert tick(pacer, clock) == pytest.approx(SLOWEST_MS / 1000), "and not for ever"
    assert tick(pacer, clock, late=0.05) == pytest.approx(TICK_MS / 1000 + 0.05)
    assert pacer._timer.interval() == 50, "as late as the last one"
    tick(pacer, clock)
    assert log == ["a", "b", "c", "d", "e"]


def test_other_events_are_handled_between_two_drawings(qtbot: QtBot) -> None:
    log: list[str] = []
    pacer, clock = Pacer(), Clock()

    class Beating(Drawing):
        def refresh(self) -> None:
            super().refresh()
            QTimer.singleShot(0, lambda: log.append("beat"))

    for name in "ab":
        pacer.ask(Beating(log, name, clock))
    qtbot.waitUntil(lambda: log.count("beat") == 2)
    assert log == ["a", "beat", "b", "beat"]


def test_nobody_draws_before_it_is_due(pacer: Pacer, clock: Clock) -> None:
    log: list[str] = []
    pacer.ask(Drawing(log, "late", clock, due=clock.now + 0.08))
    tick(pacer, clock)
    assert pacer._timer.interval() == 80 and log == []
    tick(pacer, clock, late=-0.01)
    assert log == []
    tick(pacer, clock)
    assert log == ["late"]


def test_nobody_draws_before_it_is_due_by_the_real_clock(qtbot: QtBot) -> None:
    pacer = Pacer()
    due = time.monotonic() + 0.08
    drawn: list[float] = []
    item = Drawing([], "late", Clock(), due=due)
    item.refresh = lambda: drawn.append(time.monotonic())  # type: ignore[method-assign]
    pacer.ask(item)
    qtbot.waitUntil(lambda: bool(drawn))
    assert drawn[0] >= due


def test_asking_twice_draws_once_and_who_is_gone_not_at_all(pacer: Pacer, clock: Clock) -> None:
    log: list[str] = []
    item, gone, hidden = (Drawing(log, name, clock) for name in ("item", "gone", "hidden"))
    for drawing in (item, item, gone, hidden):
        pacer.ask(drawing)
    pacer.forget(gone)
    hidden.wants = False
    tick(pacer, clock)
    assert log == ["item"] and not pacer._timer.isActive(), "nobody waits any more"
