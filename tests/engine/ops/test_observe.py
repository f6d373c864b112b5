"""The instruments' statistics against NumPy, with zeros, saturation, dead units, and values that are not finite."""

from __future__ import annotations

import numpy as np
import pytest

from engine.ops import Observe, ObserveMany, ObserveUnits
from engine.ops.observe import STATISTICS, UNIT_STATISTICS
from tests.support.interpreter import run_op


def observe(x: np.ndarray, op: Observe, precision: str = "float64") -> tuple[dict[str, float], np.ndarray, np.ndarray]:
    stats, alive, histogram = run_op(op, x, precision=precision)
    return dict(zip(STATISTICS, stats.tolist(), strict=True)), alive, histogram


@pytest.mark.parametrize("shape", [(5, 7), (1, 1), (3, 8, 8, 2), (700, 300), (2, 100_003)])
def test_agrees_with_numpy(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).standard_normal(shape)
    x[x < -1] = 0.0
    stats, alive, histogram = observe(x, Observe(16, -0.5, 1.5))
    assert stats["mean"] == pytest.approx(x.mean(), abs=1e-12)
    assert stats["squares"] == pytest.approx(((x - x.mean()) ** 2).sum(), abs=1e-9)
    assert (stats["minimum"], stats["maximum"], stats["finite"]) == (x.min(), x.max(), x.size)
    assert stats["zeros"] == np.sum(x == 0)
    assert stats["saturated"] == np.sum((x <= -0.5) | (x >= 1.5))
    assert histogram.sum() == x.size
    if x.size > 1:
        # Rounding may put an element on an edge into the neighbouring bin.
        expected = np.histogram(x, 16, (x.min(), x.max()))[0]
        assert np.abs(histogram - expected).sum() <= 2
    np.testing.assert_array_equal(alive, (x != 0).reshape(-1, shape[-1]).any(axis=0))


def test_variance_of_a_large_mean_does_not_cancel() -> None:
    x = np.random.default_rng(1).standard_normal((300, 400)).astype(np.float32) + np.float32(1000)
    stats, _, _ = observe(x, Observe(8), "float32")
    assert stats["squares"] / stats["finite"] == pytest.approx(x.astype(np.float64).var(), rel=1e-3)


def test_dead_units() -> None:
    x = np.abs(np.random.default_rng(0).standard_normal((10, 6)))
    x[:, [1, 4]] = 0.0
    x[:9, 2] = 0.0
    stats, alive, _ = observe(x, Observe(4))
    assert stats["dead"] == 2
    assert alive.tolist() == [True, False, True, True, False, True]


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_what_is_not_finite_is_left_out(precision: str) -> None:
    x = np.random.default_rng(0).standard_normal((40, 50)).astype(np.float32).astype(np.float64)
    x[3, 5], x[7, 7], x[9, 9] = np.nan, np.inf, -np.inf
    finite = x[np.isfinite(x)]
    stats, _, histogram = observe(x, Observe(8, -1.0, 1.0), precision)
    assert stats["finite"] == 1997 == histogram.sum()
    assert (stats["minimum"], stats["maximum"]) == (finite.min(), finite.max())
    assert stats["mean"] == pytest.approx(finite.mean(), abs=1e-6)
    assert stats["squares"] == pytest.approx(((finite - finite.mean()) ** 2).sum(), rel=1e-5)
    assert stats["saturated"] == np.sum(np.abs(finite) >= 1)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_nothing_finite_gives_zeros(precision: str) -> None:
    stats, alive, histogram = observe(np.full((3, 2), np.nan), Observe(4), precision)
    assert set(stats.values()) == {0.0}
    assert alive.all() and not histogram.any()


@pytest.mark.parametrize(
    ("values", "precision"),
    [
        ([2.5, 2.5, 2.5], "float32"),
        ([0.0, 1e-40, 2e-40], "float32"),
        ([-2e38, 0.0, 2e38], "float32"),
        ([-8e307, 1.0, 8e307], "float64"),
        ([0.0, 5e-324, 1e-323], "float64"),
    ],
)
def test_extreme_ranges_lose_no_element(values: list[float], precision: str) -> None:
    stats, _, histogram = observe(np.array([values]), Observe(8), precision)
    assert histogram.sum() == stats["finite"]
    assert (histogram >= 0).all()
    assert np.isfinite(stats["mean"])


def test_a_single_value_goes_to_the_first_bin() -> None:
    _, _, histogram = observe(np.full((4, 3), -1.5), Observe(5))
    assert histogram.tolist() == [12, 0, 0, 0, 0]


def test_no_limits_mean_no_saturation() -> None:
    x = np.array([[-5.0, 5.0, 0.1]])
    assert observe(x, Observe(4))[0]["saturated"] == 0
    assert observe(x, Observe(4, None, 1.0))[0]["saturated"] == 1
    assert observe(x, Observe(4, -1.0, None))[0]["saturated"] == 1


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_many_at_once_tell_what_each_tells_alone(precision: str) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(np.float32).astype(np.float64) for shape in ((6, 5), (3, 4, 2), (1,))]
    arrays[0][:, 3] = 0.0
    arrays[1][0, 1, 1], arrays[1][2, 2, 0] = np.nan, -np.inf
    arrays += [np.zeros((4, 3)), np.full((2, 2), np.nan)]
    limits = ((None, None), (-0.5, 0.5), (0.0, None), (None, 0.0), (-1.0, 1.0))
    op = ObserveMany(8, tuple(low for low, _ in limits), tuple(high for _, high in limits))
    stats, alive, histogram = run_op(op, *arrays, precision=precision)
    for i, (array, (low, high)) in enumerate(zip(arrays, limits, strict=True)):
        alone, units, counts = observe(array, Observe(8, low, high), precision)
        assert dict(zip(STATISTICS, stats[:, i].tolist(), strict=True)) == pytest.approx(alone, rel=1e-6, abs=1e-9)
        assert alive[i, : units.size].tolist() == units.tolist() and alive[i, units.size :].all()
        assert histogram[i].tolist() == counts.tolist()


@pytest.mark.parametrize("shape", [(7,), (5, 7), (3, 8, 8, 2), (700, 300), (9, 1)])
def test_each_unit_by_itself(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).standard_normal(shape)
    x[x < -1] = 0.0
    x.reshape(-1)[2], x.reshape(-1)[4] = np.nan, np.inf
    (result,) = run_op(ObserveUnits(), x)
    found = dict(zip(UNIT_STATISTICS, result, strict=True))
    for unit in range(shape[-1]):
        column = x[..., unit].reshape(-1)
        finite = column[np.isfinite(column)]
        assert found["finite"][unit] == finite.size
        assert found["zeros"][unit] == np.sum(column == 0)
        mean = finite.mean() if finite.size else 0.0
        assert found["mean"][unit] == pytest.approx(mean, abs=1e-12)
        assert found["squares"][unit] == pytest.approx(((finite - mean) ** 2).sum(), abs=1e-9)
        assert found["minimum"][unit] == (finite.min() if finite.size else 0.0)
        assert found["maximum"][unit] == (finite.max() if finite.size else 0.0)
