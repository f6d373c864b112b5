"""Fitting steps one after the other, and sending samples through what was fitted, block by block."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from engine.data.errors import DataError
from engine.data.preprocessing.base import Outlined, PreprocessingStep
from engine.data.preprocessing.statistics import Statistics
from engine.data.preprocessing.transformation import Transformation, feature_name
from engine.schema import info_of

__all__ = ["exact", "fit_all", "outline_after", "outline_of", "transformed"]

_BLOCK = 2**18


def fit_all(
    array: np.ndarray,
    training: np.ndarray,
    steps: Sequence[PreprocessingStep],
    places: Sequence[str] = (),
    *,
    names: tuple[str, ...] = (),
    missing: bool = False,
    categories: Mapping[str, tuple[str, ...]] | None = None,
) -> tuple[Transformation, ...]:
    """Fit the steps, one after the other, on the samples `array[training]`.

    places   where in the DataSpec each step stands, for the DataError that one may raise.
    names    the names of a table's features, or none.
    missing  whether the array holds missing values (NaN), which one of the steps has to fill.
    categories   by name, the texts that the codes of a column of text stand for.
    """
    fitted: tuple[Transformation, ...] = ()
    for i, step in enumerate(steps):
        place = places[i] if places else ""
        if missing and not step.fills:
            label = info_of(step).label
            raise DataError(
                f"{_missing_words(array, names)}, which “{label}” cannot take: put “Fill missing values” before it",
                place,
            )
        shape, titles = outline_after(fitted, array.shape[1:], names)
        before = partial(_blocks, array, training, fitted)
        statistics = Statistics(before, shape, len(training), titles, categories or {})
        transformation = _fit(step, statistics, place)
        missing = missing and not step.fills
        fitted = (*fitted, transformation)
    if missing:
        raise DataError(
            f"{_missing_words(array, names)}: add the preprocessing step “Fill missing values”, or set Missing values "
            "to “drop” to leave such samples out",
            "source.missing",
        )
    return fitted


def _fit(step: PreprocessingStep, statistics: Statistics, place: str) -> Transformation:
    try:
        # Overflow is no accident but a finding: it shows in the result.
        with np.errstate(all="ignore"):
            transformation = step.fit(statistics)
    except DataError as error:
        raise DataError(error.message, ".".join(part for part in (place, error.field) if part)) from None
    if not transformation.sound():
        raise DataError(
            "the values are too large, or too far apart, for their mean, deviation or range to be computed: "
            "rescale the data",
            place,
        )
    return transformation


def transformed(array: np.ndarray, indices: np.ndarray, fitted: tuple[Transformation, ...]) -> np.ndarray:
    """The samples `array[indices]`, transformed: float32, C-contiguous.

    Raises DataError when float32 cannot hold them.
    """
    shape, _ = outline_after(fitted, array.shape[1:], ())
    out = np.empty((len(indices), *shape), np.float32)
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


def exact(array: np.ndarray, indices: np.ndarray, fitted: tuple[Transformation, ...]) -> np.ndarray:
    """The samples `array[indices]`, transformed, in float64 as the steps compute them."""
    shape, _ = outline_after(fitted, array.shape[1:], ())
    out = np.empty((len(indices), *shape))
    start = 0
    for block in _blocks(array, indices, fitted):
        out[start : start + len(block)] = block
        start += len(block)
    return out


def outline_after(
    fitted: Sequence[Transformation], shape: tuple[int, ...], names: tuple[str, ...]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The shape of a sample and the names of its features after the transformations."""
    for transformation in fitted:
        shape, names = transformation.shape(shape), transformation.names(names)
    return shape, names


def outline_of(
    steps: Sequence[PreprocessingStep], shape: tuple[int, ...], names: tuple[str, ...] = ()
) -> Outlined | None:
    """The shape of a sample and the names of its features after steps that are not fitted; None where the data must be
    read to know them."""
    for step in steps:
        after = step.outline(shape, names)
        if after is None:
            return None
        shape, names = after
    return shape, names


def _blocks(array: np.ndarray, indices: np.ndarray, fitted: tuple[Transformation, ...]) -> Iterator[np.ndarray]:
    rows = max(1, _BLOCK // max(1, math.prod(array.shape[1:])))
    for start in range(0, len(indices), rows):
        block = array[indices[start : start + rows]].astype(np.float64)
        for transformation in fitted:
            block = transformation.apply(block)
        yield block


def _missing_words(array: np.ndarray, names: tuple[str, ...]) -> str:
    """How many values are missing, and where the first of them is."""
    total, first = 0, ""
    rows = max(1, _BLOCK // max(1, math.prod(array.shape[1:])))
    for start in range(0, len(array), rows):
        absent = np.isnan(array[start : start + rows])
        if not first and absent.any():
            sample, *where = np.argwhere(absent)[0]
            flat = int(np.ravel_multi_index(where, array.shape[1:]))
            first = f"sample {start + sample + 1}, {feature_name(names, flat, array.shape[1:])}"
        total += int(absent.sum())
    return f"{total:,} {'value is' if total == 1 else 'values are'} missing (the first: {first})"
