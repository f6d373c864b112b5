"""Initializers: the deviation that they promise is the one of their draws."""

import math

import numpy as np
import pytest

from engine.initializers import Constant, He, Normal, Xavier
from engine.kinds import Initializer

SHAPE, FAN_IN, FAN_OUT = (300, 200), 300, 200
CASES = [
    (Normal(std=0.3), 0.3),
    (Normal(std=0.0), 0.0),
    (Xavier(), math.sqrt(2 / 500)),
    (Xavier(mode="fan_in"), math.sqrt(1 / 300)),
    (Xavier(distribution="uniform"), math.sqrt(2 / 500)),
    (He(), math.sqrt(2 / 300)),
    (He(mode="fan_out"), math.sqrt(2 / 200)),
    (He(distribution="uniform"), math.sqrt(2 / 300)),
]


@pytest.mark.parametrize(("initializer", "deviation"), CASES)
def test_draws_have_the_promised_deviation(initializer: Initializer, deviation: float) -> None:
    values = initializer.sample(np.random.default_rng(0), SHAPE, FAN_IN, FAN_OUT)
    assert values.shape == SHAPE and values.dtype == np.float64
    assert initializer.deviation(FAN_IN, FAN_OUT) == pytest.approx(deviation)
    # 60,000 draws: the deviation is known to 0.3 %, the mean to 0.4 % of a deviation.
    assert values.std() == pytest.approx(deviation, rel=0.015)
    assert abs(values.mean()) <= 0.02 * deviation


@pytest.mark.parametrize("cls", [Xavier, He])
def test_uniform_draws_stay_within_sqrt_3_deviations(cls: type[Xavier] | type[He]) -> None:
    initializer = cls(distribution="uniform")
    values = initializer.sample(np.random.default_rng(1), SHAPE, FAN_IN, FAN_OUT)
    limit = math.sqrt(3) * initializer.deviation(FAN_IN, FAN_OUT)
    assert 0.999 * limit < np.abs(values).max() <= limit


def test_constant() -> None:
    values = Constant(value=-2.5).sample(np.random.default_rng(0), (2, 3), 2, 3)
    assert values.tolist() == [[-2.5] * 3] * 2 and values.dtype == np.float64
    assert Constant(value=-2.5).deviation(2, 3) == 0.0


@pytest.mark.parametrize("initializer", [Normal(), Xavier(), He(distribution="uniform")])
def test_same_generator_same_values(initializer: Initializer) -> None:
    first, second = (initializer.sample(np.random.default_rng(7), (4, 5), 4, 5) for _ in range(2))
    assert np.array_equal(first, second)


def test_he_keeps_the_signal_through_ten_relu_layers_and_the_division_does_not() -> None:
    # Dividing by sqrt(2 / fan_in), as some notes have it, instead of multiplying.
    rng = np.random.default_rng(0)
    right = wrong = rng.standard_normal((50, 200))
    for _ in range(10):
        right = np.maximum(right @ He().sample(rng, (200, 200), 200, 200), 0)
        wrong = np.maximum(wrong @ (rng.standard_normal((200, 200)) / math.sqrt(2 / 200)), 0)
    assert 0.4 < np.sqrt(np.mean(right**2)) < 2.5
    assert wrong.std() > 1e15
