"""Fitted transformations: what a step has become once it has seen the training part."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = ["Affine", "Linear", "Transformation"]


class Transformation:
    """Maps samples to samples; the shape of a sample may change. Arithmetic is float64 throughout."""

    def apply(self, block: np.ndarray) -> np.ndarray:
        """Samples (n, ...) transformed. May write into `block`; the result may be `block` itself."""
        raise NotImplementedError

    def invert(self, values: np.ndarray) -> np.ndarray:
        """The values before the transformation; where it drops something, the nearest values that it can come from.

        Raises TypeError for a transformation that cannot be undone.
        """
        raise TypeError(f"{type(self).__name__} cannot be undone")

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape that samples of a shape get."""
        return shape

    def names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The names of the features afterwards, given those before; none for images."""
        return names

    def sound(self) -> bool:
        """Whether all of its numbers are finite and can be used."""
        return True


@dataclass(frozen=True)
class Affine(Transformation):
    """(x − shift) / divisor, both float64 and of a shape that broadcasts to a sample's."""

    shift: np.ndarray
    divisor: np.ndarray

    def apply(self, block: np.ndarray) -> np.ndarray:
        block -= self.shift
        block /= self.divisor
        return block

    def invert(self, values: np.ndarray) -> np.ndarray:
        return values * self.divisor + self.shift

    def sound(self) -> bool:
        return bool(np.isfinite(self.shift).all() and np.isfinite(self.divisor).all() and self.divisor.all())


@dataclass(frozen=True)
class Linear(Transformation):
    """(x − mean) · forward, of samples laid out as rows of D features.

    mean (D,), forward (D, k), backward (k, D): its inverse, or its pseudo-inverse where k < D. `sample` is the shape of
    a sample before. The result has the shape (k,) with the names PC 1 ..., or, with `keeps_shape`, that of the sample.
    """

    mean: np.ndarray
    forward: np.ndarray
    backward: np.ndarray
    sample: tuple[int, ...]
    keeps_shape: bool = False

    def apply(self, block: np.ndarray) -> np.ndarray:
        rows = block.reshape(len(block), -1) - self.mean
        result = rows @ self.forward
        return result.reshape(block.shape) if self.keeps_shape else result

    def invert(self, values: np.ndarray) -> np.ndarray:
        rows = np.reshape(values, (len(values), -1)) @ self.backward + self.mean
        return rows.reshape(len(values), *self.sample)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape if self.keeps_shape else (self.forward.shape[1],)

    def names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return names if self.keeps_shape else component_names(self.forward.shape[1])

    def sound(self) -> bool:
        return all(bool(np.isfinite(item).all()) for item in (self.mean, self.forward, self.backward))


def component_names(count: int) -> tuple[str, ...]:
    """The names of principal components: PC 1, PC 2, ..."""
    return tuple(f"PC {i + 1}" for i in range(count))


def feature_name(names: tuple[str, ...], index: int, shape: tuple[int, ...]) -> str:
    """What to call a feature in words: by its name in a table, else by its place (counted from 1)."""
    if len(names) == math.prod(shape):
        return f"column “{names[index]}”"
    if len(shape) == 1:
        return f"column {index + 1}"
    return "the value at " + ", ".join(str(int(i) + 1) for i in np.unravel_index(index, shape))
