"""How the first values of weights and biases are drawn. Values are float64, drawn on the host.

`fan_in` is the number of inputs of one unit, `fan_out` the number of units that one input reaches; for a convolution
both count the kernel's area (He et al. 2015, section 2.2).
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np

from engine.kinds import Initializer
from engine.schema import component, field

__all__ = ["Constant", "He", "Normal", "Xavier"]


def _draw(rng: np.random.Generator, shape: tuple[int, ...], deviation: float, distribution: str) -> np.ndarray:
    """Zero-mean values of standard deviation `deviation`; uniform ones lie within sqrt(3) deviations of 0."""
    if distribution == "uniform":
        limit = math.sqrt(3.0) * deviation
        return rng.uniform(-limit, limit, shape)
    return rng.standard_normal(shape) * deviation


@component(
    "constant",
    label="Constant",
    formula="w = c",
    source="Goodfellow, Bengio, Courville: Deep Learning (2016), section 8.4",
    synonyms=("zeros", "ones", "fill"),
)
class Constant(Initializer, frozen=True):
    """Every element starts at the same value. Right for biases, wrong for weights.

    Units whose weights start equal receive equal gradients and stay equal for ever: a layer of them computes the same
    number many times. In float32, rounding errors break the symmetry after some hundred steps, which rescues nothing.
    """

    value: Annotated[float, field(ge=-1e6, le=1e6, symbol="c", help="The value of every element.")] = 0.0

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        return np.full(shape, self.value, dtype=np.float64)

    def deviation(self, fan_in: int, fan_out: int) -> float:
        return 0.0


@component(
    "normal",
    label="Normal",
    formula="w ~ N(0, std²)",
    source="Krizhevsky, Sutskever, Hinton: ImageNet classification with deep CNNs (2012), section 5 (std 0.01)",
    synonyms=("gaussian", "random"),
)
class Normal(Initializer, frozen=True):
    """Draws from a normal distribution of one width, whatever the layer's size.

    A fixed width suits one size of layer only: in a deep network small values make activations and gradients fade from
    layer to layer, large ones saturate or explode. Xavier and He choose the width by the layer's size.
    """

    std: Annotated[
        float,
        field(
            ge=0, le=1e3, label="Standard deviation", symbol="std", scale="log", search=(1e-3, 1.0),
            help="Standard deviation of the weights.",
        ),
    ] = 0.01  # fmt: skip

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        return _draw(rng, shape, self.std, "normal")

    def deviation(self, fan_in: int, fan_out: int) -> float:
        return self.std


@component(
    "xavier",
    label="Xavier / Glorot",
    formula="std = sqrt(2 / (fan_in + fan_out)), or sqrt(1 / fan_in)",
    source="Glorot, Bengio: Understanding the difficulty of training deep feedforward neural networks (AISTATS 2010), "
    "eq. 12 and 16",
    synonyms=("glorot",),
)
class Xavier(Initializer, frozen=True):
    """Keeps the variance of signals about equal from layer to layer for activations that are linear around 0.

    “fan_avg” is Glorot's compromise between the forward pass (variance 1 / fan_in) and the backward pass (variance
    1 / fan_out): variance 2 / (fan_in + fan_out). “fan_in” keeps the forward pass alone. Made for tanh; ReLU halves the
    variance in every layer, which He's rule makes up for. A uniform draw has the same variance: its limit is
    sqrt(3) std.
    """

    distribution: Annotated[
        Literal["normal", "uniform"], field(help="Shape of the distribution; the variance is the same.")
    ] = "normal"
    mode: Annotated[
        Literal["fan_in", "fan_avg"],
        field(help="fan_avg: variance 2 / (fan_in + fan_out). fan_in: variance 1 / fan_in."),
    ] = "fan_avg"

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        return _draw(rng, shape, self.deviation(fan_in, fan_out), self.distribution)

    def deviation(self, fan_in: int, fan_out: int) -> float:
        return math.sqrt(1.0 / fan_in if self.mode == "fan_in" else 2.0 / (fan_in + fan_out))


@component(
    "he",
    label="He / Kaiming",
    formula="std = sqrt(2 / fan_in)",
    source="He, Zhang, Ren, Sun: Delving deep into rectifiers (ICCV 2015), eq. 10 and 14",
    synonyms=("kaiming", "msra"),
)
class He(Initializer, frozen=True):
    """Keeps the variance of signals equal from layer to layer under ReLU, which sets half of them to 0.

    The standard deviation is sqrt(2 / fan_in): standard-normal numbers are MULTIPLIED by it. Lecture notes sometimes
    divide, “randn(...) / sqrt(2 / fan_in)”; that is wrong: at fan_in = 500 it gives a deviation of 15.8 instead of
    0.063 and the signal grows beyond all bounds within ten layers. sqrt(2 / fan_in) is the deviation, 2 / fan_in the
    variance. “fan_out” keeps the variance of the backward pass instead.
    """

    distribution: Annotated[
        Literal["normal", "uniform"], field(help="Shape of the distribution; the variance is the same.")
    ] = "normal"
    mode: Annotated[
        Literal["fan_in", "fan_out"],
        field(help="fan_in keeps the variance of the forward pass, fan_out that of the backward pass."),
    ] = "fan_in"

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        return _draw(rng, shape, self.deviation(fan_in, fan_out), self.distribution)

    def deviation(self, fan_in: int, fan_out: int) -> float:
        return math.sqrt(2.0 / (fan_in if self.mode == "fan_in" else fan_out))
