"""Initializers of one width, whatever the layer's size."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np

from engine.initializers.draw import draw
from engine.kinds import Initializer
from engine.schema import component, field


@component(
    "normal",
    label="Normal",
    formula="w ~ N(0, std²)",
    source="Krizhevsky, Sutskever, Hinton: ImageNet classification with deep CNNs (2012), section 5 (std 0.01)",
    synonyms=("gaussian", "random"),
    avoid="Not in deep networks: 0.01 lets signals fade to a millionth within ten tanh layers, 1.0 saturates every "
    "unit. Xavier or He instead.",
    differs="With a width of 0.01 notes say that gradients vanish in the first layers: those of weights are equally "
    "small in all. With 1.0 they say that all gradients are zero: local derivatives are, but what is passed back "
    "grows by 3.5 with every layer of 500 tanh units.",
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
        return draw(rng, shape, self.std, "normal")

    def deviation(self, fan_in: int, fan_out: int, shape: tuple[int, ...] = ()) -> float:
        return self.std


@component(
    "uniform",
    label="Uniform",
    formula="w ~ U(−r, r), std = r / sqrt(3)",
    source="LeCun, Bottou, Orr, Müller: Efficient BackProp (1998), section 4.6",
    synonyms=("random", "range"),
    avoid="As a fixed normal width: not in deep networks. Xavier, He and LeCun draw uniformly too, at the right width.",
    differs="The range is not the deviation: that is the range divided by sqrt(3).",
)
class Uniform(Initializer, frozen=True):
    """Draws evenly from −range to range, whatever the layer's size."""

    range: Annotated[
        float,
        field(ge=0, le=1e3, symbol="r", scale="log", search=(1e-3, 1.0),
              help="The largest absolute value of a weight."),
    ] = 0.05  # fmt: skip

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        return rng.uniform(-self.range, self.range, shape)

    def deviation(self, fan_in: int, fan_out: int, shape: tuple[int, ...] = ()) -> float:
        return self.range / math.sqrt(3.0)
