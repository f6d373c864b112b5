"""Schedules that lower the rate steadily: constant, linear, polynomial, exponential, 1/t, inverse square root."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from engine.kinds import Schedule
from engine.schedules.units import Unit, in_steps
from engine.schema import component, field

__all__ = [
    "ConstantSchedule",
    "ExponentialSchedule",
    "InverseSquareRoot",
    "InverseTime",
    "LinearSchedule",
    "PolynomialSchedule",
]


def parts_of(steps: np.ndarray, total_steps: int) -> np.ndarray:
    """How much of the run is over, from 0 to 1."""
    return np.minimum(steps / total_steps, 1.0) if total_steps > 0 else np.ones_like(steps)


def units_of(steps: np.ndarray, unit: Unit, steps_per_epoch: int, staircase: bool) -> np.ndarray:
    """Steps as epochs or steps, parts included unless as a staircase."""
    counted = steps / in_steps(1.0, unit, steps_per_epoch)
    return np.floor(counted) if staircase else counted


@component(
    "constant",
    label="Constant",
    formula="η(t) = η₀",
    source="Robbins, Monro: A stochastic approximation method (1951), for why a constant rate keeps a noise floor",
    synonyms=("fixed",),
    avoid="Where the last percent counts: with small batches the loss stays above the noise floor of this rate, which "
    "any schedule that ends low gets below.",
)
class ConstantSchedule(Schedule, frozen=True):
    """The learning rate stays as it is.

    With noisy gradients a constant rate ends in a cloud around the minimum, whose width grows with the rate: for
    ½ w² and gradient noise of variance 1 the mean loss stays at η / (2 (2 − η)). Lowering the rate towards the end
    brings the loss down further.
    """

    def factors(self, steps: np.ndarray, total_steps: int, steps_per_epoch: int) -> np.ndarray:
        return np.ones_like(steps)


@component(
    "linear",
    label="Linear",
    formula="η(t) = η₀ · (1 − (1 − ε) t / T)",
    source="Devlin, Chang, Lee, Toutanova: BERT (NAACL 2019), appendix A.2; PyTorch's LinearLR from 1 to the final "
    "share",
    synonyms=("linear decay", "LinearLR"),
    avoid="Runs that are likely to be prolonged: the end of the course depends on the number of epochs.",
    differs="PyTorch's LinearLR multiplies the last rate at each call, which comes to the same up to rounding; its end "
    "is given in calls of the scheduler, here it is the end of the run.",
)
class LinearSchedule(Schedule, frozen=True):
    """Lowers the learning rate in equal steps over the whole run.

    T is the number of steps after warm-up, so the curve follows the number of epochs by itself. The last update is
    made at 1/T above the final share.
    """

    final: Annotated[
        float,
        field(
            ge=0, le=1, label="Final share", symbol="ε", help="What is left of the base rate at the end; 0: nothing."
        ),
    ] = 0.0

    def factors(self, steps: np.ndarray, total_steps: int, steps_per_epoch: int) -> np.ndarray:
        return 1.0 - (1.0 - self.final) * parts_of(steps, total_steps)


@component(
    "polynomial",
    label="Polynomial",
    formula="η(t) = η₀ · (ε + (1 − ε) (1 − t / T)ᵖ)",
    source="Chen et al.: DeepLab (IEEE TPAMI 2018), the “poly” policy; PyTorch's PolynomialLR",
    synonyms=("poly", "PolynomialLR"),
    avoid="High powers in short runs: most steps are then made at almost no rate.",
    differs="PyTorch's PolynomialLR ends at 0, as here with final share 0, and counts calls of the scheduler instead "
    "of the run's steps; its power is 1 where nothing is said, here 2.",
)
class PolynomialSchedule(Schedule, frozen=True):
    """Lowers the learning rate as a power of what is left of the run.

    Power 1 is linear; 2 and more drop fast at first and glide to the end; powers below 1 stay high for long.
    """

    power: Annotated[
        float, field(gt=0, le=20, symbol="p", search=(0.5, 3.0), help="The exponent; 1 is a straight line.")
    ] = 2.0
    final: Annotated[
        float,
        field(
            ge=0, le=1, label="Final share", symbol="ε", help="What is left of the base rate at the end; 0: nothing."
        ),
    ] = 0.0

    def factors(self, steps: np.ndarray, total_steps: int, steps_per_epoch: int) -> np.ndarray:
        return self.final + (1.0 - self.final) * np.power(1.0 - parts_of(steps, total_steps), self.power)


@component(
    "exponential",
    label="Exponential",
    formula="η(t) = η₀ · γᵗ   (t in epochs or steps)",
    source="Szegedy et al.: Rethinking the Inception architecture (CVPR 2016), section 8; PyTorch's ExponentialLR",
    synonyms=("ExponentialLR", "exponential decay", "geometric"),
    avoid="Long runs without a look at the curve: γ = 0.9 for each of 100 epochs leaves a rate of 3·10⁻⁵ of the first.",
    differs="PyTorch's ExponentialLR drops once for each call, which is usually one an epoch: that is “as a "
    "staircase”. Notes write η₀ e^(−k t); that is γ = e^(−k).",
)
class ExponentialSchedule(Schedule, frozen=True):
    """Multiplies the learning rate by the same factor for each epoch or step that passes.

    On a logarithmic axis it is a straight line. It reaches any rate however small, but never 0.
    """

    gamma: Annotated[
        float,
        field(
            gt=0,
            le=1,
            label="Factor",
            symbol="γ",
            search=(0.8, 1.0),
            help="What is left of the rate after one epoch or step.",
        ),
    ] = 0.9
    unit: Annotated[Unit, field(help="What the factor is for.")] = "epochs"
    staircase: Annotated[bool, field(label="As a staircase", help="Change the rate at the ends of epochs alone.")] = (
        False
    )

    def factors(self, steps: np.ndarray, total_steps: int, steps_per_epoch: int) -> np.ndarray:
        return np.power(self.gamma, units_of(steps, self.unit, steps_per_epoch, self.staircase))


@component(
    "inverse_time",
    label="Inverse time (1/t)",
    formula="η(t) = η₀ / (1 + k t)   (t in epochs or steps)",
    source="Robbins, Monro: A stochastic approximation method (1951); Bottou: Stochastic gradient descent tricks "
    "(2012)",
    synonyms=("1/t", "hyperbolic", "InverseTimeDecay", "Robbins-Monro"),
    avoid="Networks that have far to go: the rate falls fastest when there is most to learn. From a saddle it gets "
    "away a hundred times slower than a constant rate.",
    differs="Keras's InverseTimeDecay divides t by decay_steps; PyTorch has none. Notes count t from 0 or from 1; here "
    "the first step has the whole base rate.",
)
class InverseTime(Schedule, frozen=True):
    """Divides the learning rate by a number that grows in proportion to time.

    It meets the conditions under which stochastic gradient descent converges, Σ η = ∞ and Σ η² < ∞, and with a convex
    loss it averages the noise away. On the losses of networks it is slow.
    """

    k: Annotated[
        float,
        field(ge=0, le=1e6, label="Decay", symbol="k", scale="log", help="Growth of the divisor in an epoch or step."),
    ] = 0.5
    unit: Annotated[Unit, field(help="What time is counted in.")] = "epochs"
    staircase: Annotated[bool, field(label="As a staircase", help="Change the rate at the ends of epochs alone.")] = (
        False
    )

    def factors(self, steps: np.ndarray, total_steps: int, steps_per_epoch: int) -> np.ndarray:
        return 1.0 / (1.0 + self.k * units_of(steps, self.unit, steps_per_epoch, self.staircase))


@component(
    "inverse_square_root",
    label="Inverse square root",
    formula="η(t) = η₀ · √(w / (w + t))",
    source="Vaswani et al.: Attention is all you need (NeurIPS 2017), eq. 3, after its warm-up",
    synonyms=("noam", "rsqrt", "transformer schedule", "1/sqrt"),
    avoid="Runs whose length is known: a course that ends near 0 (cosine, linear) reaches a lower loss by then.",
    differs="The paper's formula holds its own warm-up and counts steps from 1: choose linear warm-up from 0 over w "
    "steps, and as base rate the one at its peak, (model width)^(−1/2) · w^(−1/2). Step 0 then has rate 0, the paper's "
    "first step 1/w of the peak.",
)
class InverseSquareRoot(Schedule, frozen=True):
    """Divides the learning rate by the square root of time.

    It needs no planned end: the run can be stopped or prolonged at will. With the time scale equal to the length of a
    linear warm-up, warm-up and decay meet as in the Transformer's schedule.
    """

    timescale: Annotated[
        float,
        field(
            gt=0, le=1e9, label="Time scale", symbol="w", scale="log",
            help="After this time the rate is 1/√2 of the base rate, after three times as long one half of it.",
        ),
    ] = 1.0  # fmt: skip
    unit: Annotated[Unit, field(help="What the time scale counts.")] = "epochs"

    def factors(self, steps: np.ndarray, total_steps: int, steps_per_epoch: int) -> np.ndarray:
        scale = in_steps(self.timescale, self.unit, steps_per_epoch)
        return np.sqrt(scale / (scale + steps))
