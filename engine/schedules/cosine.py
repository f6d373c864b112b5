"""Cosine annealing, once over the run or with restarts."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from engine.kinds import Schedule
from engine.schedules.decays import parts_of
from engine.schedules.units import Unit, in_steps
from engine.schema import component, field

__all__ = ["CosineRestarts", "CosineSchedule"]


@component(
    "cosine",
    label="Cosine",
    formula="η(t) = η₀ · (ε + (1 − ε) (1 + cos(π t / T)) / 2)",
    source="Loshchilov, Hutter: SGDR: stochastic gradient descent with warm restarts (ICLR 2017), eq. 5, one cycle; "
    "PyTorch's CosineAnnealingLR",
    synonyms=("annealing", "CosineAnnealingLR", "half cosine"),
    avoid="Runs without a planned end, and those that are stopped early: the low rates at the end, which bring the "
    "loss down, are then never reached.",
    differs="PyTorch's CosineAnnealingLR computes each rate from the last one (the same up to rounding), takes the "
    "final rate itself (eta_min) instead of a share, and is often stepped once an epoch: a staircase along this curve.",
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
        parts = parts_of(steps, total_steps)
        return self.final + (1.0 - self.final) * (1.0 + np.cos(np.pi * parts)) / 2.0


@component(
    "cosine_restarts",
    label="Cosine with restarts",
    formula="η = η₀ · (ε + (1 − ε) (1 + cos(π t / Tᵢ)) / 2),  Tᵢ = T₀ mⁱ,  t since the last restart",
    source="Loshchilov, Hutter: SGDR: stochastic gradient descent with warm restarts (ICLR 2017), eq. 5; "
    "PyTorch's CosineAnnealingWarmRestarts",
    synonyms=("SGDR", "warm restarts", "CosineAnnealingWarmRestarts", "snapshot ensemble"),
    avoid="A run that ends between two restarts: stop at the end of a cycle, where the loss is low.",
    differs="PyTorch counts T₀ in calls of the scheduler. Snapshot ensembles (Huang et al. 2017, eq. 2) use the same "
    "curve with a run cut into M equal cycles: first cycle = epochs / M, growth 1.",
)
class CosineRestarts(Schedule, frozen=True):
    """Lowers the learning rate along half a cosine again and again, each time from the base rate.

    Each restart throws the weights out of the basin that they have settled in; at the end of each cycle there is a
    good network. With growth 2 each cycle is twice as long as the last one.
    """

    first: Annotated[
        float, field(gt=0, le=1e9, label="First cycle", symbol="T₀", help="Length of the first cycle.")
    ] = 5.0
    growth: Annotated[
        int,
        field(ge=1, le=10, symbol="m", help="How many times as long as the last one each further cycle is."),
    ] = 2
    unit: Annotated[Unit, field(help="What the first cycle's length counts.")] = "epochs"
    final: Annotated[
        float,
        field(ge=0, le=1, label="Final share", symbol="ε", help="What is left of the rate at the end of a cycle."),
    ] = 0.0

    def factors(self, steps: np.ndarray, total_steps: int, steps_per_epoch: int) -> np.ndarray:
        first = max(1, round(in_steps(self.first, self.unit, steps_per_epoch)))
        if self.growth == 1:
            since, length = steps % first, np.full_like(steps, first)
        else:
            most = float(np.max(steps, initial=0.0))
            starts, lengths = [0.0], [float(first)]
            while starts[-1] + lengths[-1] <= most:
                starts.append(starts[-1] + lengths[-1])
                lengths.append(lengths[-1] * self.growth)
            cycle = np.searchsorted(starts, steps, side="right") - 1
            since, length = steps - np.array(starts)[cycle], np.array(lengths)[cycle]
        return self.final + (1.0 - self.final) * (1.0 + np.cos(np.pi * (since / length))) / 2.0
