"""A data set, ready to train on: divided, preprocessed, and able to show what it feeds to the network."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from engine.data.errors import DataError, require_memory
from engine.data.preprocessing.applying import fit_all, outline_after, transformed
from engine.data.preprocessing.base import PreprocessingStep
from engine.data.preprocessing.transformation import Transformation, feature_name
from engine.data.raw import Raw
from engine.data.signature import DataSignature
from engine.data.split import divide
from engine.schema import Unknown, info_of

if TYPE_CHECKING:
    from engine.data.sources.base import DataSource
    from engine.experiment import DataSpec

__all__ = ["PARTS", "DataInfo", "Dataset", "Part", "PartName", "Preview", "assemble"]

PartName = Literal["train", "validation", "test"]
PARTS: tuple[PartName, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Part:
    """One part. `arrays` holds inputs (float32, preprocessed) and targets (int64 (N,) or float32 (N, k)) by name;
    `indices` are the samples' places in the source. Arrays are read-only: parts are shared between runs."""

    arrays: dict[str, np.ndarray]
    indices: np.ndarray

    @property
    def size(self) -> int:
        return len(self.indices)


@dataclass(frozen=True)
class DataInfo:
    """What is worth saying about the data. `class_counts`: by part, the number of samples of each class (of the first
    target of classes, or empty); `notes`: remarks in words."""

    label: str
    source: str
    licence: str
    class_counts: dict[str, tuple[int, ...]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preview:
    """Some samples of a part: as they are in the source (`raw`), as the network is fed (`fed`), their targets, and the
    names of their classes or their numbers as text (`labels`). `indices` are their places in the source."""

    part: PartName
    indices: np.ndarray
    raw: dict[str, np.ndarray]
    fed: dict[str, np.ndarray]
    targets: dict[str, np.ndarray]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Dataset:
    """`raw` holds all samples before division and preprocessing; `fitted` the transformations by array name, and
    `steps` the labels of the steps that they were fitted for."""

    signature: DataSignature
    train: Part
    validation: Part
    test: Part
    info: DataInfo
    raw: Raw
    fitted: dict[str, tuple[Transformation, ...]] = field(default_factory=dict)
    steps: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def part(self, name: PartName) -> Part:
        """The part of that name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]

    def transform(self, values: np.ndarray, name: str = "x") -> np.ndarray:
        """Raw samples (N, ...) of the input `name`, preprocessed as the training part was: float32."""
        values = np.asarray(values)
        return transformed(values, np.arange(len(values)), self.fitted.get(name, ()))

    def target_numbers(self, values: np.ndarray, name: str = "y") -> np.ndarray:
        """Predictions of a regression in the target's own units: target preprocessing undone, float64."""
        numbers = np.asarray(values, np.float64)
        for transformation in reversed(self.fitted.get(name, ())):
            numbers = transformation.invert(numbers)
        return numbers

    def bounds(self, name: str = "x") -> tuple[np.ndarray, np.ndarray]:
        """The smallest and largest raw value of each feature over all samples that have it, float64."""
        array = self.raw.inputs[name]
        if name in self.raw.missing:
            return np.fmin.reduce(array, axis=0).astype(np.float64), np.fmax.reduce(array, axis=0).astype(np.float64)
        return array.min(axis=0).astype(np.float64), array.max(axis=0).astype(np.float64)

    def preview(self, part: PartName = "train", count: int = 25, seed: int = 0) -> Preview:
        """`count` samples of a part (all, when it has fewer), drawn with `seed`."""
        chosen = self.part(part)
        rows = np.sort(np.random.default_rng(seed).permutation(chosen.size)[:count])
        indices = chosen.indices[rows]
        targets = {name: self.raw.targets[name][indices] for name in self.raw.targets}
        return Preview(
            part=part,
            indices=indices,
            raw={name: array[indices] for name, array in self.raw.inputs.items()},
            fed={name: chosen.arrays[name][rows] for name in self.raw.inputs},
            targets=targets,
            labels=self._labels(targets),
        )

    def _labels(self, targets: dict[str, np.ndarray]) -> tuple[str, ...]:
        columns = []
        for name, values in targets.items():
            names = self.signature.targets[name].class_names
            if self.signature.targets[name].classes:
                columns.append([names[value] for value in values])
            else:
                columns.append([", ".join(f"{number:.4g}" for number in row) for row in values])
        return tuple(" · ".join(texts) for texts in zip(*columns, strict=True))


def assemble(spec: DataSpec, source: DataSource, raw: Raw) -> Dataset:
    """Divide and preprocess what a source delivered. Raises DataError."""
    indices = dict(zip(PARTS, divide(raw.samples, raw.own_test, spec.split), strict=True))
    used = sum(map(len, indices.values()))
    values = sum(array[0].size for array in raw.inputs.values()) * used
    require_memory(raw.bytes + 4 * values, "the data set", "source")
    fitted, steps = _fit(spec, raw, indices["train"])
    inputs = {name: _outline(raw, name, fitted[name])[0] for name in raw.inputs}
    values = sum(map(math.prod, inputs.values())) * used
    require_memory(raw.bytes + 4 * values, "the preprocessed data set", "preprocessing")
    parts = {}
    for name, chosen in indices.items():
        arrays = {key: transformed(array, chosen, fitted[key]) for key, array in raw.inputs.items()}
        for key, array in raw.targets.items():
            arrays[key] = transformed(array, chosen, fitted[key]) if fitted[key] else array[chosen]
        for array in (*arrays.values(), chosen):
            array.flags.writeable = False
        parts[name] = Part(arrays, chosen)
    outline = raw.outline()
    signature = DataSignature(
        inputs=inputs,
        targets=outline.targets,
        train_size=parts["train"].size,
        validation_size=parts["validation"].size,
        test_size=parts["test"].size,
        input_names=_outline(raw, next(iter(inputs)), fitted[next(iter(inputs))])[1] if len(inputs) == 1 else (),
        source_inputs=changed(outline.inputs, inputs),
    )
    return Dataset(signature, **parts, info=_info(source, raw, parts), raw=raw, fitted=fitted, steps=steps)


def changed(before: dict[str, tuple[int, ...]], after: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The shapes before, of those inputs that have another after."""
    return {name: shape for name, shape in before.items() if shape != after[name]}


def _outline(raw: Raw, name: str, fitted: tuple[Transformation, ...]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    return outline_after(fitted, raw.inputs[name].shape[1:], raw.input_names)


def _fit(
    spec: DataSpec, raw: Raw, training: np.ndarray
) -> tuple[dict[str, tuple[Transformation, ...]], dict[str, tuple[str, ...]]]:
    """The fitted transformations by array name, and the labels of their steps."""
    for i, step in enumerate(spec.preprocessing):
        if isinstance(step, Unknown):
            raise DataError(info_of(step).help, f"preprocessing[{i}]")
    chosen: dict[str, tuple[list[PreprocessingStep], list[str]]] = {"inputs": ([], []), "targets": ([], [])}
    for i, step in enumerate(spec.preprocessing):
        if isinstance(step, PreprocessingStep):
            steps, places = chosen[step.applies_to]
            steps.append(step)
            places.append(f"preprocessing[{i}]")
    fitted = {
        name: fit_all(
            array,
            training,
            *chosen["inputs"],
            names=raw.input_names,
            missing=name in raw.missing,
            categories=raw.categories,
        )
        for name, array in raw.inputs.items()
    }
    for name, array in raw.targets.items():
        fitted[name] = () if raw.signatures[name].classes else fit_all(array, training, *chosen["targets"])
    labels = {kind: tuple(info_of(step).label for step in steps) for kind, (steps, _) in chosen.items()}
    return fitted, {name: labels["inputs" if name in raw.inputs else "targets"] for name in fitted if fitted[name]}


def _constant(raw: Raw, training: np.ndarray) -> list[str]:
    """A remark on the columns of tables that are the same in all training samples. (Images have such pixels often, and
    nothing can be done about a single one.)"""
    notes = []
    for name, array in raw.inputs.items():
        if array.ndim != 2 or len(training) < 2 or name in raw.missing:
            continue
        same = np.ones(array.shape[1], dtype=bool)
        rows = max(1, 2**20 // array.shape[1])
        for start in range(0, len(training), rows):
            same &= (array[training[start : start + rows]] == array[training[0]]).all(axis=0)
            if not same.any():
                break
        places = np.flatnonzero(same)
        if len(places):
            titles = [feature_name(raw.input_names, int(place), array.shape[1:]) for place in places[:6]]
            more = f" and {len(places) - 6} more" if len(places) > 6 else ""
            ends = ("is", "tells") if len(places) == 1 else ("are", "tell")
            notes.append(f"{', '.join(titles)}{more} {ends[0]} the same in all training samples and {ends[1]} nothing")
    return notes


def _info(source: DataSource, raw: Raw, parts: dict[str, Part]) -> DataInfo:
    about = info_of(source)
    notes = list(raw.notes)
    counts: dict[str, tuple[int, ...]] = {}
    name = next((key for key, target in raw.signatures.items() if target.classes), None)
    if name is not None:
        target = raw.signatures[name]
        for part, content in parts.items():
            counts[part] = tuple(np.bincount(content.arrays[name], minlength=target.classes).tolist())
        absent = [target.class_names[i] for i, count in enumerate(counts["train"]) if not count]
        if absent:
            listed = ", ".join(f"“{label}”" for label in absent[:8]) + (", …" if len(absent) > 8 else "")
            notes.append(
                f"the training part has no sample of the {'class' if len(absent) == 1 else 'classes'} {listed}"
            )
    notes += _constant(raw, parts["train"].indices)
    if not parts["validation"].size:
        notes.append("there is no validation part: nothing will tell learning from memorizing")
    return DataInfo(about.label, about.source, source.licence, counts, tuple(notes))
