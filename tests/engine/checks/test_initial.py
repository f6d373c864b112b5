"""The first loss: beside figures measured elsewhere (five seeds each), beside closed forms, and in words."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from engine import data, edits, presets
from engine.checks import initial_loss
from engine.experiment import Experiment
from engine.training.events import Event, StepRows
from engine.training.trainer import Trainer
from tests.support.examples import blobs, make

SEEDS = range(5)


def digits(init: Any, everywhere: bool = False, **training: Any) -> Experiment:
    """The digits baseline, 64-100-10, with another last layer (or every layer)."""
    experiment = presets.make("digits-baseline")
    for node in ("dense_1", "dense_2") if everywhere else ("dense_2",):
        experiment = edits.set_field(experiment, node, "weight_init", init)
    return replace(experiment, training=replace(experiment.training, **training))


def mean_loss(experiment: Experiment) -> tuple[float, float]:
    """(data loss, penalty), the mean over five seeds."""
    found = [initial_loss(replace(experiment, seed=seed), data.load(experiment.data)) for seed in SEEDS]
    return float(np.mean([item.data_loss for item in found])), float(np.mean([item.penalty for item in found]))


@pytest.mark.parametrize(
    ("init", "low", "high"),
    [
        (make("initializer", "normal", std=1e-4), 2.3025, 2.3027),
        (make("initializer", "normal", std=0.01), 2.290, 2.323),
        (make("initializer", "xavier", mode="fan_in"), 2.62, 3.01),
        (make("initializer", "he"), 2.93, 3.61),
        (make("initializer", "normal", std=1.0), 13.8, 20.5),
    ],
)
def test_the_first_loss_of_five_last_layers(init: Any, low: float, high: float) -> None:
    assert low <= mean_loss(digits(init))[0] <= high


@pytest.mark.parametrize("tag", ["he", "lsuv"])
def test_it_is_the_loss_of_the_first_step(tag: str) -> None:
    """With LSUV, too, which scales the weights at the start of a run."""
    init = make("initializer", tag)
    experiment = digits(init, everywhere=True, batch_size=1000, shuffle=False)
    dataset = data.load(experiment.data)
    rows: list[StepRows] = []
    Trainer(experiment, dataset=dataset, device="cpu", executor="array", steps=1, report=_rows(rows)).run()
    assert initial_loss(experiment, dataset).data_loss == pytest.approx(rows[0].column("loss")[0], rel=1e-6)


def _rows(into: list[StepRows]) -> Callable[[Event], None]:
    return lambda event: into.append(event) if isinstance(event, StepRows) else None


@pytest.mark.parametrize("strength", [0.01, 1.0, 10.0])
def test_the_penalty_adds_its_strength_times_the_sum_of_squares(strength: float) -> None:
    small = make("initializer", "normal", std=0.01)
    loss, penalty = mean_loss(digits(small, everywhere=True, penalties=(make("penalty", "l2", strength=strength),)))
    assert loss == pytest.approx(math.log(10), abs=0.02)
    # 7,400 weights of variance 1e-4.
    assert penalty == pytest.approx(0.74 * strength, rel=0.03)


def test_mixed_samples_leave_the_penalty_what_it_is() -> None:
    """Their targets are shares of classes, of another shape than the data's."""
    plain = blobs()
    mixed = replace(plain, data=replace(plain.data, augmentation=(make("augmentation", "mixup"),)))
    found, before = (initial_loss(item, data.load(item.data)) for item in (mixed, plain))
    assert found.penalty == before.penalty > 0 and found.data_loss == before.data_loss


@pytest.mark.parametrize(("std", "severity"), [(0.01, "ok"), (1.0, "error")])
def test_the_verdict(std: float, severity: str) -> None:
    experiment = digits(make("initializer", "normal", std=std))
    found = initial_loss(experiment, data.load(experiment.data))
    assert found.severity == severity
    assert f"{math.log(10):.4g}" in found.words
    (head,) = found.heads
    assert head.reference == head.expected == pytest.approx(math.log(10))


def test_classes_of_unequal_size_have_a_smaller_constant_loss() -> None:
    experiment = blobs()
    found = initial_loss(experiment, data.load(experiment.data))
    labels = data.load(experiment.data).train.arrays["y"]
    shares = np.bincount(labels) / len(labels)
    assert found.heads[0].constant == pytest.approx(-np.sum(shares * np.log(shares)))


def test_numbers_are_measured_by_their_variance() -> None:
    experiment = presets.make("diabetes-regression")
    dataset = data.load(experiment.data)
    (head,) = initial_loss(experiment, dataset).heads
    assert head.expected is None
    assert head.reference == pytest.approx(dataset.train.arrays["y"].astype(float).var())


@pytest.mark.parametrize(("tag", "expected"), [("mean_absolute_error", 1.2), ("mean_squared_error", 3.36)])
def test_the_best_constant(tag: str, expected: float) -> None:
    targets = np.array([[0.0], [1.0], [1.0], [2.0], [5.0]], np.float32)
    if tag == "mean_squared_error":
        expected = float(targets.var())
    assert make("loss", tag).constant_loss(targets, 0) == pytest.approx(expected)


def test_the_best_constant_of_huber_is_no_worse_than_any_other() -> None:
    rng = np.random.default_rng(0)
    targets = rng.standard_t(1.5, size=(200, 2))
    loss = make("loss", "huber", delta=0.7)
    best = loss.constant_loss(targets, 0)
    tried = [loss._of(targets - c).mean(axis=0) for c in np.linspace(-2, 2, 401)]
    assert best == pytest.approx(np.min(tried, axis=0).mean(), abs=1e-4)
    assert best <= np.min(tried, axis=0).mean() + 1e-12


def test_nothing_of_the_experiment_is_changed_and_the_same_is_found_again() -> None:
    experiment = digits(make("initializer", "he"))
    first, second = (initial_loss(experiment, data.load(experiment.data)) for _ in range(2))
    assert first == second


def test_a_loss_that_is_not_finite_is_said() -> None:
    experiment = digits(make("initializer", "normal", std=1000.0), everywhere=True)
    dataset = data.load(experiment.data)
    huge = np.full_like(dataset.train.arrays["x"], 1e37)
    broken = dataclasses.replace(
        dataset, train=dataclasses.replace(dataset.train, arrays={**dataset.train.arrays, "x": huge})
    )
    found = initial_loss(experiment, broken)
    assert found.severity == "error" and "not finite" in found.words
