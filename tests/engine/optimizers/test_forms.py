"""The forms of lecture notes beside those of libraries: where they agree, and by how much they differ."""

import numpy as np
import pytest

from engine.kinds import Optimizer
from engine.optimizers import SGD, Adagrad, Adam, AMSGrad, RMSprop
from tests.support.stepping import Stepper

CURVATURES = np.array([1.0, 10.0])


def bowl(w: np.ndarray) -> np.ndarray:
    return w * CURVATURES


def test_notes_list_the_point_behind_the_one_that_looks_ahead() -> None:
    """v ← μ v − η ∇f(w + μ v), w ← w + v, written out: what is kept here is w + μ v."""
    rate, share, w, v = 0.05, 0.9, np.ones(2), np.zeros(2)
    stepper = Stepper(SGD(learning_rate=rate, momentum=share, nesterov=True, rate_place="inside v"), w)
    listed = []
    for _ in range(50):
        v = share * v - rate * bowl(w + share * v)
        w = w + v
        stepper.step(bowl(stepper.parameter))
        assert stepper.parameter == pytest.approx(w + share * v, abs=1e-14)
        listed.append(stepper.parameter - share * stepper.slots[0])
    assert listed[0] == pytest.approx(np.array([0.95, 0.5]), abs=1e-7)
    assert listed[1] == pytest.approx(np.array([0.85975, 0.025]), abs=1e-7)
    assert listed[4] == pytest.approx(np.array([0.4504436, -0.10175312]), abs=1e-7)


@pytest.mark.parametrize("nesterov", [False, True])
def test_both_places_of_the_rate_agree_while_it_is_constant(nesterov: bool) -> None:
    outside = Stepper(SGD(learning_rate=0.02, momentum=0.9, nesterov=nesterov), [1.0, 1.0])
    inside = Stepper(SGD(learning_rate=0.02, momentum=0.9, nesterov=nesterov, rate_place="inside v"), [1.0, 1.0])
    for _ in range(100):
        outside.step(bowl(outside.parameter))
        inside.step(bowl(inside.parameter))
        assert inside.parameter == pytest.approx(outside.parameter, abs=1e-14)
    assert inside.slots[0] == pytest.approx(-0.02 * outside.slots[0], abs=1e-15)


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (SGD(momentum=0.9), (0.3308, -0.1231)),
        (SGD(momentum=0.9, rate_place="inside v"), (-0.2023, 0.7284)),
    ],
    ids=["outside", "inside"],
)
def test_after_a_change_of_the_rate_they_part(optimizer: SGD, expected: tuple[float, float]) -> None:
    stepper = Stepper(optimizer, [1.0, 1.0])
    for step in range(10):
        stepper.step(bowl(stepper.parameter), rate=0.05 if step < 5 else 0.005)
    assert stepper.parameter == pytest.approx(np.array(expected), abs=5e-5)


@pytest.mark.parametrize(
    ("optimizer", "length"),
    [
        (Adagrad(), 0.09999),
        (Adagrad(epsilon=1e-8, epsilon_place="inside the root"), 0.001),
        (RMSprop(alpha=0.9), 0.30653),
        (RMSprop(alpha=0.9, epsilon_place="inside the root"), 0.001),
        (RMSprop(alpha=0.9, centered=True), None),
    ],
)
def test_first_step_along_a_tiny_gradient(optimizer: Optimizer, length: float | None) -> None:
    stepper = Stepper(optimizer, [0.0])
    stepper.step(np.array([1e-6]), rate=0.1)
    if length is None:
        # s - m² = (0.1 - 0.01) g²
        length = 0.1 * 1e-6 / (0.3 * 1e-6 + 1e-8)
    assert -stepper.parameter[0] == pytest.approx(length, rel=1e-4)


@pytest.mark.parametrize("optimizer", [Adam(bias_correction=False), AMSGrad(bias_correction=False)])
def test_without_correction_the_first_step_is_longer(optimizer: Adam | AMSGrad) -> None:
    stepper = Stepper(optimizer, [0.0])
    stepper.step(np.array([2.0]), rate=0.1)
    assert -stepper.parameter[0] / 0.1 == pytest.approx(0.1 / 0.001**0.5, rel=1e-6)


def test_adagrads_rate_falls_with_the_root_of_the_steps() -> None:
    stepper = Stepper(Adagrad(learning_rate=0.1), [0.0])
    for _ in range(400):
        before = stepper.parameter.copy()
        stepper.step(np.array([3.0]))
    assert before[0] - stepper.parameter[0] == pytest.approx(0.1 / 400**0.5, rel=1e-9)


def test_centred_rmsprop_does_not_take_the_root_of_less_than_nothing() -> None:
    stepper = Stepper(RMSprop(alpha=0.5, centered=True), np.zeros(1000), dtype=np.float32)
    gradient = np.random.default_rng(2).standard_normal(1000).astype(np.float32)
    for _ in range(60):
        stepper.step(gradient)
    square, mean, _ = stepper.slots
    assert (square < mean * mean).any(), "rounding leaves less than nothing somewhere"
    assert np.isfinite(stepper.parameter).all()


# -- known problems ----------------------------------------------------------------------------------------------------


def steps_to_the_minimum(stepper: Stepper, curvature: float) -> int:
    """From (1, 1) along x² / 2 + curvature · y² / 2, until the point that notes list is within 0.001 of 0."""
    curvatures, optimizer = np.array([1.0, curvature]), stepper.optimizer
    assert isinstance(optimizer, SGD)
    ahead = optimizer.momentum if optimizer.nesterov else 0.0
    for step in range(1000):
        if np.linalg.norm(stepper.parameter - ahead * stepper.slots[0]) < 1e-3:
            return step
        stepper.step(curvatures * stepper.parameter)
    raise AssertionError("it does not arrive")


@pytest.mark.parametrize(("curvature", "expected"), [(10.0, (37, 66, 16, 24)), (100.0, (363, 688, 58, 88))])
def test_steps_by_condition_number(curvature: float, expected: tuple[int, ...]) -> None:
    root = curvature**0.5
    share = (root - 1) / (root + 1)
    rules = (
        SGD(learning_rate=2 / (1 + curvature)),
        SGD(learning_rate=1 / curvature),
        SGD(learning_rate=(2 / (1 + root)) ** 2, momentum=share**2),
        SGD(learning_rate=1 / curvature, momentum=share, nesterov=True, rate_place="inside v"),
    )
    assert tuple(steps_to_the_minimum(Stepper(rule, [1.0, 1.0]), curvature) for rule in rules) == expected


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (SGD(), 194),
        (SGD(momentum=0.9), 69),
        (SGD(momentum=0.9, nesterov=True), 61),
        (RMSprop(alpha=0.9, epsilon_place="inside the root"), 10),
        (Adam(), 21),
    ],
)
def test_steps_to_leave_a_saddle(optimizer: Optimizer, expected: int) -> None:
    """x² − y² from (1, 1e-8), until y has grown to 1."""
    stepper, steps = Stepper(optimizer, [1.0, 1e-8]), 0
    while abs(stepper.parameter[1]) < 1.0:
        stepper.step(np.array([2.0, -2.0]) * stepper.parameter, rate=0.05)
        steps += 1
    assert steps == expected
