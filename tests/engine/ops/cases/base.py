"""What a case is, and how its inputs are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.ops.base import Op

IMAGE = (32, 28, 28, 16)
"""1.5 MB in float32: beside the large cases' arrays a temporary array cannot hide."""

Draw = Callable[[np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Case:
    """An operation, how to draw its inputs, and which of them are differentiated."""

    op: Op
    inputs: tuple[Draw, ...]
    wanted: tuple[int, ...] = (0,)
    label: str = ""

    @property
    def id(self) -> str:
        text = ",".join(f"{k}={v}" for k, v in self.op.attributes().items())
        return f"{self.op.name}[{text}]{self.label}"

    def draw(self, seed: int = 0) -> list[np.ndarray]:
        rng = np.random.default_rng(seed)
        return [draw(rng) for draw in self.inputs]


def normal(*shape: int, scale: float = 1.0, shift: float = 0.0) -> Draw:
    return lambda rng: rng.standard_normal(shape) * scale + shift


def away_from_zero(*shape: int) -> Draw:
    """No element near a kink at zero."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        x = rng.standard_normal(shape)
        return x + np.sign(x) * 0.1

    return draw


def distinct(*shape: int) -> Draw:
    """No two elements nearly equal."""
    return lambda rng: rng.permutation(int(np.prod(shape))).reshape(shape) * 0.05 - 1.0


def labels(batch: int, classes: int) -> Draw:
    return lambda rng: rng.integers(0, classes, batch)


def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Draw:
    return lambda rng: rng.uniform(low, high, shape)


def constant(value: float) -> Draw:
    return lambda rng: np.array([value])


def key(*words: int) -> Draw:
    return lambda rng: np.array(words, np.uint32)
