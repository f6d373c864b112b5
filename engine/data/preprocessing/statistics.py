"""What steps are fitted from: mean, deviation, range, covariance and single columns of the training part, in blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

__all__ = ["Per", "Statistics"]

Per = Literal["feature", "channel", "global"]
COLUMN_VALUES = 2**24
"""Values that `columns` holds at a time: 128 MiB."""


@dataclass(frozen=True)
class Statistics:
    """The training part as the steps before leave it. `blocks` yields it as float64 blocks of whole samples of `shape`,
    `count` in all; `names` are those of a table's features, or empty; `categories` are, by name, the texts that
    the codes 0, 1, ... of a column of text stand for."""

    blocks: Callable[[], Iterator[np.ndarray]]
    shape: tuple[int, ...] = ()
    count: int = 0
    names: tuple[str, ...] = ()
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def features(self) -> int:
        """Values of one sample."""
        return math.prod(self.shape)

    def mean(self, per: Per) -> np.ndarray:
        """The mean over the samples (and over whatever `per` joins)."""
        # Sums are taken of differences from the first value: exact where all values are equal, whatever their size.
        first = _first(next(iter(self.blocks())), per)
        total, count = np.float64(0), 0
        for block in self.blocks():
            block -= first
            total = total + block.sum(axis=_axes(block, per))
            count += _joined(block, per)
        return np.asarray(first + total / count)

    def deviation(self, per: Per) -> np.ndarray:
        """The standard deviation (dividing by N); 1 where all values are equal, so that dividing changes nothing."""
        mean = self.mean(per)
        total, count = np.float64(0), 0
        for block in self.blocks():
            block -= mean
            np.square(block, out=block)
            total = total + block.sum(axis=_axes(block, per))
            count += _joined(block, per)
        low, high = self.range(per)
        deviation = np.sqrt(total / count)
        # Rounding can give equal values a tiny deviation, and very small values one of zero.
        return np.where((low == high) | (deviation == 0), 1.0, deviation)

    def range(self, per: Per) -> tuple[np.ndarray, np.ndarray]:
        """The smallest and the largest value."""
        low, high = np.asarray(np.inf), np.asarray(-np.inf)
        for block in self.blocks():
            axes = _axes(block, per)
            low, high = np.minimum(low, block.min(axis=axes)), np.maximum(high, block.max(axis=axes))
        return low, high

    def covariance(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean (D,) and covariance (D, D), dividing by N, of the samples laid out as rows of D features."""
        mean = self.mean("feature").reshape(-1)
        total = np.zeros((len(mean), len(mean)))
        for block in self.blocks():
            rows = block.reshape(len(block), -1)
            rows -= mean
            total += rows.T @ rows
        return mean, total / self.count

    def columns(self) -> Iterator[tuple[int, np.ndarray]]:
        """The values (count, width) of some features at a time, with the place of the first of them."""
        width = max(1, COLUMN_VALUES // max(1, self.count))
        for start in range(0, self.features, width):
            end = min(start + width, self.features)
            values, row = np.empty((self.count, end - start)), 0
            for block in self.blocks():
                values[row : row + len(block)] = block.reshape(len(block), -1)[:, start:end]
                row += len(block)
            yield start, values


def _axes(block: np.ndarray, per: Per) -> tuple[int, ...]:
    match per:
        case "feature":
            return (0,)
        case "channel":
            return tuple(range(block.ndim - 1))
    return tuple(range(block.ndim))


def _first(block: np.ndarray, per: Per) -> np.ndarray:
    """The first value of each mean that `per` asks for."""
    match per:
        case "feature":
            return block[0]
        case "channel":
            return block[0].reshape(-1, block.shape[-1])[0]
    return block.reshape(-1)[0]


def _joined(block: np.ndarray, per: Per) -> int:
    return math.prod(block.shape[axis] for axis in _axes(block, per))
