"""Made-up data: sets of points in the plane whose decision surface can be drawn, and functions to fit."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from engine.data.raw import Outline, Raw
from engine.data.signature import TargetSignature
from engine.data.sources.base import DataSource
from engine.schema import component, field

__all__ = ["Blobs", "Circles", "Moons", "Regression", "Spirals", "Xor"]

Samples = Annotated[int, field(ge=10, le=1_000_000, scale="log", help="Number of points, over all classes.")]
Seed = Annotated[int, field(ge=0, le=2**31 - 1, help="Seed of the points. The same seed gives the same points.")]
_AXES = ("x1", "x2")


class _Plane(DataSource, frozen=True):
    """Points in the plane, in classes of (nearly) equal size."""

    samples: Samples = 600
    noise: Annotated[float, field(ge=0, le=10, help="Standard deviation of the noise on both coordinates.")] = 0.1
    seed: Seed = 0

    def class_count(self) -> int:
        return 2

    def points(self, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The points of these classes, float64 (N, 2), before the noise."""
        raise NotImplementedError

    def outline(self) -> Outline:
        names = tuple(str(i) for i in range(self.class_count()))
        target = TargetSignature(classes=len(names), class_names=names)
        return Outline({"x": (2,)}, {"y": target}, self.samples, input_names=_AXES)

    def read(self) -> Raw:
        rng = np.random.default_rng(self.seed)
        labels = np.sort(np.arange(self.samples) % self.class_count())
        points = self.points(labels, rng)
        points = points + self.noise * rng.standard_normal(points.shape)
        return Raw({"x": points}, {"y": self.labels(labels)}, self.outline().targets, input_names=_AXES)

    def labels(self, labels: np.ndarray) -> np.ndarray:
        return labels.astype(np.int64)


def _position_in_class(labels: np.ndarray) -> np.ndarray:
    """0 for the first point of each class, 1 for its last, evenly between; labels are sorted."""
    counts = np.bincount(labels)
    return np.concatenate([np.linspace(0, 1, count) for count in counts])


@component(
    "spirals",
    label="Spirals",
    group="Points in the plane",
    formula="r = t, angle = 2π (turns t + class / classes)",
    source="Lang, Witbrock: Learning to tell two spirals apart (Connectionist Models Summer School, 1988)",
    synonyms=("spiral", "2d", "classification"),
    avoid="To judge how a network does on real data: there are two features, and no more noise than you ask for.",
)
class Spirals(_Plane, frozen=True):
    """Interleaved spiral arms, one for each class, inside the unit circle. No straight line separates them, so that a
    network without a hidden layer fails and the growing decision surface is worth watching."""

    noise: Annotated[float, field(ge=0, le=10, help="Standard deviation of the noise on both coordinates.")] = 0.02
    classes: Annotated[int, field(ge=2, le=10, help="Number of arms, each a class.")] = 2
    turns: Annotated[float, field(ge=0.1, le=10, help="How often an arm winds round the centre.")] = 1.5

    def class_count(self) -> int:
        return self.classes

    def points(self, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        # The arms would meet in one point at the centre; they start a little outside it.
        radius = 0.05 + 0.95 * _position_in_class(labels)
        angle = 2 * np.pi * (self.turns * radius + labels / self.classes)
        return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


@component(
    "moons",
    label="Moons",
    group="Points in the plane",
    source="Pedregosa et al.: Scikit-learn: machine learning in Python (JMLR 2011), make_moons",
    synonyms=("half circles", "crescents", "2d", "classification"),
    avoid="To see a deep network at its best: a small one is enough for two half circles.",
    differs="scikit-learn's make_moons draws the same half circles and takes the noise as an absolute deviation, as "
    "here.",
)
class Moons(_Plane, frozen=True):
    """Two interleaved half circles. A gentle first problem that is not linearly separable."""

    def points(self, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        angle = np.pi * _position_in_class(labels)
        upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        lower = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)
        return np.where(labels[:, None] == 0, upper, lower)


@component(
    "circles",
    label="Circles",
    group="Points in the plane",
    formula="radius = (class + 1) / classes",
    source="Pedregosa et al.: Scikit-learn: machine learning in Python (JMLR 2011), make_circles",
    synonyms=("rings", "concentric", "2d", "classification"),
    avoid="To see a deep network at its best: one hidden layer of a few units is enough for a ring.",
)
class Circles(_Plane, frozen=True):
    """Concentric circles, one for each class. A single feature, the distance from the centre, would solve it."""

    noise: Annotated[float, field(ge=0, le=10, help="Standard deviation of the noise on both coordinates.")] = 0.06
    classes: Annotated[int, field(ge=2, le=10, help="Number of circles, each a class.")] = 2

    def class_count(self) -> int:
        return self.classes

    def points(self, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        angle = 2 * np.pi * rng.random(len(labels))
        radius = (labels + 1) / self.classes
        return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


@component(
    "xor",
    label="XOR",
    group="Points in the plane",
    formula="class = 1 where x₁ x₂ > 0",
    source="Minsky, Papert: Perceptrons (1969)",
    synonyms=("exclusive or", "checkerboard", "2d", "classification"),
    avoid="Without a hidden layer, unless to see it fail: no line separates the classes.",
    differs="Notes mean the four corner points, which a network learns by heart; here the points fill four quadrants.",
)
class Xor(_Plane, frozen=True):
    """Four quadrants, opposite ones in the same class: the problem that a single layer cannot solve."""

    noise: Annotated[float, field(ge=0, le=10, help="Standard deviation of the noise on both coordinates.")] = 0.03

    def points(self, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        # A margin around the axes, so that without noise the classes do not touch.
        size = rng.uniform(0.05, 1.0, (len(labels), 2))
        side = rng.choice([-1.0, 1.0], len(labels))
        return size * np.stack([side, np.where(labels == 1, side, -side)], axis=1)


@component(
    "blobs",
    label="Gaussian blobs",
    group="Points in the plane",
    formula="x = centre of the class + noise · N(0, 1)",
    source="Fisher: The use of multiple measurements in taxonomic problems (Annals of Eugenics, 1936), for the model "
    "of normal classes with a common covariance",
    synonyms=("clusters", "gaussian", "normal", "2d", "classification"),
    avoid="To see what hidden layers do: clouds that lie apart are separated by straight lines.",
)
class Blobs(_Plane, frozen=True):
    """One round cloud of points for each class, with centres evenly spaced on the unit circle. With little noise a
    single dense layer solves it."""

    noise: Annotated[float, field(ge=0, le=10, help="Standard deviation of each cloud.")] = 0.3
    classes: Annotated[int, field(ge=2, le=20, help="Number of clouds, each a class.")] = 3

    def class_count(self) -> int:
        return self.classes

    def points(self, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        angle = 2 * np.pi * labels / self.classes
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)


@component(
    "regression",
    label="Function to fit",
    group="Tables",
    formula="sine: sin 2πx; linear: Σ cᵢ xᵢ; friedman: 10 sin(π x₁x₂) + 20 (x₃ − ½)² + 10 x₄ + 5 x₅",
    source="Friedman: Multivariate adaptive regression splines (Annals of Statistics, 1991), for the function "
    "“friedman”",
    synonyms=("curve", "sine", "linear", "friedman"),
    avoid="The linear function, to see what hidden layers do: a network without any is exact there.",
)
class Regression(DataSource, frozen=True):
    """Numbers to predict from features drawn evenly between 0 and 1, with normal noise on the result.

    sine: one feature. linear: coefficients 1, 1/2, 1/3, ... with changing signs. friedman: five features matter, the
    others are there to mislead.
    """

    function: Annotated[Literal["friedman", "linear", "sine"], field(help="What the numbers are computed by.")] = (
        "friedman"
    )
    samples: Annotated[int, field(ge=10, le=1_000_000, scale="log", help="Number of samples.")] = 600
    features: Annotated[
        int, field(ge=1, le=1000, help="Number of features. sine always has one, friedman at least five.")
    ] = 10
    noise: Annotated[float, field(ge=0, le=100, help="Standard deviation of the noise on the result.")] = 0.5
    seed: Seed = 0

    def feature_count(self) -> int:
        """How many features there really are."""
        return {"sine": 1, "friedman": max(5, self.features)}.get(self.function, self.features)

    def outline(self) -> Outline:
        names = tuple(f"x{i + 1}" for i in range(self.feature_count()))
        return Outline({"x": (len(names),)}, {"y": TargetSignature(shape=(1,))}, self.samples, input_names=names)

    def values(self, x: np.ndarray) -> np.ndarray:
        """The function's values at samples (N, features), without noise."""
        if self.function == "sine":
            return np.sin(2 * np.pi * x[:, 0])
        if self.function == "linear":
            rank = np.arange(1, x.shape[1] + 1)
            return x @ (np.where(rank % 2, 1.0, -1.0) / rank)
        return 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]

    def read(self) -> Raw:
        rng = np.random.default_rng(self.seed)
        x = rng.random((self.samples, self.feature_count()))
        y = self.values(x) + self.noise * rng.standard_normal(self.samples)
        outline = self.outline()
        return Raw({"x": x}, {"y": y.astype(np.float32)[:, None]}, outline.targets, input_names=outline.input_names)
