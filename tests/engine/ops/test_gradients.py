"""Directional derivatives in float64: <dL/dx, v> against differences of L along v, for every operation with a VJP."""

from __future__ import annotations

import numpy as np
import pytest

from engine.ops import OPS, update
from engine.ops.base import Op
from tests.engine.ops.cases import DIFFERENTIABLE, Case
from tests.support.interpreter import Interpreter

STEP = 2e-4


def _objective(case: Case, arrays: list[np.ndarray], weights: np.ndarray) -> float:
    machine = Interpreter()
    call = machine.call(case.op, *(machine.value(array) for array in arrays))
    return float(np.sum(machine.host(call.outputs[0]) * weights))


def _relative_error(case: Case, index: int, seed: int) -> float:
    rng = np.random.default_rng([seed, index])
    arrays = case.draw(seed)
    machine = Interpreter()
    values = [machine.value(array) for array in arrays]
    call = machine.call(case.op, *values)
    weights = rng.standard_normal(call.outputs[0].shape)
    gradient = machine.gradients({call.outputs[0]: weights})(values[index])
    direction = rng.standard_normal(arrays[index].shape)

    def along(distance: float) -> float:
        moved = [a + distance * direction if i == index else a for i, a in enumerate(arrays)]
        return _objective(case, moved, weights)

    # The central difference of fourth order, so that its error stays far below the bound.
    numeric = (8 * (along(STEP) - along(-STEP)) - (along(2 * STEP) - along(-2 * STEP))) / (12 * STEP)
    analytic = float(np.sum(gradient * direction))
    scale = float(np.linalg.norm(gradient) * np.linalg.norm(direction)) + 1e-6
    return abs(numeric - analytic) / scale


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=lambda case: case.id)
def test_gradient_agrees_with_differences(case: Case) -> None:
    for index in case.wanted:
        for seed in (0, 1):
            assert _relative_error(case, index, seed) < 1e-8, f"input {index}, seed {seed}"


def test_every_operation_with_a_derivative_is_checked() -> None:
    own = {name for name, op in OPS.items() if op.vjp is not Op.vjp and op.__module__ != update.__name__}
    assert own <= {case.op.name for case in DIFFERENTIABLE}


def test_a_wrong_derivative_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(c for c in DIFFERENTIABLE if c.op.name == "tanh")
    monkeypatch.setattr(type(case.op), "vjp", lambda self, b, call, dy: (dy,))
    assert _relative_error(case, 0, 0) > 1e-3
