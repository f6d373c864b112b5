"""Metrics of numbers."""

from __future__ import annotations

import numpy as np

from engine.kinds import Metric
from engine.schema import component

__all__ = ["MeanAbsoluteError", "R2"]


@component(
    "mean_absolute_error",
    label="Mean absolute error",
    formula="mean |ŷ − y|",
    source="Willmott, Matsuura: Advantages of the mean absolute error over the root mean square error (2005)",
    synonyms=("mae", "l1 error"),
    avoid="Where single large errors are what counts: it hardly notices them.",
)
class MeanAbsoluteError(Metric, frozen=True):
    """The mean distance between prediction and target, over all samples and all outputs.

    It is in the units that the network trains on: of targets that were standardized, in standard deviations of the
    training targets.

    Unlike the mean squared error it does not weigh single large errors more than many small ones.
    """

    higher_is_better = False
    takes = ("numbers",)
    short = "MAE"

    def evaluate_steps(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, float]:
        """Outputs and targets (steps, B, k); (steps, B) stands for (steps, B, 1). Summed in float64."""
        flat = outputs.reshape(len(outputs), -1).astype(np.float64)
        return np.abs(flat - targets.reshape(flat.shape)).sum(axis=1), float(flat.shape[1])


@component(
    "r2",
    label="R²",
    formula="1 − Σ (y − ŷ)² / Σ (y − mean y)²",
    source="Draper, Smith: Applied Regression Analysis, 3rd edition (1998), section 1.3",
    synonyms=("r squared", "coefficient of determination", "explained variance"),
    avoid="Comparing data sets: the same error gives a high value where the targets vary widely and a low one "
    "elsewhere.",
    differs="The mean over outputs, as scikit-learn's r2_score. An output whose targets are all equal is left out; "
    "scikit-learn gives it 1 or 0.",
)
class R2(Metric, frozen=True):
    """The share of the targets' variance that the predictions explain: 1 is perfect, 0 what predicting the mean
    achieves.

    It is negative for a network that does worse than that. It does not depend on the targets' unit.
    """

    highest = 1.0
    takes = ("numbers",)
    short = "R²"

    def evaluate_steps(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, float]:
        """Outputs and targets (steps, B, ...). Sums (steps, 3 k): squared errors, targets, their squares, by output."""
        steps, rows = outputs.shape[:2]
        predicted = outputs.reshape(steps, rows, -1).astype(np.float64)
        wanted = targets.reshape(predicted.shape).astype(np.float64)
        parts = ((predicted - wanted) ** 2, wanted, wanted**2)
        # One step after the other: how a sum over several is ordered depends on how many there are.
        sums = [[part[step].sum(axis=0) for part in parts] for step in range(steps)]
        return np.array(sums).reshape(steps, -1), float(rows)

    def value(self, sums: np.ndarray, count: float) -> float:
        errors, total, squares = np.split(np.asarray(sums, np.float64), 3)
        spread = squares - total**2 / count
        # What is left of equal targets is rounding.
        known = spread > 1e-12 * squares
        return float(np.mean(1.0 - errors[known] / spread[known])) if known.any() else 0.0
