"""Arrays that the instruments' kernels look at, float32, the same in every test."""

from __future__ import annotations

import numpy as np

__all__ = ["broken", "normal", "rectified"]


def normal(shape: tuple[int, ...]) -> np.ndarray:
    """Normally distributed numbers."""
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def rectified(shape: tuple[int, ...]) -> np.ndarray:
    """The same with zeros for what is negative, and a unit that is always zero."""
    x = np.maximum(normal(shape), np.float32(0))
    x[..., 0] = 0
    return x


def broken(shape: tuple[int, ...]) -> np.ndarray:
    """Numbers far from zero, with NaN and infinities between them."""
    x = normal(shape) + np.float32(1000)
    flat = x.reshape(-1)
    flat[::97], flat[1::971] = np.nan, -np.inf
    return x
