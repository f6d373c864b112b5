"""Maxout: layers whose activation is learned as the largest of several linear pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from engine.initializers import Constant, LeCun
from engine.layers.base import ParameterSpec, Shape, ShapeProblem
from engine.layers.convolution import Conv2D
from engine.layers.core import BiasInit, Dense, WeightInit, affine_parameters
from engine.ops.maxout import Maxout as MaxoutOp
from engine.schema import component, field

if TYPE_CHECKING:
    from engine.builder import Builder
    from engine.ops.base import Value

Pieces = Annotated[
    int, field(ge=1, le=16, symbol="k", help="Linear pieces for each output; 1 makes the layer linear.", search=(2, 5))
]


@component(
    "maxout",
    label="Maxout",
    group="Activation",
    formula="y_j = max over p of (x W_p + b_p)_j, p = 1 … k",
    source="Goodfellow, Warde-Farley, Mirza, Courville, Bengio: Maxout networks (2013), section 3",
    synonyms=("pieces", "piecewise linear", "maximum"),
    avoid="It has k times the parameters of a dense layer. A ReLU network with as many parameters in all does as well.",
    differs="Notes write that it doubles the parameters: k = 2 doubles the layer's, and those of a network less, since "
    "its outputs, which the next layer reads, are not more.",
)
class Maxout(Dense, frozen=True):
    """A dense layer with several linear pieces for each output, of which the largest counts: no activation follows.

    Two pieces can be a ReLU (one of them zero), a leaky ReLU or an absolute value; more bend more often. No unit is
    ever without a gradient. The weight has the shape inputs × (pieces · units), one piece after the other. With two
    pieces and weights of variance 1 / fan_in (LeCun) the mean square of signals stays as it is.
    """

    pieces: Pieces = 2
    weight_init: WeightInit = LeCun()
    bias_init: BiasInit = Constant()

    def parameters(self, shapes: tuple[Shape, ...]) -> tuple[ParameterSpec, ...]:
        features = shapes[0][-1]
        columns = self.pieces * self.units
        bias = self.bias_init if self.use_bias else None
        return affine_parameters((features, columns), features, columns, self.weight_init, bias)

    def title(self) -> str:
        return f"Maxout {self.units}"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        return b.op(MaxoutOp(self.pieces), super().lower(b, *inputs))


@component(
    "maxout_conv2d",
    label="Maxout Conv 2D",
    group="Activation",
    formula="y[i, j, f] = max over p of (x ∗ W_p + b_p)[i, j, f], p = 1 … k",
    source="Goodfellow, Warde-Farley, Mirza, Courville, Bengio: Maxout networks (2013), section 3",
    synonyms=("pieces", "piecewise linear", "convolution", "maximum"),
    avoid="It has k times the filters of a convolution, and takes k times as long. A ReLU network with as many does as "
    "well.",
)
class MaxoutConv2D(Conv2D, frozen=True):
    """A convolution with several linear pieces for each channel, of which the largest counts at every pixel.

    No activation follows. The weight has the shape size × size × channels × (pieces · filters), one piece after the
    other, so that channels cannot be cut into groups.
    """

    pieces: Pieces = 2
    weight_init: WeightInit = LeCun()
    bias_init: BiasInit = Constant()

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        if self.groups != 1:
            raise ShapeProblem(
                "the pieces of a channel would stand in different groups: maxout takes one group",
                "groups",
                ("set", "groups", 1),
            )
        return super().infer(shapes)

    def parameters(self, shapes: tuple[Shape, ...]) -> tuple[ParameterSpec, ...]:
        channels, area = shapes[0][2], self.size * self.size
        columns = self.pieces * self.filters
        shape = (self.size, self.size, channels, columns)
        bias = self.bias_init if self.use_bias else None
        return affine_parameters(shape, area * channels, area * columns, self.weight_init, bias)

    def title(self) -> str:
        return f"Maxout {self.size}×{self.size}"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        return b.op(MaxoutOp(self.pieces), super().lower(b, *inputs))
