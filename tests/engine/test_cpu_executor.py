"""The compiled executor as an executor: its label, its threads, its timeline, and the state it leaves a thread in."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import engine.cpu_executor
from engine.backend import choose
from engine.cpu_executor import CompiledProgram, CPUExecutor
from engine.graph import check
from engine.optimizers import SGD
from engine.plan import compile
from engine.state import State
from tests.support.whole_networks import Bound, every_layer


@pytest.fixture
def bound(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engine.cpu_executor, "ALONE", 0)
    made = Bound(every_layer(optimizer=SGD(learning_rate=0.02)), 2)
    yield made
    made.executor.close()


def test_label_and_threads(bound: Bound) -> None:
    executor = bound.executor
    assert isinstance(executor, CPUExecutor)
    assert (executor.kind, executor.threads, executor.label) == ("cpu", 2, "Compiled · 2 threads")
    names = {thread.name for thread in threading.enumerate()}
    assert "team 1" in names and "team 2" not in names


def test_a_small_step_stays_on_one_thread(monkeypatch: pytest.MonkeyPatch, bound: Bound) -> None:
    assert isinstance(bound.program, CompiledProgram) and bound.program.threads == 2
    monkeypatch.setattr(engine.cpu_executor, "ALONE", 1 << 60)
    small = bound.executor.bind(bound.program.program)
    assert isinstance(small, CompiledProgram) and small.threads == 1


def test_the_timeline_tells_of_every_row_and_thread(bound: Bound) -> None:
    program = bound.program
    assert isinstance(program, CompiledProgram) and program.timeline() is None
    program.stamping = True
    bound.chunk()
    found = program.timeline()
    assert found is not None and found.threads == 2
    assert {"numbers", "batch", "loss", "results"} <= set(found.rows)
    assert {item.name for item in program.covered if item.rows} <= set(found.rows)
    assert {"forward", "backward", "update"} <= set(found.phases)
    # One after the other on each thread, and nobody begins a row before all have left the one before.
    assert (found.end >= found.begin).all() and (found.begin[:, 1:] >= found.end[:, :-1]).all()
    assert 0 < found.seconds < 10 and (found.wait >= 0).all()
    flops = sum(value for value in found.flops if value == value)
    assert flops == pytest.approx(program.program.flops)
    program.stamping = False
    bound.chunk()
    assert program.timeline() is None


def test_a_single_step_has_a_timeline_too(bound: Bound) -> None:
    program = bound.program
    assert isinstance(program, CompiledProgram)
    program.stamping = True
    bound.step(0)
    found = program.timeline()
    assert found is not None and "batch" not in found.rows and "loss" in found.rows


def test_the_caller_still_has_denormal_numbers(bound: Bound) -> None:
    bound.step(0)
    tiny = np.array([1e-40], np.float32)
    assert (tiny + tiny)[0] > 0


def test_float64_is_left_to_the_array_executor() -> None:
    case = every_layer(optimizer=SGD())
    report = check(case.experiment.network, case.signature)
    state = State(case.experiment.network, report, SGD(), choose("cpu"), precision="float64")
    from msgspec.structs import replace

    experiment = replace(case.experiment, training=replace(case.experiment.training, precision="float64"))
    executor = CPUExecutor(state, 1)
    program = compile(experiment, report, case.signature, batch_size=4, training=True)
    assert not isinstance(executor.bind(program), CompiledProgram)
    executor.close()


def test_arrays_of_another_type_are_gathered_as_on_the_array_executor(bound: Bound) -> None:
    other = Bound(every_layer(optimizer=SGD(learning_rate=0.02)), 2)
    other.arrays["x"] = other.arrays["x"].astype(np.float64)
    assert list(bound.chunk().losses) == pytest.approx(list(other.chunk().losses), rel=1e-12)
    other.executor.close()
