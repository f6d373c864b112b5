"""Sums down columns: how matrices are cut, and that the cuts add up to the same."""

from __future__ import annotations

import numpy as np
import pytest

from engine import ops
from engine.kernels.cuda.columns import ENOUGH, MOST, THREADS, cut
from engine.kernels.cuda.launches import Launch
from engine.ops import learned
from tests.support.cuda_bench import CudaBench
from tests.support.interpreter import Interpreter

SHAPES = ((1, 1), (1, 33), (128, 10), (31, 32), (128, 1000), (40_000, 1), (9_000, 31), (3_000, 64), (2_500, 97))


@pytest.mark.parametrize(("rows", "columns"), SHAPES)
def test_sums_of_columns(rows: int, columns: int, benches: tuple[CudaBench, ...]) -> None:
    machine = Interpreter(precision="float32")
    array = np.random.default_rng(0).standard_normal((rows, columns)).astype(np.float32) + 1
    call = machine.call(ops.SumRows(), machine.value(array))
    first, *others = (bench.run([call], {call.inputs[0].id: array}, times=2) for bench in benches)
    result = first[call.outputs[0].id]
    np.testing.assert_allclose(result, array.sum(axis=0, dtype=np.float64), rtol=2e-6, atol=1e-5)
    for other in others:
        np.testing.assert_array_equal(other[call.outputs[0].id], result)


@pytest.mark.parametrize(
    ("rows", "columns", "pieces"),
    [(128, 10, 1), (128, 1024, 1), (1_000_000, 64, 512), (64, 1_000_000, 1), (1 << 26, 1, 512), (100_352, 64, 392)],
    ids=str,
)
def test_as_few_pieces_as_keep_a_device_busy(rows: int, columns: int, pieces: int) -> None:
    width, height, across, down = cut(rows, columns)
    assert across * width >= columns and (down - 1) * height < rows <= down * height
    assert down == pieces <= MOST and (down == 1 or across * down <= ENOUGH)
    # A thread adds up some numbers, or there are enough blocks.
    assert height * width <= 32 * THREADS or across * down * 2 > min(ENOUGH, MOST)


@pytest.mark.parametrize("op", [learned.PReLU(), learned.LearnedSwish()], ids=lambda op: op.name)
@pytest.mark.parametrize(("columns", "numbers"), [(33, 33), (33, 1), (5, 5)], ids=str)
def test_learned_numbers_of_tall_matrices(
    op: learned.Learned, columns: int, numbers: int, benches: tuple[CudaBench, ...]
) -> None:
    """Several blocks a column, and the same in either memory."""
    machine = Interpreter(precision="float32")
    rng = np.random.default_rng(3)
    x, dy = (rng.standard_normal((20_000 // columns * 7, columns)).astype(np.float32) for _ in range(2))
    values = [machine.value(item) for item in (x, rng.standard_normal(numbers), dy)]
    call = machine.call(op.gradient(), *values)
    inputs = {value.id: machine.host(value) for value in values}
    bench = benches[1]
    found = bench.run([call], inputs)
    (work,) = bench.works
    assert isinstance(work, Launch) and work.size[1] > 1
    for value in call.outputs:
        expected = machine.host(value)
        np.testing.assert_allclose(found[value.id], expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    dx, dnumbers = call.outputs
    shared = bench.run([call], inputs, shared={dx.id: values[2].id})
    np.testing.assert_array_equal(shared[dx.id], found[dx.id])
    np.testing.assert_array_equal(shared[dnumbers.id], found[dnumbers.id])
