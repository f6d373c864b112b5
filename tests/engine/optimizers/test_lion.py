"""Lion against the paper's algorithm, written out."""

import numpy as np
import pytest

from engine.optimizers import Lion
from tests.support.stepping import Stepper


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_hundred_steps_of_the_papers_algorithm(decay: float) -> None:
    rng = np.random.default_rng(3)
    weights, gradients = rng.standard_normal(300), rng.standard_normal((100, 300))
    stepper = Stepper(Lion(learning_rate=0.01, beta1=0.8, beta2=0.95, weight_decay=decay), weights)
    mean = np.zeros(300)
    for noise in gradients:
        gradient = weights + noise
        direction = np.sign(0.8 * mean + (1 - 0.8) * gradient)
        weights = weights - 0.01 * (direction + decay * weights)
        mean = 0.95 * mean + (1 - 0.95) * gradient
        stepper.step(stepper.parameter + noise)
    assert stepper.parameter == pytest.approx(weights, abs=1e-13)
    assert stepper.slots[0] == pytest.approx(mean, abs=1e-13)


def test_every_weight_moves_by_the_rate() -> None:
    stepper = Stepper(Lion(learning_rate=0.01), np.zeros(3))
    stepper.step(np.array([1e-9, -5.0, 1e9]))
    assert stepper.parameter.tolist() == [-0.01, 0.01, -0.01]


def test_without_a_gradient_nothing_moves() -> None:
    stepper = Stepper(Lion(), np.ones(2))
    assert stepper.step(np.zeros(2)).tolist() == [1.0, 1.0]
