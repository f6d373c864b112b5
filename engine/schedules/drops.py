"""Schedules that drop the rate at times given beforehand."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from engine.kinds import Schedule
from engine.schedules.units import Unit, in_steps
from engine.schema import component, field

__all__ = ["MultiStepSchedule", "StepSchedule"]


@component(
    "step",
    label="Step decay",
    formula="η(t) = η₀ · γ^⌊t / period⌋",
    source="He, Zhang, Ren, Sun: Deep residual learning (CVPR 2016), section 3.4; PyTorch's StepLR",
    synonyms=("staircase", "drop", "StepLR"),
    avoid="Where nobody has looked at the curves yet: drops that come before the loss levels off cost progress, and "
    "late ones cost time. Cosine needs no such choice.",
    differs="PyTorch's StepLR counts calls of its step(), once an epoch or once a step as the program likes; here the "
    "period says which it counts.",
)
class StepSchedule(Schedule, frozen=True):
    """Multiplies the learning rate by a factor every so many epochs.

    Between two drops the loss levels off at the noise floor of the present rate; each drop shows as a step down.
    """

    period: Annotated[
        float,
        field(gt=0, le=1e6, label="Every", help="Time between two drops, in the unit below; parts are allowed."),
    ] = 10.0
    gamma: Annotated[
        float,
        field(gt=0, le=1, label="Factor", symbol="γ", search=(0.1, 0.9), help="What each drop multiplies the rate by."),
    ] = 0.1
    unit: Annotated[Unit, field(help="What the period counts.")] = "epochs"

    def factors(self, steps: np.ndarray, total_steps: int, steps_per_epoch: int) -> np.ndarray:
        period = max(1, round(in_steps(self.period, self.unit, steps_per_epoch)))
        return np.power(self.gamma, np.floor(steps / period))


@component(
    "multi_step",
    label="Multi-step decay",
    formula="η(t) = η₀ · γ^(number of milestones ≤ t)",
    source="Zagoruyko, Komodakis: Wide residual networks (BMVC 2016), section 3; PyTorch's MultiStepLR",
    synonyms=("milestones", "MultiStepLR", "drop"),
    avoid="New tasks: good milestones are known only after a run. Plateau finds them by itself.",
    differs="PyTorch's MultiStepLR counts milestones in calls of its step(), as a rule epochs. A milestone named twice "
    "drops the rate twice, as there.",
)
class MultiStepSchedule(Schedule, frozen=True):
    """Multiplies the learning rate by a factor at each of several times.

    The classical course of residual networks: a high rate for half of the run, then two or three drops.
    """

    milestones: Annotated[
        tuple[float, ...],
        field(ge=0, le=1e9, help="When the rate drops, in the unit below, in any order; parts are allowed."),
    ] = (10.0, 15.0)
    gamma: Annotated[
        float, field(gt=0, le=1, label="Factor", symbol="γ", help="What each drop multiplies the rate by.")
    ] = 0.1
    unit: Annotated[Unit, field(help="What the milestones count.")] = "epochs"

    def factors(self, steps: np.ndarray, total_steps: int, steps_per_epoch: int) -> np.ndarray:
        at = np.sort([round(in_steps(item, self.unit, steps_per_epoch)) for item in self.milestones])
        return np.power(self.gamma, np.searchsorted(at, steps, side="right").astype(np.float64))
