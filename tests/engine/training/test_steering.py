"""The trainer's levers: pause, step, epoch, stop, live changes, all from another thread."""

import contextlib
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import engine.data
from engine.clipping import ClipByGlobalNorm
from engine.data import DataError
from engine.experiment import DataSpec, Experiment
from engine.optimizers import SGD
from engine.training import events
from engine.training.control import TOPICS, Control
from engine.training.recovery import read_counters
from engine.training.result import Result
from engine.training.store import RunStore
from engine.training.trainer import Trainer
from tests.engine.training.experiments import RICH, Log, spiral, train, weights


class Steered:
    """A trainer on a thread of its own whose events the test waits for."""

    def __init__(self, experiment: Experiment, **more: Any) -> None:
        self.control, self.log = Control(), Log()
        self._arrived = threading.Condition()
        self.hook: Callable[[events.Event], None] = lambda event: None  # called on the training thread
        self.trainer = Trainer(experiment, device="cpu", control=self.control, report=self._report, **more)
        self.results: list[Result] = []
        self.thread = threading.Thread(target=lambda: self.results.append(self.trainer.run()))

    def _report(self, event: events.Event) -> None:
        self.hook(event)
        with self._arrived:
            self.log(event)
            self._arrived.notify_all()

    def wait(self, kind: type[events.Event], count: int = 1) -> events.Event:
        with self._arrived:
            self._arrived.wait_for(lambda: len(self.log.of(kind)) >= count or self.log.of(events.Finished), 30)
            assert len(self.log.of(kind)) >= count, self.log.names()
            found: events.Event = self.log.of(kind)[count - 1]
            return found

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self._arrived:
            assert self._arrived.wait_for(condition, 30), self.log.names()


@pytest.fixture
def steered() -> Iterator[Callable[..., Steered]]:
    made: list[Steered] = []

    def make(experiment: Experiment, *, paused: bool = False, **more: Any) -> Steered:
        run = Steered(experiment, **more)
        made.append(run)
        if paused:
            run.control.pause()
        run.thread.start()
        return run

    yield make
    for run in made:
        run.control.stop()
        run.thread.join(30)
        assert not run.thread.is_alive()


pytestmark = pytest.mark.usefixtures("singly")

ENDLESS = spiral(epochs=100_000)


def test_a_run_that_starts_paused_goes_step_by_step(steered: Callable[..., Steered]) -> None:
    run = steered(ENDLESS, paused=True)
    assert run.wait(events.Paused).step == 0
    assert run.log.of(events.StepRow) == []
    run.control.step()
    assert run.wait(events.Paused, 2).step == 1
    run.control.step(3)
    assert run.wait(events.Paused, 3).step == 4
    assert len(run.log.of(events.StepRow)) == 4


def test_an_epoch_by_hand_ends_with_its_evaluation(steered: Callable[..., Steered]) -> None:
    run = steered(ENDLESS, paused=True)
    run.wait(events.Paused)
    run.control.step(2)
    run.wait(events.Paused, 2)
    run.control.step_epoch()
    assert run.wait(events.Paused, 3).step == 6
    assert run.log.names()[-3:] == ["Resumed", "EpochEnd", "Paused"]
    run.control.step_epoch()
    assert run.wait(events.Paused, 4).step == 12


def test_pause_resume_and_stop_in_full_flight(steered: Callable[..., Steered]) -> None:
    run = steered(ENDLESS)
    run.wait(events.StepRow, 10)
    run.control.pause()
    paused = run.wait(events.Paused)
    steps = len(run.log.of(events.StepRow))
    assert paused.step == steps
    run.control.resume()
    assert run.wait(events.Resumed).step == steps
    run.wait(events.StepRow, steps + 10)
    run.control.stop()
    finished = run.wait(events.Finished)
    run.thread.join(30)
    assert finished.reason == "stopped"  # type: ignore[attr-defined]
    assert run.results[0].reason == "stopped"
    assert run.results[0].steps == finished.step == len(run.log.of(events.StepRow))


def test_going_on_in_the_midst_of_single_steps_is_reported(steered: Callable[..., Steered]) -> None:
    run = steered(ENDLESS, paused=True)
    run.wait(events.Paused)

    def go_on_at_the_second_step(event: events.Event) -> None:
        if isinstance(event, events.StepRows) and event.step == 2:
            run.control.resume()

    run.hook = go_on_at_the_second_step
    run.control.step(3)
    assert run.wait(events.Resumed).step >= 2
    assert len(run.log.of(events.Paused)) == 1  # so that whoever listens ends with the right idea
    run.wait(events.StepRow, 20)


@pytest.mark.parametrize("stops", [True, False], ids=["stopped", "done"])
def test_a_change_ordered_before_the_last_evaluation_is_kept(
    steered: Callable[..., Steered], tmp_path: Path, stops: bool
) -> None:
    store = RunStore(tmp_path)
    run = steered(spiral(epochs=1), paused=True, store=store)

    def order_at_the_last_step(event: events.Event) -> None:
        if isinstance(event, events.StepRows) and event.step == 6:
            run.control.set("training.optimizer.learning_rate", 0.03)
            if stops:
                run.control.stop()

    run.hook = order_at_the_last_step
    run.control.resume()
    assert run.wait(events.Finished).reason == ("stopped" if stops else "done")  # type: ignore[attr-defined]
    assert [(event.step, event.after) for event in run.log.of(events.Changed)] == [(6, 0.03)]
    run.thread.join(30)
    _, counters = store.open(run.trainer.run_id).last_checkpoint() or ({}, {})
    assert read_counters(counters).experiment.training.optimizer.learning_rate == 0.03  # type: ignore[attr-defined]


def test_an_epoch_reports_the_rate_of_its_last_step(steered: Callable[..., Steered]) -> None:
    run = steered(spiral(epochs=2), paused=True)

    def change_during_the_evaluation(event: events.Event) -> None:
        if isinstance(event, events.StepRows) and event.step == 6:
            run.control.set("training.optimizer.learning_rate", 0.77)
            run.control.pause()
        if isinstance(event, events.Paused) and event.step == 6:
            run.control.resume()

    run.hook = change_during_the_evaluation
    run.control.resume()
    run.wait(events.Finished)
    rows = {row.step: row.learning_rate for row in run.log.of(events.StepRow)}
    assert [(end.step, end.learning_rate) for end in run.log.of(events.EpochEnd)] == [(6, 0.1), (12, 0.77)]
    assert (rows[6], rows[7], rows[12]) == (0.1, 0.77, 0.77)


def test_stop_while_paused(steered: Callable[..., Steered]) -> None:
    run = steered(ENDLESS, paused=True)
    run.wait(events.Paused)
    run.control.stop()
    assert run.wait(events.Finished).step == 0


def test_pauses_change_no_bit(steered: Callable[..., Steered]) -> None:
    experiment = spiral(RICH)
    plain = Trainer(experiment, device="cpu")
    plain.run()
    run = steered(experiment, paused=True)
    run.wait(events.Paused)
    run.control.step(4)
    run.wait(events.Paused, 2)
    run.control.step_epoch()
    run.wait(events.Paused, 3)
    run.control.resume()
    run.wait(events.Finished)
    run.thread.join(30)
    assert weights(plain) == weights(run.trainer)


def test_a_pause_shows_the_present_and_changes_no_bit(steered: Callable[..., Steered]) -> None:
    experiment = spiral(RICH, optimizer=SGD(learning_rate=0.1, momentum=0.9), clipping=ClipByGlobalNorm(max_norm=0.5))
    plain = Trainer(experiment, device="cpu")
    plain.run()
    run = steered(experiment, paused=True)
    run.wait(events.Paused)
    run.control.watch(TOPICS)
    views = (events.Frame, events.Surface, events.Confusion)
    run.wait_for(lambda: all(run.log.of(kind) for kind in views))
    assert [run.log.of(kind)[-1].step for kind in views] == [0, 0, 0]
    run.control.step_epoch()  # ends with a short batch, which is not observed
    run.wait(events.Paused, 2)
    run.wait_for(lambda: all(run.log.of(kind)[-1].step == 6 for kind in views))
    run.control.step(2)
    run.wait_for(lambda: all(run.log.of(kind)[-1].step == 8 for kind in views))
    assert len([frame for frame in run.log.of(events.Frame) if frame.step == 8]) == 1
    run.control.resume()
    run.wait(events.Finished)
    run.thread.join(30)
    assert weights(plain) == weights(run.trainer)
    assert [run.log.of(kind)[-1].step for kind in views] == [18, 18, 18]


def test_changes_arrive_while_paused_and_refused_ones_are_logged(
    steered: Callable[..., Steered], caplog: pytest.LogCaptureFixture
) -> None:
    run = steered(ENDLESS, paused=True)
    run.wait(events.Paused)
    run.control.set("training.optimizer.learning_rate", -1.0)
    run.control.set("training.batch_size", 8)
    run.control.set("training.optimizer.learning_rate", 0.03)
    changed = run.wait(events.Changed)
    assert (changed.step, changed.before, changed.after) == (0, 0.1, 0.03)  # type: ignore[attr-defined]
    run.control.step()
    run.wait(events.StepRow)
    assert run.log.of(events.StepRow)[0].learning_rate == 0.03
    assert len(caplog.records) == 2


def test_what_is_watched_anew_during_a_pause_is_drawn(steered: Callable[..., Steered]) -> None:
    run = steered(ENDLESS, paused=True)
    run.wait(events.Paused)
    assert run.log.of(events.Surface) == []
    run.control.watch(frozenset({"surface"}))
    assert run.wait(events.Surface).step == 0


def test_stop_is_obeyed_inside_an_evaluation() -> None:
    control, log = Control(), Log()

    def report(event: events.Event) -> None:
        log(event)
        if isinstance(event, events.StepRows) and event.step == 6:
            control.stop()  # the evaluation comes next

    result = train(spiral(), report, control=control)
    assert (result.reason, result.steps, result.epochs, result.val_loss) == ("stopped", 6, 0, None)
    assert log.of(events.EpochEnd) == []


def test_pause_is_obeyed_inside_an_evaluation(steered: Callable[..., Steered]) -> None:
    run = steered(spiral(), paused=True)
    run.wait(events.Paused)
    pausing = run.trainer.loop
    assert pausing is not None
    proceed, asked = pausing._proceed, list[bool]()

    def pause_first() -> bool:
        if not asked:
            asked.append(True)
            run.control.pause()
        return proceed()

    pausing._proceed = pause_first  # type: ignore[method-assign]
    run.control.resume()
    assert run.wait(events.Paused, 2).step == 6
    assert run.log.of(events.EpochEnd) == []
    run.control.set("training.optimizer.learning_rate", 0.05)
    run.wait(events.Changed)
    run.control.resume()
    run.wait(events.Finished)
    assert run.log.names() == [
        *("Started", "Paused", "Resumed", "Paused", "Changed", "Resumed"),
        *("EpochEnd", "EpochEnd", "EpochEnd", "Finished"),
    ]


def test_stop_is_reported_while_data_are_still_being_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """`Finished` arrives although the reader still hangs; afterwards no thread is left."""
    hanging, control = threading.Event(), Control()

    def load(spec: DataSpec) -> Any:
        control.stop()
        assert hanging.wait(30)
        raise DataError("too late")

    def report(event: events.Event) -> None:
        if isinstance(event, events.Finished):
            hanging.set()

    monkeypatch.setattr(engine.data, "load", load)
    result = train(spiral(), report, control=control)
    assert hanging.is_set()
    assert (result.reason, result.steps) == ("stopped", 0)


def test_the_seconds_of_epochs_and_of_the_run_leave_out_pauses(
    steered: Callable[..., Steered], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A clock that goes on by an hour in each pause."""
    store = RunStore(tmp_path)
    run = steered(spiral(), paused=True, store=store)
    run.wait(events.Paused)
    clock, skipped = time.perf_counter, [0.0]
    late = SimpleNamespace(perf_counter=lambda: clock() + skipped[0], sleep=time.sleep)
    monkeypatch.setattr("engine.training.loop.time", late)
    monkeypatch.setattr("engine.training.steering.time", late)
    wait = run.control.wait

    def long_wait(timeout: float | None = None) -> None:
        wait(timeout)
        skipped[0] += 3600.0

    monkeypatch.setattr(run.control, "wait", long_wait)
    run.control.step(2)
    run.wait(events.Paused, 2)
    run.control.resume()
    run.wait(events.Finished)
    assert skipped[0] > 0
    assert all(0 <= end.seconds < 600 for end in run.log.of(events.EpochEnd))
    assert all(0 <= event.seconds < 600 for event in run.log.of(events.Progress))
    run.thread.join(30)
    (kept,) = store.list()
    assert kept.seconds == run.log.of(events.Progress)[-1].seconds > 0
    # Going on, it starts from there; what is not training (reading, compiling) is no part of it.
    resumed = steered(spiral(), store=store, resume=kept.id, epochs=4)
    resumed.wait(events.Finished)
    resumed.thread.join(30)
    assert resumed.log.of(events.Progress)[0].seconds >= kept.seconds
    assert kept.seconds < store.list()[0].seconds < 600


def test_a_change_in_a_pause_is_part_of_what_a_resume_restores(steered: Callable[..., Steered], tmp_path: Path) -> None:
    """The checkpoint of the pause is older than the change; the process is killed before there is another."""
    store = RunStore(tmp_path)
    run = steered(spiral(epochs=4), paused=True, store=store)
    run.control.step(4)
    run.wait(events.StepRow, 4)
    run.wait_for(lambda: bool(run.log.of(events.Checkpointed)))
    path = "training.optimizer.learning_rate"
    run.control.set(path, 0.5)
    changed = run.wait(events.Changed)
    assert run.trainer._writer is not None
    run.trainer._writer.flush()
    log = Log()
    copy = tmp_path / "copy"
    with contextlib.closing(sqlite3.connect(store.database)) as source:
        copy.mkdir()
        with contextlib.closing(sqlite3.connect(copy / store.database.name)) as target:
            source.backup(target)
    shutil.copytree(store.folder / "runs", copy / "runs")
    resumed = train(spiral(), log, store=RunStore(copy), resume=run.trainer.run_id)
    assert resumed.reason == "done"
    assert changed.step == 4 and {row.learning_rate for row in log.of(events.StepRow)} == {0.5}
