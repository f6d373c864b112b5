"""The loss before the first step, beside what a network that knows nothing should have.

Source: CS231n, “Neural Networks Part 3: Learning and Evaluation”, sanity checks; A. Karpathy, “A recipe for training
neural networks” (2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace

from engine.checks.base import Severity, programs_for, reduced
from engine.data import Dataset
from engine.experiment import Experiment
from engine.layers.base import Loss
from engine.layers.words import title_of

__all__ = ["HeadLoss", "InitialLoss", "initial_loss"]

SAMPLES = 2048
"""Of so many training samples at most the loss is taken."""
LIMITS: tuple[tuple[float, Severity], ...] = ((3.0, "error"), (0.5, "warning"), (0.15, "info"))
"""(share by which the loss exceeds what is expected, how serious that is), the worst first."""


@dataclass(frozen=True)
class HeadLoss:
    """One loss of the network before the first step.

    `expected` is the loss of equal answers (ln C for C classes), None for numbers; `constant` that of the best constant
    answer: the entropy of the classes' shares, the variance of numbers, None where it cannot be told.
    """

    node: str
    title: str
    loss: float
    expected: float | None
    constant: float | None

    @property
    def reference(self) -> float | None:
        """What the loss is measured by: the loss of equal answers, or of the best constant."""
        return self.constant if self.expected is None else self.expected

    @property
    def excess(self) -> float | None:
        """(loss - reference) / reference, or None without a reference."""
        reference = self.reference
        return (self.loss - reference) / reference if reference else None


@dataclass(frozen=True)
class InitialLoss:
    """What was found: `data_loss` is the weighted sum of the heads' losses, `penalty` what penalties add to it."""

    heads: tuple[HeadLoss, ...]
    data_loss: float
    penalty: float
    samples: int
    severity: Severity
    words: str

    @property
    def penalty_share(self) -> float:
        """The penalties' share of the whole loss."""
        whole = self.data_loss + self.penalty
        return self.penalty / whole if whole else 0.0


def initial_loss(experiment: Experiment, dataset: Dataset) -> InitialLoss:
    """The losses of the first training samples (at most 2,048) with fresh weights, as training would see them: dropout
    on, normalization by the batch. Raises TrainingError in words when the network cannot be trained."""
    plain = reduced(experiment, batch_size=experiment.training.batch_size, shuffle=False)
    report, programs = programs_for(plain, dataset)
    part = dataset.train
    size = min(plain.training.batch_size, part.size)
    batches = max(1, min(SAMPLES, part.size) // size)
    bound = programs.train(size)
    totals: dict[str, float] = {}
    for k in range(batches):
        bound.gather(part.arrays, np.arange(k * size, (k + 1) * size))
        bound.differentiate(step=k, seed=experiment.seed)
        for node, loss in bound.losses().items():
            totals[node] = totals.get(node, 0.0) + loss
    heads = []
    weighted = 0.0
    for node, total in totals.items():
        found = experiment.network.node(node)
        component = found.component
        assert isinstance(component, Loss)
        outputs = report.nodes[node].input_shapes[0]
        targets = part.arrays[component.target]
        classes = dataset.signature.known_target(component.target).classes
        heads.append(
            HeadLoss(
                node=node,
                title=title_of(found),
                loss=total / batches,
                expected=component.expected_initial(int(np.prod(outputs))),
                constant=component.constant_loss(targets, classes),
            )
        )
        weighted += component.weight * total / batches
    penalty = penalty_of(experiment, dataset)
    severity, words = _verdict(heads, weighted, penalty)
    return InitialLoss(tuple(heads), weighted, penalty, batches * size, severity, words)


def penalty_of(experiment: Experiment, dataset: Dataset) -> float:
    """What the penalties add to the loss at the initial weights."""
    # Mixed samples would have shares for targets, and penalties look at no sample.
    plain = replace(experiment, data=replace(experiment.data, augmentation=()))
    _, programs = programs_for(plain, dataset)
    size = min(experiment.training.batch_size, dataset.train.size)
    bound = programs.train(size)
    bound.gather(dataset.train.arrays, np.arange(size))
    bound.run(seed=experiment.seed)
    return bound.penalty()


def _verdict(heads: list[HeadLoss], loss: float, penalty: float) -> tuple[Severity, str]:
    worst = max(heads, key=lambda head: -np.inf if head.excess is None else head.excess)
    share = penalty / (loss + penalty) if penalty else 0.0
    more = f" Penalties add {penalty:.4g}, {share:.0%} of the whole." if penalty else ""
    if not np.isfinite(loss):
        return "error", "The loss is not finite: the weights begin far too large, or the data hold such values."
    if worst.excess is None or worst.reference is None:
        return "ok", f"The loss is {loss:.4g}; nothing tells what it should be.{more}"
    what = "a network that knows nothing" if worst.expected is not None else "the best constant answer"
    said = f"The loss is {worst.loss:.4g}, where {what} has {worst.reference:.4g}"
    for limit, severity in LIMITS:
        if worst.excess > limit:
            return severity, (
                f"{said}: {worst.excess:+.0%}. The outputs begin too large: scale the last layer's weights down (a "
                f"deviation of 0.01), and look at the scale of the inputs.{more}"
            )
    if worst.excess < -0.5:
        return (
            "info",
            f"{said}: {worst.excess:+.0%}. It knows too much before it has learned: look at the targets.{more}",
        )
    return "ok", f"{said}: as it should be.{more}"
