"""Observers that take turns: each array once in a rotation, the same numbers, and no bit of a parameter."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from engine.backend import choose
from engine.cpu_executor import CompiledProgram, CPUExecutor
from engine.graph import check
from engine.observations import Observations
from engine.plan import compile
from engine.state import State
from engine.statistics import TensorStats
from tests.engine.test_executor import large_case

PERIOD = 7


@pytest.fixture(params=[1, 2], ids=["1 thread", "2 threads"])
def observed(request: pytest.FixtureRequest) -> Iterator[CompiledProgram]:
    case = large_case(8)
    report = check(case.experiment.network, case.signature)
    state = State(case.experiment.network, report, case.experiment.training.optimizer, choose("cpu"), seed=0)
    program = compile(case.experiment, report, case.signature, batch_size=case.batch, training=True, observe=True)
    executor = CPUExecutor(state, threads=request.param)
    bound = executor.bind(program)
    assert isinstance(bound, CompiledProgram)
    bound.feed(case.inputs, case.targets)
    yield bound
    executor.close()


def tensors(seen: Observations) -> dict[tuple[str, str], TensorStats]:
    found = {("activation", name): stats for name, stats in seen.activations.items()}
    found |= {("adjoint", name): stats for name, stats in seen.adjoints.items()}
    for name, item in seen.parameters.items():
        assert item.weights is not None and item.gradient is not None
        found |= {("weights", name): item.weights, ("gradient", name): item.gradient}
    return found


def looked_at(bound: CompiledProgram) -> set[tuple[str, str]]:
    """What has been looked at since the program was bound: of the rest no element is known."""
    return {key for key, stats in tensors(bound.observations()).items() if stats.nonfinite < stats.count}


STILL = {"learning_rate": 0.0, "step_size": 0.0, "dropout_1/rate": 0.0}


def test_every_array_has_its_turn_once_in_a_rotation(observed: CompiledProgram) -> None:
    observed.rotate(PERIOD)
    seen: list[set[tuple[str, str]]] = [set()]
    for step in range(PERIOD):
        assert observed.run(STILL, step, seed=3)
        seen.append(looked_at(observed))
    counts = [len(later - earlier) for earlier, later in pairwise(seen)]
    assert sum(counts) == len(tensors(observed.observations())), counts
    # Views share the look at their source; otherwise each step has its part.
    assert max(counts) <= 2 * sum(counts) / PERIOD + 2


def test_in_a_rotation_the_numbers_are_those_of_every_step(observed: CompiledProgram) -> None:
    observed.rotate(PERIOD)
    for step in range(PERIOD):
        assert observed.run(STILL, step, seed=3)
    taken = tensors(observed.observations())
    observed.rotate(1)
    assert observed.run(STILL, PERIOD, seed=3)
    for key, stats in tensors(observed.observations()).items():
        assert taken[key].count == stats.count
        for name in ("mean", "std", "minimum", "maximum", "zero_share", "dead_share", "nonfinite"):
            assert getattr(taken[key], name) == pytest.approx(getattr(stats, name), rel=1e-6, abs=1e-9), (key, name)
        if stats.histogram is not None:
            histogram = taken[key].histogram
            assert histogram is not None
            np.testing.assert_array_equal(histogram, stats.histogram)


def test_the_period_changes_no_parameter(observed: CompiledProgram) -> None:
    before = observed.state.to_host()
    after = []
    for period in (1, PERIOD):
        observed.state.load(before)
        observed.rotate(period)
        for step in range(4):
            assert observed.run({"learning_rate": 0.01}, step, seed=3)
        after.append(observed.state.to_host())
    for name, array in after[0].items():
        np.testing.assert_array_equal(array, after[1][name], name)
