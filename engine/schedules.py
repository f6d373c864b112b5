"""The learning rate's course over a run: a warm-up, then a schedule; both are factors of the optimizer's base rate.

Steps are counted from 0: the first update of a run uses `learning_rate(training, 0, ...)`. The schedule starts to count
when warm-up is over, as with PyTorch's `SequentialLR([LinearLR(...), ...], milestones=[length])`. Everything is a pure
function of the step, so a run that is resumed needs no schedule state; steps are arrays, so that the rates of many
steps cost what that of one does.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Protocol

import numpy as np

from engine.kinds import Schedule, Warmup
from engine.schema import component, field

__all__ = [
    "ConstantSchedule",
    "CosineSchedule",
    "LinearWarmup",
    "NoWarmup",
    "StepSchedule",
    "curve",
    "learning_rate",
    "learning_rate_factors",
    "learning_rates",
]


class TrainingLike(Protocol):
    """What is read of `engine.experiment.TrainingSpec`."""

    @property
    def optimizer(self) -> Any: ...
    @property
    def schedule(self) -> Any: ...
    @property
    def warmup(self) -> Any: ...


# -- schedules ---------------------------------------------------------------------------------------------------------


@component(
    "constant",
    label="Constant",
    formula="η(t) = η₀",
    source="Robbins, Monro: A stochastic approximation method (1951), for why a constant rate keeps a noise floor",
)
class ConstantSchedule(Schedule, frozen=True):
    """The learning rate stays as it is.

    With noisy gradients a constant rate ends in a cloud around the minimum, whose width grows with the rate: lowering
    the rate towards the end brings the loss down further.
    """

    def factors(self, steps: np.ndarray, total_steps: int, steps_per_epoch: int) -> np.ndarray:
        return np.ones_like(steps)


@component(
    "step",
    label="Step decay",
    formula="η(t) = η₀ · γ^⌊t / period⌋",
    source="He, Zhang, Ren, Sun: Deep residual learning (CVPR 2016), section 3.4; PyTorch's StepLR",
    synonyms=("staircase", "drop"),
)
class StepSchedule(Schedule, frozen=True):
    """Multiplies the learning rate by a factor every so many epochs.

    Between two drops the loss levels off at the noise floor of the present rate; each drop shows as a step down.
    """

    period: Annotated[
        float,
        field(gt=0, le=100_000, label="Every", unit="epochs", help="Epochs between two drops; parts are allowed."),
    ] = 10.0
    gamma: Annotated[
        float, field(gt=0, le=1, label="Factor", symbol="γ", help="What each drop multiplies the rate by.")
    ] = 0.1

    def factors(self, steps: np.ndarray, total_steps: int, steps_per_epoch: int) -> np.ndarray:
        period = max(1, round(self.period * steps_per_epoch))
        return np.power(self.gamma, steps // period)


@component(
    "cosine",
    label="Cosine",
    formula="η(t) = η₀ · (ε + (1 − ε) (1 + cos(π t / T)) / 2)",
    source="Loshchilov, Hutter: SGDR: stochastic gradient descent with warm restarts (ICLR 2017), eq. 5, one cycle; "
    "PyTorch's CosineAnnealingLR",
    synonyms=("annealing",),
)
class CosineSchedule(Schedule, frozen=True):
    """Lowers the learning rate along half a cosine, slowly at first and at the end, over the whole run.

    T is the number of steps after warm-up, so the curve follows the number of epochs by itself.
    """

    final: Annotated[
        float,
        field(
            ge=0, le=1, label="Final share", symbol="ε", help="What is left of the base rate at the end; 0: nothing."
        ),
    ] = 0.0

    def factors(self, steps: np.ndarray, total_steps: int, steps_per_epoch: int) -> np.ndarray:
        parts = np.minimum(steps / total_steps, 1.0) if total_steps > 0 else np.ones_like(steps)
        return self.final + (1.0 - self.final) * (1.0 + np.cos(np.pi * parts)) / 2.0


# -- warm-ups ----------------------------------------------------------------------------------------------------------


@component(
    "none",
    label="None",
    formula="η(0) = η₀",
    source="He, Zhang, Ren, Sun: Deep residual learning (CVPR 2016), section 4.2, where it fails for 110 layers",
)
class NoWarmup(Warmup, frozen=True):
    """The run starts at the base rate."""

    def length(self, steps_per_epoch: int) -> int:
        return 0

    def factors(self, steps: np.ndarray, length: int) -> np.ndarray:
        return np.ones_like(steps)


@component(
    "linear",
    label="Linear",
    formula="η(t) = η₀ · (s + (1 − s) t / length)",
    source="Goyal et al.: Accurate, large minibatch SGD (2017), section 2.2 (gradual warm-up); PyTorch's LinearLR",
    synonyms=("gradual",),
)
class LinearWarmup(Warmup, frozen=True):
    """Raises the learning rate in equal steps from a share of the base rate to the base rate.

    It helps where the base rate is too large for fresh weights: large batches, deep networks, Adam's first steps.
    """

    duration: Annotated[
        float, field(ge=0, le=1e6, label="Length", help="How long warm-up takes, in the unit beside it.")
    ] = 1.0
    unit: Annotated[Literal["epochs", "steps"], field(help="What the length counts.")] = "epochs"
    start: Annotated[
        float,
        field(ge=0, le=1, label="Start share", symbol="s", help="The share of the base rate that the run starts at."),
    ] = 0.1

    def length(self, steps_per_epoch: int) -> int:
        return round(self.duration * (steps_per_epoch if self.unit == "epochs" else 1))

    def factors(self, steps: np.ndarray, length: int) -> np.ndarray:
        return self.start + (1.0 - self.start) * steps / length if length else np.ones_like(steps)


# -- both together -----------------------------------------------------------------------------------------------------


def learning_rate_factors(
    training: TrainingLike, steps: np.ndarray, total_steps: int, steps_per_epoch: int
) -> np.ndarray:
    """The factors of the base rate at `steps` (float64, any shape), counted from 0. Warm-up longer than the run is cut
    off by its end."""
    warm = training.warmup.length(steps_per_epoch)
    after = training.schedule.factors(np.maximum(steps - warm, 0.0), max(total_steps - warm, 0), steps_per_epoch)
    return np.where(steps < warm, training.warmup.factors(steps, warm), after) if warm else np.asarray(after)


def learning_rates(training: TrainingLike, steps: np.ndarray, total_steps: int, steps_per_epoch: int) -> np.ndarray:
    """The learning rates of the updates number `steps`, counted from 0, of a run of `total_steps`: float64, of the
    shape of `steps`.

    `training` is a `TrainingSpec`, or anything with its optimizer (for the base rate), schedule and warm-up.
    """
    base = float(training.optimizer.learning_rate)
    steps = np.asarray(steps, dtype=np.float64)
    return base * learning_rate_factors(training, steps, total_steps, steps_per_epoch)


def learning_rate(training: TrainingLike, step: float, total_steps: int, steps_per_epoch: int) -> float:
    """The learning rate of the update number `step`; see `learning_rates`."""
    return float(learning_rates(training, np.array([step]), total_steps, steps_per_epoch)[0])


def curve(
    training: TrainingLike, total_steps: int, steps_per_epoch: int, points: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The whole course as (steps, learning rates), float64, for a plot.

    With `points`, at most about so many, evenly spaced; jumps of the course then stay as sharp as the spacing allows.
    """
    count = max(int(total_steps), 1)
    if points is None or count <= points:
        steps = np.arange(count, dtype=np.float64)
    else:
        steps = np.unique(np.linspace(0, count - 1, max(points, 2)).round())
    return steps, learning_rates(training, steps, total_steps, steps_per_epoch)
