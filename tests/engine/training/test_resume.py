"""A run that is stopped and resumed ends with the same bits as one that was not."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from engine.clipping import ClipByGlobalNorm, ClipByValue
from engine.experiment import Experiment
from engine.optimizers import SGD, Adam
from engine.penalties import L1, L2, WeightDecay
from engine.schedules import CosineSchedule, LinearWarmup
from engine.training.control import Control
from engine.training.events import Changed, EpochEnd, Event, StepRow, StepRows
from engine.training.result import Result
from engine.training.store import RunStore
from engine.training.trainer import Trainer
from tests.engine.training.experiments import RICH, Log, regression, spiral

OPTIMIZERS = {
    "sgd": SGD(learning_rate=0.1),
    "momentum": SGD(learning_rate=0.05, momentum=0.9),
    "nesterov": SGD(learning_rate=0.05, momentum=0.9, nesterov=True),
    "adam": Adam(learning_rate=0.01),
}
COURSE: dict[str, Any] = {
    "schedule": CosineSchedule(),
    "warmup": LinearWarmup(duration=5, unit="steps"),
    "epochs": 4,
}


pytestmark = pytest.mark.usefixtures("singly")


def arrays_of(trainer: Trainer) -> dict[str, np.ndarray]:
    assert trainer.loop is not None
    return trainer.loop.state.to_host()


def train(experiment: Experiment, log: Log | None = None, **arguments: Any) -> tuple[Trainer, Result]:
    trainer = Trainer(experiment, device="cpu", report=log if log is not None else Log(), **arguments)
    return trainer, trainer.run()


def assert_same(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> None:
    assert one.keys() == two.keys()
    for key in one:
        assert one[key].dtype == two[key].dtype
        assert one[key].tobytes() == two[key].tobytes(), key


def numbers(event: Event | StepRow) -> dict[str, Any]:
    """What an event says, without the run's id and times."""
    if isinstance(event, StepRow):
        return event._asdict()
    return {k: v for k, v in msgspec.structs.asdict(event).items() if k not in ("run", "seconds")}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("stop", [1, 6, 9, 12], ids=["first", "epoch", "middle", "half"])
def test_stopping_and_resuming_changes_no_bit(optimizer: str, stop: int, tmp_path: Path) -> None:
    """24 steps against `stop` steps, save, load and the rest: dropout, batch norm, shuffling and a tail batch."""
    experiment = spiral(RICH, optimizer=OPTIMIZERS[optimizer], penalties=(L2(strength=1e-3),), **COURSE)
    whole_log, log = Log(), Log()
    whole, expected = train(experiment, whole_log)
    store = RunStore(tmp_path)
    _, part = train(experiment, log, store=store, steps=stop)
    assert (part.steps, part.reason) == (stop, "stopped")
    assert store.list()[0].status == "stopped", "there is more to come"
    resumed, result = train(experiment, log, store=store, resume=part.run)
    assert result.steps == expected.steps == 24
    assert result.reason == store.list()[0].status == "done"
    assert_same(arrays_of(whole), arrays_of(resumed))
    assert list(map(numbers, log.of(StepRow))) == list(map(numbers, whole_log.of(StepRow)))
    assert list(map(numbers, log.of(EpochEnd))) == list(map(numbers, whole_log.of(EpochEnd)))
    assert (result.train_loss, result.val_loss, result.metrics) == (
        expected.train_loss,
        expected.val_loss,
        expected.metrics,
    )
    assert result.run == part.run
    rows = store.open(part.run).steps()
    assert rows["loss"].tolist() == [row.loss for row in whole_log.of(StepRow)]


def test_twice_n_steps_are_n_saved_loaded_and_n_more(tmp_path: Path) -> None:
    """The same in float64, for a regression, with every penalty, clipping and two interruptions."""
    penalties = (L1(strength=1e-4), L2(strength=1e-4), WeightDecay(strength=1e-2))
    experiment = regression(
        optimizer=Adam(learning_rate=0.01),
        penalties=penalties,
        clipping=ClipByGlobalNorm(max_norm=0.5),
        precision="float64",
        **COURSE,
    )
    whole, _ = train(experiment)
    store = RunStore(tmp_path)
    _, part = train(experiment, store=store, steps=3)
    train(experiment, store=store, resume=part.run, steps=5)
    resumed, _ = train(experiment, store=store, resume=part.run)
    assert arrays_of(resumed)["parameter/dense_1/weight"].dtype == np.float64
    assert_same(arrays_of(whole), arrays_of(resumed))


def test_live_changes_are_part_of_what_a_resume_replays(tmp_path: Path) -> None:
    experiment = spiral(RICH, optimizer=SGD(learning_rate=0.1, momentum=0.5), **COURSE)

    def with_changes(steps: int | None, store: RunStore | None) -> tuple[Trainer, Result, Log]:
        control, log = Control(), Log()

        def report(event: Event) -> None:
            log(event)
            if isinstance(event, StepRows) and event.step == 4:
                control.set("training.optimizer.learning_rate", 0.02)
                control.set("training.optimizer.momentum", 0.9)
                control.set("training.clipping", ClipByGlobalNorm(max_norm=0.3))
                control.set("nodes.dropout_1.rate", 0.5)

        trainer = Trainer(experiment, device="cpu", report=report, control=control, store=store, steps=steps)
        return trainer, trainer.run(), log

    whole, _, log = with_changes(None, None)
    assert [(event.step, event.path) for event in log.of(Changed)] == [
        (4, "training.optimizer.learning_rate"),
        (4, "training.optimizer.momentum"),
        (4, "training.clipping"),
        (4, "nodes.dropout_1.rate"),
    ]
    assert (log.of(Changed)[0].before, log.of(Changed)[0].after) == (0.1, 0.02)
    plain, _ = train(experiment)
    assert arrays_of(plain)["parameter/dense_1/weight"].tobytes() != (
        arrays_of(whole)["parameter/dense_1/weight"].tobytes()
    )
    store = RunStore(tmp_path)
    _, part, _ = with_changes(9, store)
    resumed, _ = train(experiment, store=store, resume=part.run)
    assert_same(arrays_of(whole), arrays_of(resumed))
    kept = [event for event in store.open(part.run).events() if isinstance(event, Changed)]
    assert [event.path for event in kept] == [event.path for event in log.of(Changed)]
    assert store.open(part.run).experiment == experiment


def test_a_live_change_of_a_part_that_was_replaced_later_stands_in_no_ones_way(tmp_path: Path) -> None:
    edits: dict[int, tuple[str, Any]] = {
        2: ("training.clipping.max_norm", 0.2),
        4: ("training.clipping", ClipByValue(max_value=0.1)),
        5: ("training.clipping.max_value", 0.05),
    }

    def run(stop: int | None, **more: Any) -> Trainer:
        control = Control()

        def report(event: Event) -> None:
            if isinstance(event, StepRows) and not more.get("resume"):
                if event.step in edits:
                    control.set(*edits[event.step])
                if event.step == stop:
                    control.stop()

        experiment = spiral(RICH, clipping=ClipByGlobalNorm(max_norm=0.5), **COURSE)
        trainer = Trainer(experiment, device="cpu", executor="array", control=control, report=report, **more)
        trainer.run()
        return trainer

    store = RunStore(tmp_path)
    whole, first = run(None), run(8, store=store)
    resumed = run(None, store=store, resume=first.run_id)
    assert resumed.experiment.training.clipping == ClipByValue(max_value=0.05)
    assert_same(arrays_of(whole), arrays_of(resumed))


def test_a_stop_inside_an_evaluation_loses_no_epoch(tmp_path: Path) -> None:
    """Stopped between the last step of an epoch and its evaluation: the resume begins with the evaluation."""
    experiment = spiral(RICH, **COURSE)
    expected = Log()
    whole, _ = train(experiment, expected)
    store, control, log = RunStore(tmp_path), Control(), Log()

    def report(event: Event) -> None:
        log(event)
        if isinstance(event, StepRows) and event.step == 12:
            control.stop()

    stopped = Trainer(experiment, device="cpu", report=report, control=control, store=store).run()
    assert (stopped.reason, stopped.steps, stopped.epochs) == ("stopped", 12, 1)
    resumed, _ = train(experiment, log, store=store, resume=stopped.run)
    assert_same(arrays_of(whole), arrays_of(resumed))
    assert [numbers(event) for event in log.of(EpochEnd)] == [numbers(event) for event in expected.of(EpochEnd)]


def test_the_best_state_and_the_best_loss_survive(tmp_path: Path) -> None:
    experiment = spiral(RICH, optimizer=SGD(learning_rate=1.0, momentum=0.9), epochs=8)
    store, log = RunStore(tmp_path), Log()
    _, part = train(experiment, log, store=store, steps=20)
    train(experiment, log, store=store, resume=part.run)
    best = min(log.of(EpochEnd), key=lambda end: end.validation_loss)
    found = store.open(part.run).best_checkpoint()
    assert found is not None
    arrays, counters = found
    assert counters["step"] == best.step
    assert counters["best"] == best.validation_loss
    replayed, _ = train(experiment, steps=best.step)
    assert_same(arrays, arrays_of(replayed))


def test_a_run_without_a_checkpoint_starts_anew(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    experiment = spiral()
    writer = store.create(experiment, "a device")
    writer.close()  # as a killed process leaves it
    resumed, result = train(experiment, store=store, resume=writer.run)
    whole, _ = train(experiment)
    assert result.steps == 18
    assert_same(arrays_of(whole), arrays_of(resumed))


def test_more_epochs_can_be_asked_for_on_resume(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    _, first = train(spiral(), store=store)
    _, more = train(spiral(), store=store, resume=first.run, epochs=5)
    assert (first.epochs, more.epochs, more.steps) == (3, 5, 30)


def test_the_stored_experiment_counts_not_the_one_given(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    _, first = train(spiral(), store=store, steps=4)
    other = replace(spiral(), seed=99)
    resumed, _ = train(other, store=store, resume=first.run)
    whole, _ = train(spiral())
    assert_same(arrays_of(whole), arrays_of(resumed))


CHILD = """
import sys
from engine.training import chunks
from engine.training.control import Control
from engine.training.events import Checkpointed, StepRows
from engine.training.store import RunStore
from engine.training.trainer import Trainer
from tests.engine.training.experiments import RICH, spiral

def report(event):
    if isinstance(event, StepRows) and event.step == 9:
        control.pause()
    if isinstance(event, Checkpointed) and event.step == 9:
        print(event.run, flush=True)

chunks.MOST = 1
control = Control()
Trainer(spiral(RICH), device="cpu", store=RunStore(sys.argv[1]), control=control, report=report).run()
"""


def test_a_killed_process_loses_nothing_that_was_saved(tmp_path: Path) -> None:
    """The child pauses after nine steps, saves, says so, and is killed while it waits."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        run = child.stdout.readline().strip()
    finally:
        child.kill()
        child.communicate()
    store = RunStore(tmp_path)
    assert store.list()[0].status == "interrupted"
    resumed, result = train(spiral(RICH), store=store, resume=run)
    whole, _ = train(spiral(RICH))
    assert result.steps == 18
    assert_same(arrays_of(whole), arrays_of(resumed))
    assert store.open(run).steps()["step"].tolist() == list(range(1, 19))
