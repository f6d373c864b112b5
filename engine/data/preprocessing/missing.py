"""Filling the places of values that are missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np

from engine.data.errors import DataError
from engine.data.preprocessing.base import Outlined, PreprocessingStep
from engine.data.preprocessing.statistics import Statistics
from engine.data.preprocessing.transformation import Transformation, feature_name
from engine.schema import component, field
from engine.text import shape_text

__all__ = ["FillMissing"]


@dataclass(frozen=True)
class Filled(Transformation):
    """Puts `values` (of a sample's shape) in the place of NaN; `flagged` are the features that get a column of 0 and 1
    at the end, which says where one was."""

    values: np.ndarray
    flagged: np.ndarray

    def apply(self, block: np.ndarray) -> np.ndarray:
        absent = np.isnan(block)
        np.copyto(block, np.broadcast_to(self.values, block.shape), where=absent)
        if not len(self.flagged):
            return block
        return np.concatenate([block, absent[:, self.flagged].astype(np.float64)], axis=1)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[0] + len(self.flagged),) if len(self.flagged) else shape

    def names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return (*names, *(f"{names[i]} missing" for i in self.flagged)) if names else ()

    def sound(self) -> bool:
        return bool(np.isfinite(self.values).all())


@component(
    "fill_missing",
    label="Fill missing values",
    group="Tables",
    formula="x = value of the column, where x is missing",
    source="Little, Rubin: Statistical analysis with missing data, 2nd edition (2002), chapter 4",
    synonyms=("impute", "imputation", "SimpleImputer", "NaN", "missing values", "NA", "fillna", "median", "mean"),
    avoid="Where most of a column is missing: leave the column out. Where few samples are concerned, dropping them is "
    "the more honest way: set Missing values of the source to “drop”.",
    differs="Filling with one value makes a column vary less than it does. scikit-learn's SimpleImputer fills alike "
    "and drops a column that is empty in the training part; here that is refused in words.",
)
class FillMissing(PreprocessingStep, frozen=True):
    """Put a value of the training part in the place of each value that is missing: the mean, the median or the most
    frequent value of its column, or a constant. Needs a source that keeps missing values (Missing values: keep), and
    stands before the steps that compute with them."""

    fills: ClassVar[bool] = True

    by: Annotated[
        Literal["mean", "median", "most frequent", "constant"],
        field(
            label="With",
            help="median: not moved by outliers. most frequent: for codes of categories; of several, the smallest.",
        ),
    ] = "mean"
    constant: Annotated[
        float, field(ge=-1e30, le=1e30, help="The value that is filled in, with “constant”.", advanced=True)
    ] = 0.0
    indicator: Annotated[
        bool,
        field(
            label="Indicator columns",
            help="Add, for each column with missing values in the training part, a column that is 1 where one was "
            "missing: that it is missing may say something.",
        ),
    ] = False

    def fit(self, training: Statistics) -> Filled:
        if self.indicator and len(training.shape) != 1:
            raise DataError(
                f"indicator columns are for tables; these samples have the shape {shape_text(training.shape)}",
                "indicator",
            )
        values, flagged = np.empty(training.features), []
        for start, columns in training.columns():
            absent = np.isnan(columns)
            flagged += (start + np.flatnonzero(absent.any(axis=0))).tolist()
            empty = np.flatnonzero(absent.all(axis=0))
            if len(empty) and self.by != "constant":
                title = feature_name(training.names, start + int(empty[0]), training.shape)
                raise DataError(
                    f"{title} has no value in the training part, so there is no {self.by} to fill in: leave it out, or "
                    "fill with a constant",
                    "by",
                )
            values[start : start + columns.shape[1]] = self._fillings(columns, absent)
        return Filled(values.reshape(training.shape), np.asarray(flagged if self.indicator else (), dtype=np.int64))

    def _fillings(self, columns: np.ndarray, absent: np.ndarray) -> np.ndarray:
        match self.by:
            case "constant":
                return np.full(columns.shape[1], self.constant)
            case "mean":
                return np.asarray(np.nanmean(columns, axis=0))
            case "median":
                return np.asarray(np.nanmedian(columns, axis=0))
        return np.array([_most_frequent(columns[~absent[:, i], i]) for i in range(columns.shape[1])])

    def outline(self, shape: tuple[int, ...], names: tuple[str, ...]) -> Outlined | None:
        return None if self.indicator else (shape, names)


def _most_frequent(values: np.ndarray) -> float:
    found, counts = np.unique(values, return_counts=True)
    return float(found[counts.argmax()])
