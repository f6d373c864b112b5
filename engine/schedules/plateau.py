"""The schedule that follows the results: it drops the rate when they stop getting better."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np

from engine.kinds import Schedule
from engine.results import improves
from engine.schema import component, field

if TYPE_CHECKING:
    from engine.results import Memory, Results

__all__ = ["PlateauSchedule"]

LEAST_DROP = 1e-8
"""Of the base rate: smaller drops are none."""


@component(
    "plateau",
    label="Plateau",
    formula="η ← max(η γ, ε η₀)  after more than “patience” epochs without a better result",
    source="He, Zhang, Ren, Sun: Deep residual learning (CVPR 2016), section 3.4 (the rate is divided when the error "
    "plateaus); PyTorch's ReduceLROnPlateau",
    synonyms=("ReduceLROnPlateau", "reduce on plateau", "adaptive"),
    avoid="Small validation parts: their loss jumps from epoch to epoch, and the rate falls too soon. Raise the "
    "patience there.",
    differs="PyTorch's ReduceLROnPlateau waits 10 epochs where nothing is said, here 5, and drops after patience + 1 "
    "epochs without improvement, as here; Keras's drops after patience epochs, and its least improvement is an amount, "
    "not a share. PyTorch passes over drops below 1e-8, here below 1e-8 of the base rate.",
)
class PlateauSchedule(Schedule, frozen=True):
    """Drops the learning rate when the validation results stop getting better.

    It reads the results at the end of each epoch, so that its course is not known beforehand: what has happened so far
    is kept in checkpoints and shown on the time axis. Epochs of warm-up do not count.
    """

    metric: Annotated[
        str, field(help="What is watched: “loss”, or the name of one of the experiment's metrics, such as accuracy.")
    ] = "loss"
    part: Annotated[
        Literal["validation", "training"], field(help="The part of the data whose results are watched.", advanced=True)
    ] = "validation"
    gamma: Annotated[
        float,
        field(
            gt=0,
            lt=1,
            label="Factor",
            symbol="γ",
            live=True,
            search=(0.1, 0.9),
            help="What each drop multiplies the rate by.",
        ),
    ] = 0.1
    patience: Annotated[
        int,
        field(ge=0, le=100_000, unit="epochs", live=True, help="Epochs without improvement that are waited for."),
    ] = 5
    min_delta: Annotated[
        float,
        field(ge=0, le=1e6, label="Least improvement", live=True, help="What a result must be better by to count."),
    ] = 1e-4
    relative: Annotated[
        bool,
        field(label="Relative", help="The least improvement is a share of the best result; off: an amount."),
    ] = True
    cooldown: Annotated[
        int,
        field(ge=0, le=100_000, unit="epochs", live=True, advanced=True, help="Epochs after a drop that do not count."),
    ] = 0
    final: Annotated[
        float,
        field(
            ge=0, le=1, label="Final share", symbol="ε", live=True, advanced=True,
            help="The rate does not fall below this share of the base rate.",
        ),
    ] = 0.0  # fmt: skip

    def factors(self, steps: np.ndarray, total_steps: int, steps_per_epoch: int) -> np.ndarray:
        return np.ones_like(steps)

    def review(self, memory: Memory, results: Results) -> float | None:
        value = results.value(self.part, self.metric)
        if value is None:
            return None
        higher = results.higher_is_better(self.metric)
        if "best" not in memory or improves(value, memory["best"], higher, self.min_delta, relative=self.relative):
            memory["best"], memory["waited"] = value, 0
        else:
            memory["waited"] += 1
        if memory.get("cooling", 0) > 0:
            memory["cooling"] -= 1
            memory["waited"] = 0
        if memory["waited"] <= self.patience:
            return None
        memory["waited"], memory["cooling"] = 0, self.cooldown
        before = memory.get("scale", 1.0)
        after = max(before * self.gamma, self.final)
        if before - after <= LEAST_DROP:
            return None
        memory["scale"] = after
        return after
