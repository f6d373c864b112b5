"""Augmented batches on their way to the steps: the same ones ahead of time or not, and the same run after a resume."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from engine import data
from engine.data import Batches
from engine.data.augmentation import (
    Brightness,
    CutMix,
    Cutout,
    GaussianNoise,
    HorizontalFlip,
    Mixup,
    RandomCrop,
    Rotate,
    Shear,
)  # fmt: skip
from engine.data.preprocessing import Center, Normalize
from engine.data.sources import Digits
from engine.experiment import DataSpec, Experiment, SplitSpec
from engine.graph import check_experiment
from engine.layers import BatchNorm, Dense, Dropout, Flatten, Input, ReLU, Reshape
from engine.losses import BinaryCrossEntropy, SoftmaxCrossEntropy
from engine.losses import MeanAbsoluteError as MeanAbsoluteLoss
from engine.metrics import MeanAbsoluteError
from engine.training import feed as feeds
from engine.training.control import Control
from engine.training.events import Diverged, EpochEnd, Frame, Paused, StepRow
from engine.training.feed import AugmentedFeed, PlainFeed, feed_of
from engine.training.result import TrainingError
from engine.training.setup import losses_of
from engine.training.store import RunStore
from engine.training.trainer import Trainer
from tests.engine.training.experiments import Log, regression, sequential, spiral, train, weights

pytest.importorskip("sklearn")

GEOMETRY = (HorizontalFlip(), RandomCrop(padding=1), Rotate(), Shear(), Cutout(size=2), Brightness())
MIXED = (*GEOMETRY, Mixup(alpha=0.4, probability=0.5), CutMix())
NETWORK = sequential(
    [
        Input(),
        Flatten(),
        Dense(units=16),
        BatchNorm(),
        ReLU(),
        Dropout(rate=0.1),
        Dense(units=10),
        SoftmaxCrossEntropy(),
    ]
)


def digits(*augmentation: Any, limit: int = 110, **training: Any) -> Experiment:
    """110 training digits in batches of 16: six full ones and one of 14 in an epoch."""
    base = spiral(NETWORK, **training)
    spec = DataSpec(
        source=Digits(),
        split=SplitSpec(validation=40, train_limit=limit),
        preprocessing=(Center(), Normalize(per="global")),
        augmentation=augmentation,
    )
    return replace(base, data=spec)


def feed(experiment: Experiment, workers: int | None, epochs: int = 3) -> AugmentedFeed:
    dataset, training = data.load(experiment.data), experiment.training
    report = check_experiment(experiment, dataset.signature)
    part = dataset.train
    batches = Batches(part.size, training.batch_size, training.shuffle, training.drop_last, experiment.seed)
    return AugmentedFeed(
        experiment, dataset, batches, inputs=("x",), losses=losses_of(experiment, report),
        total=epochs * batches.steps_per_epoch, workers=workers,
    )  # fmt: skip


def taken(source: AugmentedFeed, chunks: int, begin: int = 0, total: int = 21) -> list[list[np.ndarray]]:
    """Every step's inputs, targets and what metrics compare with, taken in chunks of so many steps of one size."""
    steps: list[list[np.ndarray]] = []
    step = begin
    while step < total:
        full = 6 - step % 7
        fed = source.take(step, min(chunks, full) if full > 0 else 1)
        for row in fed.indices:
            steps.append([fed.arrays["x"][row], fed.arrays["y"][row], fed.compared["y"][row]])
        step += len(fed.indices)
    source.close()
    return steps


def assert_same(one: list[list[np.ndarray]], two: list[list[np.ndarray]]) -> None:
    assert len(one) == len(two)
    for left, right in zip(one, two, strict=True):
        for a, b in zip(left, right, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("augmentation", [GEOMETRY, MIXED], ids=["geometry", "mixed"])
def test_batches_are_the_same_ahead_of_time_and_in_any_chunks(
    augmentation: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = digits(*augmentation)
    expected = taken(feed(experiment, 0), 1)
    assert [len(step[0]) for step in expected[:7]] == [16] * 6 + [14]
    for workers, chunks in ((0, 4), (1, 1), (1, 6), (3, 3)):
        assert_same(taken(feed(experiment, workers), chunks), expected)
    assert_same(taken(feed(experiment, 1), 2, begin=9), expected[9:])
    monkeypatch.setattr(feeds, "RING_BYTES", 1)  # a ring of four batches
    monkeypatch.setattr(feeds, "GROUP_VALUES", 1 << 12)
    assert_same(taken(feed(experiment, 2), 6), expected)


def test_a_look_is_the_batch_of_its_step() -> None:
    source = feed(digits(*MIXED), 0)
    looked = [source.look(step) for step in (0, 5, 6, 13)]
    expected = taken(feed(digits(*MIXED), 1), 3)
    for fed, step in zip(looked, (0, 5, 6, 13), strict=True):
        np.testing.assert_array_equal(fed.arrays["x"][fed.indices[0]], expected[step][0])
        np.testing.assert_array_equal(fed.arrays["y"][fed.indices[0]], expected[step][1])


def test_mixed_classes_become_shares_and_metrics_get_the_largest() -> None:
    for inputs, targets, compared in taken(feed(digits(Mixup(alpha=1.0, each="sample")), 1), 6):
        assert inputs.shape[1:] == (8, 8, 1)
        assert targets.shape == (len(inputs), 10) and targets.dtype == np.float32
        np.testing.assert_array_equal(compared, targets.argmax(axis=1))
    for _, targets, _ in taken(feed(digits(Cutout()), 1), 6):
        assert targets.dtype == np.int64 and targets.ndim == 1


def test_without_augmentation_the_data_are_read_as_they_are() -> None:
    experiment = digits(Cutout(probability=0.0))
    dataset = data.load(experiment.data)
    source = feed_of(experiment, dataset, Batches(110, 16), inputs=("x",), losses=(), total=21)
    assert isinstance(source, PlainFeed)
    fed = source.take(2, 3)
    assert fed.arrays is dataset.train.arrays and fed.compared is fed.arrays
    assert fed.indices.shape == (3, 16)


# -- whole runs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("augmentation", [GEOMETRY, MIXED], ids=["geometry", "mixed"])
@pytest.mark.parametrize("executor", ["array", "cpu"])
@pytest.mark.usefixtures("singly")
def test_a_resumed_run_has_the_bits_of_one_that_was_not_stopped(
    augmentation: tuple[Any, ...], executor: Any, tmp_path: Path
) -> None:
    experiment = digits(*augmentation)
    whole_log, log = Log(), Log()
    whole = Trainer(experiment, device="cpu", executor=executor, report=whole_log)
    expected = whole.run()
    assert expected.steps == 21
    store = RunStore(tmp_path)
    part = Trainer(experiment, device="cpu", executor=executor, report=log, store=store, steps=10).run()
    assert part.reason == "stopped", "in the middle of the second epoch"
    resumed = Trainer(experiment, device="cpu", executor=executor, report=log, store=store, resume=part.run)
    result = resumed.run()
    assert weights(whole) == weights(resumed)
    assert log.of(StepRow) == whole_log.of(StepRow)
    assert (result.train_loss, result.val_loss, result.metrics) == (
        expected.train_loss,
        expected.val_loss,
        expected.metrics,
    )


def test_both_executors_are_fed_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their numbers differ in the last digits alone."""
    results = []
    for executor in ("array", "cpu"):
        log = Log()
        train(digits(*MIXED), log, executor=executor)
        results.append([row.loss for row in log.of(StepRow)])
    np.testing.assert_allclose(*results, rtol=2e-4)


@pytest.mark.parametrize("workers", [0, 3])
def test_the_number_of_threads_changes_no_bit(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Trainer(digits(*MIXED), device="cpu", executor="array", report=Log())
    one.run()
    monkeypatch.setattr(feeds, "default_workers", lambda: workers)
    other = Trainer(digits(*MIXED), device="cpu", executor="array", report=Log())
    other.run()
    assert weights(one) == weights(other)


def test_looking_changes_no_bit() -> None:
    """A frame is of a batch that comes later: it is prepared aside."""
    plain = Trainer(digits(*MIXED), device="cpu", executor="array", report=Log())
    plain.run()
    log, control = Log(), Control()
    control.watch(frozenset({"activations", "gradients", "weights"}))
    watched = Trainer(digits(*MIXED), device="cpu", executor="array", report=log, control=control)
    watched.run()
    assert log.of(Frame)
    assert weights(plain) == weights(watched)


def test_steps_by_hand_and_a_pause_change_no_bit() -> None:
    plain = Trainer(digits(*MIXED), device="cpu", executor="array", report=Log())
    plain.run()
    control = Control()
    pauses: list[int] = []

    def go_on(event: object) -> None:
        if isinstance(event, Paused):
            # By now the threads may have prepared all that is to come, and ended.
            pauses.append(event.step)
            control.resume()

    control.pause()
    control.step(3)
    steered = Trainer(digits(*MIXED), device="cpu", executor="array", report=go_on, control=control)
    assert steered.run().steps == 21
    assert 3 in pauses
    assert weights(plain) == weights(steered)


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("batches-")}


def test_no_thread_is_left_after_a_run_however_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    train(digits(*GEOMETRY))
    assert not threads()
    control = Control()

    def stop(event: object) -> None:
        if isinstance(event, StepRow) or type(event).__name__ == "StepRows":
            assert threads()
            control.stop()

    assert train(digits(*GEOMETRY, epochs=500), stop, control=control).reason == "stopped"
    assert not threads()
    log = Log()
    wild = replace(digits(GaussianNoise(), epochs=300).training.optimizer, learning_rate=1e30)
    assert train(digits(GaussianNoise(), epochs=300, optimizer=wild), log).reason == "diverged"
    assert log.of(Diverged) and not threads()


def test_what_a_thread_raises_ends_the_run_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0

    def apply(self: object, samples: object, draws: object) -> None:
        nonlocal made
        made += 1
        if made > 3:
            raise RuntimeError("no such box")

    monkeypatch.setattr(Cutout, "apply", apply)
    with pytest.raises(TrainingError, match="no such box"):
        train(digits(Cutout(), epochs=200))
    assert not threads()


def test_yes_or_no_reads_the_share_of_class_1() -> None:
    network = sequential([Input(), Dense(units=8), ReLU(), Dense(units=1), BinaryCrossEntropy()])
    experiment = spiral(network, epochs=2)
    experiment = replace(experiment, data=replace(experiment.data, augmentation=(Mixup(alpha=1.0, each="sample"),)))
    source = feed(experiment, 0)
    fed = source.take(0, 2)
    shares = fed.arrays["y"][fed.indices]
    assert shares.shape == (2, 16) and shares.dtype == np.float32
    assert ((shares > 0) & (shares < 1)).any()
    np.testing.assert_array_equal(fed.compared["y"][fed.indices], shares > 0.5)
    for executor in ("array", "cpu"):
        result = train(experiment, executor=executor)
        assert result.train_loss is not None and np.isfinite(result.train_loss)


def test_numbers_are_mixed_in_a_regression() -> None:
    experiment = regression(epochs=2)
    experiment = replace(experiment, data=replace(experiment.data, augmentation=(Mixup(alpha=1.0), GaussianNoise())))
    for executor in ("array", "cpu"):
        result = train(experiment, executor=executor)
        assert result.train_loss is not None and np.isfinite(result.train_loss)


@pytest.mark.parametrize("executor", ["array", "cpu"])
def test_an_autoencoder_is_compared_with_what_it_was_fed(executor: Any) -> None:
    """Metrics, too, see the changed samples, so that the mean of the absolute errors is what the loss is."""
    network = sequential([Input(), Flatten(), Dense(units=64), Reshape(shape=(8, 8, 1)), MeanAbsoluteLoss(target="x")])
    experiment = digits(*GEOMETRY, metrics=(MeanAbsoluteError(),), epochs=2)
    log = Log()
    train(replace(experiment, network=network), log, executor=executor)
    for end in log.of(EpochEnd):
        assert end.train_metrics["mean_absolute_error"] == pytest.approx(end.train_loss, rel=1e-4)


def test_a_run_in_double_precision() -> None:
    result = train(digits(*MIXED, precision="float64"))
    assert result.train_loss is not None and np.isfinite(result.train_loss)
