"""Whole networks on the compiled executor beside the array executor: the same numbers, and bits that do not depend on
how many steps a call has, on threads, or on instruments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import engine.cpu_executor
from engine.cpu_executor import CompiledProgram
from engine.optimizers import SGD
from engine.registry import components_of
from tests.engine.kernels.cpu.test_operations import FALLBACKS
from tests.support.whole_networks import (
    EACH,
    SOME,
    STEPS,
    WHOLE,
    Bound,
    a_mask_over_a_summand,
    cases,
    equal_states,
    evaluates_alike,
    stops_where_the_loss_is_not_finite,
)


@pytest.fixture
def bind(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Bound]]:
    """Makes `Bound`s and closes their executors; two threads are used however small a network is."""
    monkeypatch.setattr(engine.cpu_executor, "ALONE", 0)
    made: list[Bound] = []

    def make(*arguments: Any, **options: Any) -> Bound:
        made.append(Bound(*arguments, **options))
        return made[-1]

    yield make
    for bound in made:
        bound.executor.close()


def test_the_network_of_every_layer_has_every_layer() -> None:
    nodes = [node for make in WHOLE.values() for node in make().experiment.network.nodes]
    assert {type(node.component) for node in nodes} >= set(components_of("layer").values())


@EACH
def test_agrees_with_the_array_executor(rule: str, name: str, bind: Callable[..., Bound]) -> None:
    case = cases(rule)[name]()
    ours, theirs = bind(case, 2), bind(case, 0)
    for step in range(STEPS):
        assert ours.step(step) == pytest.approx(theirs.step(step), rel=2e-5, abs=1e-6), step
        assert ours.program.penalty() == pytest.approx(theirs.program.penalty(), rel=1e-5)
    others = theirs.state.to_host()
    for array_name, array in ours.state.to_host().items():
        scale = max(float(np.abs(others[array_name]).max()), 0.05)
        np.testing.assert_allclose(array, others[array_name], rtol=0, atol=2e-4 * scale, err_msg=array_name)


@EACH
def test_many_steps_in_a_call_give_the_bits_of_single_ones(rule: str, name: str, bind: Callable[..., Bound]) -> None:
    case = cases(rule)[name]()
    together, apart = bind(case, 2), bind(case, 2)
    chunk = together.chunk()
    assert chunk.done == STEPS
    for step in range(STEPS):
        assert chunk.losses[step] == pytest.approx(apart.step(step), rel=1e-12)
        assert chunk.penalties[step] == apart.program.penalty()
        for node, output in apart.program.outputs().items():
            np.testing.assert_array_equal(chunk.outputs[node][step], output)
    equal_states(together, apart)


@SOME
def test_the_number_of_threads_and_instruments_change_no_bit(name: str, bind: Callable[..., Bound]) -> None:
    case = cases("momentum")[name]()
    one, two, seen = bind(case, 1), bind(case, 2), bind(case, 2, observe=True)
    for bound in (one, two, seen):
        assert bound.chunk().done == STEPS
    equal_states(one, two)
    equal_states(one, seen)


@SOME
@pytest.mark.parametrize("observe", [False, True])
def test_all_of_it_is_compiled(name: str, observe: bool, bind: Callable[..., Bound]) -> None:
    for training in (False, True):
        program = bind(cases("adam, clipped")[name](), 2, observe=observe, training=training).program
        assert isinstance(program, CompiledProgram)
        left = {item.name.removeprefix("array: ") for item in program.covered if item.name.startswith("array")}
        assert left <= FALLBACKS


@SOME
def test_evaluation_agrees_with_the_array_executor(name: str, bind: Callable[..., Bound]) -> None:
    case = cases("momentum")[name]()
    evaluates_alike(bind(case, 2, training=False), bind(case, 0, training=False))


@SOME
def test_a_loss_that_is_not_finite_stops_a_chunk(name: str, bind: Callable[..., Bound]) -> None:
    case = cases("momentum")[name]()
    stops_where_the_loss_is_not_finite(bind(case, 2), bind(case, 2))


def test_nothing_is_written_where_the_same_row_still_reads(bind: Callable[..., Bound]) -> None:
    case = a_mask_over_a_summand(optimizer=SGD(learning_rate=0.1))
    ours, theirs = bind(case, 2), bind(case, 0)
    program = ours.program.program
    add, dropout = (next(call for call in program.calls if call.op.name == name) for name in ("add", "dropout"))
    arrays = ours.program.arrays
    mask = arrays[dropout.outputs[1].id]
    assert any(np.shares_memory(arrays[value.id], mask) for value in add.inputs), "what this test is about"
    for step in range(3):
        assert ours.step(step) == pytest.approx(theirs.step(step), rel=1e-5)


def test_indices_beyond_the_samples_are_refused(bind: Callable[..., Bound]) -> None:
    bound = bind(cases("momentum")["0"](), 2)
    good = bound.indices.copy()
    for wrong in (good[:, :-1], good + len(bound.arrays["x"]), good - 1 - good.max()):
        bound.indices = wrong
        with pytest.raises(ValueError, match="indices"):
            bound.chunk()
    bound.indices = good
    assert bound.chunk().done == STEPS
