"""Learning by heart: beside figures measured elsewhere, and with bugs in the way."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from msgspec.structs import replace

from engine import data, edits, presets
from engine.checks import Cancelled, overfit
from engine.checks.base import subset, without_noise
from engine.data import Dataset
from engine.experiment import Experiment


def digits(seed: int = 0) -> Experiment:
    return replace(presets.make("digits-baseline"), seed=seed)


def load(experiment: Experiment) -> Dataset:
    return data.load(experiment.data)


def test_twenty_samples_are_learned_in_about_a_hundred_steps() -> None:
    found = [overfit(digits(seed), load(digits()), wanted=0.01) for seed in range(5)]
    assert all(item.reached and item.severity == "ok" and item.samples == 20 for item in found)
    assert 85 <= np.mean([len(item.losses) for item in found]) <= 135
    assert all(item.accuracy[-1] == 1.0 for item in found)


def test_what_counts_as_known_by_heart_goes_with_the_weight_of_the_loss() -> None:
    weighted = edits.set_field(digits(), "softmax_cross_entropy_1", "weight", 100.0)
    found = [overfit(experiment, load(digits()), steps=1) for experiment in (digits(), weighted)]
    assert [item.wanted for item in found] == pytest.approx([0.01 * np.log(10), np.log(10)])
    assert found[1].losses[0] == pytest.approx(100 * found[0].losses[0], rel=1e-6)


def test_without_inputs_the_labels_entropy_is_all_that_can_be_learned() -> None:
    dataset = load(digits())
    blind = replace_arrays(dataset, x=np.zeros_like(dataset.train.arrays["x"]))
    found = overfit(digits(), blind, steps=300)
    few = subset(dataset, 20).train.arrays["y"]
    shares = np.bincount(few, minlength=10) / len(few)
    entropy = -np.sum(shares[shares > 0] * np.log(shares[shares > 0]))
    assert not found.reached and found.severity == "error"
    assert found.losses[-1] == pytest.approx(entropy, rel=0.01)


def replace_arrays(dataset: Dataset, **arrays: np.ndarray) -> Dataset:
    train = dataclasses.replace(dataset.train, arrays={**dataset.train.arrays, **arrays})
    return dataclasses.replace(dataset, train=train)


def test_penalties_and_dropout_are_left_out_and_named() -> None:
    experiment = presets.make("mnist-batchnorm-dropout")
    found = overfit(experiment, load(experiment), samples=8)
    assert found.reached and found.left_out == ("dropout_1", "dropout_2") and "dropout_1" in found.words
    quiet, names = without_noise(experiment)
    assert names == found.left_out and quiet.network.node("dropout_1").bypass
    assert not experiment.network.node("dropout_1").bypass


def test_too_small_a_rate_is_called_slow() -> None:
    experiment = edits.set_path(digits(), "training.optimizer.learning_rate", 0.01)
    found = overfit(experiment, load(experiment), steps=120)
    assert found.severity == "warning" and "larger learning rate" in found.words


def test_divergence_is_told_in_words() -> None:
    experiment = edits.set_path(digits(), "training.optimizer.learning_rate", 1e6)
    found = overfit(experiment, load(experiment))
    assert found.severity == "error" and "finite" in found.words


def test_it_can_be_cancelled() -> None:
    with pytest.raises(Cancelled):
        overfit(digits(), load(digits()), watch=lambda share, words: share < 0.02)


def test_the_samples_are_of_all_classes_in_turn() -> None:
    few = subset(load(digits()), 23)
    counts = np.bincount(few.train.arrays["y"], minlength=10)
    assert few.train.size == 23 and counts.min() >= 2 and counts.max() <= 3
    assert few.signature.train_size == 23 and not few.validation.size and not few.test.size
    whole = load(digits()).train
    places = {index: place for place, index in enumerate(whole.indices)}
    rows = [places[index] for index in few.train.indices]
    np.testing.assert_array_equal(few.train.arrays["x"], whole.arrays["x"][rows])


def test_of_numbers_the_first_samples_are_taken() -> None:
    experiment = presets.make("diabetes-regression")
    few = subset(load(experiment), 12)
    np.testing.assert_array_equal(few.train.indices, load(experiment).train.indices[:12])
    found = overfit(experiment, load(experiment), samples=12)
    assert found.reached and not len(found.accuracy)


def test_a_small_training_part_is_taken_whole() -> None:
    experiment = replace(digits(), data=replace(digits().data, split=replace(digits().data.split, train_limit=7)))
    assert overfit(experiment, load(experiment)).samples == 7
