"""Every reference kernel on every array namespace, in both precisions, without allocation, and in place."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from engine.kernels.reference import KERNELS
from engine.ops import OPS
from engine.ops.base import Op
from tests.engine.ops.cases import ALL, LARGE, UPDATES, Case
from tests.support.interpreter import Interpreter
from tests.support.strict_cupy import NAMES
from tests.support.strict_cupy import cp as strict_cupy

CASES = [*ALL, *UPDATES]
by_id = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


def run(case: Case, **options: Any) -> tuple[Interpreter, list[np.ndarray]]:
    """The case forward, and backward where it has a derivative; every array that came up, on the host."""
    machine = Interpreter(**options)
    values = [machine.value(array) for array in case.draw()]
    call = machine.call(case.op, *values)
    if case.wanted:
        weights = np.random.default_rng(1).standard_normal(call.outputs[0].shape)
        machine.gradients({call.outputs[0]: weights})
    results = [machine.host(value) for value in values]
    results += [machine.host(value) for done in machine.calls for value in done.outputs]
    return machine, results


def agree(found: list[np.ndarray], expected: list[np.ndarray], tolerance: float) -> None:
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        scale = np.max(np.abs(b), initial=1.0) if b.dtype.kind == "f" else 0
        np.testing.assert_allclose(a.astype(np.float64), b.astype(np.float64), rtol=0, atol=tolerance * scale)


@by_id
def test_writes_all_of_its_output(case: Case) -> None:
    # Outputs and work space start as NaN (see the interpreter); none may be left.
    _, results = run(case)
    for array in results:
        assert np.isfinite(array.astype(np.float64)).all()


@by_id
def test_float32_follows_float64(case: Case) -> None:
    agree(run(case, precision="float32")[1], run(case)[1], 2e-5 if case.op.name != "observe" else 1e-4)


@by_id
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_runs_on_a_strict_device(case: Case, precision: str) -> None:
    on_device = run(case, xp=strict_cupy, precision=precision, watch=lambda op: strict_cupy.kernel())[1]
    on_host = run(case, precision=precision)[1]
    for a, b in zip(on_device, on_host, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.gpu
@by_id
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_runs_on_a_gpu(case: Case, precision: str) -> None:
    import cupy

    tolerance = 1e-12 if precision == "float64" else 2e-5
    agree(run(case, xp=cupy, precision=precision)[1], run(case, precision=precision)[1], tolerance)


def test_every_kernel_is_run() -> None:
    run_here = {call.op.name for case in CASES for call in run(case)[0].calls if not call.op.view}
    assert run_here == set(KERNELS) == {name for name, op in OPS.items() if not op.view}


@pytest.mark.parametrize("case", LARGE, ids=lambda case: case.id)
def test_allocates_no_arrays(case: Case) -> None:
    # NumPy converts types through buffers of 8192 elements; anything that grows with the arrays exceeds the bound.
    peaks: dict[str, int] = {}

    @contextmanager
    def watch(op: Op) -> Iterator[None]:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        yield
        peaks[op.name] = tracemalloc.get_traced_memory()[1] - before

    tracemalloc.start()
    try:
        machine, _ = run(case, precision="float32", watch=watch)
    finally:
        tracemalloc.stop()
    largest = max(value.size for call in machine.calls for value in (*call.inputs, *call.outputs)) * 4
    assert largest > 1_500_000
    for name, peak in peaks.items():
        assert peak < 300_000, f"{name} allocated {peak} bytes"


def _aliased(case: Case) -> list[tuple[Op, list[np.ndarray], list[np.ndarray], int, int]]:
    """(operation, inputs, outputs, output index, input index) for each pair that may share memory."""
    machine, _ = run(case)
    found = []
    for call in machine.calls:
        inputs = [machine.host(value) for value in call.inputs]
        outputs = [machine.host(value) for value in call.outputs]
        found += [(call.op, inputs, outputs, *pair) for pair in call.op.in_place]
    return found


IN_PLACE = [case for case in ALL if _aliased(case)]


@pytest.mark.parametrize("case", IN_PLACE, ids=lambda case: case.id)
def test_in_place_gives_the_same_bits(case: Case) -> None:
    for op, inputs, expected, out_index, in_index in _aliased(case):
        machine = Interpreter()
        arrays = [array.copy() for array in inputs]
        tensors = [machine.value(array).tensor for array in inputs]
        outputs = [machine.blank(tensor) for tensor in op.infer(*tensors)]
        outputs[out_index] = arrays[in_index].reshape(outputs[out_index].shape)
        scratch = [machine.blank(tensor) for tensor in op.scratch(*tensors)]
        KERNELS[op.name](np, *arrays, *outputs, *scratch, **op.attributes())
        for a, b in zip(outputs, expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_every_operation_that_may_work_in_place_is_checked() -> None:
    declared = {name for name, op in OPS.items() if op.in_place}
    assert declared == {op.name for case in IN_PLACE for op, *_ in _aliased(case)}


FAULTS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "a name that CuPy lacks": lambda xp, x, y: xp.nan_to_number(x, out=y),
    "no out": lambda xp, x, y: xp.add(x, x),
    "an operator": lambda xp, x, y: x + x,
    "a host array": lambda xp, x, y: xp.add(x, np.ones(4), out=y),
    "a Python number": lambda xp, x, y: float(x[0]),
    "a truth value": lambda xp, x, y: bool(x[0]),
    "a host function": lambda xp, x, y: np.add(x, 1),
    "a host copy": lambda xp, x, y: np.asarray(x),
    "a shape that is not the result's": lambda xp, x, y: xp.add(x[:1], 1, out=y),
    "a shifted overlap": lambda xp, x, y: xp.add(x[1:], 1, out=x[:-1]),
    "a method that allocates": lambda xp, x, y: x.sum(),
    "an index array": lambda xp, x, y: x[xp.asarray(np.array([0, 1]))],
    "a loop that does not exist": lambda xp, x, y: xp.bitwise_and(x, x, out=y),
    "a transfer": lambda xp, x, y: x.get(),
    "a window outside": lambda xp, x, y: xp.lib.stride_tricks.as_strided(x, (2, 4), (8, 8)),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_the_strict_device_refuses(fault: Callable[[Any, Any, Any], Any]) -> None:
    x, y = strict_cupy.asarray(np.arange(4.0)), strict_cupy.asarray(np.zeros(4))
    with pytest.raises((TypeError, AttributeError)), strict_cupy.kernel():
        fault(strict_cupy, x, y)


@pytest.mark.skipif(find_spec("cupy") is None, reason="CuPy is not installed")
def test_the_recorded_names_are_cupys() -> None:
    import cupy

    assert cupy.__version__.startswith("14."), "record the names of this version anew"
    assert set(NAMES["namespace"]) <= set(dir(cupy))
    assert all(isinstance(getattr(cupy, name), cupy.ufunc) for name in NAMES["ufuncs"])
    assert set(NAMES["ndarray"]) <= set(dir(cupy.ndarray))
