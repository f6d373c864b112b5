"""Learning a handful of samples by heart: what a network with a bug cannot do.

Source: CS231n, “Neural Networks Part 3: Learning and Evaluation”, sanity checks; A. Karpathy, “A recipe for training
neural networks” (2019), “overfit one batch”.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engine.checks.base import Cancelled, Severity, Watch, go_on, reduced, subset, without_noise
from engine.checks.initial import initial_loss
from engine.data import Dataset
from engine.experiment import Experiment
from engine.layers.base import Loss
from engine.training import events
from engine.training.control import Control
from engine.training.trainer import Trainer

__all__ = ["Overfit", "overfit"]

REACHED = 0.01
"""The share of the first loss, or of that of a network that knows nothing, that counts as learned by heart."""


@dataclass(frozen=True)
class Overfit:
    """The course: `losses` of each step, float64 (steps,), all samples in one batch, and `accuracy` by step where
    classes are learned (else empty). `left_out` are the ids of layers that were bypassed."""

    samples: int
    losses: np.ndarray
    accuracy: np.ndarray
    wanted: float
    reached: bool
    left_out: tuple[str, ...]
    severity: Severity
    words: str


def overfit(
    experiment: Experiment,
    dataset: Dataset,
    samples: int = 20,
    steps: int = 500,
    wanted: float | None = None,
    watch: Watch = go_on,
) -> Overfit:
    """Train a fresh copy on `samples` training samples until the loss is `wanted` (a hundredth of that of a network
    that knows nothing), for at most `steps` steps.

    Penalties, schedules, clipping, augmentation and the layers that act in training only are left out; the optimizer
    is the experiment's own. Raises TrainingError in words when the network cannot be trained, Cancelled.
    """
    quiet, left_out = without_noise(experiment)
    few = subset(dataset, samples)
    plain = reduced(quiet, epochs=steps, batch_size=few.train.size, shuffle=False)
    if wanted is None:
        references = [
            _weight(plain, head.node) * (head.expected or head.constant or head.loss)
            for head in initial_loss(plain, few).heads
        ]
        wanted = REACHED * max(sum(references), 1e-12)
    losses: list[float] = []
    accuracy: list[float] = []
    control = Control()
    cancelled = False

    def follow(event: events.Event) -> None:
        nonlocal cancelled
        if isinstance(event, events.StepRows):
            losses.extend(event.column("loss").tolist())
            if min(losses) <= wanted:
                control.stop()
        elif isinstance(event, events.EpochEnd):
            accuracy.extend(event.train_metrics[tag] for tag in ("accuracy",) if tag in event.train_metrics)
            if not watch(len(losses) / steps, f"step {len(losses):,}, loss {losses[-1] if losses else math.nan:.3g}"):
                cancelled = True
                control.stop()

    result = Trainer(plain, dataset=few, device="cpu", executor="array", report=follow, control=control).run()
    if cancelled:
        raise Cancelled
    # How many steps come in one report depends on the clock; where the course ends must not.
    course = np.array(losses)
    there = course <= wanted
    reached = bool(there.any())
    if reached:
        course = course[: int(np.argmax(there)) + 1]
    right = np.array(accuracy)[: len(course)]
    severity, words = _verdict(few.train.size, course, reached, result.message, left_out)
    return Overfit(few.train.size, course, right, wanted, reached, left_out, severity, words)


def _weight(experiment: Experiment, node: str) -> float:
    component = experiment.network.node(node).component
    assert isinstance(component, Loss)
    return component.weight


def _verdict(
    samples: int, losses: np.ndarray, reached: bool, message: str, left_out: tuple[str, ...]
) -> tuple[Severity, str]:
    more = f" Left out meanwhile: {', '.join(left_out)}." if left_out else ""
    if reached:
        return "ok", f"{samples} samples are known by heart after {len(losses):,} steps: the network can learn.{more}"
    if message:
        return "error", f"{message}{more}"
    best = float(np.nanmin(losses)) if len(losses) else math.nan
    if len(losses) and best < 0.5 * losses[0]:
        return "warning", (
            f"After {len(losses):,} steps the loss of {samples} samples has come from {float(losses[0]):.4g} to "
            f"{best:.4g}: it learns, but slowly. Try a larger learning rate, or more steps.{more}"
        )
    return "error", (
        f"After {len(losses):,} steps the loss of {samples} samples is still {best:.4g}: something keeps the "
        f"network from learning. Look at the learning rate, at dead or saturated layers, and at whether targets belong "
        f"to their inputs.{more}"
    )
