"""Initializers whose width follows from the layer's size."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np

from engine.initializers.draw import draw
from engine.initializers.gains import Rectified, gain_of
from engine.kinds import Initializer
from engine.schema import component, field

Distribution = Annotated[
    Literal["normal", "uniform"], field(help="Shape of the distribution; the variance is the same.")
]


@component(
    "xavier",
    label="Xavier / Glorot",
    formula="std = g sqrt(2 / (fan_in + fan_out)), or g sqrt(1 / fan_in)",
    source="Glorot, Bengio: Understanding the difficulty of training deep feedforward neural networks (AISTATS 2010), "
    "eq. 12 and 16",
    synonyms=("glorot",),
    avoid="Not with ReLU in deep networks: after ten layers 2 % of the signal is left. Take He.",
    differs="Notes often write 1 / fan_in for the variance (as Caffe did), the paper and libraries 2 / (fan_in + "
    "fan_out); they are one where a layer is as wide as the one before it. PyTorch multiplies by a gain, 5/3 for tanh.",
)
class Xavier(Initializer, frozen=True):
    """Keeps the variance of signals about equal from layer to layer for activations that are linear around 0.

    “fan_avg” is Glorot's compromise between the forward pass (variance 1 / fan_in) and the backward pass (variance
    1 / fan_out): variance 2 / (fan_in + fan_out). “fan_in” keeps the forward pass alone. Made for tanh; ReLU halves the
    variance in every layer, which He's rule makes up for. A uniform draw has the same variance: its limit is
    sqrt(3) std.
    """

    distribution: Distribution = "normal"
    mode: Annotated[
        Literal["fan_in", "fan_avg"],
        field(help="fan_avg: variance 2 / (fan_in + fan_out). fan_in: variance 1 / fan_in."),
    ] = "fan_avg"
    gain: Annotated[
        float,
        field(
            gt=0, le=10, symbol="g", advanced=True, help="Multiplies the deviation; 5/3 is PyTorch's advice for tanh."
        ),
    ] = 1.0

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        return draw(rng, shape, self.deviation(fan_in, fan_out), self.distribution)

    def deviation(self, fan_in: int, fan_out: int, shape: tuple[int, ...] = ()) -> float:
        return self.gain * math.sqrt(1.0 / fan_in if self.mode == "fan_in" else 2.0 / (fan_in + fan_out))


@component(
    "he",
    label="He / Kaiming",
    formula="std = sqrt(2 / ((1 + a²) fan_in))",
    source="He, Zhang, Ren, Sun: Delving deep into rectifiers (ICCV 2015), eq. 10, 14 and 15",
    synonyms=("kaiming", "msra", "variance scaling"),
    avoid="Not with tanh or sigmoid, which saturate. In the last layer of a classifier it makes the first loss higher "
    "than ln C, 3.2 in place of 2.3 for ten classes: a smaller one starts better.",
    differs="“randn(...) / sqrt(2 / fan_in)”, as some notes have it, divides where it must multiply. “N(0, sqrt(2 / "
    "n))” gives the deviation where the notation has the variance, 2 / n. PyTorch's own layers do not use He: they "
    "draw uniformly from ±1 / sqrt(fan_in), a deviation of 0.41 times He's.",
)
class He(Initializer, frozen=True):
    """Keeps the variance of signals equal from layer to layer under ReLU, which sets half of them to 0.

    The standard deviation is sqrt(2 / fan_in): standard-normal numbers are MULTIPLIED by it. Lecture notes sometimes
    divide, “randn(...) / sqrt(2 / fan_in)”; that is wrong: at fan_in = 500 it gives a deviation of 15.8 instead of
    0.063 and the signal grows beyond all bounds within ten layers. sqrt(2 / fan_in) is the deviation, 2 / fan_in the
    variance. “fan_out” keeps the variance of the backward pass instead. Other activations take away less or more than
    ReLU does: the gain in place of sqrt(2) follows from the one that is named.
    """

    distribution: Distribution = "normal"
    mode: Annotated[
        Literal["fan_in", "fan_out"],
        field(help="fan_in keeps the variance of the forward pass, fan_out that of the backward pass."),
    ] = "fan_in"
    activation: Annotated[
        Rectified,
        field(advanced=True, help="The activation behind the layer, for whose losses the gain makes up."),
    ] = "relu"
    slope: Annotated[
        float,
        field(ge=0, le=1, symbol="a", advanced=True,
              help="Slope of the leaky ReLU or PReLU; for other activations it is of no account."),
    ] = 0.01  # fmt: skip

    @property
    def gain(self) -> float:
        """What multiplies 1 / sqrt(fan)."""
        return gain_of(self.activation, self.slope)

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        return draw(rng, shape, self.deviation(fan_in, fan_out), self.distribution)

    def deviation(self, fan_in: int, fan_out: int, shape: tuple[int, ...] = ()) -> float:
        return self.gain / math.sqrt(fan_in if self.mode == "fan_in" else fan_out)


@component(
    "lecun",
    label="LeCun",
    formula="std = sqrt(1 / fan_in)",
    source="LeCun, Bottou, Orr, Müller: Efficient BackProp (1998), section 4.6, eq. 16",
    synonyms=("selu", "snn", "fan_in"),
    avoid="Not with ReLU in deep networks, whose signals fade: take He.",
    differs="The paper's own activation is 1.7159 tanh(2 x / 3), with which signals keep variance 1; with plain tanh "
    "they shrink slowly. It is Xavier with “fan_in”.",
)
class LeCun(Initializer, frozen=True):
    """Variance 1 / fan_in: a linear unit's output has the variance of its inputs. What SELU and maxout need."""

    distribution: Distribution = "normal"

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        return draw(rng, shape, self.deviation(fan_in, fan_out), self.distribution)

    def deviation(self, fan_in: int, fan_out: int, shape: tuple[int, ...] = ()) -> float:
        return math.sqrt(1.0 / fan_in)
