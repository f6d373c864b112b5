"""What follows the results: drops, stop conditions, the best state; the same bits with and without interruptions."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from engine import data
from engine.data.dataset import Dataset
from engine.experiment import Experiment
from engine.kinds import Schedule, Stopping
from engine.metrics import Accuracy
from engine.optimizers import SGD, Adam
from engine.schedules import (
    ConstantSchedule,
    ConstantWarmup,
    CosineRestarts,
    CosineSchedule,
    CyclicalSchedule,
    ExponentialSchedule,
    InverseSquareRoot,
    InverseTime,
    LinearSchedule,
    MultiStepSchedule,
    OneCycle,
    PlateauSchedule,
    PointsSchedule,
    PolynomialSchedule,
    StepSchedule,
)
from engine.stopping import EarlyStopping, StopAfterSteps, StopAfterTime, StopAtValue
from engine.training.events import Checkpointed, ConditionMet, EpochEnd, RateDropped, Restored, StepRow
from engine.training.result import Result
from engine.training.store import RunStore
from engine.training.trainer import Trainer
from tests.engine.training.experiments import RICH, Log, spiral, weights


def run(experiment: Experiment, log: Log | None = None, **more: Any) -> tuple[Trainer, Result]:
    trainer = Trainer(experiment, device="cpu", executor="array", report=log if log is not None else Log(), **more)
    return trainer, trainer.run()


# -- 2 N = N + N -------------------------------------------------------------------------------------------------------

SCHEDULES: list[Schedule] = [
    ConstantSchedule(), LinearSchedule(), PolynomialSchedule(), ExponentialSchedule(), InverseTime(),
    InverseSquareRoot(), StepSchedule(period=1.5), MultiStepSchedule(milestones=(1, 2.5)), CosineSchedule(),
    CosineRestarts(first=1), CyclicalSchedule(up=0.7), OneCycle(), PointsSchedule(epochs=(0, 2), shares=(1, 0.1)),
    PlateauSchedule(patience=0, min_delta=0.3, gamma=0.5),
]  # fmt: skip


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: type(schedule).__name__)
def test_stopping_and_resuming_changes_no_bit(schedule: Schedule, tmp_path: Path) -> None:
    """In the middle of an epoch and at its end: learning rates, momenta, drops, early stopping, the best state."""
    experiment = spiral(
        RICH, optimizer=Adam(learning_rate=0.2), schedule=schedule, epochs=8,
        warmup=ConstantWarmup(duration=2, unit="steps"), stopping=(EarlyStopping(patience=3),),
    )  # fmt: skip
    whole_log, log = Log(), Log()
    whole, expected = run(experiment, whole_log)
    store = RunStore(tmp_path)
    _, part = run(experiment, log, store=store, steps=10)
    assert (part.steps, part.reason) == (10, "stopped")
    resumed, result = run(experiment, log, store=store, resume=part.run)
    assert weights(whole) == weights(resumed)
    assert whole_log.of(Restored) or isinstance(schedule, CosineSchedule), "the last state is not the best one"
    assert bool(whole_log.of(RateDropped)) == isinstance(schedule, PlateauSchedule)
    assert log.of(StepRow) == whole_log.of(StepRow)
    assert (result.steps, result.message, result.val_loss) == (expected.steps, expected.message, expected.val_loss)
    for kind in (RateDropped, ConditionMet, Restored):
        found = [replace(event, run="") for event in log.of(kind)]
        assert found == [replace(event, run="") for event in whole_log.of(kind)]


# -- plateau -----------------------------------------------------------------------------------------------------------


def test_a_plateau_drops_the_rate_of_the_steps_that_follow(tmp_path: Path) -> None:
    schedule = PlateauSchedule(patience=1, min_delta=0.9, gamma=0.5)
    log, store = Log(), RunStore(tmp_path)
    _, result = run(spiral(schedule=schedule, epochs=6), log, store=store)
    drops = log.of(RateDropped)
    assert [(drop.step, drop.scale, drop.before, drop.after) for drop in drops] == [
        (18, 0.5, 0.1, 0.05), (30, 0.25, 0.05, 0.025)
    ]  # fmt: skip
    rates = [row.learning_rate for row in log.of(StepRow)]
    assert rates == [0.1] * 18 + [0.05] * 12 + [0.025] * 6
    kept = [event for event in store.open(result.run).events() if isinstance(event, RateDropped)]
    assert kept == drops


def test_results_in_warmup_do_not_count() -> None:
    schedule = PlateauSchedule(patience=0, min_delta=0.9, gamma=0.5)
    log = Log()
    run(spiral(schedule=schedule, warmup=ConstantWarmup(duration=3), epochs=6), log)
    assert [drop.step for drop in log.of(RateDropped)] == [30, 36]


# -- early stopping and the best state ---------------------------------------------------------------------------------


def rising(**more: Any) -> Experiment:
    """A rate at which the validation loss soon goes up and down."""
    return spiral(RICH, optimizer=SGD(learning_rate=1.0, momentum=0.9), epochs=30, **more)


def test_early_stopping_ends_the_run_and_puts_the_best_state_back(tmp_path: Path) -> None:
    log, store = Log(), RunStore(tmp_path)
    trainer, result = run(rising(stopping=(EarlyStopping(patience=3),)), log, store=store)
    losses = [end.validation_loss for end in log.of(EpochEnd)]
    best = int(np.argmin(losses))
    assert len(losses) == best + 4 < 30, "three epochs after the best one"
    assert (result.reason, result.epochs, result.val_loss) == ("done", len(losses), losses[best])
    (met,), (restored,) = log.of(ConditionMet), log.of(Restored)
    assert met.condition == "early_stopping" and f"best in epoch {best + 1}" in met.message == result.message
    assert restored.best_step == 6 * (best + 1)
    assert weights(run(rising(), steps=restored.best_step)[0]) == weights(trainer)
    reader = store.open(result.run)
    last, kept = reader.last_checkpoint(), reader.best_checkpoint()
    assert last is not None and kept is not None
    assert {name: array.tobytes() for name, array in last[0].items()} == weights(trainer)
    assert (last[1]["step"], last[1]["restored"], kept[1]["step"]) == (result.steps, restored.best_step, 6 * (best + 1))


def test_without_restoring_the_last_state_stays() -> None:
    log = Log()
    trainer, result = run(rising(stopping=(EarlyStopping(patience=3, restore_best=False),)), log)
    assert not log.of(Restored)
    assert weights(run(rising(), steps=result.steps)[0]) == weights(trainer)
    assert result.val_loss == log.of(EpochEnd)[-1].validation_loss


def test_the_best_state_is_put_back_after_all_epochs_too() -> None:
    log = Log()
    _, result = run(replace_epochs(rising(stopping=(EarlyStopping(patience=100),)), 8), log)
    assert result.epochs == 8 and not result.message
    assert result.val_loss == min(end.validation_loss for end in log.of(EpochEnd))


def replace_epochs(experiment: Experiment, epochs: int) -> Experiment:
    return replace(experiment, training=replace(experiment.training, epochs=epochs))


def test_a_run_that_is_prolonged_goes_on_from_its_last_state(tmp_path: Path) -> None:
    """Not from the best one, which was put back at its end."""
    experiment = rising(stopping=(EarlyStopping(patience=100),))
    whole, _ = run(replace_epochs(experiment, 12))
    store = RunStore(tmp_path)
    _, first = run(replace_epochs(experiment, 8), store=store)
    more, _ = run(experiment, store=store, resume=first.run, epochs=12)
    assert weights(whole) == weights(more)


def test_prolonging_a_run_that_was_ended_early_begins_its_patience_anew(tmp_path: Path) -> None:
    from engine.training.replay import differing, replay_of

    store = RunStore(tmp_path)
    experiment = rising(stopping=(EarlyStopping(patience=2),))
    _, first = run(experiment, store=store)
    assert first.message
    _, more = run(experiment, store=store, resume=first.run, epochs=40)
    assert more.epochs >= first.epochs + 2
    reader = store.open(first.run)
    again = Trainer(experiment, device="cpu", store=store, replay=replay_of(reader)).run()
    assert differing(reader, store.open(again.run)) == []


def test_a_metric_can_be_watched() -> None:
    log = Log()
    stopping = EarlyStopping(metric="accuracy", patience=4)
    run(rising(stopping=(stopping,), metrics=(Accuracy(),)), log)
    found = [end.validation_metrics["accuracy"] for end in log.of(EpochEnd)]
    best = int(np.argmax(found))
    assert len(found) == best + 5
    assert log.of(Restored)[0].best_step == 6 * (best + 1)


def test_the_best_checkpoint_is_that_of_what_is_watched(tmp_path: Path) -> None:
    log = Log()
    stopping = EarlyStopping(metric="loss", part="training", patience=50)
    run(replace_epochs(rising(stopping=(stopping,)), 6), log, store=RunStore(tmp_path))
    losses = [end.train_loss for end in log.of(EpochEnd)]
    best = [event.step for event in log.of(Checkpointed) if event.best]
    assert best[-1] == 6 * (int(np.argmin(losses)) + 1)


def test_a_damaged_best_checkpoint_ends_no_run(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    experiment = replace_epochs(rising(stopping=(EarlyStopping(patience=100),)), 8)
    log = Log()
    _, part = run(experiment, log, store=store, steps=31)
    best = [info for info in store.open(part.run).checkpoints() if info.best][-1]
    file = store.folder / "runs" / part.run / f"{best.name}.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    trainer, result = run(experiment, store=store, resume=part.run)
    assert result.reason == "done"
    assert any("is damaged" in words for words in trainer.problems)


# -- the other conditions ----------------------------------------------------------------------------------------------


def ended(stopping: Stopping, **more: Any) -> tuple[Result, Log]:
    log = Log()
    return run(spiral(stopping=(stopping,), epochs=10, **more), log)[1], log


def test_a_step_limit_ends_in_the_middle_of_an_epoch() -> None:
    result, log = ended(StopAfterSteps(steps=16))
    assert (result.steps, result.epochs, result.reason) == (16, 2, "done")
    assert result.val_loss is not None and result.message == "The limit of 16 steps has been reached."
    assert [event.step for event in log.of(ConditionMet)] == [16]


def test_a_step_limit_beyond_the_run_does_nothing() -> None:
    result, log = ended(StopAfterSteps(steps=60))
    assert (result.steps, result.message, log.of(ConditionMet)) == (60, "", [])


def test_a_time_limit_is_training_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.training.loop import Loop

    monkeypatch.setattr(Loop, "seconds", lambda loop: loop.step * 1.0)
    result, _ = ended(StopAfterTime(duration=0.5, unit="minutes"))
    assert 30 <= result.steps < 60 and result.reason == "done"
    assert result.message == "The time limit of 0.5 minutes has been reached."


def test_a_value_below_or_above_ends_the_run() -> None:
    _, log = ended(StopAfterSteps(steps=1000))
    losses = [end.train_loss for end in log.of(EpochEnd)]
    goal = losses[4]
    assert min(losses[:4]) > goal
    assert ended(StopAtValue(value=goal))[0].epochs == 5
    assert ended(StopAtValue(value=0.0))[0].epochs == 10
    assert ended(StopAtValue(value=1e-9, when="above"))[0].epochs == 1
    assert ended(StopAtValue(metric="accuracy", part="validation", value=0.0, when="above"))[0].epochs == 1


def test_a_run_killed_after_its_condition_was_met_ends_at_once(tmp_path: Path) -> None:
    """Its last checkpoint is that of the epoch's end, not that of the run's."""
    experiment = rising(stopping=(EarlyStopping(patience=3),))
    store = RunStore(tmp_path)
    whole, expected = run(experiment)

    class Killed(Exception):
        pass

    def report(event: Any) -> None:
        if isinstance(event, Restored):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Trainer(experiment, device="cpu", executor="array", store=store, report=report).run()
    resumed, result = run(experiment, store=store, resume=store.list()[0].id)
    assert (result.steps, result.reason, result.message) == (expected.steps, "done", expected.message)
    assert weights(resumed) == weights(whole)


# -- a lesson ----------------------------------------------------------------------------------------------------------


def test_early_stopping_with_noisy_labels_is_worth_three_points() -> None:
    """300 digits, 30 % of the labels drawn anew, 64-256-10, momentum 0.9: the best epoch comes early, and the test
    accuracy there is at least 3 points above that after 100 epochs."""
    datasets = pytest.importorskip("sklearn.datasets")
    from engine.data.dataset import Part
    from engine.data.signature import DataSignature, TargetSignature
    from engine.layers import Dense, Input, ReLU
    from engine.losses import SoftmaxCrossEntropy
    from tests.engine.training.experiments import sequential

    digits = datasets.load_digits()
    order = np.random.default_rng(1234).permutation(1797)
    x = (digits.data / 16)[order].astype(np.float32)
    y = digits.target[order].astype(np.int64)
    noise = np.random.default_rng(1235)
    flipped = noise.random(300) < 0.3
    y[:300][flipped] = noise.integers(0, 10, int(flipped.sum()))
    x -= x[:300].mean(axis=0)
    x /= x[:300].std()
    train, validation, test = (
        Part({"x": x[a:b], "y": y[a:b]}, np.arange(a, b)) for a, b in ((0, 300), (1000, 1400), (1400, 1797))
    )
    signature = DataSignature(
        inputs={"x": (64,)}, targets={"y": TargetSignature(classes=10)}, train_size=300, validation_size=400,
        test_size=397,
    )  # fmt: skip
    dataset = dataclasses.replace(
        data.load(spiral().data), train=train, validation=validation, test=test, signature=signature
    )
    network = sequential([Input(), Dense(units=256), ReLU(), Dense(units=10), SoftmaxCrossEntropy()])
    drops = []
    for seed in range(2):
        experiment = replace(
            spiral(network, optimizer=SGD(learning_rate=0.02, momentum=0.9), batch_size=50, epochs=100,
                   stopping=(EarlyStopping(patience=10),)),
            seed=seed,
        )  # fmt: skip
        log = Log()
        stopped, result = run(experiment, log, dataset=dataset)
        assert 11 <= result.epochs <= 20, "the best epoch comes early"
        whole, _ = run(replace(experiment, training=replace(experiment.training, stopping=())), dataset=dataset)
        drops.append(accuracy_of(stopped, dataset) - accuracy_of(whole, dataset))
    assert np.mean(drops) >= 0.03


def accuracy_of(trainer: Trainer, dataset: Dataset) -> float:
    from engine.training.evaluate import evaluate

    loop = trainer.loop
    assert loop is not None
    found = evaluate(loop.programs, dataset.test.arrays, dataset.test.size, loop.heads, loop.scalars())
    assert found is not None and found.accuracy is not None
    return found.accuracy
