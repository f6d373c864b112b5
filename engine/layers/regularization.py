"""Layers that act in training only, against overfitting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import engine.ops.dropout as ops
from engine.layers.base import Layer, Shape
from engine.schema import component, field

if TYPE_CHECKING:
    from engine.builder import Builder
    from engine.ops.base import Value


@component(
    "dropout",
    label="Dropout",
    group="Regularization",
    formula="y = x m / (1 − p), m = 0 with probability p, else 1",
    source="Srivastava et al. 2014, Dropout: a simple way to prevent neural networks from overfitting",
    synonyms=("drop", "noise", "regularization"),
)
class Dropout(Layer, frozen=True):
    """In training, sets a random share of the values to zero and scales the rest up to make good for it.

    This is inverted dropout: because the scaling is done in training, evaluation uses the values as they are. A new
    mask is drawn at every step; the same seed draws the same masks on every device.
    """

    rate: Annotated[
        float,
        field(ge=0, le=0.95, live=True, symbol="p", help="Share of the values that is dropped.", search=(0.0, 0.7)),
    ] = 0.5

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        return shapes[0]

    def title(self) -> str:
        return f"Dropout {self.rate:g}"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        if not b.training:
            return inputs[0]
        rate = b.control("rate", self.rate)
        return b.op(ops.Dropout(b.stream("dropout")), inputs[0], rate, b.counters())[0]
