"""Convolutions on the GPU where the general cases do not lead: in pieces, with stages, one operand after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from engine import ops
from engine.kernels.cuda import convolution, windows
from engine.kernels.cuda.choice import Chooser
from engine.kernels.cuda.launches import Launch
from engine.ops.base import Op, Tensor, Value
from engine.ops.grouped_convolution import GroupedConv2d, GroupedConv2dInputGradient
from tests.engine.ops.cases import Case, normal
from tests.support.choosers import Told, in_every_order, ways
from tests.support.cuda_bench import CudaBench
from tests.support.interpreter import Interpreter
from tests.support.records import records_of

IMAGE = (5, 9, 7, 8)
C = IMAGE[-1]

OPERATIONS: dict[str, tuple[Op, tuple[int, ...]]] = {
    "plain": (ops.Conv2d(1, 1), (3, 3, C, 12)),
    "strided": (ops.Conv2d(2, 1), (3, 2, C, 5)),
    "pointwise": (ops.Conv2d(1, 0), (1, 1, C, 12)),
    "more margin than filter": (ops.Conv2d(1, 2), (2, 2, C, 4)),
    "groups": (GroupedConv2d(1, 1, 2, 1), (3, 3, C // 2, 12)),
    "strided groups": (GroupedConv2d(2, 1, 4, 1), (3, 3, C // 4, 12)),
    "pointwise groups": (GroupedConv2d(1, 0, 2, 1), (1, 1, C // 2, 12)),
    "gaps": (GroupedConv2d(1, 2, 1, 2), (3, 3, C, 5)),
    "by channel": (GroupedConv2d(1, 1, C, 1), (3, 3, 1, C)),
    "by channel, strided": (GroupedConv2d(2, 1, C, 2), (3, 3, 1, C)),
    "two filters a channel": (GroupedConv2d(1, 1, C, 1), (5, 3, 1, 2 * C)),
}
by_operation = pytest.mark.parametrize("name", OPERATIONS)


@pytest.fixture
def bench(benches: tuple[CudaBench, ...]) -> Iterator[CudaBench]:
    """One of the benches; what it chooses by is put back."""
    yield benches[2]
    for item in benches:
        item.chooser = Chooser


@by_operation
@pytest.mark.parametrize("images", [1, 2])
def test_some_images_at_a_time(name: str, images: int, bench: CudaBench, monkeypatch: pytest.MonkeyPatch) -> None:
    op, weights = OPERATIONS[name]
    y = op.infer(Tensor(IMAGE), Tensor(weights))[0].shape
    each = y[1] * y[2] * weights[0] * weights[1] * C
    bench.chooser = lambda: Told("patches")
    for record in records_of(Case(op, (normal(*IMAGE), normal(*weights)), (0, 1))):
        monkeypatch.undo()
        whole = bench.run([record.call], record.inputs)
        count = len(bench.works)
        monkeypatch.setattr(convolution, "COLUMNS", images * each)
        parts = bench.run([record.call], record.inputs)
        assert (len(bench.works) > count) == ("channel" not in name and "pointwise" not in name)
        for value_id, exact in record.reference("float64").items():
            for found in (whole[value_id], parts[value_id]):
                np.testing.assert_allclose(found, exact, rtol=0, atol=3e-6 * np.max(np.abs(exact)))


@by_operation
@pytest.mark.parametrize("columns", [convolution.COLUMNS, 1], ids=["whole", "in parts"])
def test_what_follows_a_gradient_is_a_stage(
    name: str, columns: int, bench: CudaBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convolution, "COLUMNS", columns)
    op, weights = OPERATIONS[name]
    forward = Interpreter(precision="float32")
    y = forward.op(op, *(forward.value(np.zeros(shape)) for shape in (IMAGE, weights)))
    make = GroupedConv2dInputGradient if isinstance(op, GroupedConv2d) else ops.Conv2dInputGradient
    gradient = make(**op.attributes(), x_shape=IMAGE)

    def build(machine: Interpreter, draw: Callable[..., Value]) -> None:
        dx = machine.op(gradient, draw(*y.shape), draw(*weights))
        machine.op(ops.TanhGradient(), draw(*IMAGE), dx)

    for way in group(build, bench):
        last = bench.works[-1]
        if isinstance(last, Launch) and last.output is not None and last.kernel != "elementwise":
            assert len(bench.names) == 1, way
            assert all(len(part.stages) == 1 for part in (*last.parts, last)), way


@by_operation
def test_bias_and_activation_follow(name: str, bench: CudaBench) -> None:
    op, weights = OPERATIONS[name]

    def build(machine: Interpreter, draw: Callable[..., Value]) -> None:
        y = machine.op(ops.AddBias(), machine.op(op, draw(*IMAGE), draw(*weights)), draw(weights[3]))
        machine.op(ops.ReLU(), y)

    assert list(group(build, bench))


def group(build: Callable[[Interpreter, Callable[..., Value]], None], bench: CudaBench) -> Iterator[str]:
    """Run calls as one group in every way that there is, and hold them against the reference. Yields the way's name
    after it was run."""
    results = []
    for precision in ("float32", "float64"):
        machine, rng = Interpreter(precision=precision), np.random.default_rng(3)

        def draw(*shape: int, machine: Interpreter = machine, rng: np.random.Generator = rng) -> Value:
            return machine.value(rng.standard_normal(shape).astype(np.float32))

        build(machine, draw)
        made = {value.id for call in machine.calls for value in call.outputs}
        inputs = {
            value.id: machine.host(value) for call in machine.calls for value in call.inputs if value.id not in made
        }
        results.append((machine.calls, inputs, machine))
    calls, inputs, _ = results[0]
    for name in ways(bench, calls, inputs) or [""]:
        bench.chooser = lambda name=name: Told(name)  # type: ignore[misc]
        found = bench.run(calls, inputs, times=2)
        for mine, theirs in zip(calls[-1].outputs, results[1][0][-1].outputs, strict=True):
            exact = results[1][2].host(theirs)
            largest = np.max(np.abs(exact))
            np.testing.assert_allclose(found[mine.id], exact, rtol=0, atol=3e-6 * largest, err_msg=name)
        yield name


MORE: dict[str, tuple[Op, tuple[int, ...], tuple[int, ...]]] = {
    "one channel": (ops.Conv2d(1, 2), (3, 10, 11, 1), (5, 5, 1, 8)),
    "one filter": (ops.Conv2d(1, 1), (3, 10, 11, 4), (3, 3, 4, 1)),
    "three channels": (ops.Conv2d(2, 1), (4, 9, 13, 3), (3, 3, 3, 36)),
    "many channels": (ops.Conv2d(1, 1), (1, 6, 5, 72), (3, 3, 72, 132)),
    "many pixels": (ops.Conv2d(1, 1), (6, 17, 19, 4), (2, 3, 4, 6)),
    "groups with gaps": (GroupedConv2d(1, 2, 3, 2), (2, 9, 8, 15), (3, 2, 5, 9)),
}


@pytest.mark.parametrize("name", [*OPERATIONS, *MORE])
def test_every_way_gives_the_convolution_and_its_gradients(
    name: str, bench: CudaBench, benches: tuple[CudaBench, ...]
) -> None:
    op, image, weights = MORE[name] if name in MORE else (OPERATIONS[name][0], IMAGE, OPERATIONS[name][1])
    for record in records_of(Case(op, (normal(*image), normal(*weights)), (0, 1))):
        names = ways(bench, [record.call], record.inputs)
        looked_up = [item for item in names if item.startswith("windows ")]
        assert len(looked_up) >= 4 or not {"patches"} & set(names)
        ((value_id, exact),) = record.reference("float64").items()
        for way in names:
            first, second, found = in_every_order(benches, way, record, value_id)
            np.testing.assert_array_equal(first, found, way)
            np.testing.assert_array_equal(second, found, way)
            largest = np.max(np.abs(exact))
            np.testing.assert_allclose(found, exact, rtol=0, atol=4e-6 * largest, err_msg=f"{record.call.op}: {way}")
            begins = bench.works[0]
            assert isinstance(begins, Launch) or way in ("cublas", "patches", "gathered")
            if way in looked_up:
                assert isinstance(begins, Launch) and begins.kernel.startswith("correlate")


@pytest.mark.parametrize("number", [1, 2, 3, 5, 7, 9, 12, 64, 100, 641, 6700417, 2**30, 2**31 - 1])
def test_a_division_is_exact(number: int) -> None:
    d = windows.divisor(number)
    edges = [k * number + e for k in (0, 1, 2, (2**31 - 1) // number) for e in (-1, 0, 1)]
    for n in (item for item in (*edges, 2**31 - 1, 2**31 - 2, 123456789) if 0 <= item < 2**31):
        total = (n * d.magic >> 32) + n
        assert total < 2**32 and total >> d.shift == n // number, (n, number)
