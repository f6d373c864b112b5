"""Work off the window's thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from lab.jobs import Jobs
from tests.support.patience import WAIT


@pytest.fixture
def jobs(qapp: Any) -> Iterator[Jobs]:
    made = Jobs()
    yield made
    made.close()


def test_results_arrive_on_the_window_s_thread_in_order(jobs: Jobs, qtbot: Any) -> None:
    here = threading.current_thread()
    heard: list[tuple[int, bool, bool]] = []
    for i in range(5):
        jobs.run(
            lambda i=i: (i, threading.current_thread() is here),
            lambda result: heard.append((*result, threading.current_thread() is here)),
        )
    qtbot.waitUntil(lambda: len(heard) == 5)
    assert heard == [(i, False, True) for i in range(5)]
    qtbot.waitUntil(lambda: not jobs.busy)


def test_failures_are_words(jobs: Jobs, qtbot: Any) -> None:
    told: list[str] = []
    jobs.run(lambda: int("x"), failed=told.append)
    qtbot.waitUntil(lambda: bool(told))
    assert "invalid literal" in told[0]
    with qtbot.waitSignal(jobs.problem):
        jobs.run(lambda: int("y"))


def test_of_one_key_only_the_newest_that_waits_is_done(jobs: Jobs, qtbot: Any) -> None:
    gate, done = threading.Event(), []
    jobs.run(lambda: gate.wait(WAIT / 1000))
    for i in range(4):
        jobs.run(lambda i=i: i, done.append, key="list")
    gate.set()
    qtbot.waitUntil(lambda: not jobs.busy and bool(done))
    assert done == [3]


def test_after_the_end_nothing_is_delivered(jobs: Jobs, qtbot: Any) -> None:
    gate, done = threading.Event(), []
    jobs.run(lambda: gate.wait(WAIT / 1000), done.append)
    gate.set()
    jobs.close()
    jobs.run(lambda: 1, done.append)
    qtbot.wait(5)
    assert done == [] and not jobs.busy
