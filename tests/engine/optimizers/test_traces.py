"""Update rules against traces computed elsewhere: f(x, y) = (x² + 10 y²) / 2 from (1, 1) at rate 0.05, and others."""

import numpy as np
import pytest

from engine.kinds import Optimizer, Penalty
from engine.optimizers import SGD, Adagrad, Adam, AdamW, RMSprop
from engine.penalties import L2, WeightDecay
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
        "adam, uncorrected",
        Adam(learning_rate=0.05, bias_correction=False),
        NONE,
        [(0.84188617, None), (0.63113272, None), (-0.09668375, None)],
    ),
    (
        "adam and decay",
        Adam(learning_rate=0.05),
        (WeightDecay(strength=0.01),),
        [(0.9495, None), (0.89910952, None), (0.74924797, None)],
    ),
    ("adamw", AdamW(learning_rate=0.05), NONE, [(0.9495, None), (0.89910952, None), (0.74924797, None)]),
    (
        "momentum, rate inside",
        SGD(learning_rate=0.05, momentum=0.9, rate_place="inside v"),
        NONE,
        [(0.95, 0.5), (0.8575, -0.2), (0.41715594, -0.5218)],
    ),
    (
        "nesterov, rate inside",
        SGD(learning_rate=0.05, momentum=0.9, nesterov=True, rate_place="inside v"),
        NONE,
        [(0.905, 0.05), (0.778525, -0.4025), (0.31594231, -0.01113719)],
    ),
    ("adagrad", Adagrad(learning_rate=0.05), NONE, [(0.95, 0.95), (0.91556253, None), (0.8433808, None)]),
    (
        "rmsprop",
        RMSprop(learning_rate=0.05, alpha=0.9),
        NONE,
        [(0.84188612, None), (0.73693766, None), (0.52446366, None)],
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
