"""The writer: bounded memory, tries again, tells what failed, loses at most a period and a write to a kill."""

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.training import writer
from engine.training.events import Paused
from engine.training.history import RowBuffer
from engine.training.store import RunStore, StoreError
from tests.support.runs import arrays, epoch, experiment, row, same_arrays


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path)


class Disk:
    """A switch that makes every transaction fail like a full disk."""

    def __init__(self) -> None:
        self.full = False
        self._real = writer.RunWriter._write

    def write(self, run: writer.RunWriter, connection: sqlite3.Connection) -> None:
        if self.full:
            connection.execute("PRAGMA max_page_count = 1")
        else:
            connection.execute("PRAGMA max_page_count = 1073741823")
        self._real(run, connection)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    switch = Disk()
    monkeypatch.setattr(writer.RunWriter, "_write", lambda run, connection: switch.write(run, connection))
    return switch


def wait_for(condition: object, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_rows_reach_the_disk_without_being_asked(store: RunStore) -> None:
    with store.create(experiment(), "CPU") as run:
        run.rows(row(1))
        wait_for(lambda: len(store.open(run.run).steps()["step"]) == 1)


class Periods:
    """Lets the writer's periods go by one at a time, however long they take."""

    def __init__(self) -> None:
        self.begun = self.over = 0

    def rest(self, run: writer.RunWriter) -> None:
        self.begun += 1
        run._mutex.notify_all()
        assert run._mutex.wait_for(lambda: self.over >= self.begun or run._closing, 60)

    def one(self, run: writer.RunWriter) -> None:
        """Let a period go by, and the writing at its end."""
        with run._mutex:
            assert run._mutex.wait_for(lambda: self.begun > self.over, 60)
            self.over += 1
            run._mutex.notify_all()
            assert run._mutex.wait_for(lambda: self.begun > self.over, 60)


def test_at_each_periods_end_all_that_was_reported_is_written(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    periods = Periods()
    monkeypatch.setattr(writer.RunWriter, "_rest", lambda run: periods.rest(run))
    with store.create(experiment(), "CPU") as run:
        last = 0
        for count in (7, 1, 300):
            for step in range(last + 1, last + count + 1):
                run.rows(row(step))
            run.epoch(epoch(count, last + count))
            assert len(store.open(run.run).steps()["step"]) == last, "nobody asked, and the period is not over"
            periods.one(run)
            last += count
            reader = store.open(run.run)
            assert reader.steps()["step"].tolist() == list(range(1, last + 1))
            assert reader.epochs()[-1].step == last
    # A kill loses a period and what is being written meanwhile: together less than a second.
    assert writer.PERIOD <= 0.5


def test_rows_of_a_slow_run_share_a_blob(store: RunStore) -> None:
    with store.create(experiment(), "CPU") as run:
        for step in range(1, 31):
            run.rows(row(step))
            run.flush()
    connection = sqlite3.connect(store.database)
    assert connection.execute("SELECT count(*), sum(count) FROM rows").fetchone() == (1, 30)
    connection.close()
    assert store.open(run.run).steps()["step"].tolist() == list(range(1, 31))


def test_a_hundred_thousand_rows_are_all_there(store: RunStore) -> None:
    run = store.create(experiment(), "CPU")
    for step in range(1, 100_001):
        run.rows(row(step))
    run.finish("done")
    columns = store.open(run.run).steps()
    assert np.array_equal(columns["step"], np.arange(1, 100_001))
    assert np.array_equal(columns["loss"], 1.0 / (np.arange(1, 100_001) + 2))


def test_a_full_disk_is_told_and_nothing_is_lost(store: RunStore, disk: Disk) -> None:
    with store.create(experiment(), "CPU") as run:
        run.rows(row(1))
        run.flush()
        disk.full = True
        for step in range(2, 20_001):
            run.rows(row(step, loss=float(np.sin(step))))
        run.epoch(epoch(1, 20_000))
        with pytest.raises(StoreError, match="the disk is full"):
            run.flush()
        assert "the disk is full" in run.problem
        disk.full = False
        run.rows(row(20_001))
        run.flush()
        assert run.problem == ""
    reader = store.open(run.run)
    assert reader.steps()["step"].tolist() == list(range(1, 20_002))
    assert len(reader.epochs()) == 1


def test_what_came_after_a_failure_is_on_the_disk_after_a_flush_too(
    store: RunStore, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "PERIOD", 60.0)
    with store.create(experiment(), "CPU") as run:
        run.rows(row(1))
        run.flush()
        disk.full = True
        for step in range(2, 20_001):
            run.rows(row(step, loss=float(np.sin(step))))
        with pytest.raises(StoreError, match="the disk is full"):
            run.flush()
        run.rows(row(20_001))
        disk.full = False
        run.flush()
        assert len(store.open(run.run).steps()["step"]) == 20_001


def test_memory_is_bounded_when_the_disk_stays_full(
    store: RunStore, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "RowBuffer", lambda: RowBuffer(chunk=100, chunks=3))
    monkeypatch.setattr(writer, "MAX_ITEMS", 10)
    with store.create(experiment(), "CPU") as run:
        disk.full = True

        def rows() -> None:
            for step in range(1, 10_000):
                run.rows(row(step, loss=float(np.sin(step))))

        def others() -> None:
            for step in range(100):
                run.event(Paused(run=run.run, step=step))

        for report in (rows, others):
            with pytest.raises(StoreError, match="the disk is full"):
                report()


def test_a_checkpoint_that_cannot_be_registered_is_an_error(store: RunStore, disk: Disk) -> None:
    with store.create(experiment(), "CPU") as run:
        run.checkpoint(arrays(1), {"step": 1})
        disk.full = True
        for step in range(2, 20_000):
            run.rows(row(step, loss=float(np.sin(step))))
        with pytest.raises(StoreError, match="the disk is full"):
            run.checkpoint(arrays(2), {"step": 2})
        disk.full = False
        run.flush()
        assert [info.step for info in store.open(run.run).checkpoints()] == [1, 2]


def test_finish_on_a_full_disk_closes_and_says_so(store: RunStore, disk: Disk) -> None:
    run = store.create(experiment(), "CPU")
    disk.full = True
    for step in range(1, 20_000):
        run.rows(row(step, loss=float(np.sin(step))))
    with pytest.raises(StoreError, match="the disk is full"):
        run.finish("done")
    assert store.open(run.run).summary.status == "interrupted"


def test_an_error_in_the_writing_thread_does_not_end_it(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    real = writer.RunWriter._write_rows
    with store.create(experiment(), "CPU") as run:
        monkeypatch.setattr(writer.RunWriter, "_write_rows", lambda *_: 1 / 0)
        run.rows(row(1))
        with pytest.raises(StoreError, match="division by zero"):
            run.flush()
        monkeypatch.setattr(writer.RunWriter, "_write_rows", real)
        run.flush()
    assert len(store.open(run.run).steps()["step"]) == 1


def test_a_closed_run_takes_nothing_more(store: RunStore) -> None:
    run = store.create(experiment(), "CPU")
    run.finish("done")
    run.close()
    for use in (lambda: run.event(Paused(run=run.run, step=1)), run.flush):
        with pytest.raises(StoreError, match="is closed"):
            use()
    assert store.list()[0].status == "done"


def test_another_thread_may_look_while_one_writes(store: RunStore) -> None:
    lengths: list[int] = []
    with store.create(experiment(), "CPU") as run:
        run.rows(row(1))
        run.flush()
        stop = threading.Event()

        def look() -> None:
            while not stop.is_set():
                lengths.append(len(store.open(run.run).steps()["step"]))

        thread = threading.Thread(target=look)
        thread.start()
        for step in range(2, 3001):
            run.rows(row(step))
            if step % 200 == 0:
                run.flush()
        stop.set()
        thread.join()
    assert lengths and lengths == sorted(lengths)


CHILD = """
import sys, time
from engine.training.store import RunStore
from tests.support.runs import arrays, epoch, experiment, row
run = RunStore(sys.argv[1]).create(experiment(), "CPU")
step = 0
while True:
    step += 1
    run.rows(row(step, run=run.run))
    if step == 500:
        run.epoch(epoch(1, step))
        run.checkpoint(arrays(5), {"step": step, "epoch": 1.0}, best=True)
    if step % 200 == 0:
        print(step, flush=True)
    time.sleep(0.0005)
"""


def test_a_killed_process_loses_only_its_last_moments(store: RunStore) -> None:
    root = Path(__file__).parents[3]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(store.folder)], stdout=subprocess.PIPE, text=True, cwd=root
    )
    try:
        assert child.stdout is not None
        # Beyond step 500 nothing asks the writer to write: what is reported reaches the disk by itself. (How soon is
        # measured in periods above; a loaded machine's disk may take seconds.)
        reported = next(step for step in map(int, child.stdout) if step >= 1000)
        running = store.list()[0]
        assert running.status == "running"
        wait_for(lambda: max(store.open(running.id).steps()["step"], default=0) >= reported)
        child.kill()
        child.wait(20)
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()
    (summary,) = store.list()
    assert summary.status == "interrupted" and summary.resumable
    connection = sqlite3.connect(store.database)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    reader = store.open(summary.id)
    steps = reader.steps()["step"]
    assert np.array_equal(steps, np.arange(1, len(steps) + 1))
    assert steps[-1] >= reported
    assert summary.steps == steps[-1]
    found = reader.last_checkpoint()
    assert found is not None and same_arrays(found[0], arrays(5)) and found[1]["step"] == 500
    resumed = store.resume(summary.id, 500)
    resumed.rows(row(501, loss=9.0))
    resumed.finish("done")
    columns = store.open(summary.id).steps()
    assert columns["step"].tolist() == list(range(1, 502)) and columns["loss"][-1] == 9.0
