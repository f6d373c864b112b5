"""Compiled instruments against the reference in float64: statistics, dead units and histograms."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from engine.kernels.cpu.observe import PIECE
from engine.ops import Observe, ObserveMany, ObserveUnits
from engine.ops.base import Op
from engine.ops.observe import STATISTICS, UNIT_STATISTICS
from tests.support.compiled import Bench
from tests.support.interpreter import Interpreter
from tests.support.observed import broken, normal, rectified

SHAPES = [(1, 1), (5, 7), (33, 3), (3, 8, 8, 2), (700, 300), (2, 100_003), (1, 70_000), (PIECE + 1,), (64, 16, 16, 32)]


@pytest.fixture(scope="module", params=[1, 2], ids=["1 thread", "2 threads"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    bench = Bench(request.param)
    yield bench
    bench.close()


def both(bench: Bench, op: Op, *arrays: np.ndarray) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """The results of compiled kernels, after several runs, and those of the reference in float64."""
    machine = Interpreter(precision="float64")
    inputs = [machine.value(array) for array in arrays]
    call = machine.call(op, *inputs)
    found = bench.run([call], {v.id: a for v, a in zip(inputs, arrays, strict=True)}, times=3)
    return tuple(found[v.id] for v in call.outputs), tuple(machine.host(v) for v in call.outputs)


def agree(compiled: tuple[np.ndarray, ...], reference: tuple[np.ndarray, ...]) -> None:
    stats, alive, histogram = compiled
    for name, mine, other in zip(STATISTICS, stats, reference[0], strict=True):
        exact = name not in ("mean", "squares")
        scale = np.abs(reference[0]).max()
        np.testing.assert_allclose(mine, other, rtol=0 if exact else 1e-5, atol=0 if exact else 1e-6 * scale)
    np.testing.assert_array_equal(alive, reference[1])
    np.testing.assert_array_equal(histogram.sum(axis=-1), reference[2].sum(axis=-1))
    # An element within rounding of an edge may lie on its other side.
    assert np.abs(histogram - reference[2]).sum() <= 4 + 2e-4 * histogram.sum()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("make", [normal, rectified, broken])
def test_agrees_with_the_reference(bench: Bench, make, shape: tuple[int, ...]) -> None:
    x = make(shape)
    for op in (Observe(64, -0.5, 1.5), Observe(16), Observe(0), Observe(8, None, 0.25)):
        agree(*both(bench, op, x))


def test_nothing_finite(bench: Bench) -> None:
    stats, alive, histogram = both(bench, Observe(8, -1.0, 1.0), np.full((300, 70), np.nan, np.float32))[0]
    assert not stats.any() and alive.all() and not histogram.any()


@pytest.mark.parametrize("value", [0.0, -1.5, 8e37, 1e-40])
def test_a_constant_goes_to_the_first_bin(bench: Bench, value: float) -> None:
    x = np.full((300, 70), value, np.float32)
    stats, _, histogram = both(bench, Observe(5), x)[0]
    assert histogram.tolist() == [x.size, 0, 0, 0, 0]
    assert stats[0] == pytest.approx(value, rel=1e-6, abs=1e-39)
    assert stats[1] <= 1e-6 * x.size * min(value * value, 1e38)
    assert stats[2] == stats[3] == pytest.approx(value, rel=1e-7, abs=1e-39)


@pytest.mark.parametrize("values", [[-2e38, 0.0, 2e38], [-8e37, 1.0, 8e37], [0.0, 1e-40, 2e-40], [-0.0, 0.0, 5e-38]])
def test_extreme_ranges_lose_no_element(bench: Bench, values: list[float]) -> None:
    stats, _, histogram = both(bench, Observe(8), np.array([values * 100], np.float32))[0]
    assert histogram.sum() == stats[STATISTICS.index("finite")] > 0
    assert (histogram >= 0).all() and np.isfinite(stats[0])


def test_a_far_first_element_spoils_no_variance(bench: Bench) -> None:
    x = normal((400, 300)) + np.float32(1000)
    x[0, 0] = -1e6
    (stats, _, _), _ = both(bench, Observe(8), x)
    exact = ((x - x.mean(dtype=np.float64)) ** 2).sum(dtype=np.float64)
    assert stats[1] == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize("units", [1, 5, 64, 65, 1000])
def test_units_that_live_in_one_row_only(bench: Bench, units: int) -> None:
    rows = 3 * PIECE // units + 7
    x = np.zeros((rows, units), np.float32)
    living = np.random.default_rng(2).integers(0, rows, units // 2)
    x[living, np.arange(units // 2)] = 1.0
    stats, alive, _ = both(bench, Observe(4), x)[0]
    assert alive.tolist() == [True] * (units // 2) + [False] * (units - units // 2)
    assert stats[STATISTICS.index("dead")] == units - units // 2


def test_many_at_once(bench: Bench) -> None:
    arrays = [normal(shape) for shape in ((6, 5), (3, 4, 2), (1,), (40, 100), (2, 200), (300,), (64, 128))]
    arrays[0][:, 3] = 0.0
    arrays[1][0, 1, 1], arrays[3][2, 2] = np.nan, -np.inf
    arrays += [np.zeros((4, 3), np.float32), np.full((2, 2), np.nan, np.float32)]
    limits = ((None, None), (-0.5, 0.5), (0.0, None), (None, 0.0), (-1.0, 1.0)) + 4 * ((None, 0.5),)
    for bins in (0, 8):
        op = ObserveMany(bins, tuple(low for low, _ in limits), tuple(high for _, high in limits))
        (stats, alive, histogram), reference = both(bench, op, *arrays)
        for i in range(len(arrays)):
            agree((stats[:, i], alive[i], histogram[i]), (reference[0][:, i], reference[1][i], reference[2][i]))


@pytest.mark.parametrize("shape", [*SHAPES, (64, 28, 28, 16), (50, 9, 9, 5), (3, 5, 7, 200)], ids=str)
@pytest.mark.parametrize("make", [normal, rectified, broken])
def test_each_unit_by_itself(bench: Bench, make, shape: tuple[int, ...]) -> None:
    (result,), (reference,) = both(bench, ObserveUnits(), make(shape))
    for name, mine, other in zip(UNIT_STATISTICS, result, reference, strict=True):
        if name in ("mean", "squares"):
            np.testing.assert_allclose(mine, other, rtol=2e-5, atol=1e-6 * max(1.0, np.abs(reference[0]).max()))
        else:
            np.testing.assert_array_equal(mine, other.astype(np.float32), name)


def test_a_unit_far_from_the_others_keeps_its_variance(bench: Bench) -> None:
    x = normal((64, 20, 20, 8)) * np.float32(0.01)
    x[..., 3] += 100
    (result,), _ = both(bench, ObserveUnits(), x)
    exact = x.astype(np.float64).reshape(-1, 8).var(axis=0)
    np.testing.assert_allclose(result[1] / result[5], exact, rtol=1e-4)
