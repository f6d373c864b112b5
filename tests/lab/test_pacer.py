"""Panels draw one at a time, each when it is due, and the loop breathes in between."""

from __future__ import annotations

import time

import pytest
from PySide6.QtCore import QObject, QTimer, Signal
from pytestqt.qtbot import QtBot

from lab.pacer import BURST, DEBT, HASTE, SLOWEST_MS, TICK_MS, Budget, Pacer, Turn, attend


class Clock:
    def __init__(self) -> None:
        self.now, self.worked = 100.0, 0.0

    def __call__(self) -> float:
        return self.now


class Drawing:
    """Something to draw; drawing lets the clock go on by `takes` seconds."""

    def __init__(
        self, log: list[str], name: str, clock: Clock, *, due: float = 0.0, takes: float = 0.0, lead: float = 0.0
    ) -> None:
        self.log, self.name, self.clock, self.due, self.takes, self.wants = log, name, clock, due, takes, True
        self.lead, self.pace = lead, 0.1

    def wants_drawing(self) -> bool:
        return self.wants

    def refresh(self) -> None:
        self.log.append(self.name)
        self.clock.now += self.takes
        self.clock.worked += self.takes


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def budget(clock: Clock) -> Budget:
    """A thread that has worked for as long as the drawings took: `clock.worked`."""
    return Budget(clock=clock, spent=lambda: clock.worked)


@pytest.fixture
def pacer(qapp: object, clock: Clock, budget: Budget) -> Pacer:
    return Pacer(clock=clock, budget=budget)


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


def test_while_a_run_goes_on_work_keeps_to_its_share(pacer: Pacer, clock: Clock, budget: Budget) -> None:
    log: list[str] = []
    budget.thrifty = True
    item = Drawing(log, "item", clock, takes=0.01)
    begun = clock.now
    while clock.now < begun + 20.0:
        pacer.ask(item)
        tick(pacer, clock)
    assert clock.worked <= budget.share * (clock.now - begun) + BURST + 0.02
    assert clock.worked >= 0.8 * budget.share * (clock.now - begun)


def test_what_others_do_in_the_thread_counts_and_no_more_than_a_debt_is_held_against_it(
    clock: Clock, budget: Budget
) -> None:
    budget.thrifty = True
    assert budget.wait() == 0.0
    clock.worked += 5.0
    assert budget.wait() == pytest.approx(DEBT / budget.share)
    clock.now += DEBT / budget.share + 1e-6
    assert budget.wait() == 0.0


def test_after_a_persons_input_drawing_is_free_for_a_while(clock: Clock, budget: Budget) -> None:
    budget.thrifty = True
    clock.worked += 1.0
    assert budget.wait() > 0.0
    budget.hasten()
    assert budget.wait() == 0.0
    clock.now += HASTE
    clock.worked += 1.0
    assert budget.wait() > 0.0
    budget.thrifty = False
    assert budget.wait() == 0.0


def test_who_waits_for_more_of_its_own_paces_goes_first(pacer: Pacer, clock: Clock) -> None:
    log: list[str] = []
    slow, quick = Drawing(log, "slow", clock, due=clock.now - 0.3), Drawing(log, "quick", clock, due=clock.now - 0.2)
    slow.pace, quick.pace = 0.5, 0.1
    for item in (slow, quick):
        pacer.ask(item)
    tick(pacer, clock)
    assert log == ["quick"]
    tick(pacer, clock)
    assert log == ["quick", "slow"]


def test_haste_ends_a_long_wait(pacer: Pacer, clock: Clock, budget: Budget) -> None:
    log: list[str] = []
    budget.thrifty = True
    clock.worked += 1.0
    pacer.ask(Drawing(log, "a", clock))
    tick(pacer, clock)
    assert log == [] and pacer._timer.interval() > SLOWEST_MS
    pacer.hasten()
    tick(pacer, clock)
    assert log == ["a"]


def test_a_turn_draws_while_somebody_sees_it(qtbot: QtBot) -> None:
    log: list[str] = []
    owner, seen = QObject(), [True]
    turn = Turn(owner, lambda: log.append("drawn"), lambda: seen[0], 0.02)
    turn.ask()
    qtbot.waitUntil(lambda: log == ["drawn"])
    assert turn.due > time.monotonic() - 0.02
    turn.ask()
    seen[0] = False
    assert not turn.wants_drawing()
    turn.forget()


class Told(QObject):
    states = Signal(str)
    input = Signal(object)


def test_it_is_thrifty_while_a_run_needs_the_processor_and_hastens_after_input(
    qapp: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    mine = Pacer(clock=clock, budget=Budget(clock=clock, spent=lambda: clock.worked))
    monkeypatch.setattr("lab.pacer.pacer", lambda: mine)
    told = Told()
    attend(told.states, [told.input])
    told.states.emit("running")
    assert mine.budget.thrifty
    clock.now += HASTE
    clock.worked += 1.0
    assert mine.budget.wait() > 0.0
    told.input.emit("a node was selected")
    assert mine.budget.wait() == 0.0
    told.states.emit("paused")
    assert not mine.budget.thrifty
