"""The trainer from outside: what it reports and what it looks at."""

import math
from functools import partialmethod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from engine.clipping import ClipByGlobalNorm
from engine.experiment import SplitSpec
from engine.optimizers import SGD
from engine.training import events
from engine.training.checkpoint import CheckpointError
from engine.training.control import TOPICS, Control
from engine.training.recovery import Keeper
from engine.training.result import TrainingError
from engine.training.store import RunStore
from engine.training.trainer import Trainer
from tests.engine.training.experiments import RICH, Log, regression, spiral, train, weights

# -- what is reported --------------------------------------------------------------------------------------------------


def test_a_run_reports_every_step_and_every_epoch() -> None:
    log = Log()
    result = train(spiral(), log)
    started = log.of(events.Started)[0]
    assert (started.total_steps, started.steps_per_epoch, started.epochs, started.step) == (18, 6, 3, 0)
    assert started.parameter_count == 2 * 8 + 8 + 8 * 2 + 2
    assert started.expected_initial_loss == pytest.approx(math.log(2))
    rows = log.of(events.StepRow)
    assert [row.step for row in rows] == list(range(1, 19))
    assert rows[5].epoch == 1.0 and rows[-1].epoch == 3.0
    assert {row.learning_rate for row in rows} == {0.1}
    assert [end.epoch for end in log.of(events.EpochEnd)] == [1, 2, 3]
    assert log.names() == ["Started", "EpochEnd", "EpochEnd", "EpochEnd", "Finished"]
    assert log.of(events.Finished)[0].reason == "done"
    assert {event.run for event in log} == {result.run}
    assert (result.epochs, result.steps, result.reason) == (3, 18, "done")
    assert result.samples_per_second > 0 and "NumPy" in result.device


def test_every_checkpoint_that_is_written_is_told(tmp_path: Path) -> None:
    log, store = Log(), RunStore(tmp_path)
    result = train(spiral(epochs=4), log, store=store)
    told = {(event.step, event.best) for event in log.of(events.Checkpointed)}
    kept = {(info.step, info.best) for info in store.open(result.run).checkpoints()}
    assert kept <= told and any(best for _, best in told)
    assert {step for step, _ in told} <= {6, 12, 18, 24}


def test_a_disk_that_is_full_for_a_while_ends_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.training import writer

    write, failures = writer.write_checkpoint, [0]

    def sometimes(*arguments: Any) -> Any:
        if failures[0] < 2:
            failures[0] += 1
            raise CheckpointError("The disk is full.")
        return write(*arguments)

    monkeypatch.setattr(writer, "write_checkpoint", sometimes)
    monkeypatch.setattr("engine.training.recovery.Keeper.__init__", partialmethod(Keeper.__init__, interval=0.0))
    log, store = Log(), RunStore(tmp_path)
    result = train(spiral(epochs=4), log, store=store)
    assert failures == [2] and result.reason == "done"
    assert [(event.step, event.message) for event in log.of(events.Unsaved)] == [(6, "The disk is full.")]
    _, kept = store.open(result.run).last_checkpoint() or ({}, {})
    assert kept["step"] == 24


def test_the_epochs_loss_is_the_mean_over_its_samples() -> None:
    log = Log()
    train(spiral(), log)
    sizes = [16, 16, 16, 16, 16, 8]
    losses = [row.loss for row in log.of(events.StepRow)][:6]
    expected = sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / 88
    assert log.of(events.EpochEnd)[0].train_loss == pytest.approx(expected, rel=1e-12)


def test_the_result_holds_the_last_evaluation() -> None:
    log = Log()
    result = train(spiral(), log)
    end, confusion = log.of(events.EpochEnd)[-1], log.of(events.Confusion)[-1]
    assert (result.train_loss, result.val_loss) == (end.train_loss, end.validation_loss)
    assert result.val_accuracy == end.validation_metrics["accuracy"] == result.metrics["accuracy"]
    assert confusion.matrix.sum() == 22
    assert np.trace(confusion.matrix) / 22 == result.val_accuracy


def test_a_regression_has_metrics_and_no_accuracy() -> None:
    log = Log()
    result = train(regression(), log)
    assert result.val_accuracy is None
    assert set(result.metrics) == {"mean_absolute_error"}
    assert log.of(events.Confusion) == []
    assert log.of(events.Started)[0].expected_initial_loss is None


def test_without_a_validation_part_there_is_no_validation_loss() -> None:
    log = Log()
    experiment = spiral()
    data = replace(experiment.data, split=SplitSpec(validation=0))
    result = train(replace(experiment, data=data), log)
    assert result.val_loss is None and result.val_accuracy is None and result.metrics == {}
    assert {end.validation_loss for end in log.of(events.EpochEnd)} == {None}
    assert log.of(events.EpochEnd)[0].train_metrics["accuracy"] > 0


def test_steps_and_epochs_bound_the_run() -> None:
    log = Log()
    result = train(spiral(), log, steps=8)
    assert (result.steps, result.epochs) == (8, 1)
    assert result.val_loss is not None
    assert log.of(events.Progress)[-1].total_steps == 8
    assert train(spiral(), epochs=1).steps == 6
    assert train(spiral(), steps=100).steps == 18


def test_incomplete_batches_can_be_dropped() -> None:
    assert train(spiral(drop_last=True)).steps == 15


def test_a_batch_larger_than_the_training_part_is_the_whole_of_it() -> None:
    assert train(spiral(batch_size=1000)).steps == 3


def test_initial_arrays_take_the_place_of_drawn_ones() -> None:
    first = Trainer(spiral(), device="cpu")
    first.run()
    assert first.loop is not None
    arrays = first.loop.state.to_host()
    kept = {"dense_1/weight": arrays["parameter/dense_1/weight"], "parameter/dense_2/bias": np.ones(2, np.float32)}
    second = Trainer(spiral(), device="cpu", state=kept, steps=0)
    second.run()
    assert second.loop is not None
    loaded = second.loop.state.to_host()
    np.testing.assert_array_equal(loaded["parameter/dense_1/weight"], kept["dense_1/weight"])
    np.testing.assert_array_equal(loaded["parameter/dense_2/bias"], [1, 1])
    with pytest.raises(TrainingError, match="dense_9/weight"):
        train(spiral(), state={"dense_9/weight": np.zeros(3)})
    with pytest.raises(TrainingError, match="shape"):
        train(spiral(), state={"dense_1/weight": np.zeros(3)})


# -- instruments -------------------------------------------------------------------------------------------------------


def test_looking_changes_no_bit() -> None:
    """Every step by hand with everything watched, so that each one is observed, against none observed but the usual."""
    experiment = spiral(RICH, optimizer=SGD(learning_rate=0.1, momentum=0.9), clipping=ClipByGlobalNorm(max_norm=0.5))
    plain = Trainer(experiment, device="cpu")
    plain.run()
    control, log = Control(), Log()
    control.watch(TOPICS)
    control.step(18)
    watched = Trainer(experiment, device="cpu", report=log, control=control)
    watched.run()
    # The tail batch of each epoch is not observed. Before and after the run there is a look at what the next step sees.
    assert [frame.step for frame in log.of(events.Frame)] == [step for step in range(19) if step % 6 or step in (0, 18)]
    assert len(log.of(events.Surface)) >= 1
    assert weights(plain) == weights(watched)


def test_the_first_step_and_each_epochs_last_full_step_are_observed() -> None:
    log = Log()
    train(spiral(), log)
    steps = [frame.step for frame in log.of(events.Frame)]
    # An epoch's frame where the clock leaves room for it; the run's end always, with a full batch.
    assert steps[0] == 1 and steps[-1] == 18 and set(steps) <= {1, 5, 11, 17, 18}
    assert log.of(events.Frame)[-1].activations["dense_1"].count == 16 * 8
    frame = log.of(events.Frame)[0]
    assert set(frame.activations) >= {"input_1", "dense_1", "tanh_1", "dense_2"}
    assert set(frame.parameters) == {"dense_1/weight", "dense_1/bias", "dense_2/weight", "dense_2/bias"}
    stats = frame.parameters["dense_1/weight"]
    assert stats.weight_norm > 0 and stats.gradient_norm > 0
    assert stats.update_norm == pytest.approx(0.1 * stats.gradient_norm, rel=1e-5)
    assert frame.activations["dense_1"].count == 16 * 8


def test_the_last_frame_is_that_of_the_last_step_and_the_same_in_every_run() -> None:
    experiment = spiral(RICH, optimizer=SGD(learning_rate=0.1, momentum=0.9))
    frames = []
    for topics in (frozenset[str](), TOPICS):
        log, control = Log(), Control()
        control.watch(topics)
        train(experiment, log, control=control)
        frames.append(log.of(events.Frame)[-1])
        ends = [type(event) for event in log if isinstance(event, events.Frame | events.EpochEnd)]
        assert ends[-1] is events.EpochEnd, "the last epoch’s end comes after the last frame"
    unwatched, watched = frames
    assert unwatched.step == watched.step == 18
    for path, stats in unwatched.parameters.items():
        assert watched.parameters[path].update_norm == stats.update_norm > 0
        assert watched.parameters[path].gradient_norm == stats.gradient_norm


def test_a_run_that_is_kept_keeps_its_last_surface(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    result = train(spiral(), store=store)
    kept = [event for event in store.open(result.run).events() if isinstance(event, events.Surface)]
    assert [surface.step for surface in kept] == [18] and kept[0].values.shape == (80, 80, 2)


def test_the_surface_is_drawn_only_when_watched() -> None:
    log, control = Log(), Control()
    train(spiral(), log)
    assert log.of(events.Surface) == [] and log.of(events.FirstLayer) == []
    control.watch(frozenset({"surface"}))
    train(spiral(), log, control=control)
    surface = log.of(events.Surface)[-1]
    assert surface.values.shape == (80, 80, 2)
    np.testing.assert_allclose(surface.values.sum(axis=2), 1, rtol=1e-5)
    assert surface.step == 18
