"""Matrix products by tiles of every size, in all transpositions, with sums in parts and with stages."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from engine import ops
from engine.kernels.cuda.choice import Chooser
from engine.kernels.cuda.gemm import TILES, Gemm, plans, seconds
from engine.kernels.cuda.launches import Launch
from tests.engine.ops.cases import Case, constant, key, normal
from tests.support.choosers import Told, in_every_order, ways
from tests.support.cuda_bench import CudaBench
from tests.support.interpreter import Interpreter
from tests.support.records import Record, records_of

SIZES = (
    # rows, columns, inner
    (1, 1, 1),
    (33, 5, 7),
    (128, 128, 16),
    (129, 132, 20),
    (40, 36, 300),
    (3, 8, 513),
    (150, 31, 9),
    (64, 200, 33),
    (8, 12, 2000),
)
TRANSPOSED = ((False, False), (True, False), (False, True), (True, True))


@pytest.fixture
def bench(benches: tuple[CudaBench, ...]) -> Iterator[CudaBench]:
    """One of the benches; what it chooses by is put back."""
    yield benches[2]
    for item in benches:
        item.chooser = Chooser


def record_of(rows: int, columns: int, inner: int, transpose_a: bool = False, transpose_b: bool = False) -> Record:
    a = (inner, rows) if transpose_a else (rows, inner)
    b = (columns, inner) if transpose_b else (inner, columns)
    (record,) = records_of(Case(ops.MatMul(transpose_a, transpose_b), (normal(*a), normal(*b)), ()))
    return record


@pytest.mark.parametrize("transposed", TRANSPOSED, ids=str)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_every_way_gives_the_product(
    sizes: tuple[int, int, int], transposed: tuple[bool, bool], bench: CudaBench, benches: tuple[CudaBench, ...]
) -> None:
    record = record_of(*sizes, *transposed)
    names = ways(bench, [record.call], record.inputs)
    assert {"cublas", *(f"tiles {tile.name}" for tile in TILES)} <= set(names)
    assert any(" in " in name for name in names) == (sizes[2] >= 256)
    ((value_id, exact),) = record.reference("float64").items()
    for name in names:
        first, second, found = in_every_order(benches, name, record, value_id)
        kernels = [work.kernel for work in bench.works if isinstance(work, Launch)]
        if name != "cublas":
            assert kernels[0] == f"gemm_{name.split()[1]}" and len(kernels) == 1 + (" in " in name)
        np.testing.assert_allclose(found, exact, rtol=0, atol=3e-6 * np.max(np.abs(exact)), err_msg=name)
        np.testing.assert_array_equal(first, found, name)
        np.testing.assert_array_equal(second, found, name)


@pytest.mark.parametrize("sizes", [(33, 5, 7), (130, 36, 270), (5, 64, 40)], ids=str)
def test_bias_activation_and_dropout_are_stages(sizes: tuple[int, int, int], bench: CudaBench) -> None:
    rows, columns, inner = sizes
    results = []
    for precision in ("float32", "float64"):
        machine, rng = Interpreter(precision=precision), np.random.default_rng(3)
        shapes = ((rows, inner), (inner, columns), (columns,))
        a, b, bias = (machine.value(rng.standard_normal(shape).astype(np.float32)) for shape in shapes)
        rate, counters = machine.value(constant(0.25)(rng)), machine.value(key(5, 0, 2, 0)(rng))
        x = machine.op(ops.ReLU(), machine.op(ops.AddBias(), machine.op(ops.MatMul(), a, b), bias))
        machine.op(ops.Dropout(11), x, rate, counters)
        results.append((machine, [a, b, bias, rate, counters]))
    (single, values), (double, _) = results
    calls, inputs = single.calls, {value.id: single.host(value) for value in values}
    exact = [double.host(value) for value in double.calls[-1].outputs]
    for name in ways(bench, calls, inputs):
        bench.chooser = lambda name=name: Told(name)  # type: ignore[misc]
        found = bench.run(calls, inputs)
        launches = [work for work in bench.works if isinstance(work, Launch)]
        assert [len(launch.stages) for launch in launches if launch.kernel != "elementwise"] in ([3], [0, 3], [])
        for value, expected in zip(calls[-1].outputs, exact, strict=True):
            np.testing.assert_allclose(
                found[value.id], expected, rtol=0, atol=3e-6 * np.max(np.abs(expected)), err_msg=name
            )


@pytest.mark.parametrize("sizes", [(1, 1, 1), (7, 3, 100000), (4000, 4000, 4000), (100000, 16, 27), (64, 64, 65536)])
@pytest.mark.parametrize("groups", [1, 3, 300])
def test_plans_cover_everything_once(sizes: tuple[int, int, int], groups: int) -> None:
    rows, columns, inner = sizes
    found = plans(rows, columns, inner, groups)
    assert len({plan.name for plan in found}) == len(found) >= len(TILES)
    for plan in found:
        assert plan.share % plan.tile.depth == 0
        assert (plan.splits - 1) * plan.share < inner <= plan.splits * plan.share
        assert (plan.down - 1) * plan.tile.rows < rows <= plan.down * plan.tile.rows
        assert (plan.across - 1) * plan.tile.columns < columns <= plan.across * plan.tile.columns
        assert plan.seconds(rows * columns * groups) > 0 and plan.grid[2] <= 65535


def test_more_products_than_a_grid_has_room_for_are_left_to_the_library() -> None:
    assert plans(4, 4, 4, 65536) == []
    assert seconds(4, 4, 4, 65536, 1, followed=True) > 0


def test_the_sizes_are_as_in_the_kernels() -> None:
    import ctypes

    assert ctypes.sizeof(Gemm) == 72
