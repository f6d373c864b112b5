"""Signals through ten layers of 500 units: the table that lectures print, for each way of drawing weights."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.initializers import He, Normal, Xavier
from engine.kinds import Initializer

DEPTH, WIDTH = 10, 500
TANH = 0.025
RECTIFIED = (0.01, 0.04, 0.06, 0.10, 0.12, 0.14, 0.18, 0.20, 0.22, 0.25)
"""How far a single draw may be from the mean of twenty, layer by layer."""


def deviations(initializer: Initializer, activation: str) -> tuple[list[float], list[float]]:
    """Standard deviation and mean of each layer's outputs, for 1000 standard normal samples."""
    rng = np.random.default_rng(0)
    h = rng.standard_normal((1000, WIDTH)).astype(np.float32)
    spreads, means = [], []
    for _ in range(DEPTH):
        h = h @ initializer.sample(rng, (WIDTH, WIDTH), WIDTH, WIDTH).astype(np.float32)
        h = np.tanh(h) if activation == "tanh" else np.maximum(h, 0)
        spreads.append(float(h.std(dtype=np.float64)))
        means.append(float(h.mean()))
    return spreads, means


TABLE = [
    ("tanh", Normal(std=0.01), {1: 0.2137, 2: 0.0477, 3: 0.01066, 5: 5.33e-4, 7: 2.66e-5, 10: 2.97e-7}),
    ("tanh", Normal(std=1.0), {1: 0.9820, 2: 0.9817, 5: 0.9817, 10: 0.9817}),
    ("tanh", Xavier(), {1: 0.6279, 2: 0.486, 3: 0.408, 5: 0.321, 7: 0.273, 10: 0.227}),
    ("relu", Xavier(), {1: 0.5847, 2: 0.412, 3: 0.293, 5: 0.149, 7: 0.0743, 10: 0.0257}),
    ("relu", He(), {1: 0.827, 2: 0.824, 3: 0.829, 5: 0.841, 7: 0.841, 10: 0.823}),
]


@pytest.mark.parametrize(("activation", "initializer", "expected"), TABLE, ids=lambda item: str(item)[:24])
def test_spread_by_depth(activation: str, initializer: Initializer, expected: dict[int, float]) -> None:
    spreads, means = deviations(initializer, activation)
    for layer, value in expected.items():
        tolerance = TANH if activation == "tanh" else RECTIFIED[layer - 1]
        assert spreads[layer - 1] == pytest.approx(value, rel=tolerance), layer
    if activation == "tanh":
        assert max(map(abs, means)) < 0.005
    elif isinstance(initializer, He):
        assert means[-1] == pytest.approx(0.55, abs=0.13)


def test_dividing_where_one_must_multiply() -> None:
    # randn / sqrt(2 / fan_in), as some notes have it: a deviation of 15.8, and nothing left of the numbers.
    wrong = Normal(std=1 / math.sqrt(2 / WIDTH))
    assert wrong.std == pytest.approx(15.8, abs=0.05)
    spreads, _ = deviations(wrong, "relu")
    assert spreads[-1] == pytest.approx(8e23, rel=0.4)
