"""The threads: they share the work, end with the team, sleep when idle, and survive a fork."""

from __future__ import annotations

import gc
import os
import resource
import threading
import time

import numpy as np
import pytest

from engine.kernels.cpu.interpreter import KERNEL, WIDTH
from engine.kernels.cpu.library import Library, load
from engine.kernels.cpu.rows import Row
from engine.kernels.cpu.team import Team, default_threads


@pytest.fixture(scope="module")
def library() -> Library:
    return load()


class Filling:
    """A table that fills an array with ones, 4096 elements a piece."""

    def __init__(self, library: Library, team: Team, count: int = 200_000) -> None:
        self.array = np.zeros(count, np.float32)
        row = Row("fill", [team.shared, self.array.ctypes.data, count, 1.0])
        self.table = np.array([row.encode(library.addresses)], np.int64)
        self.done = np.zeros(1, np.int64)
        self.arguments = np.zeros(7, np.int64)
        self.arguments[:5] = self.table.ctypes.data, 1, team.shared, 0, self.done.ctypes.data
        self.arguments[5] = self.arguments.ctypes.data


def workers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("team")]


def test_a_row_has_its_kernel_first(library: Library) -> None:
    cells = Row("fill", [1, 2, 3, 0.5]).encode(library.addresses)
    assert len(cells) == WIDTH and cells[KERNEL] == library.addresses["fill"]
    assert np.array([cells[5]], np.int64).view(np.float64)[0] == 0.5


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_all_of_the_work_is_done_once(library: Library, threads: int) -> None:
    team = Team(library, threads)
    work = Filling(library, team)
    for _ in range(50):
        work.array[:] = 0
        team.run(work.arguments, 3)
        assert work.done[0] == 3
        assert (work.array == 1).all()
    team.close()


def test_threads_sleep_between_runs_and_wake_for_the_next(library: Library) -> None:
    team = Team(library, 2)
    work = Filling(library, team)
    for _ in range(5):
        time.sleep(0.02)  # long enough that the worker went to sleep
        work.array[:] = 0
        team.run(work.arguments, 1)
        assert (work.array == 1).all()
    team.close()


def test_an_idle_team_takes_no_processor_time(library: Library) -> None:
    team = Team(library, 3)
    work = Filling(library, team)
    team.run(work.arguments, 1)
    time.sleep(0.05)
    begun = resource.getrusage(resource.RUSAGE_SELF)
    time.sleep(0.3)
    ended = resource.getrusage(resource.RUSAGE_SELF)
    spent = ended.ru_utime + ended.ru_stime - begun.ru_utime - begun.ru_stime
    team.close()
    assert spent < 0.1


def test_closing_sends_the_threads_away_and_may_be_done_twice(library: Library) -> None:
    team = Team(library, 3)
    assert len(workers()) == 2
    team.close()
    team.close()
    assert workers() == []
    with pytest.raises(RuntimeError, match="closed"):
        team.run(Filling(library, team).arguments, 1)


def test_an_interrupt_before_the_lead_leaves_the_team_sound(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    team = Team(library, 2)
    work = Filling(library, team)
    team.run(work.arguments, 1)

    def interrupted(*_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(library, "lead", interrupted)
        with pytest.raises(KeyboardInterrupt):
            team.run(work.arguments, 1)
    work.array[:] = 0
    team.run(work.arguments, 1)
    assert (work.array == 1).all()
    team.close()
    assert workers() == []


def test_a_forgotten_team_leaves_no_thread(library: Library) -> None:
    team = Team(library, 2)
    assert workers()
    del team
    gc.collect()
    assert workers() == []


def test_a_run_on_one_thread_leaves_the_others_alone(library: Library) -> None:
    team = Team(library, 2)
    work = Filling(library, team)
    team.run(work.arguments, 2, threads=1)
    assert (work.array == 1).all() and work.done[0] == 2
    team.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own(library: Library) -> None:
    team = Team(library, 2)
    work = Filling(library, team)
    team.run(work.arguments, 1)
    child = os.fork()
    if child == 0:
        work.array[:] = 0
        team.run(work.arguments, 2)
        good = bool((work.array == 1).all()) and len(workers()) == 1
        team.close()
        os._exit(0 if good and not workers() else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    work.array[:] = 0
    team.run(work.arguments, 1)
    assert (work.array == 1).all()
    team.close()


def test_the_number_of_threads_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESCENT_THREADS", "3")
    assert default_threads() == 3
    monkeypatch.setenv("DESCENT_THREADS", "none")
    assert 1 <= default_threads() <= (os.cpu_count() or 1)
