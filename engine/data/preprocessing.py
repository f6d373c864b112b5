"""Preprocessing: transformations fitted on the training part only, and applied to every part alike.

Each step is fitted on the training samples as the steps before it leave them. All arithmetic is float64; the result is
rounded to float32 once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np

from engine.data.errors import DataError
from engine.kinds import Preprocessing
from engine.schema import component, field

__all__ = ["Affine", "Center", "Normalize", "PreprocessingStep", "Rescale", "StandardizeTargets", "Statistics"]

Per = Literal["feature", "channel", "global"]
_BLOCK = 2**18


@dataclass(frozen=True)
class Affine:
    """(x − shift) / divisor, both float64 and of a shape that broadcasts to a sample's."""

    shift: np.ndarray
    divisor: np.ndarray

    def apply(self, block: np.ndarray) -> None:
        """Transform float64 samples in place."""
        block -= self.shift
        block /= self.divisor

    def invert(self, values: np.ndarray) -> np.ndarray:
        """The values before the transformation."""
        return values * self.divisor + self.shift


@dataclass(frozen=True)
class Statistics:
    """Mean, deviation and range of the training part. `blocks` yields it as float64 blocks of whole samples."""

    blocks: Callable[[], Iterator[np.ndarray]]

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


class PreprocessingStep(Preprocessing, frozen=True):
    """A step. `applies_to` says whether it transforms the inputs or the numbers to be predicted."""

    applies_to: ClassVar[Literal["inputs", "targets"]] = "inputs"

    def fit(self, training: Statistics) -> Affine:
        """The transformation, from the training part only."""
        raise NotImplementedError


_PER_HELP = (
    "feature: each value of a sample by itself (each pixel, each column). channel: each channel of an image, or each "
    "column of a table. global: all values together."
)


@component(
    "center",
    label="Centre",
    formula="x − mean",
    source="LeCun, Bottou, Orr and Müller, “Efficient BackProp”, in Neural Networks: Tricks of the Trade, 1998, "
    "section 4.3",
    synonyms=("center", "mean", "subtract", "zero mean"),
)
class Center(PreprocessingStep, frozen=True):
    """Subtract the mean of the training part. Inputs that are all positive force the gradients of a unit's weights to
    one sign; centred inputs do not."""

    per: Annotated[Per, field(help=_PER_HELP)] = "feature"

    def fit(self, training: Statistics) -> Affine:
        return Affine(training.mean(self.per), np.asarray(1.0))


@component(
    "normalize",
    label="Normalize",
    formula="x / standard deviation",
    source="LeCun, Bottou, Orr and Müller, “Efficient BackProp”, in Neural Networks: Tricks of the Trade, 1998, "
    "section 4.3",
    synonyms=("scale", "std", "standardize", "unit variance", "z-score"),
)
class Normalize(PreprocessingStep, frozen=True):
    """Divide by the standard deviation of the training part. Does not centre: put Centre before it. Values that are
    constant in the training part stay as they are."""

    per: Annotated[Per, field(help=_PER_HELP)] = "feature"

    def fit(self, training: Statistics) -> Affine:
        return Affine(np.asarray(0.0), training.deviation(self.per))


@component(
    "rescale",
    label="Rescale to a range",
    formula="low + (high − low) (x − min) / (max − min)",
    source="Han, Kamber and Pei, “Data Mining: Concepts and Techniques”, 3rd edition, 2011, section 3.5.2",
    synonyms=("min-max", "0 to 1", "divide by 255", "range"),
)
class Rescale(PreprocessingStep, frozen=True):
    """Map the smallest value of the training part to `low` and the largest to `high`. Values that are constant in the
    training part become `low`."""

    low: Annotated[float, field(ge=-1e6, le=1e6, help="What the smallest value becomes.")] = 0.0
    high: Annotated[float, field(ge=-1e6, le=1e6, help="What the largest value becomes; more than low.")] = 1.0
    per: Annotated[Per, field(help=_PER_HELP)] = "global"

    def fit(self, training: Statistics) -> Affine:
        if not self.low < self.high:
            raise DataError(f"high ({self.high:g}) must be more than low ({self.low:g})", "high")
        low, high = training.range(self.per)
        divisor = np.where(high > low, high - low, 1.0) / (self.high - self.low)
        return Affine(low - self.low * divisor, divisor)


@component(
    "standardize_targets",
    label="Standardize targets",
    formula="(y − mean) / standard deviation",
    source="Bishop, “Pattern Recognition and Machine Learning”, 2006, section 9.1 (standardizing)",
    synonyms=("scale target", "normalize target", "regression"),
)
class StandardizeTargets(PreprocessingStep, frozen=True):
    """Give the numbers to be predicted mean 0 and deviation 1 on the training part. Loss and errors are then counted in
    standard deviations: a mean squared error of 1 is what predicting the mean achieves. Classes are left alone."""

    applies_to: ClassVar[Literal["inputs", "targets"]] = "targets"

    def fit(self, training: Statistics) -> Affine:
        return Affine(training.mean("feature"), training.deviation("feature"))


# -- applying ----------------------------------------------------------------------------------------------------------


def fit_all(
    array: np.ndarray, training: np.ndarray, steps: Sequence[PreprocessingStep], places: Sequence[str] = ()
) -> tuple[Affine, ...]:
    """Fit the steps, one after the other, on the samples `array[training]`. `places` says where in the DataSpec each
    step stands, for the DataError that one may raise."""
    fitted: tuple[Affine, ...] = ()
    for i, step in enumerate(steps):
        before = fitted
        training_part = Statistics(lambda before=before: _blocks(array, training, before))  # type: ignore[misc]
        place = places[i] if places else ""
        try:
            # Overflow is no accident but a finding: it shows in the result.
            with np.errstate(all="ignore"):
                affine = step.fit(training_part)
        except DataError as error:
            raise DataError(error.message, f"{place}.{error.field}" if place else error.field) from None
        if not (np.isfinite(affine.shift).all() and np.isfinite(affine.divisor).all() and affine.divisor.all()):
            raise DataError(
                "the values are too large, or too far apart, for their mean, deviation or range to be computed: "
                "rescale the data",
                place,
            )
        fitted = (*before, affine)
    return fitted


def transformed(array: np.ndarray, indices: np.ndarray, fitted: tuple[Affine, ...]) -> np.ndarray:
    """The samples `array[indices]`, transformed: float32, C-contiguous.

    Raises DataError when float32 cannot hold them.
    """
    out = np.empty((len(indices), *array.shape[1:]), np.float32)
    start = 0
    with np.errstate(over="ignore", invalid="ignore"):
        for block in _blocks(array, indices, fitted):
            part = out[start : start + len(block)]
            part[...] = block
            if not np.isfinite(part).all():
                raise DataError(
                    "some values are too large for float32 (beyond 3.4e38): rescale the data", "preprocessing"
                )
            start += len(block)
    return out


def _blocks(array: np.ndarray, indices: np.ndarray, fitted: tuple[Affine, ...]) -> Iterator[np.ndarray]:
    rows = max(1, _BLOCK // max(1, math.prod(array.shape[1:])))
    for start in range(0, len(indices), rows):
        block = array[indices[start : start + rows]].astype(np.float64)
        for affine in fitted:
            affine.apply(block)
        yield block
