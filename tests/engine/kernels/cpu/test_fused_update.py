"""Weights that are updated where their gradients arise: the same bits as apart, and only where nothing is missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import engine.cpu_executor
from engine.averaging import ExponentialAverage
from engine.clipping import ClipByGlobalNorm, ClipByLayerNorm, ClipByValue
from engine.cpu_executor import CompiledProgram, CPUExecutor
from engine.groups import ParameterGroup
from engine.kernels.cpu import fused_update
from engine.optimizers import SGD, Adam
from engine.penalties import L1, L2, MaxNorm, WeightDecay
from tests.support.random_networks import Case, random_case
from tests.support.whole_networks import Bound, equal_states, every_layer

RULES: dict[str, dict[str, Any]] = {
    "momentum": {"optimizer": SGD(learning_rate=0.02, momentum=0.9, nesterov=True)},
    "adam": {"optimizer": Adam(learning_rate=0.002), "penalties": (WeightDecay(strength=0.01),)},
}
NETWORKS: dict[str, Callable[..., Case]] = {
    "every layer": every_layer,
    **{str(seed): lambda seed=seed, **options: random_case(seed, batches=(24, 41), **options) for seed in (0, 3, 5, 8)},
}


@pytest.fixture
def bind(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Bound]]:
    """Makes a `Bound` whose gradients are not kept, however small its weights are."""
    monkeypatch.setattr(engine.cpu_executor, "ALONE", 0)
    monkeypatch.setattr(fused_update, "SMALLEST", 1)
    made: list[Bound] = []

    def make(case: Case, *, keep: bool, observe: bool = False) -> Bound:
        bound = Bound(case, 2, observe=observe)
        if not keep:
            program = bound.program.program
            bound.executor.close()
            bound.executor = CPUExecutor(bound.state, 2, keep_gradients=False)
            bound.program = bound.executor.bind(program)
        made.append(bound)
        return bound

    yield make
    for bound in made:
        bound.executor.close()


def names(bound: Bound) -> list[str]:
    assert isinstance(bound.program, CompiledProgram)
    return [item.name for item in bound.program.covered]


def fused(bound: Bound) -> list[str]:
    return [name for name in names(bound) if name.startswith("matmul+update_")]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_bits_as_apart(rule: str, name: str, bind: Callable[..., Bound]) -> None:
    case = NETWORKS[name](**RULES[rule])
    apart, together, seen = bind(case, keep=True), bind(case, keep=False), bind(case, keep=False, observe=True)
    assert not fused(apart) and not fused(seen)
    for bound in (apart, together, seen):
        assert bound.chunk().done == 5
    equal_states(apart, together)
    equal_states(apart, seen)


def test_layers_whose_inputs_outlive_the_backward_pass_join_their_updates(bind: Callable[..., Bound]) -> None:
    # The third has its input overwritten by the adjoint that is to come first.
    assert len(fused(bind(every_layer(**RULES["adam"]), keep=False))) == 2


@pytest.mark.parametrize(
    "apart",
    [
        {"clipping": ClipByGlobalNorm(max_norm=0.5)},
        {"clipping": ClipByLayerNorm(max_norm=0.5)},
        {"clipping": ClipByValue(max_value=0.01)},
        {"penalties": (L2(strength=0.01),)},
        {"penalties": (L1(strength=0.01, method="proximal"),)},
    ],
)
def test_what_needs_all_gradients_or_weights_keeps_them_apart(
    apart: dict[str, Any], bind: Callable[..., Bound]
) -> None:
    assert not fused(bind(every_layer(optimizer=Adam(), **apart), keep=False))


@pytest.mark.parametrize(
    "beside",
    [
        {"penalties": (MaxNorm(bound=1.0), WeightDecay(strength=0.1))},
        {"averaging": ExponentialAverage(decay=0.5)},
        {"groups": (ParameterGroup(parameters="biases", rate=0.5), ParameterGroup(nodes=("dense_1",), rate=0.1))},
    ],
    ids=lambda beside: "+".join(beside),
)
def test_what_follows_the_update_leaves_them_together(beside: dict[str, Any], bind: Callable[..., Bound]) -> None:
    case = every_layer(optimizer=Adam(learning_rate=0.002), **beside)
    apart, together, seen = bind(case, keep=True), bind(case, keep=False), bind(case, keep=False, observe=True)
    assert fused(together) and not fused(apart)
    for bound in (apart, together, seen):
        assert bound.chunk().done == 5
    equal_states(apart, together)
    equal_states(apart, seen)


def test_frozen_weights_are_not_updated_with_their_gradients(bind: Callable[..., Bound]) -> None:
    case = every_layer(optimizer=Adam(), groups=(ParameterGroup(parameters="weights", frozen=True),))
    bound = bind(case, keep=False)
    before = {name: array.copy() for name, array in bound.state.parameters.items()}
    assert not fused(bound) and bound.chunk().done == 5
    moved = {name for name, array in bound.state.parameters.items() if (array != before[name]).any()}
    assert moved and not any(name.endswith("weight") for name in moved)


def test_a_loss_that_is_not_finite_updates_nothing(bind: Callable[..., Bound]) -> None:
    bound = bind(every_layer(optimizer=SGD(learning_rate=0.1)), keep=False)
    bound.arrays["x"][0, 0, 0, 0] = float("nan")
    before = {name: array.copy() for name, array in bound.state.parameters.items()}
    bound.indices[:] = 0
    assert bound.chunk().done == 0
    for name, array in bound.state.parameters.items():
        assert (array == before[name]).all()
