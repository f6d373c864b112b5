"""Everything beside the rule at once: both executors agree, instruments change no bit, and more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import engine.cpu_executor
from engine.averaging import ExponentialAverage
from engine.clipping import ClipByLayerNorm, ClipByValue
from engine.groups import ParameterGroup
from engine.optimizers import LAMB, SGD, Adam, AdamW, update_scalars
from engine.penalties import L1, L2, ElasticNet, MaxNorm, WeightDecay
from tests.engine.update.bench import Ours, small

ALL: dict[str, Any] = {
    "optimizer": Adam(learning_rate=0.02, epsilon=1e-4),
    "penalties": (L1(strength=1e-3, method="proximal"), MaxNorm(bound=1.0), WeightDecay(strength=0.1)),
    "groups": (
        ParameterGroup(nodes=("conv2d_1",), parameters="weights", rate=0.5, own_penalties=True, penalties=(L2(),)),
        ParameterGroup(nodes=("dense_2",), frozen=True, parameters="biases"),
    ),
    "averaging": ExponentialAverage(decay=0.9),
}
CASES: dict[str, dict[str, Any]] = {
    "by value": ALL | {"clipping": ClipByValue(max_value=0.01)},
    "by layer": ALL | {"clipping": ClipByLayerNorm(max_norm=0.1)},
    "rules that see arrays": ALL | {"optimizer": LAMB(learning_rate=0.02), "clipping": ClipByLayerNorm(max_norm=0.1)},
    "elastic": {"optimizer": SGD(learning_rate=0.1), "penalties": (ElasticNet(strength=0.01), MaxNorm(bound=1.5))},
}


@pytest.mark.parametrize("name", CASES)
def test_both_executors_agree(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.cpu_executor, "ALONE", 0)
    arrays, one, two = (Ours(small("float32", **CASES[name]), threads) for threads in (0, 1, 2))
    losses = [ours.step(20) for ours in (arrays, one, two)]
    assert losses[1] == losses[2] == pytest.approx(losses[0], rel=1e-4)
    found, alone, both = (ours.state.to_host() for ours in (arrays, one, two))
    for key, array in found.items():
        np.testing.assert_array_equal(alone[key], both[key], err_msg=key)
        np.testing.assert_allclose(alone[key], array, rtol=2e-3, atol=2e-4, err_msg=key)
    one.close(), two.close()


@pytest.mark.parametrize("threads", [0, 1])
@pytest.mark.parametrize("name", CASES)
def test_instruments_change_no_bit(name: str, threads: int) -> None:
    plain, seen = (Ours(small("float32", **CASES[name]), threads, observe=observe) for observe in (False, True))
    assert plain.step(10) == pytest.approx(seen.step(10), rel=1e-6)
    for key, array in plain.state.to_host().items():
        np.testing.assert_array_equal(seen.state.to_host()[key], array, err_msg=key)
    told = seen.program.observations().parameters
    assert set(told) == set(seen.state.parameters)
    if name != "elastic":
        bias = told["dense_2/bias"]
        assert bias.update_norm == 0 and bias.gradient_norm > 0 and bias.weights is not None
    plain.close(), seen.close()


def test_the_decay_of_a_rule_and_that_of_a_penalty_are_one_in_every_group() -> None:
    groups = (ParameterGroup(nodes=("dense_1",), rate=0.5), ParameterGroup(parameters="biases", rate=2.0))
    rule = Ours(small(optimizer=AdamW(learning_rate=0.02, weight_decay=0.3), groups=groups))
    penalty = Ours(small(optimizer=Adam(learning_rate=0.02), penalties=(WeightDecay(strength=0.3),), groups=groups))
    rule.step(10), penalty.step(10)
    for key, array in rule.state.to_host().items():
        np.testing.assert_array_equal(penalty.state.to_host()[key], array, err_msg=key)


def test_biases_pay_what_their_own_group_asks_and_not_the_decay_of_the_rule() -> None:
    biases = ParameterGroup(parameters="biases", own_penalties=True, penalties=(WeightDecay(strength=0.5),))
    case = small(optimizer=AdamW(learning_rate=0.1, weight_decay=0.3), groups=(biases,))
    scalars = update_scalars(case.experiment.training, 0.1, 1)
    assert (scalars["keep"], scalars["groups/0/keep"]) == pytest.approx((1 - 0.03, 1 - 0.05))


@pytest.mark.parametrize("threads", [0, 1])
def test_a_loss_that_is_not_finite_changes_nothing(threads: int) -> None:
    ours = Ours(small("float32", **CASES["by value"]), threads)
    before = ours.state.to_host()
    ours.program.feed({"x": np.full_like(ours.case.inputs["x"], np.nan)}, ours.case.targets)
    assert not ours.program.run({"learning_rate": 0.1})
    for key, array in ours.state.to_host().items():
        np.testing.assert_array_equal(array, before[key], err_msg=key)
    ours.close()
