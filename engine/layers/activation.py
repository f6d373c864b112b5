"""Elementwise non-linearities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

import engine.ops.activation as ops
from engine.layers.base import Layer, Shape
from engine.schema import component, field

if TYPE_CHECKING:
    from engine.builder import Builder
    from engine.ops.base import Value


class Activation(Layer, frozen=True):
    """Base of the layers that apply one function to every element.

    `saturation`: the values at or beyond which an output counts as saturated (its derivative is small there), or None
    for functions that do not level off on both sides.
    """

    saturation: ClassVar[tuple[float, float] | None] = None

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        return shapes[0]


@component(
    "relu",
    label="ReLU",
    group="Activation",
    formula="y = max(x, 0)",
    source="Nair, Hinton 2010, Rectified linear units improve restricted Boltzmann machines",
    synonyms=("rectifier", "rectified linear unit"),
)
class ReLU(Activation, frozen=True):
    """Passes positive values and cuts negative ones to zero. The usual choice for hidden layers.

    Its derivative is 1 for positive inputs and 0 elsewhere, so that gradients do not shrink on their way back. A unit
    whose input is negative for every sample is dead: it gets no gradient and cannot recover by itself.
    """

    def title(self) -> str:
        return "ReLU"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        return b.op(ops.ReLU(), inputs[0])


@component(
    "leaky_relu",
    label="Leaky ReLU",
    group="Activation",
    formula="y = max(x, a x)",
    source="Maas, Hannun, Ng 2013, Rectifier nonlinearities improve neural network acoustic models",
    synonyms=("lrelu", "rectifier"),
)
class LeakyReLU(Activation, frozen=True):
    """As ReLU, but negative values are multiplied by a small slope rather than cut to zero.

    No unit is without a gradient, though with a slope of 0.01 a unit that is negative for every sample learns a hundred
    times more slowly.
    """

    slope: Annotated[
        float, field(ge=0, lt=1, symbol="a", help="Factor for negative values; 0 makes it a ReLU.", search=(0.001, 0.3))
    ] = 0.01

    def title(self) -> str:
        return "Leaky ReLU"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        return b.op(ops.LeakyReLU(self.slope), inputs[0])


@component(
    "sigmoid",
    label="Sigmoid",
    group="Activation",
    formula="y = 1 / (1 + e^(−x))",
    source="Goodfellow, Bengio, Courville 2016, Deep Learning, section 6.3.2",
    synonyms=("logistic", "squash"),
)
class Sigmoid(Activation, frozen=True):
    """Squashes values into the range 0 to 1.

    Its derivative is at most 1/4 and almost zero for large inputs of either sign, so that gradients fade in deep
    networks. An output counts as saturated at or below 0.03 and at or above 0.97. Before a cross-entropy loss no
    sigmoid is needed: the loss contains it.
    """

    saturation: ClassVar[tuple[float, float] | None] = (0.03, 0.97)

    def title(self) -> str:
        return "Sigmoid"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        return b.op(ops.Sigmoid(), inputs[0])


@component(
    "tanh",
    label="Tanh",
    group="Activation",
    formula="y = (e^x − e^(−x)) / (e^x + e^(−x))",
    source="LeCun, Bottou, Orr, Müller 1998, Efficient BackProp, section 4.4",
    synonyms=("hyperbolic tangent", "squash"),
)
class Tanh(Activation, frozen=True):
    """Squashes values into the range −1 to 1; zero stays zero.

    Its derivative is 1 at zero and almost zero for large inputs of either sign. An output counts as saturated at or
    beyond ±0.97, where the derivative is below 6 %. Xavier initialization keeps deep networks out of that range.
    """

    saturation: ClassVar[tuple[float, float] | None] = (-0.97, 0.97)

    def title(self) -> str:
        return "Tanh"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        return b.op(ops.Tanh(), inputs[0])
