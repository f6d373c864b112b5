"""Drawing at a given width."""

from __future__ import annotations

import math

import numpy as np


def draw(rng: np.random.Generator, shape: tuple[int, ...], deviation: float, distribution: str) -> np.ndarray:
    """Zero-mean values of standard deviation `deviation`; uniform ones lie within sqrt(3) deviations of 0."""
    if distribution == "uniform":
        limit = math.sqrt(3.0) * deviation
        return rng.uniform(-limit, limit, shape)
    return rng.standard_normal(shape) * deviation
