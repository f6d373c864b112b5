"""The error function and the normal distribution function against `math.erf`."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.kernels.reference.normal_distribution import NEAR, erf, lower_tail

POINTS = np.concatenate(
    [
        np.linspace(-8, 8, 4001),
        np.logspace(-300, 4, 500),
        -np.logspace(-300, 4, 500),
        [0.0, -0.0, NEAR, np.nextafter(NEAR, 1), -NEAR, 4.0, 27.5, 1e30, -1e30],
    ]
)


def applied(function: object, x: np.ndarray) -> np.ndarray:
    out, *work = (np.full_like(x, np.nan) for _ in range(4))
    function(np, x, out, *work)  # type: ignore[operator]
    return out


@pytest.mark.parametrize(("dtype", "close"), [("float64", 1e-15), ("float32", 4e-7)])
def test_erf(dtype: str, close: float) -> None:
    with np.errstate(under="ignore"):
        x = POINTS.astype(dtype)
        exact = np.array([math.erf(value) for value in x.tolist()])
        np.testing.assert_allclose(applied(erf, x), exact, rtol=close, atol=1e-38)
    np.testing.assert_array_equal(applied(erf, np.array([np.inf, -np.inf, np.nan], dtype)), [1, -1, np.nan])


def test_distribution_function() -> None:
    with np.errstate(under="ignore"):
        exact = np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in POINTS.tolist()])
        np.testing.assert_allclose(applied(lower_tail, POINTS), exact, rtol=0, atol=2e-16)


def test_erf_over_its_own_input() -> None:
    x = np.linspace(-3, 3, 101)
    work = [np.empty_like(x) for _ in range(3)]
    expected = applied(erf, x)
    erf(np, x, x, *work)
    np.testing.assert_array_equal(x, expected)
