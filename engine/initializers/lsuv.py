"""LSUV: orthonormal weights that the first batch brings to unit variance (`engine.training.unit_variance`)."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from engine.initializers.orthogonal import orthonormal, spread
from engine.kinds import Initializer
from engine.schema import component, field


@component(
    "lsuv",
    label="LSUV",
    formula="W ← W / std(y), layer by layer, until |var(y) − 1| < tolerance",
    source="Mishkin, Matas: All you need is a good init (ICLR 2016), algorithm 1",
    synonyms=("layer-sequential unit-variance", "data dependent"),
    avoid="Not before batch normalization, which does the same at every step. Not for biases. A first batch of one "
    "or two samples measures nothing.",
    differs="The paper checks the variance, its authors' code as well; others' code scales by the deviation once, "
    "without a check. Outputs are taken before the activation.",
)
class LSUV(Initializer, frozen=True):
    """Orthonormal weights, scaled at the start of a run so that each layer's output has variance 1 on the first batch.

    Layers are scaled one after the other, from the input on, each with those before it already in place. The note in
    the run's events says by how much. A run that is resumed goes on with the weights that it had.
    """

    tolerance: Annotated[
        float, field(gt=0, lt=1, help="How far from 1 the variance of the outputs may be.", search=(0.01, 0.2))
    ] = 0.1
    tries: Annotated[int, field(ge=1, le=100, help="The most times that a layer is scaled.", advanced=True)] = 10

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        return orthonormal(rng, shape)

    def deviation(self, fan_in: int, fan_out: int, shape: tuple[int, ...] = ()) -> float:
        return spread(fan_in, fan_out, shape)
