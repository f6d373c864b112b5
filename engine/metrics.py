"""Numbers, beside the loss, that say how good predictions are. Evaluated on the host, batch by batch."""

from __future__ import annotations

import math

import numpy as np

from engine.kinds import Metric
from engine.schema import component

__all__ = ["Accuracy", "MeanAbsoluteError"]


@component(
    "accuracy",
    label="Accuracy",
    formula="share of samples with argmax p = y (or, for yes/no outputs, [p ≥ 1/2] = y)",
    source="Hastie, Tibshirani, Friedman: The Elements of Statistical Learning (2009), section 7.2",
    synonyms=("correct", "error rate"),
)
class Accuracy(Metric, frozen=True):
    """The share of predictions that are right.

    For class probabilities a prediction is the class of the largest probability (the first one of equals). For
    yes/no outputs each output counts on its own and is a yes from 1/2 on. A prediction that is not a number is wrong.
    """

    highest = 1.0
    takes = ("classes", "yes_no")
    percent = True

    def evaluate_steps(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, float]:
        """Outputs (steps, B, C) with class indices (steps, B), or probabilities of a yes (steps, B, k) with targets
        (steps, B, k) or, for k = 1, (steps, B)."""
        steps, rows = outputs.shape[:2]
        outputs = outputs.reshape(steps, rows, -1)
        if targets.ndim == 2 and outputs.shape[2] > 1:
            # Along two classes, argmax takes three times as long as the comparison that it comes to.
            first, second = outputs[:, :, 0], outputs[:, :, 1]
            predicted = second > first if outputs.shape[2] == 2 else outputs.argmax(axis=2)
            right = predicted == targets
            if math.isnan(outputs.max()):  # of all at once: looking at every row costs as much as the metric itself
                right &= ~np.isnan(outputs.max(axis=2))
            return right.sum(axis=1, dtype=np.float64), float(rows)
        targets = targets.reshape(outputs.shape)
        right = ((outputs >= 0.5) == (targets >= 0.5)) & ~np.isnan(outputs)
        return right.sum(axis=(1, 2), dtype=np.float64), float(outputs[0].size)


@component(
    "mean_absolute_error",
    label="Mean absolute error",
    formula="mean |ŷ − y|",
    source="Willmott, Matsuura: Advantages of the mean absolute error over the root mean square error (2005)",
    synonyms=("mae", "l1 error"),
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
