"""Update rules against traces computed elsewhere: f(x, y) = (x² + 10 y²) / 2 from (1, 1) at rate 0.05, and others."""

import math

import numpy as np
import pytest

from engine.experiment import TrainingSpec
from engine.kinds import Optimizer, Penalty
from engine.ops.update import COMMON
from engine.optimizers import SGD, Adam, update_scalars
from engine.penalties import L1, L2, WeightDecay
from engine.schedules import ConstantSchedule, NoWarmup
from tests.support.stepping import Stepper


def bowl(w: np.ndarray) -> np.ndarray:
    return w * np.array([1.0, 10.0])


NONE: tuple[Penalty, ...] = ()
TRACES = [
    ("descent", SGD(learning_rate=0.05), NONE, [(0.95, 0.5), (0.9025, 0.25), (0.77378094, 0.03125)]),
    ("momentum", SGD(learning_rate=0.05, momentum=0.9), NONE, [(0.95, 0.5), (0.8575, -0.2), (0.41715594, -0.5218)]),
    (
        "nesterov",
        SGD(learning_rate=0.05, momentum=0.9, nesterov=True),
        NONE,
        [(0.905, 0.05), (0.778525, -0.4025), (0.31594231, -0.01113719)],
    ),
    ("adam", Adam(learning_rate=0.05), NONE, [(0.95, 0.95), (0.90008324, None), (0.75147789, None)]),
    (
        "adamw",
        Adam(learning_rate=0.05),
        (WeightDecay(strength=0.01),),
        [(0.9495, None), (0.89910952, None), (0.74924797, None)],
    ),
]


@pytest.mark.parametrize(("optimizer", "penalties", "expected"), [t[1:] for t in TRACES], ids=[t[0] for t in TRACES])
def test_trace_on_a_bowl(
    optimizer: Optimizer, penalties: tuple[Penalty, ...], expected: list[tuple[float, float | None]]
) -> None:
    stepper = Stepper(optimizer, [1.0, 1.0], penalties=penalties)
    for steps, (x, y) in zip((1, 1, 3), expected, strict=True):
        found = stepper.run(bowl, steps)
        assert found[0] == pytest.approx(x, abs=1e-7)
        assert y is None or found[1] == pytest.approx(y, abs=1e-7)


@pytest.mark.parametrize(
    ("optimizer", "penalty", "expected"),
    [
        (SGD(learning_rate=0.1), L2(strength=0.05), (0.970002, -1.999801)),
        (SGD(learning_rate=0.1), WeightDecay(strength=0.1), (0.970002, -1.999801)),
        (Adam(learning_rate=0.1), L2(strength=0.05), (0.701563, 0.700010)),
        (Adam(learning_rate=0.1), WeightDecay(strength=0.1), (0.673292, 0.673289)),
    ],
)
def test_decay_is_a_penalty_only_for_plain_descent(
    optimizer: Optimizer, penalty: Penalty, expected: tuple[float, float]
) -> None:
    # An L2 penalty of λ has the gradient 2 λ w, hence half the weight decay.
    stepper = Stepper(optimizer, [1.0, 1.0], penalties=(penalty,))
    for _ in range(3):
        stepper.step(np.array([1e-3, 10.0]))
    assert stepper.parameter == pytest.approx(np.array(expected), abs=1e-6)


def test_momentum_uses_the_rate_of_the_step() -> None:
    # The velocity does not hold the rate: PyTorch's trace after a drop from 0.05 to 0.005 at step 5.
    stepper = Stepper(SGD(momentum=0.9), [1.0, 1.0])
    for step in range(10):
        stepper.step(bowl(stepper.parameter), rate=0.05 if step < 5 else 0.005)
    assert stepper.parameter == pytest.approx(np.array([0.3308, -0.1231]), abs=5e-5)


def test_momentum_can_be_raised_during_a_run() -> None:
    stepper = Stepper(SGD(learning_rate=0.1), [1.0])
    stepper.step(np.array([2.0]))
    stepper.optimizer = SGD(learning_rate=0.1, momentum=0.5)
    stepper.step(np.array([0.0]))
    assert stepper.parameter[0] == pytest.approx(1.0 - 0.2 - 0.1)


def test_nesterov_without_momentum_is_descent() -> None:
    plain, nesterov = (Stepper(SGD(learning_rate=0.05, nesterov=n), [1.0, 1.0]).run(bowl, 5) for n in (False, True))
    assert np.array_equal(plain, nesterov)


def test_adam_moves_by_about_the_rate_whatever_the_gradient() -> None:
    gradients = np.array([1e-6, 1.0, 1e6])
    stepper = Stepper(Adam(learning_rate=0.1), np.zeros(3))
    stepper.step(gradients)
    assert stepper.parameter == pytest.approx(-0.1 * gradients / (gradients + 1e-8), rel=1e-9)


def test_l1_pulls_with_the_same_force_and_leaves_zero_alone() -> None:
    stepper = Stepper(SGD(learning_rate=1.0), [3.0, -0.5, 0.0], penalties=(L1(strength=0.25),))
    stepper.step(np.zeros(3))
    assert stepper.parameter.tolist() == [2.75, -0.25, 0.0]


@pytest.mark.parametrize("optimizer", [SGD(learning_rate=0.3, momentum=0.5), Adam(learning_rate=0.3)])
def test_control_block_lists_the_operations_scalars_in_order(optimizer: Optimizer) -> None:
    training = TrainingSpec(
        optimizer=optimizer,
        schedule=ConstantSchedule(),
        warmup=NoWarmup(),
        penalties=(L2(strength=0.25), L2(strength=0.5), L1(strength=2.0), WeightDecay(strength=0.5)),
        clip_norm=3.0,
    )
    scalars = update_scalars(training, 0.2, 7)
    names = [name for name in scalars if name != "max_norm"]
    op = optimizer.update_op()
    assert names == [n for n in COMMON if n != "clip_scale"] + list(op.RULE_SCALARS)  # type: ignore[attr-defined]
    assert [slot.name for slot in optimizer.slots()] == list(op.SLOTS)  # type: ignore[attr-defined]
    assert op.mutates == (0, *range(2 + len(COMMON) + len(op.RULE_SCALARS), 2 + len(names) + 1 + len(op.SLOTS)))  # type: ignore[attr-defined]
    assert (scalars["l1"], scalars["l2"], scalars["keep"], scalars["max_norm"]) == (2.0, 0.75, 0.9, 3.0)


def test_no_clipping_is_an_infinite_bound() -> None:
    training = TrainingSpec(optimizer=SGD(), schedule=ConstantSchedule(), warmup=NoWarmup())
    assert update_scalars(training, 0.1, 1)["max_norm"] == math.inf


def test_adams_correction_fades() -> None:
    late = Adam(learning_rate=0.5).scalars(0.5, 10**6)
    assert late["step_size"] == 0.5 and late["square_correction"] == 1.0
    first = Adam(beta1=0.0, beta2=0.0).scalars(0.5, 1)
    assert first["step_size"] == 0.5 and first["square_correction"] == 1.0
