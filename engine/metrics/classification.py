"""Metrics of classes, and of answers to yes/no questions."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np

from engine.kinds import Metric
from engine.schema import component, field

__all__ = ["F1", "Accuracy", "Precision", "Recall", "TopKAccuracy", "class_scores"]


@component(
    "accuracy",
    label="Accuracy",
    formula="share of samples with argmax p = y (or, for yes/no outputs, [p ≥ 1/2] = y)",
    source="Hastie, Tibshirani, Friedman: The Elements of Statistical Learning (2009), section 7.2",
    synonyms=("correct", "error rate"),
    avoid="Classes of very unequal size: always naming the common one scores well. Look at recall, or the confusion "
    "matrix.",
    differs="Of several yes/no outputs each counts by itself (Hamming score); scikit-learn's accuracy_score counts a "
    "sample only when all of its answers are right.",
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
    "top_k_accuracy",
    label="Top-k accuracy",
    formula="share of samples whose right class is among the k of largest probability",
    source="Russakovsky et al.: ImageNet large scale visual recognition challenge (2015), section 4.1 (top-5 error)",
    synonyms=("top-5", "top k", "top5"),
    avoid="Few classes: with k of C classes or more it is 1 for any network.",
    differs="Of equal probabilities the class with the smaller number goes first, as in accuracy; scikit-learn lets "
    "the larger one go first.",
)
class TopKAccuracy(Metric, frozen=True):
    """The share of samples whose right class is among the k classes that the network finds likeliest.

    It tells whether a network that names the wrong class at least considers the right one. With k = 1 it is accuracy.
    """

    highest = 1.0
    takes = ("classes",)
    percent = True
    short = "top-k"

    k: Annotated[int, field(ge=1, le=100_000, help="How many classes count as named.")] = 5

    def evaluate_steps(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, float]:
        """Outputs (steps, B, C) with class indices (steps, B)."""
        right = np.take_along_axis(outputs, targets[:, :, np.newaxis].astype(np.intp), axis=2)
        before = np.arange(outputs.shape[2]) < targets[:, :, np.newaxis]
        rank = ((outputs > right) | ((outputs == right) & before)).sum(axis=2)
        named = (rank < self.k) & ~np.isnan(outputs).any(axis=2)
        return named.sum(axis=1, dtype=np.float64), float(outputs.shape[1])


class _ByClass(Metric, frozen=True):
    """What metrics of single classes share: for each class the samples named rightly (hits), named at all, and there.

    The answer yes counts as the one class of a yes/no output; several outputs are as many classes.
    """

    highest = 1.0
    takes = ("classes", "yes_no")
    percent = True

    def evaluate_steps(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, float]:
        """Outputs and targets as for `Accuracy`. Sums (steps, 3 C): hits, named, there, of each class."""
        steps, rows = outputs.shape[:2]
        outputs = outputs.reshape(steps, rows, -1)
        if targets.ndim == 2 and outputs.shape[2] > 1:
            classes = outputs.shape[2]
            named = outputs.argmax(axis=2)
            sane = ~np.isnan(outputs).any(axis=2)
            counts = [
                _count(targets, (named == targets) & sane, classes),
                _count(named, sane, classes),
                _count(targets, np.ones_like(sane), classes),
            ]
        else:
            there = targets.reshape(outputs.shape) >= 0.5
            yes = outputs >= 0.5
            counts = [part.sum(axis=1, dtype=np.float64) for part in (yes & there, yes, there)]
        return np.concatenate(counts, axis=1), float(rows)

    def value(self, sums: np.ndarray, count: float) -> float:
        hits, named, there = np.split(np.asarray(sums, np.float64), 3)
        shares = self.of_classes(hits, named, there)
        known = shares[~np.isnan(shares)]
        return float(known.mean()) if len(known) else 0.0

    def of_classes(self, hits: np.ndarray, named: np.ndarray, there: np.ndarray) -> np.ndarray:
        """The value of each class (C,); NaN where the class says nothing."""
        raise NotImplementedError


def _count(classes: np.ndarray, counted: np.ndarray, size: int) -> np.ndarray:
    """How often each class comes in each step (steps, size), where `counted`."""
    steps = len(classes)
    places = classes + size * np.arange(steps)[:, np.newaxis]
    return np.bincount(places[counted], minlength=steps * size).reshape(steps, size).astype(np.float64)


_MACRO = (
    "The mean over classes, each weighing alike (macro average). A class that no sample has is left out; scikit-learn "
    "counts it as 0 when it was named, and warns."
)


@component(
    "recall",
    label="Recall",
    formula="mean over classes of hits / samples of the class",
    source="Sokolova, Lapalme: A systematic analysis of performance measures for classification tasks (2009)",
    synonyms=("sensitivity", "true positive rate", "balanced accuracy", "macro"),
    avoid="Where false alarms are what costs: naming a class always gives it a recall of 1. Look at precision as well.",
    differs=_MACRO,
)
class Recall(_ByClass, frozen=True):
    """Of the samples of a class, the share that is found; averaged over the classes.

    A rare class counts as much as a common one, so that it shows what accuracy hides. For a single yes/no output it is
    the recall of yes. The confusion matrix shows each class's own.
    """

    def of_classes(self, hits: np.ndarray, named: np.ndarray, there: np.ndarray) -> np.ndarray:
        return _ratio(hits, there)


@component(
    "precision",
    label="Precision",
    formula="mean over classes of hits / samples named as the class",
    source="Sokolova, Lapalme: A systematic analysis of performance measures for classification tasks (2009)",
    synonyms=("positive predictive value", "macro"),
    avoid="Where misses are what costs: naming a class only when it is certain gives a high precision. Look at recall "
    "as well.",
    differs=_MACRO.replace("that no sample has is", "that no sample has and none is named as is"),
)
class Precision(_ByClass, frozen=True):
    """Of the samples that are named as a class, the share that belongs to it; averaged over the classes.

    A class that has samples but is never named counts as 0.
    """

    def of_classes(self, hits: np.ndarray, named: np.ndarray, there: np.ndarray) -> np.ndarray:
        return np.where((named == 0) & (there > 0), 0.0, _ratio(hits, named))


@component(
    "f1",
    label="F1",
    formula="mean over classes of 2 · precision · recall / (precision + recall)",
    source="van Rijsbergen: Information Retrieval (1979), chapter 7 (effectiveness)",
    synonyms=("f-score", "f-measure", "dice", "macro"),
    avoid="Where misses and false alarms cost unequally: it weighs both alike.",
    differs="The mean of the classes' F1, as scikit-learn's macro average; some take the F1 of the mean precision and "
    "the mean recall, which is never smaller.",
)
class F1(_ByClass, frozen=True):
    """The harmonic mean of precision and recall of each class; averaged over the classes.

    It is high only when both are. For a single yes/no output it is the F1 of yes.
    """

    short = "F1"

    def of_classes(self, hits: np.ndarray, named: np.ndarray, there: np.ndarray) -> np.ndarray:
        return _ratio(2.0 * hits, named + there)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def class_scores(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """Recall, precision and F1 of each class (C,) from a confusion matrix (true class, predicted class); NaN where a
    class says nothing."""
    hits, named, there = np.diag(matrix).astype(float), matrix.sum(axis=0), matrix.sum(axis=1)
    return {
        name: metric.of_classes(hits, named, there)
        for name, metric in (("recall", Recall()), ("precision", Precision()), ("F1", F1()))
    }
