"""Exact evaluation of a data part: sums over batches of unequal size, metrics, and the confusion matrix."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.blocks import unrolled_network
from engine.layers.base import Loss
from engine.schema import Unknown, info_of
from engine.training.programs import Programs

if TYPE_CHECKING:
    from engine.accumulation import Step
    from engine.backend import Device
    from engine.data.signature import DataSignature
    from engine.diagnostics import Report
    from engine.experiment import Experiment
    from engine.kinds import Metric

__all__ = [
    "Divergence",
    "Evaluation",
    "Head",
    "Sums",
    "evaluate",
    "expected_initial_loss",
    "heads_of",
    "input_names",
    "predict",
]


YIELD = 0.002
"""Seconds of work after which the interpreter is offered to the window's thread."""
FEW = 64
"""Numbers that Python adds up faster than NumPy."""


class Divergence(Exception):
    """A loss is not finite; `bound` still holds the batch, and nothing was updated. `validation`: whether the batch is
    one of an evaluation."""

    def __init__(self, bound: Step, *, validation: bool = False) -> None:
        super().__init__("the loss is not finite")
        self.bound, self.validation = bound, validation


@dataclass(frozen=True)
class Head:
    """One loss of the network: the metrics taken of its predictions, by the name they are reported under.

    `weight` is the loss's factor in the sum; `classes` the number of classes of its target, 0 for a regression.
    """

    node: str
    target: str
    weight: float
    classes: int
    class_names: tuple[str, ...]
    metrics: tuple[tuple[str, Metric], ...]


def heads_of(experiment: Experiment, report: Report, signature: DataSignature) -> tuple[Head, ...]:
    """The losses that take part in training, in program order. Where several losses share a metric, all but the first
    report it as "metric/loss node"."""
    heads: list[Head] = []
    taken: set[str] = set()
    network = unrolled_network(experiment.network)
    for node_id in report.order:
        component = network.node(node_id).component
        if not isinstance(component, Loss):
            continue
        target_name: str = component.target  # type: ignore[attr-defined]  # every loss has this field
        target = signature.known_target(target_name)
        metrics = []
        for metric in experiment.training.metrics:
            if isinstance(metric, Unknown) or not metric.suits(component):
                continue
            tag = info_of(metric).tag
            name = tag if tag not in taken else f"{tag}/{node_id}"
            taken.add(name)
            metrics.append((name, metric))
        heads.append(Head(node_id, target_name, component.weight, target.classes, target.class_names, tuple(metrics)))
    return tuple(heads)


def expected_initial_loss(experiment: Experiment, report: Report, heads: tuple[Head, ...]) -> float | None:
    """The loss of a network that knows nothing, where every loss can tell (ln C for C classes)."""
    total = 0.0
    for head in heads:
        loss = experiment.network.node(head.node).component
        assert isinstance(loss, Loss)
        expected = loss.expected_initial(math.prod(report.nodes[head.node].input_shapes[0]))
        if expected is None:
            return None
        total += expected * head.weight
    return total


def input_names(experiment: Experiment, report: Report) -> tuple[str, ...]:
    """The data arrays that the network's input nodes read, each once."""
    names: dict[str, None] = {}
    network = unrolled_network(experiment.network)
    for node_id in report.order:
        component: Any = network.node(node_id).component
        if component.max_inputs == 0:
            names[component.source] = None
    return tuple(names)


class Sums:
    """Running sums of loss and metrics over batches of any size, in float64; they can be saved and restored."""

    def __init__(self) -> None:
        self.loss, self.samples = 0.0, 0
        self.metrics: dict[str, tuple[float | list[float], float]] = {}
        """By name the sums, a number or several, and the count."""

    def add_losses(self, losses: np.ndarray, size: int) -> None:
        """Add the mean losses of several batches of one size, float64 (steps,)."""
        self.loss = _added(self.loss, losses * size)
        self.samples += size * len(losses)

    def add_metrics(
        self, heads: tuple[Head, ...], outputs: dict[str, np.ndarray], targets: dict[str, np.ndarray]
    ) -> None:
        """Add the metrics of several batches' predictions by loss node, (steps, batch, ...), with their targets."""
        for head in heads:
            for name, metric in head.metrics:
                sums, count = metric.evaluate_steps(outputs[head.node], targets[head.target])
                total, seen = self.metrics.get(name, (0.0, 0.0))
                added = _added(total, sums) if sums.ndim == 1 else _added_each(total, sums)  # type: ignore[arg-type]
                self.metrics[name] = (added, seen + count * len(sums))

    def mean_loss(self) -> float | None:
        """The mean over all samples, or None before the first."""
        return self.loss / self.samples if self.samples else None

    def values(self, heads: tuple[Head, ...]) -> dict[str, float]:
        """The metrics over all samples."""
        return {
            name: metric.value(*self.metrics[name])
            for head in heads
            for name, metric in head.metrics
            if self.metrics.get(name, (0.0, 0.0))[1]
        }

    def copy(self) -> Sums:
        """The sums as they are now."""
        sums = Sums()
        sums.loss, sums.samples, sums.metrics = self.loss, self.samples, dict(self.metrics)
        return sums

    def to_plain(self) -> dict[str, Any]:
        """JSON types that restore to the same bits."""
        return {"loss": self.loss, "samples": self.samples, "metrics": {k: list(v) for k, v in self.metrics.items()}}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Sums:
        sums = cls()
        sums.loss, sums.samples = plain["loss"], plain["samples"]
        sums.metrics = {name: (total, count) for name, (total, count) in plain["metrics"].items()}
        return sums


def _added(total: float, values: np.ndarray) -> float:
    """`total` and the values, one after the other as if each came alone: a sum by pairs would have other bits."""
    if len(values) > FEW:
        return float(np.add.accumulate(np.concatenate(([total], values)))[-1])
    for value in values.tolist():
        total += value
    return total


def _added_each(total: list[float] | float, values: np.ndarray) -> list[float]:
    """`_added` for each column of `values` (steps, K)."""
    start = np.zeros((1, values.shape[1])) if isinstance(total, float) else np.array([total])
    found: list[float] = np.add.accumulate(np.concatenate((start, values)))[-1].tolist()
    return found


@dataclass(frozen=True)
class Evaluation:
    """A data part in numbers. `confusion` (true class, predicted class) is the first classifier's, or None."""

    loss: float
    metrics: dict[str, float]
    class_names: tuple[str, ...]
    samples: int
    counted: np.ndarray | None
    uncounted: tuple[np.ndarray, np.ndarray] | None
    """The predictions and classes of the last batch. Most evaluations are of one, and nobody looks at most of them."""

    @cached_property
    def confusion(self) -> np.ndarray | None:
        if self.counted is None or self.uncounted is None:
            return None
        matrix = self.counted.copy()
        count_classes(matrix, *self.uncounted)
        return matrix

    @property
    def accuracy(self) -> float | None:
        """The share of right classes, or None where there are no classes."""
        return float(np.trace(self.confusion) / self.samples) if self.confusion is not None else None


def evaluate(
    programs: Programs,
    arrays: dict[str, np.ndarray],
    size: int,
    heads: tuple[Head, ...],
    scalars: dict[str, float],
    proceed: Callable[[], bool] = lambda: True,
) -> Evaluation | None:
    """Losses and metrics of the first `size` samples of `arrays` under the current parameters.

    The loss is the mean over samples of the data losses, penalties left out. `proceed` is asked between batches; None
    is returned when it says no, or when there are no samples. Raises Divergence.
    """
    if size < 1:
        return None
    batch_size = programs.evaluation_batch(size)
    sums = Sums()
    classifier = next((head for head in heads if head.classes), None)
    counted = np.zeros((classifier.classes, classifier.classes), np.int64) if classifier else None
    uncounted: tuple[np.ndarray, np.ndarray] | None = None
    rested = time.perf_counter()
    for start in range(0, size, batch_size):
        if time.perf_counter() - rested > YIELD:
            time.sleep(0)  # lets the window's thread have the interpreter
            rested = time.perf_counter()
        if not proceed():
            return None
        stop = min(size, start + batch_size)
        bound = programs.evaluate(stop - start)
        chunk = bound.run_chunk(arrays, np.arange(start, stop)[np.newaxis], scalars, 0, 0, outputs=True)
        if not chunk.done:
            raise Divergence(bound, validation=True)
        sums.add_losses(chunk.losses, stop - start)
        sums.add_metrics(
            heads, chunk.outputs, {head.target: arrays[head.target][np.newaxis, start:stop] for head in heads}
        )
        if classifier and counted is not None:
            if uncounted is not None:
                count_classes(counted, *uncounted)
            uncounted = chunk.outputs[classifier.node][0], arrays[classifier.target][start:stop]
    loss = sums.mean_loss()
    assert loss is not None
    return Evaluation(loss, sums.values(heads), classifier.class_names if classifier else (), size, counted, uncounted)


def count_classes(matrix: np.ndarray, outputs: np.ndarray, targets: np.ndarray) -> None:
    """Add a batch to a confusion matrix. `outputs` are probabilities (samples, classes); a single column holds the
    probability of class 1."""
    outputs = outputs.reshape(len(outputs), -1)
    predicted = outputs.argmax(axis=1) if outputs.shape[1] > 1 else (outputs[:, 0] >= 0.5).astype(np.int64)
    true = np.asarray(targets).reshape(len(outputs)).astype(np.int64)
    classes = len(matrix)
    matrix += np.bincount(true * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def outputs_in_batches(
    programs: Programs,
    inputs: dict[str, np.ndarray],
    size: int,
    heads: tuple[Head, ...],
    scalars: dict[str, float],
    proceed: Callable[[], bool] = lambda: True,
) -> dict[str, np.ndarray] | None:
    """The predictions by loss node for `size` inputs without targets, through the evaluation program.

    The last batch is filled up with the first samples rather than compiled anew; None when `proceed` says no.
    """
    batch_size = programs.evaluation_batch(size)
    bound = programs.evaluate(batch_size)
    targets = {
        head.target: np.zeros(
            (batch_size,) if head.classes else (batch_size, *programs.signature.known_target(head.target).shape),
            np.int64 if head.classes else np.float32,
        )
        for head in heads
    }
    results: dict[str, np.ndarray] = {}
    for start in range(0, size, batch_size):
        if not proceed():
            return None
        here = np.arange(start, start + batch_size) % size
        bound.feed({name: array[here] for name, array in inputs.items()}, targets)
        bound.run(scalars)
        stop = min(size, start + batch_size)
        for node, output in bound.outputs().items():
            if node not in results:
                results[node] = np.empty((size, *output.shape[1:]), output.dtype)
            results[node][start:stop] = output[: stop - start]
        time.sleep(0)
    return results


def predict(
    experiment: Experiment,
    arrays: dict[str, np.ndarray],
    x: np.ndarray | dict[str, np.ndarray],
    signature: DataSignature,
    *,
    device: Device = "cpu",
) -> dict[str, np.ndarray]:
    """What a trained network says of inputs that went through the experiment's preprocessing.

    arrays      the weights, as a checkpoint or `State.to_host` holds them, or keyed by path ("dense_1/weight").
    x           the inputs, samples first, by name of the data's array (a bare array is the only one).
    signature   what the data look like: `Dataset.signature`.

    Returns the predictions by loss node: probabilities for classifiers. Raises TrainingError in words.
    """
    from engine import backend
    from engine.executor import ArrayExecutor
    from engine.training.setup import checked, layer_scalars, load_arrays, new_state

    report = checked(experiment, signature)
    state = new_state(experiment, report, backend.choose(device))
    load_arrays(state, arrays)
    names = input_names(experiment, report)
    inputs = x if isinstance(x, dict) else {names[0]: x}
    size = len(inputs[names[0]])
    programs = Programs(experiment, report, signature, ArrayExecutor(state))
    heads = heads_of(experiment, report, signature)
    if size == 0:
        return {}
    results = outputs_in_batches(
        programs, {name: inputs[name] for name in names}, size, heads, layer_scalars(experiment)
    )
    assert results is not None
    return results
