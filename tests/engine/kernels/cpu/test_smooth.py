"""Compiled activations: far out, at the corners, in sizes beyond a piece of work, and behind what they follow."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from engine import ops
from engine.ops import learned, pointwise
from engine.ops.base import Op
from tests.engine.ops.cases import Case, normal
from tests.support.compiled import Bench
from tests.support.interpreter import Interpreter
from tests.support.records import Record, records_of

PLAIN: tuple[Op, ...] = (
    pointwise.ELU(),
    pointwise.ELU(0.3, 2.0),
    pointwise.Swish(),
    pointwise.Swish(2.5),
    pointwise.GELU(),
    pointwise.TanhGELU(),
    pointwise.Softplus(),
    pointwise.Softplus(0.4),
    pointwise.Mish(),
    pointwise.HardTanh(),
)
EXTREME = np.array([-1e15, -1e4, -88.5, -30.0, -8.0, -1.0, -1e-3, -1e-30, 0.0, 1e-30, 1e-3, 1.0, 8.0, 30.0, 1e4, 1e15])


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    made = Bench(2)
    yield made
    made.close()


def near(found: np.ndarray, record: Record, value_id: int, close: float = 3e-6) -> None:
    """Relative to each element by itself, down to what is as good as nothing; twice what float32 is off is allowed."""
    exact, single = (record.reference(precision)[value_id].astype(float) for precision in ("float64", "float32"))
    assert np.isfinite(found).all()
    bound = close * np.abs(exact) + 2 * np.abs(single - exact) + 1e-18
    assert (np.abs(found - exact) <= bound).all(), (found, exact)


@pytest.mark.parametrize("op", PLAIN, ids=repr)
def test_far_out_and_near_zero(op: Op, bench: Bench) -> None:
    for record in records_of(Case(op, (lambda rng: EXTREME,))):
        found = bench.run([record.call], record.inputs)
        for value in record.call.outputs:
            near(found[value.id], record, value.id)


@pytest.mark.parametrize("shape", [(20_011, 7), (300, 1_030), (1, 9_001)], ids=str)
@pytest.mark.parametrize("op", PLAIN[1::2], ids=repr)
def test_more_than_a_piece(op: Op, shape: tuple[int, ...], bench: Bench) -> None:
    for record in records_of(Case(op, (normal(*shape, scale=3.0),))):
        found = bench.run([record.call], record.inputs)
        for value in record.call.outputs:
            exact = record.reference("float64")[value.id]
            np.testing.assert_allclose(found[value.id], exact, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("each", [False, True], ids=["one slope", "a slope for each column"])
@pytest.mark.parametrize("shape", [(20_011, 7), (300, 1_030), (1, 9_001), (5, 40, 40, 16), (70_000, 1)], ids=str)
def test_slopes_are_summed_in_many_pieces(shape: tuple[int, ...], each: bool, bench: Bench) -> None:
    op = learned.PReLU()
    alone = Bench(1)
    for record in records_of(Case(op, (normal(*shape), normal(shape[-1] if each else 1)), (0, 1))):
        found = bench.run([record.call], record.inputs, times=2)
        one = alone.run([record.call], record.inputs)
        for value in record.call.outputs:
            exact = record.reference("float64")[value.id]
            scale = max(1.0, float(np.abs(exact).max()))
            np.testing.assert_allclose(found[value.id], exact, rtol=0, atol=3e-6 * scale)
            np.testing.assert_array_equal(found[value.id], one[value.id], "another number of threads, other bits")
    alone.close()


@pytest.mark.parametrize("op", [pointwise.GELU(), pointwise.ELU(), learned.PReLU()], ids=repr)
def test_behind_a_product_it_is_a_stage(op: Op, bench: Bench) -> None:
    machine = Interpreter(precision="float32")
    rng = np.random.default_rng(0)
    x, w, b = (machine.value(rng.standard_normal(shape)) for shape in ((37, 50), (50, 45), (45,)))
    product = machine.call(ops.MatMul(), x, w)
    biased = machine.call(ops.AddBias(), product.outputs[0], b)
    extra = [machine.value(rng.standard_normal(45))] if isinstance(op, learned.PReLU) else []
    active = machine.call(op, biased.outputs[0], *extra)
    inputs = {value.id: machine.host(value) for value in (x, w, b, *extra)}
    found = bench.run([product, biased, active], inputs)
    np.testing.assert_allclose(found[active.outputs[0].id], machine.host(active.outputs[0]), rtol=0, atol=2e-5)
