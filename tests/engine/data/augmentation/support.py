"""Batches to change, and what a single augmentation makes of them."""

from __future__ import annotations

import numpy as np

from engine.data.augmentation import AugmentationStep, Samples
from engine.data.augmentation.draws import Draws

SEED = 5


def images(count: int, height: int = 6, width: int = 5, channels: int = 2) -> np.ndarray:
    """Random images, float32."""
    return np.random.default_rng(0).normal(size=(count, height, width, channels)).astype(np.float32)


def changed(
    step: AugmentationStep, x: np.ndarray, *, steps: int = 1, first: int = 0, index: int = 0, seed: int = SEED
) -> np.ndarray:
    """The inputs `x` of `steps` batches after the augmentation; `x` stays as it is."""
    samples = Samples(len(x) // steps, {"x": x.copy()})
    step.apply(samples, Draws(seed, first, steps, len(x) // steps, index))
    assert samples.inputs["x"].shape == x.shape and samples.inputs["x"].dtype == np.float32
    return samples.inputs["x"]


def mixed(step: AugmentationStep, x: np.ndarray, *, steps: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """The inputs, and the shares of each sample of the batches (n, n) that they are made of."""
    samples = Samples(len(x) // steps, {"x": x.copy()}, shares={"y": np.eye(len(x), dtype=np.float32)})
    step.apply(samples, Draws(SEED, 0, steps, len(x) // steps, 0))
    return samples.inputs["x"], samples.shares["y"]
