"""Warm-ups: how the learning rate is led up to its base value at the start."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from engine.kinds import Warmup
from engine.schedules.units import Unit, in_steps
from engine.schema import component, field

__all__ = ["ConstantWarmup", "LinearWarmup", "NoWarmup"]


@component(
    "none",
    label="None",
    formula="η(0) = η₀",
    source="He, Zhang, Ren, Sun: Deep residual learning (CVPR 2016), section 4.2, where it fails for 110 layers",
    avoid="Large batches with a rate to match, and Transformers: the first steps may blow up.",
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
    synonyms=("gradual", "LinearLR"),
    avoid="One cycle, which warms up by itself. Where the loss blows up late in the run, warm-up changes nothing.",
    differs="PyTorch's LinearLR starts at 1/3 where nothing is said, here at 1/10; notes start at 0, which wastes the "
    "first step.",
)
class LinearWarmup(Warmup, frozen=True):
    """Raises the learning rate in equal steps from a share of the base rate to the base rate.

    It helps where the base rate is too large for fresh weights: large batches, deep networks, Adam's first steps.
    """

    duration: Annotated[
        float,
        field(ge=0, le=1e6, label="Length", search=(0.0, 5.0), help="How long warm-up takes, in the unit beside it."),
    ] = 1.0
    unit: Annotated[Unit, field(help="What the length counts.")] = "epochs"
    start: Annotated[
        float,
        field(ge=0, le=1, label="Start share", symbol="s", help="The share of the base rate that the run starts at."),
    ] = 0.1

    def length(self, steps_per_epoch: int) -> int:
        return round(in_steps(self.duration, self.unit, steps_per_epoch))

    def factors(self, steps: np.ndarray, length: int) -> np.ndarray:
        return self.start + (1.0 - self.start) * steps / length if length else np.ones_like(steps)


@component(
    "constant",
    label="Constant",
    formula="η(t) = η₀ · s  for t < length",
    source="Goyal et al.: Accurate, large minibatch SGD (2017), section 2.2 (constant warm-up); PyTorch's ConstantLR",
    synonyms=("ConstantLR", "low start"),
    avoid="Large batches: the jump to the base rate throws the loss up as if there had been no warm-up, and can be "
    "worse than none. Choose linear.",
    differs="PyTorch's ConstantLR takes a third of the rate where nothing is said, here a tenth.",
)
class ConstantWarmup(Warmup, frozen=True):
    """Holds the learning rate at a share of the base rate, then jumps to it.

    It was used to get very deep residual networks started; gradual warm-up avoids its jump.
    """

    duration: Annotated[
        float,
        field(ge=0, le=1e6, label="Length", search=(0.0, 5.0), help="How long warm-up takes, in the unit beside it."),
    ] = 1.0
    unit: Annotated[Unit, field(help="What the length counts.")] = "epochs"
    share: Annotated[
        float, field(ge=0, le=1, symbol="s", help="The share of the base rate that is used until then.")
    ] = 0.1

    def length(self, steps_per_epoch: int) -> int:
        return round(in_steps(self.duration, self.unit, steps_per_epoch))

    def factors(self, steps: np.ndarray, length: int) -> np.ndarray:
        return np.full_like(steps, self.share)
