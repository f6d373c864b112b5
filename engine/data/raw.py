"""What a source delivers: arrays as they are in the file, before division and preprocessing; and reading labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from engine.data.errors import DataError
from engine.data.signature import TargetSignature
from engine.text import shape_text, shortened

__all__ = ["Outline", "Raw", "class_targets", "image_outline", "number_targets", "samples_of", "targets_of"]

Task = Literal["auto", "classification", "regression"]

MAX_CLASSES = 1000
_AUTO_CLASSES = 20


@dataclass(frozen=True)
class Outline:
    """Names, shapes and number of samples, without the samples. `own_test` counts the samples at the end that are the
    source's own test part."""

    inputs: dict[str, tuple[int, ...]]
    targets: dict[str, TargetSignature]
    samples: int
    own_test: int = 0
    input_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Raw:
    """The samples of a source. `inputs` are arrays (N, ...) of any real type; `targets` are int64 (N,) class indices or
    float32 (N, k) numbers, as `signatures` says; `notes` are remarks for the reader ("3 rows left out"). `missing` are
    the names of the inputs in which NaN stands for missing values; the others are finite. `categories` are, by the name
    of a table's column of text, the texts that its codes 0, 1, ... stand for."""

    inputs: dict[str, np.ndarray]
    targets: dict[str, np.ndarray]
    signatures: dict[str, TargetSignature]
    own_test: int = 0
    input_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def samples(self) -> int:
        return len(next(iter(self.inputs.values())))

    @property
    def bytes(self) -> int:
        return sum(array.nbytes for array in (*self.inputs.values(), *self.targets.values()))

    def outline(self) -> Outline:
        """The same without the samples."""
        shapes = {name: array.shape[1:] for name, array in self.inputs.items()}
        return Outline(shapes, dict(self.signatures), self.samples, self.own_test, self.input_names)


def image_outline(shape: tuple[int, ...], names: Sequence[str], samples: int, own_test: int = 0) -> Outline:
    """The outline of one input "x" and one target "y" of classes."""
    target = TargetSignature(classes=len(names), class_names=tuple(names))
    return Outline({"x": shape}, {"y": target}, samples, own_test)


# -- inputs ------------------------------------------------------------------------------------------------------------


def samples_of(
    array: np.ndarray, name: str, channels_first: bool = False, field: str = "source.path", *, missing: bool = False
) -> np.ndarray:
    """An array as samples: (N,) becomes (N, 1), (N, h, w) becomes (N, h, w, 1), (N, c, h, w) becomes (N, h, w, c).

    Raises DataError for other ranks, an empty array, numbers that are not real, infinity, and NaN unless `missing`
    allows it.
    """
    if array.dtype.kind not in "biuf":
        raise DataError(f"{name} holds {_type_words(array.dtype)}; expected numbers", field)
    if not 1 <= array.ndim <= 4:
        raise DataError(
            f"{name} has {array.ndim} axes; expected samples × features, samples × height × width, or "
            "samples × height × width × channels",
            field,
        )
    if array.size == 0:
        raise DataError(f"{name} holds no values (shape {shape_text(array.shape)})", field)
    check_finite(array, name, field, missing=missing)
    if array.ndim == 1:
        return array[:, None]
    if array.ndim == 3:
        return array[..., None]
    if array.ndim == 4 and channels_first:
        return np.ascontiguousarray(np.moveaxis(array, 1, -1))
    return array


def check_finite(array: np.ndarray, name: str, field: str = "source.path", *, missing: bool = False) -> None:
    """Refuse infinity, and NaN unless `missing` allows it, naming the first sample that has one. Raises DataError."""
    if array.dtype.kind != "f":
        return
    rows = max(1, 2**22 // max(1, math.prod(array.shape[1:])))
    for start in range(0, len(array), rows):
        block = array[start : start + rows]
        finite = ~np.isinf(block) if missing else np.isfinite(block)
        if not finite.all():
            where = np.argwhere(~finite)[0]
            value = block[tuple(where)]
            what = "NaN (not a number)" if np.isnan(value) else "an infinite value"
            place = f", at {', '.join(str(i + 1) for i in where[1:])}" if len(where) > 1 else ""
            raise DataError(
                f"{name} holds {what} in sample {start + where[0] + 1}{place}: replace it or leave the sample out",
                field,
            )


# -- targets -----------------------------------------------------------------------------------------------------------


def targets_of(
    values: np.ndarray, task: Task, name: str, field: str = "source.path"
) -> tuple[np.ndarray, TargetSignature]:
    """Targets read from an array: class indices with their names, or numbers of shape (N, k).

    With task "auto", text and whole numbers (at most 20 different ones, each twice on average) are classes and all else
    is numbers. With "classification", (N, C) rows with a single one are taken as one-hot. Raises DataError.
    """
    if values.dtype.kind in "US":
        if task == "regression":
            raise DataError(f"{name} holds text; regression needs numbers", "source.task")
        if values.ndim != 1:
            raise DataError(f"{name} has the shape {shape_text(values.shape)}; expected one label per sample", field)
        if values.dtype.kind == "S":
            values = np.char.decode(values, "utf-8", "replace")
        return class_targets([str(value) for value in values.tolist()], name, field)
    if values.dtype.kind not in "biuf":
        raise DataError(f"{name} holds {_type_words(values.dtype)}; expected numbers or text", field)
    if values.ndim not in (1, 2):
        raise DataError(
            f"{name} has the shape {shape_text(values.shape)}; expected one row of targets per sample", field
        )
    if values.size == 0:
        raise DataError(f"{name} holds no values", field)
    check_finite(values, name, field)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if task == "regression" or (task == "auto" and not _looks_like_classes(values)):
        return number_targets(values, name, field)
    if values.ndim == 2:
        if not (np.isin(values, (0, 1)).all() and (values.sum(axis=1) == 1).all()):
            raise DataError(
                f"{name} has {values.shape[1]} columns and is not one-hot; expected one label per sample", field
            )
        return class_targets(values.argmax(axis=1).tolist(), name, field)
    if values.dtype.kind == "f" and not (values == np.floor(values)).all():
        raise DataError(
            f"{name} holds fractions such as {first_fraction(values):g}; classes are whole numbers or text. "
            "For numbers, set the task to regression",
            "source.task",
        )
    return class_targets([int(value) for value in values.tolist()], name, field)


def first_fraction(values: np.ndarray) -> float:
    """The first value that is not whole."""
    return float(values[values != np.floor(values)][0])


def _looks_like_classes(values: np.ndarray) -> bool:
    if values.ndim != 1:
        return False
    if values.dtype.kind == "f" and not ((values == np.floor(values)) & (np.abs(values) < 2**53)).all():
        return False
    distinct = len(np.unique(values))
    return distinct <= _AUTO_CLASSES and 2 * distinct <= len(values)


def class_targets(
    labels: Sequence[str] | Sequence[int], name: str, field: str = "source.path"
) -> tuple[np.ndarray, TargetSignature]:
    """Class indices (N,) int64 in the order of the sorted labels, and the labels as class names. Raises DataError."""
    names = sorted(set(labels))  # type: ignore[type-var]
    if len(names) == 1:
        raise DataError(
            f"{name}: all {len(labels)} samples have the label “{shortened(str(names[0]))}”; two classes are the least",
            field,
        )
    if len(names) > MAX_CLASSES:
        raise DataError(
            f"{name}: {len(names)} different labels among {len(labels)} samples; at most {MAX_CLASSES} classes are "
            "possible. Is it the right column? For numbers, set the task to regression",
            field,
        )
    index = {label: i for i, label in enumerate(names)}
    encoded = np.fromiter((index[label] for label in labels), np.int64, count=len(labels))
    return encoded, TargetSignature(classes=len(names), class_names=tuple(str(label) for label in names))


def number_targets(values: np.ndarray, name: str, field: str = "source.path") -> tuple[np.ndarray, TargetSignature]:
    """Targets as numbers, float32 (N, k). Raises DataError where float32 cannot hold them."""
    with np.errstate(over="ignore"):
        numbers = np.ascontiguousarray(values, np.float32).reshape(len(values), -1)
    if not np.isfinite(numbers).all():
        raise DataError(f"{name} holds numbers beyond 3.4e38, too large for float32", field)
    return numbers, TargetSignature(shape=(numbers.shape[1],))


def _type_words(dtype: np.dtype) -> str:
    if dtype.hasobject:
        return "Python objects"
    return {"U": "text", "S": "text", "c": "complex numbers", "M": "dates", "m": "durations", "V": "records"}.get(
        dtype.kind, f"values of type {dtype}"
    )
