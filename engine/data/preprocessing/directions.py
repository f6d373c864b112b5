"""Steps that turn the axes: principal components, and whitening."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np

from engine.data.errors import DataError
from engine.data.preprocessing.base import Outlined, PreprocessingStep
from engine.data.preprocessing.statistics import Statistics
from engine.data.preprocessing.transformation import Linear, component_names
from engine.schema import component, field
from engine.text import shape_text

__all__ = ["Pca", "Whiten", "principal_axes"]

MOST_FEATURES = 4096
"""Features of a sample beyond which no covariance matrix is made: it would take 128 MiB and minutes."""


def principal_axes(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (D,) of a covariance, from the largest to the smallest and none below 0, and its eigenvectors as the
    columns of (D, D). The entry of a vector with the largest magnitude is positive, so that the signs are determined.
    """
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = values[::-1], vectors[:, ::-1]
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(len(values))]
    return np.maximum(values, 0.0), vectors * np.where(largest < 0, -1.0, 1.0)


def tolerance(eigenvalues: np.ndarray) -> float:
    """What an eigenvalue has to exceed in order not to be rounding: D ε times the largest, as numpy's matrix_rank."""
    return float(eigenvalues.max(initial=0.0) * len(eigenvalues) * np.finfo(np.float64).eps)


def _axes_of(training: Statistics) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, eigenvalues and axes of the training part. Raises DataError."""
    if training.features > MOST_FEATURES:
        raise DataError(
            f"samples of {training.features:,} values ({shape_text(training.shape)}) have a covariance matrix of "
            f"{training.features:,} × {training.features:,}, and {MOST_FEATURES:,} is the most that is worked out: use "
            "smaller images or fewer columns, or centre the samples only"
        )
    if training.count < 2:
        raise DataError("the training part has a single sample, and one sample has no covariance: train on more")
    mean, covariance = training.covariance()
    if not np.isfinite(covariance).all():
        raise DataError("the values are too large for their covariance to be computed: rescale the data before")
    return mean, *principal_axes(covariance)


@component(
    "pca",
    label="Principal components",
    group="Directions",
    formula="(x − mean) · V, V: the eigenvectors of the covariance with the largest eigenvalues, as columns",
    source="Hotelling: Analysis of a complex of statistical variables into principal components (Journal of "
    "Educational Psychology, 1933)",
    synonyms=("PCA", "dimensionality reduction", "principal component analysis", "decorrelate", "eigenvectors",
              "Karhunen–Loève"),
    avoid="Before convolutions: images become plain vectors. And where columns have different units: the one with the "
    "largest numbers takes the first component; standardize before.",
    differs="Keeping all components only turns the axes, and training goes the same way as with centred data. Notes "
    "and scikit-learn agree on the form; PCA(whiten=True) there is this step followed by Whiten. Signs are fixed as "
    "there: the largest weight of each component is positive.",
)  # fmt: skip
class Pca(PreprocessingStep, frozen=True):
    """Replace the features by their coordinates along the directions in which the training part varies most. Centres
    the data. Fewer components make fewer inputs, which are uncorrelated; what is dropped varies least, which does not
    mean that it matters least."""

    components: Annotated[
        float,
        field(
            gt=0,
            le=1e6,
            help="A share of the variance to keep when below 1, a number of components otherwise.",
            search=(0.5, 0.99),
        ),
    ] = 0.95

    def fit(self, training: Statistics) -> Linear:
        wanted = self.components
        if wanted >= 1 and wanted != int(wanted):
            raise DataError(f"{wanted:g} components: give a share below 1 or a whole number", "components")
        if wanted > training.features:
            raise DataError(
                f"{wanted:,.0f} components are wanted, but a sample has only {training.features:,} "
                f"{'value' if training.features == 1 else 'values'}",
                "components",
            )
        if wanted >= 1 and wanted > training.count - 1:
            raise DataError(
                f"{wanted:,.0f} components are wanted, but {training.count:,} training samples vary along "
                f"{training.count - 1:,} directions at most",
                "components",
            )
        mean, values, axes = _axes_of(training)
        if wanted >= 1:
            kept = int(wanted)
        elif values.sum() > 0:
            shares = np.cumsum(values) / values.sum()
            kept = min(int(np.searchsorted(shares, wanted, side="right")) + 1, len(values))
        else:
            raise DataError("all training samples are equal: there is no variance to keep a share of", "components")
        chosen = axes[:, :kept]
        return Linear(mean, np.ascontiguousarray(chosen), np.ascontiguousarray(chosen.T), training.shape)

    def outline(self, shape: tuple[int, ...], names: tuple[str, ...]) -> Outlined | None:
        kept = int(self.components)
        if kept < 1 or kept != self.components or kept > math.prod(shape):
            return None
        return (kept,), component_names(kept)


@component(
    "whiten",
    label="Whiten",
    group="Directions",
    formula="PCA: Λ^(−½) Vᵀ (x − mean);  ZCA: V Λ^(−½) Vᵀ (x − mean);  Λ + ε in place of Λ",
    source="Kessy, Lewin, Strimmer: Optimal whitening and decorrelation (The American Statistician, 2018), sections 2 "
    "and 4",
    synonyms=("whitening", "ZCA", "PCA whitening", "sphering", "decorrelate", "Mahalanobis"),
    avoid="On images: directions that are mostly noise get as much say as those that carry the picture. On the digits "
    "it costs about two points of validation accuracy; centring is enough there.",
    differs="ε has two places in use: added to the eigenvalues, √(λ + ε), as here, and to the deviations, √λ + ε. "
    "Covariances divide by N here, as Standardize does; scikit-learn's PCA(whiten=True) divides by N − 1 and has no "
    "ε. Both divisors are offered, and ε may be 0.",
)
class Whiten(PreprocessingStep, frozen=True):
    """Make the covariance of the training part the identity: uncorrelated features of variance 1. The loss of a linear
    model then curves alike in all directions, and one learning rate suits them all.

    PCA whitening yields coordinates along the principal components, so that images become vectors. ZCA whitening turns
    them back: of all whitened forms it is nearest to the data, and images stay images.
    """

    form: Annotated[
        Literal["PCA", "ZCA"],
        field(help="PCA: coordinates along the principal components. ZCA: turned back, nearest to the data."),
    ] = "ZCA"
    epsilon: Annotated[
        float,
        field(
            ge=0,
            le=1e6,
            scale="log",
            symbol="ε",
            help="Added to every variance before its root is divided by, so that directions of little variance are not "
            "blown up. In the data's units squared.",
            search=(1e-6, 1.0),
        ),
    ] = 1e-5
    divisor: Annotated[
        Literal["N", "N − 1"],
        field(help="What the covariance divides by. N − 1: scikit-learn's form.", advanced=True),
    ] = "N"

    def fit(self, training: Statistics) -> Linear:
        mean, values, axes = _axes_of(training)
        if not self.epsilon and (flat := int((values <= tolerance(values)).sum())):
            raise DataError(
                f"along {flat:,} of {len(values):,} directions the training part has no variance to divide by "
                "(constant columns or pixels, columns that depend on others, or fewer samples than features): set ε "
                "above 0, or put “Principal components” before",
                "epsilon",
            )
        if self.divisor == "N − 1":
            values = values * (training.count / (training.count - 1))
        deviations = np.sqrt(values + self.epsilon)
        forward, backward = axes / deviations, (axes * deviations).T
        keeps = self.form == "ZCA"
        if keeps:
            forward, backward = forward @ axes.T, axes @ backward
            # Both are symmetric; rounding has not quite left them so.
            forward, backward = (forward + forward.T) / 2, (backward + backward.T) / 2
        return Linear(mean, forward, backward, training.shape, keeps)

    def outline(self, shape: tuple[int, ...], names: tuple[str, ...]) -> Outlined | None:
        if self.form == "ZCA":
            return shape, names
        return (math.prod(shape),), component_names(math.prod(shape))
