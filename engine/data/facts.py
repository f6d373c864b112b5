"""What a data set looks like before and after preprocessing: covariance, condition number, spectrum, features, counts.

Everything is of the training part, in float64, and bounded: of large parts a subset of the samples is taken, of wide
samples a subset of the features, and the facts say how many. Samples are in the order of the part, which is shuffled;
subsets are evenly spaced in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from engine.data.dataset import Dataset
from engine.data.errors import DataError
from engine.data.preprocessing.applying import exact, outline_after
from engine.data.preprocessing.directions import principal_axes, tolerance

__all__ = ["Cloud", "DataFacts", "StageFacts", "condition_of", "data_facts"]

MOST_VALUES = 4_000_000
"""Values (samples × features) that statistics are taken of, unless that were fewer than `FEWEST_SAMPLES` samples."""
FEWEST_SAMPLES = 4096
MOST_FEATURES = 1024
"""Features whose covariance is decomposed; of wider samples as many, evenly spaced."""
SHOWN_FEATURES = 64
"""Features of the covariance that is shown."""
POINTS, IMAGES = 1500, 25


@dataclass(frozen=True)
class Cloud:
    """Samples as points (n, 2) of the axes named `axes`; `chosen` (n,) are their places among the facts' samples."""

    points: np.ndarray
    axes: tuple[str, str]
    chosen: np.ndarray


@dataclass(frozen=True)
class StageFacts:
    """One input at one stage of preprocessing, D values in each of `samples` samples, flattened.

    step          number of steps applied: 0 for the data as they are in the source.
    shape, names  of a sample and of its features (empty for images).
    samples       those that the statistics are of; samples with missing values are left out.
    mean, deviation, low, high   (D,), the deviation dividing by N.
    features      (m,) which features the covariance shows, at most 64.
    covariance    (m, m), dividing by N.
    measured      features that spectrum and condition numbers are of: D, or 1,024 of more.
    spectrum      (measured,) eigenvalues of their covariance, the largest first, none below 0.
    rank          eigenvalues that are more than rounding.
    condition     largest by smallest eigenvalue; infinite where the rank is less than `measured`.
    condition_within   the same among the directions that vary; NaN where none does.
    second_moment_condition   of XᵀX / N, which unlike the covariance feels whether the data are centred.
    cloud         the samples in a plane, or None where there are none to show.
    images        (n, height, width, channels) for images, or None.
    """

    step: int
    shape: tuple[int, ...]
    names: tuple[str, ...]
    samples: int
    mean: np.ndarray
    deviation: np.ndarray
    low: np.ndarray
    high: np.ndarray
    features: np.ndarray
    covariance: np.ndarray
    measured: int
    spectrum: np.ndarray
    rank: int
    condition: float
    condition_within: float
    second_moment_condition: float
    cloud: Cloud | None
    images: np.ndarray | None

    @property
    def size(self) -> int:
        """Values of one sample."""
        return math.prod(self.shape)

    def name(self, feature: int) -> str:
        """A feature's name, or its place in the sample."""
        if len(self.names) == self.size:
            return self.names[feature]
        if len(self.shape) == 1:
            return str(feature + 1)
        return ",".join(str(int(i) + 1) for i in np.unravel_index(feature, self.shape))


@dataclass(frozen=True)
class DataFacts:
    """Before and after. `steps` are the labels of all steps that apply to the input `name`; `used` of `total` training
    samples were looked at. `targets` (used,) are class indices, or the first number to be predicted; `class_names` is
    empty for numbers. `sizes` and `class_counts` are by part."""

    name: str
    steps: tuple[str, ...]
    total: int
    used: int
    before: StageFacts
    after: StageFacts
    targets: np.ndarray
    class_names: tuple[str, ...]
    sizes: dict[str, int]
    class_counts: dict[str, tuple[int, ...]]


def data_facts(
    dataset: Dataset, step: int | None = None, axes: tuple[str, str] | None = None, name: str = ""
) -> DataFacts:
    """The facts of an input (the first one, unless `name` names another). May take a second: call it on a worker.

    step   how many of the steps the stage "after" has behind it; None: all.
    axes   names of the features that the clouds show (see `StageFacts.name`); None: the first two principal components
           where there are more than two features. A stage without such features shows its first two.
    Raises DataError for an input that does not exist.
    """
    name = name or next(iter(dataset.raw.inputs))
    if name not in dataset.raw.inputs:
        raise DataError(f"there is no input “{name}”; the inputs are {', '.join(dataset.raw.inputs)}")
    steps = dataset.steps.get(name, ())
    count = len(steps) if step is None else max(0, min(step, len(steps)))
    widest = max(math.prod(dataset.raw.inputs[name].shape[1:]), math.prod(dataset.signature.inputs[name]))
    indices = dataset.train.indices
    rows = spaced(len(indices), max(FEWEST_SAMPLES, MOST_VALUES // max(1, widest)))
    targets, class_names = _targets(dataset, rows)
    before, after = (_stage(dataset, name, indices[rows], at, axes, targets) for at in (0, count))
    return DataFacts(
        name=name,
        steps=steps,
        total=len(indices),
        used=len(rows),
        before=before,
        after=after,
        targets=targets,
        class_names=class_names,
        sizes={"train": dataset.train.size, "validation": dataset.validation.size, "test": dataset.test.size},
        class_counts=dataset.info.class_counts,
    )


def spaced(count: int, most: int) -> np.ndarray:
    """At most `most` of the places 0 .. count-1, evenly spaced, ascending."""
    if count <= most:
        return np.arange(count)
    return np.linspace(0, count - 1, most).astype(np.int64)


def condition_of(eigenvalues: np.ndarray) -> tuple[int, float, float]:
    """Of eigenvalues (d,) of a positive semidefinite matrix: its rank, its condition number (infinite below full rank),
    and that among the eigenvalues that are more than rounding (NaN where none is)."""
    if not len(eigenvalues) or not eigenvalues.max() > 0:
        return 0, math.inf, math.nan
    varying = eigenvalues[eigenvalues > tolerance(eigenvalues)]
    within = float(varying.max() / varying.min())
    return len(varying), within if len(varying) == len(eigenvalues) else math.inf, within


def _targets(dataset: Dataset, rows: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """The first target of the training samples `rows`: class indices with their names, or numbers."""
    name, signature = next(iter(dataset.signature.targets.items()))
    values = dataset.raw.targets[name][dataset.train.indices[rows]]
    return values.reshape(len(values), -1)[:, 0], signature.class_names if signature.classes else ()


def _stage(
    dataset: Dataset, name: str, indices: np.ndarray, step: int, axes: tuple[str, str] | None, targets: np.ndarray
) -> StageFacts:
    fitted = dataset.fitted.get(name, ())[:step]
    shape, names = outline_after(fitted, dataset.raw.inputs[name].shape[1:], dataset.raw.input_names)
    samples = exact(dataset.raw.inputs[name], indices, fitted)
    rows = samples.reshape(len(samples), -1)
    # Values near the end of what float64 holds have infinite squares, which is then what is shown.
    with np.errstate(over="ignore", invalid="ignore"):
        complete = np.flatnonzero(~np.isnan(rows).any(axis=1))
        if len(complete) < len(rows):
            rows = rows[complete]
        size = rows.shape[1]
        measured = spaced(size, MOST_FEATURES)
        part = rows if len(measured) == size else rows[:, measured]
        count = max(1, len(rows))
        mean = rows.sum(axis=0) / count
        centred = part - mean[measured]
        covariance = centred.T @ centred / count
        moment = part.T @ part / count
        nothing = np.full(size, np.nan)
        shown = spaced(len(measured), SHOWN_FEATURES)
        spectrum, directions = _decomposed(covariance)
        rank, condition, within = condition_of(spectrum)
        second = condition_of(_decomposed(moment, vectors=False)[0])[1]
        stage = StageFacts(
            step=step,
            shape=shape,
            names=names,
            samples=len(rows),
            mean=mean if len(rows) else nothing,
            deviation=np.sqrt(((rows - mean) ** 2).sum(axis=0) / count) if len(rows) else nothing,
            low=rows.min(axis=0) if len(rows) else nothing,
            high=rows.max(axis=0) if len(rows) else nothing,
            features=measured[shown],
            covariance=covariance[np.ix_(shown, shown)],
            measured=len(measured),
            spectrum=spectrum,
            rank=rank,
            condition=condition,
            condition_within=within,
            second_moment_condition=second,
            cloud=None,
            images=samples[:IMAGES] if len(shape) == 3 else None,
        )
        cloud = _cloud(stage, rows, centred, directions, complete, axes, targets)
    return replace(stage, cloud=cloud)


def _decomposed(matrix: np.ndarray, vectors: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues, the largest first, and eigenvectors; NaN where the matrix is not finite."""
    if not np.isfinite(matrix).all():
        return np.full(len(matrix), np.nan), np.full_like(matrix, np.nan)
    if vectors:
        return principal_axes(matrix)
    return np.maximum(np.linalg.eigvalsh(matrix)[::-1], 0.0), matrix


def _cloud(
    stage: StageFacts,
    rows: np.ndarray,
    centred: np.ndarray,
    directions: np.ndarray,
    complete: np.ndarray,
    axes: tuple[str, str] | None,
    targets: np.ndarray,
) -> Cloud | None:
    chosen = spaced(len(rows), POINTS)
    if not len(chosen):
        return None
    if stage.size == 1:
        return Cloud(
            np.stack([rows[chosen, 0], targets[complete[chosen]].astype(float)], axis=1),
            (_title(stage, 0), "target"),
            complete[chosen],
        )
    if axes is None and stage.size > 2:
        if not np.isfinite(directions).all():
            return None
        return Cloud(centred[chosen] @ directions[:, :2], _component_titles(stage), complete[chosen])
    place = {stage.name(i): i for i in range(stage.size)}
    x, y = (place.get(axis) for axis in axes) if axes is not None else (0, 1)
    if x is None or y is None:
        x, y = 0, 1
    return Cloud(
        np.stack([rows[chosen, x], rows[chosen, y]], axis=1), (_title(stage, x), _title(stage, y)), complete[chosen]
    )


def _title(stage: StageFacts, feature: int) -> str:
    return stage.names[feature] if len(stage.names) == stage.size else f"feature {stage.name(feature)}"


def _component_titles(stage: StageFacts) -> tuple[str, str]:
    """The axes of the first two principal components, with their shares of the variance."""
    total = float(stage.spectrum.sum())
    shares = stage.spectrum[:2] / total if total > 0 else np.zeros(2)
    return f"PC 1 ({shares[0]:.0%} of variance)", f"PC 2 ({shares[1]:.0%})"
