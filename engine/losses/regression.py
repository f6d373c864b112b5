"""Losses for numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np

import engine.ops.loss as ops
import engine.ops.robust_loss as robust
from engine.kinds import Prediction
from engine.layers.base import Loss, Shape
from engine.losses.words import TARGET_HELP, WEIGHT_HELP
from engine.schema import component, field

if TYPE_CHECKING:
    from engine.builder import Builder
    from engine.ops.base import Value

__all__ = ["Huber", "MeanAbsoluteError", "MeanSquaredError"]


@component(
    "mean_squared_error",
    label="Squared error",
    group="Loss",
    formula="L = mean((y − t)²)",
    source="Bishop: Pattern Recognition and Machine Learning (2006), section 5.2",
    synonyms=("mse", "l2", "regression", "least squares"),
    avoid="Targets with outliers, which it follows: use Huber or absolute error. Classes: its gradient fades where a "
    "sigmoid or softmax is surest, and wrong.",
    differs="The mean over samples and outputs, as PyTorch's MSELoss. Texts that derive gradients often halve it, or "
    "sum over the outputs: the learning rates that fit then differ by that factor.",
)
class MeanSquaredError(Loss, frozen=True):
    """For numbers: the squared distance between prediction and target, averaged over samples and outputs.

    Large errors weigh heavily. With standardized targets a network that always predicts the mean has the loss 1.
    """

    predicts: ClassVar[Prediction] = "numbers"

    target: Annotated[str, field(help=TARGET_HELP)] = "y"
    weight: Annotated[float, field(ge=0, le=1e6, help=WEIGHT_HELP)] = 1.0

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        return shapes[0]

    def title(self) -> str:
        return "Squared error"

    def lower(self, b: Builder, prediction: Value, target: Value) -> tuple[Value, Value]:
        return b.op(ops.MeanSquaredError(), prediction, target), prediction

    def constant_loss(self, targets: np.ndarray, classes: int) -> float | None:
        return float(_columns(targets).var(axis=0).mean()) if len(targets) else None


@component(
    "mean_absolute_error",
    label="Absolute error",
    group="Loss",
    formula="L = mean |y − t|",
    source="Bishop: Pattern Recognition and Machine Learning (2006), section 1.5.5",
    synonyms=("mae", "l1", "regression", "least absolute deviations", "median"),
    avoid="The last steps towards a precise fit: its gradient has the same size near the target as far from it, so "
    "that a constant learning rate keeps stepping over it. Huber does not.",
    differs="PyTorch's L1Loss: the mean over samples and outputs. Exactly on the target the gradient is taken as 0.",
)
class MeanAbsoluteError(Loss, frozen=True):
    """For numbers: the distance between prediction and target, averaged over samples and outputs.

    Where squared error aims at the mean of the targets that inputs like these have, absolute error aims at their
    median: a few wild targets hardly move it.
    """

    predicts: ClassVar[Prediction] = "numbers"

    target: Annotated[str, field(help=TARGET_HELP)] = "y"
    weight: Annotated[float, field(ge=0, le=1e6, help=WEIGHT_HELP)] = 1.0

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        return shapes[0]

    def title(self) -> str:
        return "Absolute error"

    def lower(self, b: Builder, prediction: Value, target: Value) -> tuple[Value, Value]:
        return b.op(robust.MeanAbsoluteError(), prediction, target), prediction

    def constant_loss(self, targets: np.ndarray, classes: int) -> float | None:
        columns = _columns(targets)
        return float(np.abs(columns - np.median(columns, axis=0)).mean()) if len(targets) else None


@component(
    "huber",
    label="Huber",
    group="Loss",
    formula="L = mean(d²/2 where |d| ≤ δ, else δ (|d| − δ/2)),  d = y − t",
    source="Huber: Robust estimation of a location parameter (Annals of Mathematical Statistics, 1964)",
    synonyms=("smooth l1", "robust", "regression", "outliers"),
    avoid="Targets without outliers: squared error has no threshold to choose. δ is in the targets' units: standardize "
    "them, or set it to the size of error that counts as usual.",
    differs="As PyTorch's HuberLoss. SmoothL1Loss, as used for boxes in detection, is this divided by its threshold; "
    "and with d²/2 it is half of the squared error for small errors.",
)
class Huber(Loss, frozen=True):
    """For numbers with outliers: squared error for small errors, absolute error for large ones.

    The gradient is the error, cut off at ±δ: a target that is wildly off pulls no harder than one that is off by δ.
    """

    predicts: ClassVar[Prediction] = "numbers"

    target: Annotated[str, field(help=TARGET_HELP)] = "y"
    weight: Annotated[float, field(ge=0, le=1e6, help=WEIGHT_HELP)] = 1.0
    delta: Annotated[
        float,
        field(
            gt=0, le=1e6, symbol="δ", scale="log", search=(0.1, 10.0),
            help="The error from which on the loss grows in a straight line, in the targets' units.",
        ),
    ] = 1.0  # fmt: skip

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        return shapes[0]

    def title(self) -> str:
        return f"Huber {self.delta:g}"

    def lower(self, b: Builder, prediction: Value, target: Value) -> tuple[Value, Value]:
        return b.op(robust.Huber(self.delta), prediction, target), prediction

    def constant_loss(self, targets: np.ndarray, classes: int) -> float | None:
        if not len(targets):
            return None
        columns = _columns(targets)
        low, high = columns.min(axis=0), columns.max(axis=0)
        # The loss of a constant is convex in it: each round keeps two thirds of the interval that holds the best.
        for _ in range(100):
            a, b = low + (high - low) / 3, high - (high - low) / 3
            left = self._of(columns - a).mean(axis=0) <= self._of(columns - b).mean(axis=0)
            low, high = np.where(left, low, a), np.where(left, b, high)
        return float(self._of(columns - (low + high) / 2).mean())

    def _of(self, error: np.ndarray) -> np.ndarray:
        least = np.minimum(np.abs(error), self.delta)
        return least * (np.abs(error) - least / 2)


def _columns(targets: np.ndarray) -> np.ndarray:
    """Targets (N, ...) as float64 (N, k)."""
    return targets.reshape(len(targets), -1).astype(np.float64)
