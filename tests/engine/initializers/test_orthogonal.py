"""Orthogonal weights: exact, and what they do for deep products."""

from __future__ import annotations

import numpy as np
import pytest

from engine.initializers import LSUV, Orthogonal, Xavier
from engine.kinds import Initializer


@pytest.mark.parametrize("shape", [(50, 50), (70, 30), (30, 70), (3, 3, 4, 16), (1, 1, 2, 40), (5,)], ids=str)
@pytest.mark.parametrize(("initializer", "gain"), [(Orthogonal(), 1.0), (Orthogonal(gain=1.5), 1.5), (LSUV(), 1.0)])
def test_rows_or_columns_are_orthonormal(initializer: Initializer, gain: float, shape: tuple[int, ...]) -> None:
    values = initializer.sample(np.random.default_rng(0), shape, 1, 1)
    assert values.shape == shape and values.flags.c_contiguous
    matrix = values.reshape(-1, shape[-1])
    product = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(product, gain**2 * np.eye(len(product)), atol=1e-12)
    assert initializer.deviation(1, 1, shape) == pytest.approx(np.sqrt(np.mean(values**2)))


def test_signs_are_equally_likely() -> None:
    rng = np.random.default_rng(0)
    corners = [Orthogonal().sample(rng, (2, 2), 2, 2)[0, 0] for _ in range(400)]
    assert abs(np.mean(np.sign(corners))) < 0.15


@pytest.mark.parametrize(("depth", "largest", "median"), [(10, 4.98, 3.0e-2), (20, 6.0, 9.7e-4), (50, 6.5, 1.9e-8)])
def test_products_of_gaussian_matrices_collapse_and_of_orthogonal_ones_do_not(
    depth: int, largest: float, median: float
) -> None:
    def product(initializer: Initializer, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        matrix = np.eye(100)
        for _ in range(depth):
            matrix = matrix @ initializer.sample(rng, (100, 100), 100, 100)
        return np.linalg.svd(matrix, compute_uv=False)

    np.testing.assert_allclose(product(Orthogonal(), 0), 1.0, atol=1e-5)
    found = [product(Xavier(), seed) for seed in range(5)]
    assert np.mean([values[0] for values in found]) == pytest.approx(largest, rel=0.35)
    assert np.median([np.median(values) for values in found]) == pytest.approx(median, rel=0.8)
