"""Warm-up, schedule and drops together: the learning rates of a run's steps, and the momenta that go against them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

__all__ = ["Drop", "curve", "learning_rate", "learning_rate_factors", "learning_rates", "opposed_momenta"]


class TrainingLike(Protocol):
    """What is read of `engine.experiment.TrainingSpec`."""

    @property
    def optimizer(self) -> Any: ...
    @property
    def schedule(self) -> Any: ...
    @property
    def warmup(self) -> Any: ...


class Drop(NamedTuple):
    """From `step` on (counted from 0) a schedule that follows the results multiplies the rate by `scale` in all."""

    step: int
    scale: float


def learning_rate_factors(
    training: TrainingLike,
    steps: np.ndarray,
    total_steps: int,
    steps_per_epoch: int,
    drops: Sequence[Drop] = (),
) -> np.ndarray:
    """The factors of the base rate at `steps` (float64, any shape), counted from 0. Warm-up longer than the run is cut
    off by its end. `drops`, in order of their steps, are those that the results have led to."""
    warm = training.warmup.length(steps_per_epoch)
    after = training.schedule.factors(np.maximum(steps - warm, 0.0), max(total_steps - warm, 0), steps_per_epoch)
    found = np.where(steps < warm, training.warmup.factors(steps, warm), after) if warm else np.asarray(after)
    if not drops:
        return found
    scales = np.array([1.0, *(drop.scale for drop in drops)])
    return found * scales[np.searchsorted([drop.step for drop in drops], steps, side="right")]


def learning_rates(
    training: TrainingLike,
    steps: np.ndarray,
    total_steps: int,
    steps_per_epoch: int,
    drops: Sequence[Drop] = (),
) -> np.ndarray:
    """The learning rates of the updates number `steps`, counted from 0, of a run of `total_steps`: float64, of the
    shape of `steps`.

    `training` is a `TrainingSpec`, or anything with its optimizer (for the base rate), schedule and warm-up.
    """
    base = float(training.optimizer.learning_rate)
    steps = np.asarray(steps, dtype=np.float64)
    return base * learning_rate_factors(training, steps, total_steps, steps_per_epoch, drops)


def opposed_momenta(
    training: TrainingLike, steps: np.ndarray, total_steps: int, steps_per_epoch: int
) -> np.ndarray | None:
    """The momenta (float64) that the schedule gives to the updates number `steps` in place of the optimizer's own, or
    None where it leaves momentum alone or the optimizer has none. During warm-up they stay at the schedule's first."""
    if not training.optimizer.opposed:
        return None
    warm = training.warmup.length(steps_per_epoch)
    steps = np.maximum(np.asarray(steps, dtype=np.float64) - warm, 0.0)
    found: np.ndarray | None = training.schedule.opposed_momenta(steps, max(total_steps - warm, 0), steps_per_epoch)
    return found


def learning_rate(training: TrainingLike, step: float, total_steps: int, steps_per_epoch: int) -> float:
    """The learning rate of the update number `step`; see `learning_rates`."""
    return float(learning_rates(training, np.array([step]), total_steps, steps_per_epoch)[0])


def curve(
    training: TrainingLike,
    total_steps: int,
    steps_per_epoch: int,
    points: int | None = None,
    drops: Sequence[Drop] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """The whole course as (steps, learning rates), float64, for a plot.

    With `points`, at most about so many, evenly spaced; jumps of the course then stay as sharp as the spacing allows.
    """
    count = max(int(total_steps), 1)
    if points is None or count <= points:
        steps = np.arange(count, dtype=np.float64)
    else:
        steps = np.unique(np.linspace(0, count - 1, max(points, 2)).round())
    return steps, learning_rates(training, steps, total_steps, steps_per_epoch, drops)
