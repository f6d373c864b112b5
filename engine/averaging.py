"""Averages of the weights over the last steps: kept beside the weights, which go on training as if there were none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

from engine.kinds import Averaging
from engine.schema import component, field

if TYPE_CHECKING:
    from engine.kinds import Numbers

__all__ = ["ExponentialAverage", "NoAveraging"]


@component(
    "none",
    label="None",
    formula="w",
    source="Robbins, Monro: A stochastic approximation method (1951), where the last iterate is the result",
    avoid="When the validation loss jitters from step to step at the end: an average is then better at no cost.",
)
class NoAveraging(Averaging, frozen=True):
    """The weights of the last step are the result."""

    def rest(self, step: Numbers) -> Numbers:
        return 1.0


@component(
    "ema",
    label="Moving average",
    formula="a ← d a + (1 − d) w  after each update",
    source="Polyak, Juditsky: Acceleration of stochastic approximation by averaging (1992), with exponential weights "
    "as in Tarvainen, Valpola: Mean teachers are better role models (NIPS 2017)",
    synonyms=("EMA", "exponential moving average", "Polyak averaging", "mean teacher", "swa_utils"),
    avoid="Short runs and learning rates that fall to nearly zero: the average lags about 1 / (1 − d) steps behind, "
    "and at a rate near zero the weights hardly move, so that there is nothing left to average out.",
    differs="PyTorch's AveragedModel begins with a copy of the weights after the first update (“first weights” here); "
    "TensorFlow's ExponentialMovingAverage with num_updates lets the decay grow (“growing decay”); papers that write "
    "a₀ = 0 divide by 1 − dᵗ (“corrected”). They differ for the first 1 / (1 − d) steps or so.",
)
class ExponentialAverage(Averaging, frozen=True):
    """Keeps a mean of the weights over about the last 1 / (1 − d) updates, in which the noise of single batches fades.

    Training itself does not change: the average is read only when the network is evaluated or exported. Running
    statistics of normalization layers are not averaged; evaluation takes them as they are, as PyTorch's AveragedModel
    does.
    """

    keeps: ClassVar[bool] = True

    decay: Annotated[
        float,
        field(
            ge=0, lt=1, symbol="d", live=True, search=(0.9, 0.9999),
            help="Share of the average that is kept at each update: a memory of about 1 / (1 − d) updates.",
        ),
    ] = 0.99  # fmt: skip
    evaluate: Annotated[
        bool,
        field(
            label="Evaluate with it",
            help="Take validation, predictions and the choice of the best checkpoint from the averaged weights.",
        ),
    ] = True
    start: Annotated[
        Literal["first weights", "corrected", "growing decay"],
        field(
            advanced=True,
            help="The first updates. First weights: a begins as the weights after update 1. Corrected: "
            "decay d (1 − dᵗ⁻¹) / (1 − dᵗ), which weighs update s by dᵗ⁻ˢ exactly. Growing decay: "
            "min(d, (1 + t) / (10 + t)).",
        ),
    ] = "first weights"

    def evaluates(self) -> bool:
        return self.evaluate

    def rest(self, step: Numbers) -> Numbers:
        if self.start == "corrected":
            return (1.0 - self.decay) / (1.0 - self.decay**step)
        if self.start == "growing decay":
            return np.maximum(1.0 - self.decay, 9.0 / (10.0 + step))
        first = np.equal(step, 1)
        return first + (1.0 - self.decay) * (1.0 - first)  # type: ignore[no-any-return]
