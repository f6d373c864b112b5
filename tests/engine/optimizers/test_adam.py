"""Adam: the length of its steps and the correction of its means."""

import numpy as np
import pytest

from engine.optimizers import Adam
from tests.support.stepping import Stepper


def test_adam_moves_by_about_the_rate_whatever_the_gradient() -> None:
    gradients = np.array([1e-6, 1.0, 1e6])
    stepper = Stepper(Adam(learning_rate=0.1), np.zeros(3))
    stepper.step(gradients)
    assert stepper.parameter == pytest.approx(-0.1 * gradients / (gradients + 1e-8), rel=1e-9)


def test_adams_correction_fades() -> None:
    late = Adam(learning_rate=0.5).scalars(0.5, 10**6)
    assert late["step_size"] == 0.5 and late["square_correction"] == 1.0
    first = Adam(beta1=0.0, beta2=0.0).scalars(0.5, 1)
    assert first["step_size"] == 0.5 and first["square_correction"] == 1.0
