"""Initializers of one width, and those that draw nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.initializers import Constant, SmallPositive, Uniform, Zeros
from engine.kinds import Initializer


@pytest.mark.parametrize(("initializer", "value"), [(Zeros(), 0.0), (Constant(), 0.0), (SmallPositive(), 0.01)])
def test_every_element_is_the_same(initializer: Initializer, value: float) -> None:
    values = initializer.sample(np.random.default_rng(0), (2, 3), 2, 3)
    assert values.tolist() == [[value] * 3] * 2 and values.dtype == np.float64
    assert initializer.deviation(2, 3) == 0.0


def test_uniform_fills_its_range() -> None:
    values = Uniform(range=0.3).sample(np.random.default_rng(0), (200, 300), 200, 300)
    assert 0.2999 < np.abs(values).max() <= 0.3
    assert values.std() == pytest.approx(Uniform(range=0.3).deviation(200, 300), rel=0.01)
    assert Uniform(range=0.3).deviation(1, 1) == pytest.approx(0.3 / math.sqrt(3))


def test_a_bias_of_a_hundredth_saves_very_narrow_deep_networks_from_being_born_dead() -> None:
    # Ten layers of two ReLUs by He: the share of draws whose last layer is zero for all samples.
    from engine.initializers import He

    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 2))

    def dead(bias: float) -> float:
        count = 0
        for _ in range(200):
            h = x
            for _ in range(10):
                h = np.maximum(h @ He().sample(rng, (2, 2), 2, 2) + bias, 0)
            # With a positive bias a dead layer still hands on what does not depend on the input.
            count += bool(np.ptp(h, axis=0).max() == 0)
        return count / 200

    assert dead(0.0) >= 0.8
    assert dead(0.01) <= 0.6
