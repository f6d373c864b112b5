"""The learning-rate range test: beside figures measured elsewhere, on made-up curves, and in words."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from engine import data, edits, presets
from engine.checks import Cancelled, range_test
from engine.checks.ranges import smoothed, suggestions
from engine.experiment import Experiment
from tests.support.examples import make


def digits(seed: int = 0) -> Experiment:
    return replace(presets.make("digits-baseline"), seed=seed)


def test_the_digits_baseline() -> None:
    found = [range_test(digits(seed), data.load(digits().data)) for seed in range(5)]
    stops = [item.rates[-1] for item in found]
    assert all(item.blown and item.severity == "ok" for item in found)
    assert 1.6 <= np.mean(stops) <= 3.6
    assert 0.02 <= np.median([item.steepest for item in found]) <= 0.09
    assert 0.1 <= np.median([item.tenth for item in found]) <= 0.2
    for item in found:
        assert item.largest is not None and item.tenth == pytest.approx(item.largest / 10)


def test_rates_rise_in_equal_ratios_from_one_end_to_the_other() -> None:
    found = range_test(digits(), data.load(digits().data), low=1e-6, high=1e-3, steps=50)
    assert len(found.rates) == len(found.losses) == 50 and not found.blown
    np.testing.assert_allclose(found.rates, np.geomspace(1e-6, 1e-3, 50), rtol=1e-12)


def test_the_experiment_and_its_schedule_play_no_part() -> None:
    experiment = digits()
    other = edits.set_path(experiment, "training.optimizer.learning_rate", 3.0)
    other = replace(
        other,
        training=replace(other.training, schedule=make("schedule", "step"), warmup=make("warmup", "linear"), epochs=1),
    )
    dataset = data.load(experiment.data)
    first, second = range_test(experiment, dataset, steps=60), range_test(other, dataset, steps=60)
    np.testing.assert_array_equal(first.losses, second.losses)
    assert other.training.optimizer.learning_rate == 3.0


def test_a_range_too_low_and_one_too_high_are_said() -> None:
    dataset = data.load(digits().data)
    low = range_test(digits(), dataset, low=1e-9, high=1e-7, steps=60)
    assert low.severity == "warning" and "higher rates" in low.words and low.steepest is None
    high = range_test(digits(), dataset, low=50.0, high=1000.0, steps=60)
    assert high.severity == "warning" and "lower rate" in high.words and high.blown
    part = range_test(digits(), dataset, low=1e-3, high=0.1, steps=100)
    assert part.severity == "info" and part.largest is None and part.steepest is not None


def test_it_can_be_cancelled_and_refuses_a_range_that_is_none() -> None:
    dataset = data.load(digits().data)
    with pytest.raises(Cancelled):
        range_test(digits(), dataset, watch=lambda share, words: False)
    with pytest.raises(ValueError, match="0 < low < high"):
        range_test(digits(), dataset, low=1.0, high=0.1)


def test_the_average_has_no_bias_at_its_start() -> None:
    np.testing.assert_allclose(smoothed(np.full(20, 3.0)), 3.0)
    assert np.isnan(smoothed(np.array([1.0, np.nan, 1.0]))[1:]).all()


def test_suggestions_of_a_made_up_curve() -> None:
    rates = np.geomspace(1e-4, 1.0, 201)
    x = np.log10(rates)
    curve = 2.0 - 1.0 / (1.0 + np.exp(-8 * (x + 2.0))) + np.where(x > -0.5, 4 * (x + 0.5) ** 2, 0.0)
    steepest, tenth, largest = suggestions(rates, curve)
    assert steepest == pytest.approx(1e-2, rel=0.1)
    assert largest == pytest.approx(10**-0.5, rel=0.15) and tenth == pytest.approx(largest / 10)
    assert suggestions(rates, np.full(201, 2.0)) == (None, None, None)
    assert suggestions(rates[:5], curve[:5]) == (None, None, None)
