"""Gradient descent: momentum, its rate, and penalties beside it."""

import numpy as np
import pytest

from engine.optimizers import SGD
from engine.penalties import L1
from tests.support.stepping import Stepper


def bowl(w: np.ndarray) -> np.ndarray:
    return w * np.array([1.0, 10.0])


def test_momentum_can_be_raised_during_a_run() -> None:
    stepper = Stepper(SGD(learning_rate=0.1), [1.0])
    stepper.step(np.array([2.0]))
    stepper.optimizer = SGD(learning_rate=0.1, momentum=0.5)
    stepper.step(np.array([0.0]))
    assert stepper.parameter[0] == pytest.approx(1.0 - 0.2 - 0.1)


def test_nesterov_without_momentum_is_descent() -> None:
    plain, nesterov = (Stepper(SGD(learning_rate=0.05, nesterov=n), [1.0, 1.0]).run(bowl, 5) for n in (False, True))
    assert np.array_equal(plain, nesterov)


def test_l1_pulls_with_the_same_force_and_leaves_zero_alone() -> None:
    stepper = Stepper(SGD(learning_rate=1.0), [3.0, -0.5, 0.0], penalties=(L1(strength=0.25),))
    stepper.step(np.zeros(3))
    assert stepper.parameter.tolist() == [2.75, -0.25, 0.0]
