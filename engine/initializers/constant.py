"""Initializers that draw nothing: every element starts at one value."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from engine.kinds import Initializer
from engine.schema import component, field


@component(
    "zeros",
    label="Zeros",
    formula="w = 0",
    source="Goodfellow, Bengio, Courville: Deep Learning (2016), section 8.4",
    synonyms=("zero", "none"),
    avoid="Never for the weights of hidden layers: nothing but the last bias would learn. Right for biases, and for "
    "the last layer, whose first predictions are then all alike.",
)
class Zeros(Initializer, frozen=True):
    """Every element starts at 0. The usual start of biases.

    With weights of zero behind tanh or ReLU no gradient reaches them: a classifier stays at a loss of ln C but for what
    its last bias learns.
    """

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        return np.zeros(shape)

    def deviation(self, fan_in: int, fan_out: int, shape: tuple[int, ...] = ()) -> float:
        return 0.0


@component(
    "constant",
    label="Constant",
    formula="w = c",
    source="Goodfellow, Bengio, Courville: Deep Learning (2016), section 8.4",
    synonyms=("ones", "fill"),
    avoid="Never for the weights of hidden layers: all units would compute the same number for ever.",
    differs="“All units stay equal” is true in exact arithmetic. In float32, rounding errors break the symmetry "
    "after some hundred steps, in float64 much later; either way it rescues nothing.",
)
class Constant(Initializer, frozen=True):
    """Every element starts at the same value. Right for biases, wrong for weights.

    Units whose weights start equal receive equal gradients and stay equal for ever: a layer of them computes the same
    number many times. In float32, rounding errors break the symmetry after some hundred steps, which rescues nothing.
    """

    value: Annotated[float, field(ge=-1e6, le=1e6, symbol="c", help="The value of every element.")] = 0.0

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        return np.full(shape, self.value, dtype=np.float64)

    def deviation(self, fan_in: int, fan_out: int, shape: tuple[int, ...] = ()) -> float:
        return 0.0


@component(
    "small_positive",
    label="Small positive",
    formula="b = c, c = 0.01",
    source="Goodfellow, Bengio, Courville: Deep Learning (2016), section 8.4 (biases of rectified linear units)",
    synonyms=("bias", "positive bias", "dead units"),
    avoid="Not for weights. For biases it is of no use in networks of ordinary width: take zeros.",
    differs="Notes recommend a bias of 0.01 against dead ReLUs. Trained networks have as many dead units with it as "
    "without; what it lowers is the share of very narrow deep networks that are dead from the start, from 88 % to 48 % "
    "with ten layers of two units.",
)
class SmallPositive(Initializer, frozen=True):
    """A small positive number for every bias, so that each ReLU starts active for half of all inputs or more."""

    value: Annotated[
        float, field(gt=0, le=1, symbol="c", scale="log", help="The value of every bias.", search=(0.001, 0.1))
    ] = 0.01

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        return np.full(shape, self.value, dtype=np.float64)

    def deviation(self, fan_in: int, fan_out: int, shape: tuple[int, ...] = ()) -> float:
        return 0.0
