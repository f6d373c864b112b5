"""Panels draw one at a time, each when it is due, and the loop breathes in between."""

from __future__ import annotations

import time

from pytestqt.qtbot import QtBot

from lab.panels.pacer import Pacer


class Drawing:
    def __init__(self, log: list[str], name: str, *, due: float = 0.0, takes: float = 0.0, lead: float = 0.0) -> None:
        self.log, self.name, self.due, self.takes, self.wants = log, name, due, takes, True
        self.lead = lead

    def wants_drawing(self) -> bool:
        return self.wants

    def refresh(self) -> None:
        self.log.append(self.name)
        time.sleep(self.takes)


def test_the_one_that_has_waited_longest_comes_first(qtbot: QtBot) -> None:
    log: list[str] = []
    pacer = Pacer()
    for name, due in (("b", 2.0), ("a", 1.0), ("c", 3.0)):
        pacer.ask(Drawing(log, name, due=due))
    qtbot.waitUntil(lambda: len(log) == 3, timeout=3000)
    assert log == ["a", "b", "c"]


def test_who_has_a_lead_goes_first_once_it_is_due(qtbot: QtBot) -> None:
    log: list[str] = []
    pacer = Pacer()
    now = time.monotonic()
    pacer.ask(Drawing(log, "a", due=now - 0.5))
    pacer.ask(Drawing(log, "ahead", due=now - 0.1, lead=1.0))
    pacer.ask(Drawing(log, "not yet", due=now + 0.05, lead=1.0))
    qtbot.waitUntil(lambda: len(log) == 3, timeout=3000)
    assert log == ["ahead", "a", "not yet"]


def test_other_events_are_handled_between_two_drawings(qtbot: QtBot) -> None:
    from PySide6.QtCore import QTimer

    log: list[str] = []
    pacer = Pacer()
    beat = QTimer(interval=2)
    beat.timeout.connect(lambda: log.append("beat"))
    beat.start()
    for name in "ab":
        pacer.ask(Drawing(log, name, takes=0.01))
    qtbot.waitUntil(lambda: "b" in log, timeout=3000)
    beat.stop()
    assert "beat" in log[log.index("a") : log.index("b")]


def test_nobody_draws_before_it_is_due(qtbot: QtBot) -> None:
    log: list[str] = []
    pacer = Pacer()
    due = time.monotonic() + 0.08
    drawn: list[float] = []
    item = Drawing(log, "late", due=due)
    item.refresh = lambda: drawn.append(time.monotonic())  # type: ignore[method-assign]
    pacer.ask(item)
    qtbot.waitUntil(lambda: bool(drawn), timeout=3000)
    assert drawn[0] >= due


def test_asking_twice_draws_once_and_who_is_gone_not_at_all(qtbot: QtBot) -> None:
    log: list[str] = []
    pacer = Pacer()
    item, gone, hidden = (Drawing(log, name) for name in ("item", "gone", "hidden"))
    for drawing in (item, item, gone, hidden):
        pacer.ask(drawing)
    pacer.forget(gone)
    hidden.wants = False
    qtbot.wait(120)
    assert log == ["item"]
