"""What accumulating gradients is equal to, and what it is not: digits, 64-100-10, 64 samples in eight parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from engine import data, edits, presets
from engine.checks.base import programs_for
from engine.experiment import Experiment
from tests.support.examples import make

SEEDS = range(5)


def digits(norm: Any, seed: int, batch: int = 64, parts: int = 1) -> Experiment:
    """The digits baseline in float64, with a normalization behind the first layer."""
    experiment = presets.make("digits-baseline")
    if norm is not None:
        experiment = edits.insert_on_edge(experiment, norm, "dense_1", "relu_1")
    training = replace(
        experiment.training, batch_size=batch, precision="float64", accumulate=parts, drop_last=False, metrics=()
    )
    return replace(experiment, training=training, seed=seed)


def gradient(experiment: Experiment, samples: int) -> np.ndarray:
    """The gradient of the first `samples` training samples, all parameters in a row."""
    dataset = data.load(experiment.data)
    _, programs = programs_for(experiment, dataset)
    bound = programs.train(samples)
    bound.gather(dataset.train.arrays, np.arange(samples))
    bound.differentiate(seed=experiment.seed)
    return np.concatenate([np.ravel(value) for value in programs.state.gradients.values()])


def difference(norm: Any, seed: int, batch: int = 64, parts: int = 8) -> float:
    whole = gradient(digits(norm, seed, batch), batch)
    divided = gradient(digits(norm, seed, batch, parts), batch)
    return float(np.linalg.norm(divided - whole) / np.linalg.norm(whole))


@pytest.mark.parametrize("norm", [None, make("layer", "layer_norm"), make("layer", "group_norm", groups=10)])
def test_gradients_add_up_to_that_of_the_whole_batch(norm: Any) -> None:
    assert max(difference(norm, seed) for seed in SEEDS) < 1e-14


def test_batch_normalization_sees_each_part_alone() -> None:
    assert 0.38 <= np.mean([difference(make("layer", "batch_norm"), seed) for seed in SEEDS]) <= 0.47


def test_a_smaller_last_part_counts_by_its_samples() -> None:
    """60 samples in seven parts: four of 9 and three of 8. A mean of the parts' means would be off."""
    assert max(difference(None, seed, 60, 7) for seed in SEEDS) < 1e-14
    dataset = data.load(digits(None, 0).data)
    _, programs = programs_for(digits(None, 0, 60), dataset)
    parts = []
    for first, last in ((0, 50), (50, 60)):
        bound = programs.train(last - first)
        bound.gather(dataset.train.arrays, np.arange(first, last))
        bound.differentiate()
        parts.append(np.concatenate([np.ravel(value) for value in programs.state.gradients.values()]))
    whole = gradient(digits(None, 0, 60), 60)
    size = np.linalg.norm(whole)
    assert np.linalg.norm((parts[0] + parts[1]) / 2 - whole) / size > 0.2
    assert np.linalg.norm((50 * parts[0] + 10 * parts[1]) / 60 - whole) / size < 1e-14
