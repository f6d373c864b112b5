"""Kernels that are compiled behind a window: how far it is, its end, and what a person can do about it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from lab.compiling import CompilingBar, Kernels
from lab.notices import Notices


class Compiling:
    """Stands for `engine.compilation.Compilation`; `tell` reports from another thread, as that does."""

    def __init__(self, report: Callable[[Any], None]) -> None:
        self._report = report
        self.state, self.message, self.progress = "idle", "", (0, 0)
        self.started = self.cancelled = False

    def start(self) -> None:
        self.started = True

    def cancel(self) -> None:
        self.cancelled = True

    def tell(self, state: str, progress: tuple[int, int] = (0, 0), message: str = "") -> None:
        self.state, self.progress, self.message = state, progress, message
        thread = threading.Thread(target=self._report, args=(self,))
        thread.start()
        thread.join()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Compiling]:
    monkeypatch.setattr("engine.executors.unavailable", lambda: "")
    monkeypatch.setattr("engine.executors.compiled", lambda: False)
    return []


@pytest.fixture
def kernels(qtbot: QtBot, made: list[Compiling]) -> Kernels:
    notices = Notices()
    qtbot.addWidget(notices)

    def make(report: Callable[[Any], None]) -> Compiling:
        made.append(Compiling(report))
        return made[-1]

    kernels = Kernels(notices, notices, make=make)
    bar = CompilingBar(kernels, notices)
    kernels.setProperty("bar", bar)
    return kernels


def bar_of(kernels: Kernels) -> CompilingBar:
    bar = kernels.property("bar")
    assert isinstance(bar, CompilingBar)
    return bar


def test_progress_is_told_and_a_notice_comes_when_it_is_done(
    kernels: Kernels, made: list[Compiling], qtbot: QtBot
) -> None:
    kernels.start()
    assert made[0].started and bar_of(kernels).isHidden()
    made[0].tell("compiling", (12, 38))
    qtbot.waitUntil(lambda: kernels.active)
    assert bar_of(kernels).label.text() == "Compiling kernels 12 / 38 · runs use NumPy meanwhile"
    assert not bar_of(kernels).isHidden()
    with qtbot.waitSignal(kernels.ready):
        made[0].tell("done", (38, 38))
    assert not kernels.active and bar_of(kernels).isHidden()
    assert kernels._notices.texts == ["The kernels are compiled: runs are faster from now on."]


def test_another_program_may_be_at_it(kernels: Kernels, made: list[Compiling], qtbot: QtBot) -> None:
    kernels.start()
    made[0].tell("waiting")
    qtbot.waitUntil(lambda: kernels.words.startswith("Another program"))


def test_it_can_be_cancelled_and_begun_again(kernels: Kernels, made: list[Compiling], qtbot: QtBot) -> None:
    kernels.start()
    made[0].tell("compiling", (1, 2))
    qtbot.waitUntil(lambda: kernels.active)
    kernels.start()
    assert len(made) == 1, "it goes on already"
    bar_of(kernels).stop.click()
    assert made[0].cancelled and not kernels.active
    made[0].tell("compiling", (2, 2))
    qtbot.wait(20)
    assert not kernels.active, "what comes late is of no account"
    kernels.start()
    assert len(made) == 2


def test_a_failure_is_told_in_words_and_can_be_tried_again(
    kernels: Kernels, made: list[Compiling], qtbot: QtBot
) -> None:
    kernels.start()
    made[0].tell("failed", message="The disk is full.")
    qtbot.waitUntil(lambda: bool(kernels._notices.items))
    assert kernels._notices.texts == ["The disk is full. Runs use NumPy."]
    kernels._notices.items[0].buttons[0].click()
    assert len(made) == 2 and made[1].started


def test_nothing_is_compiled_twice_or_where_it_cannot_be_used(
    kernels: Kernels, made: list[Compiling], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.executors.compiled", lambda: True)
    kernels.start()
    monkeypatch.setattr("engine.executors.compiled", lambda: False)
    kernels.unavailable = "There is no numba."
    kernels.start()
    assert made == []


def test_the_end_of_the_window_ends_it(kernels: Kernels, made: list[Compiling]) -> None:
    kernels.start()
    kernels.close()
    assert made[0].cancelled
