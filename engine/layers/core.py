"""The layers that every network has: input, dense, flatten."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar

from engine.initializers import Constant, He
from engine.kinds import Initializer
from engine.layers.base import Layer, ParameterSpec, Shape, ShapeProblem
from engine.layers.standardization import Standardize, require_spread, weight_of
from engine.layers.words import require_vector
from engine.ops.linear import AddBias, MatMul
from engine.ops.shape import Reshape
from engine.schema import component, field

if TYPE_CHECKING:
    from engine.builder import Builder
    from engine.ops.base import Value

WeightInit = Annotated[
    Initializer,
    field(label="Initializer", help="How the first weights are drawn. He suits ReLU, Xavier tanh and sigmoid."),
]
BiasInit = Annotated[
    Initializer,
    field(label="Bias initializer", help="How the first biases are drawn; usually zero.", advanced=True),
]


@component(
    "input",
    label="Input",
    group="Core",
    formula="y = x",
    source="Goodfellow, Bengio, Courville: Deep Learning (2016), chapter 6",
    synonyms=("data", "source", "placeholder"),
    avoid="Not once for every layer that reads the data: one input can be wired to several layers. Another one is for "
    "another array of the data set.",
)
class Input(Layer, frozen=True):
    """Where the samples enter the network.

    Its output has the shape that the data have after preprocessing: height × width × channels for images, the number
    of features for tables. A network may have several inputs where the data set holds several arrays.
    """

    min_inputs: ClassVar[int] = 0
    max_inputs: ClassVar[int | None] = 0

    source: Annotated[str, field(label="Data array", help="Which array of the data set enters here; usually x.")] = "x"

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        """The shape of the data's array, which the caller passes as the only entry of `shapes`."""
        if len(shapes) != 1:
            raise ShapeProblem("The shape of the data is not known yet.", field="source")
        return shapes[0]

    def title(self) -> str:
        return "Input" if self.source == "x" else f"Input {self.source}"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        (x,) = inputs
        return x


@component(
    "dense",
    label="Dense",
    group="Core",
    formula="y = x W + b",
    source="Goodfellow, Bengio, Courville: Deep Learning (2016), section 6.1",
    synonyms=("fully connected", "linear", "affine", "fc", "inner product"),
    avoid="On raw images of more than a few thousand pixels: every unit then has a weight for every pixel, and what is "
    "learned at one place is not known at another. Convolutions first.",
    differs="PyTorch's Linear keeps the weight as units × inputs and computes x Wᵀ + b; many notes write W x + b for a "
    "column x. Here a row x is multiplied by W of inputs × units, as in Keras: the same numbers, transposed.",
)
class Dense(Layer, frozen=True):
    """Every output is a weighted sum of all inputs, plus a bias.

    The weight W has the shape inputs × units, the bias one number for each unit. Without a non-linearity between them
    two dense layers are no stronger than one. Of a sequence it reads each position by itself, with the same weights.
    """

    units: Annotated[
        int, field(ge=1, le=65536, scale="log", help="Number of outputs of the layer.", search=(8, 1024))
    ] = 128
    use_bias: Annotated[
        bool, field(label="Bias", help="Add a learned number to each output. Superfluous before batch normalization.")
    ] = True
    weight_init: WeightInit = He()
    bias_init: BiasInit = Constant()
    standardize: Standardize = False

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        if len(shapes[0]) != 2:
            require_vector("Dense", shapes[0])
        require_spread(self.standardize, shapes[0][-1])
        return (*shapes[0][:-1], self.units)

    def parameters(self, shapes: tuple[Shape, ...]) -> tuple[ParameterSpec, ...]:
        features = shapes[0][-1]
        return affine_parameters(
            (features, self.units), features, self.units, self.weight_init, self.bias_init if self.use_bias else None
        )

    def title(self) -> str:
        return f"Dense {self.units}"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        (x,) = inputs
        *lead, features = x.shape
        rows = x if len(lead) == 1 else b.op(Reshape((math.prod(lead), features)), x)
        y: Value = b.op(MatMul(), rows, weight_of(b, self.standardize))
        if self.use_bias:
            y = b.op(AddBias(), y, b.parameter("bias"))
        return y if len(lead) == 1 else b.op(Reshape((*lead, y.shape[-1])), y)


@component(
    "flatten",
    label="Flatten",
    group="Core",
    formula="y[(i w + j) c + k] = x[i, j, k]",
    source="LeCun et al.: Gradient-based learning applied to document recognition (1998), section II",
    synonyms=("reshape", "vector", "unroll"),
    avoid="Behind many channels of large images it gives the next dense layer very many weights: the global average is "
    "far smaller. For other shapes than a vector there is Reshape.",
    differs="With channels last the values of one pixel stand together; PyTorch's Flatten of channels-first images "
    "gives them channel by channel, so that weights of the next layer are in another order.",
)
class Flatten(Layer, frozen=True):
    """Lays the pixels of an image, or the positions of a sequence, out as one vector, and each one's channels together.

    Dense layers read vectors, so it stands between the convolutions and the first dense layer. It has nothing to learn
    and costs no time.
    """

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        return (math.prod(shapes[0]),)

    def title(self) -> str:
        return "Flatten"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        (x,) = inputs
        return b.op(Reshape((x.shape[0], math.prod(x.shape[1:]))), x)


def affine_parameters(
    shape: Shape,
    fan_in: int,
    fan_out: int,
    weight_init: Initializer,
    bias_init: Initializer | None,
) -> tuple[ParameterSpec, ...]:
    """The weight of `shape` and, where `bias_init` is given, a bias for its last axis. Biases do not decay."""
    weight = ParameterSpec(name="weight", shape=shape, initializer=weight_init, fan_in=fan_in, fan_out=fan_out)
    if bias_init is None:
        return (weight,)
    bias = ParameterSpec(
        name="bias", shape=shape[-1:], initializer=bias_init, fan_in=fan_in, fan_out=fan_out, decay=False
    )
    return weight, bias
