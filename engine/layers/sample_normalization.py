"""Normalizations that look at one sample at a time: what they compute does not depend on its companions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from engine.initializers import Constant
from engine.layers.base import Layer, ParameterSpec, Shape, ShapeProblem
from engine.layers.words import describe, nearest_divisor, require_image
from engine.ops.group_norm import GroupNorm as GroupNormOp
from engine.ops.shape import Reshape
from engine.schema import component, field

if TYPE_CHECKING:
    from engine.builder import Builder
    from engine.ops.base import Value

Epsilon = Annotated[
    float,
    field(ge=1e-30, le=0.1, symbol="ε", scale="log", help="Added to the variance before the root.", advanced=True),
]


def gain_and_shift(shape: Shape) -> tuple[ParameterSpec, ...]:
    """γ, which starts at 1, and β, which starts at 0. Neither decays."""
    return (
        ParameterSpec(name="gamma", shape=shape, initializer=Constant(value=1.0), fan_in=1, fan_out=1, decay=False),
        ParameterSpec(name="beta", shape=shape, initializer=Constant(), fan_in=1, fan_out=1, decay=False),
    )


def _normalize(b: Builder, x: Value, groups: int, epsilon: float, affine: bool) -> Value:
    arrays = (b.parameter("gamma"), b.parameter("beta")) if affine else ()
    result: Value = b.op(GroupNormOp(groups, epsilon, affine), x, *arrays)[0]
    return result


def _lone(what: str, shape: Shape, fix: tuple[object, ...] | None = ("bypass",)) -> ShapeProblem:
    return ShapeProblem(
        f"{what} of {describe(shape)} is a single value, which has no spread to normalize by: every output would be "
        "zero.",
        fix=fix,
    )


@component(
    "layer_norm",
    label="LayerNorm",
    group="Normalization",
    formula="y = γ (x − μ) / √(σ² + ε) + β, μ and σ² of the sample",
    source="Ba, Kiros, Hinton: Layer Normalization (2016), section 3",
    synonyms=("layer normalization", "ln", "batch independent"),
    avoid="In convolutional networks on large batches, where batch normalization usually trains better; right before "
    "the last layer where the size of the whole vector carries the answer, for that is taken away.",
    differs="It does not bring values into the range 0 to 1, as notes sometimes say: each sample gets mean 0 and "
    "variance 1. Over the channels it is what transformers use, Keras's default and PyTorch's LayerNorm(channels). "
    "Over the whole sample it is the paper's, and PyTorch's LayerNorm(x.shape[1:]) with one γ and β for each element; "
    "group normalization with one group has the same statistics, with one γ and β for each channel.",
)
class LayerNorm(Layer, frozen=True):
    """Normalizes each sample by itself to mean 0 and variance 1; then scales and shifts.

    μ and the biased variance σ² are taken over the features of a vector; of images and sequences over the channels of
    each pixel or position by itself, or over the whole sample. Training and evaluation compute the same, and so do all
    batch sizes, down to one.
    """

    over: Annotated[
        Literal["sample", "channels"],
        field(
            help="“channels”: over the last axis, for each pixel or position by itself; “sample”: over all values of a "
            "sample together. For vectors both are the same."
        ),
    ] = "channels"
    affine: Annotated[
        bool, field(label="Scale and shift", help="Learn γ and β. Without them the output stays normalized.")
    ] = True
    epsilon: Epsilon = 1e-5

    def _width(self, shape: Shape) -> Shape:
        """The part of a sample's shape that is normalized together."""
        return shape if self.over == "sample" else shape[-1:]

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        (shape,) = shapes
        if math.prod(self._width(shape)) == 1:
            if math.prod(shape) == 1:
                raise _lone("A sample", shape)
            raise _lone("Each pixel" if len(shape) == 3 else "Each position", shape, ("set", "over", "sample"))
        return shape

    def parameters(self, shapes: tuple[Shape, ...]) -> tuple[ParameterSpec, ...]:
        return gain_and_shift(self._width(shapes[0])) if self.affine else ()

    def title(self) -> str:
        return "LayerNorm"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        (x,) = inputs
        width = math.prod(self._width(x.shape[1:]))
        rows = b.op(Reshape((x.size // width, width)), x) if len(x.shape) > 2 else x
        y = _normalize(b, rows, 1, self.epsilon, self.affine)
        result: Value = b.op(Reshape(x.shape), y) if len(x.shape) > 2 else y
        return result


@component(
    "group_norm",
    label="GroupNorm",
    group="Normalization",
    formula="y = γ (x − μ) / √(σ² + ε) + β, μ and σ² of a group of channels",
    source="Wu, He: Group Normalization (2018), section 3",
    synonyms=("group normalization", "gn", "small batch"),
    avoid="With large batches, where batch normalization usually reaches a somewhat lower error and costs nothing "
    "once it is folded into the layer before it.",
    differs="Wu and He, and Keras, take 32 groups, which few small networks have the channels for; PyTorch makes you "
    "choose. One group gives layer normalization over the sample, as many groups as channels instance normalization.",
)
class GroupNorm(Layer, frozen=True):
    """Normalizes groups of channels within each sample to mean 0 and variance 1; then scales and shifts.

    The channels are cut into runs of equal length; μ and the biased variance σ² are taken over all pixels and channels
    of a run, γ and β are one for each channel. It knows no batch: a batch of one or two samples does it no harm.
    """

    groups: Annotated[
        int, field(ge=1, le=4096, scale="log", help="Number of groups; it must divide the channels.", search=(1, 32))
    ] = 8
    affine: Annotated[
        bool, field(label="Scale and shift", help="Learn γ and β. Without them the output stays normalized.")
    ] = True
    epsilon: Epsilon = 1e-5

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        (shape,) = shapes
        channels, places = shape[-1], math.prod(shape[:-1])
        if channels % self.groups:
            nearest = nearest_divisor(channels, self.groups)
            raise ShapeProblem(
                f"{channels} channels cannot be cut into {self.groups} groups of equal size. The nearest number of "
                f"groups that divides them is {nearest}.",
                field="groups",
                fix=("set", "groups", nearest),
            )
        if places * channels == self.groups:
            whole = places * channels > 1
            raise _lone("Each group" if whole else "A sample", shape, ("set", "groups", 1) if whole else ("bypass",))
        return shape

    def parameters(self, shapes: tuple[Shape, ...]) -> tuple[ParameterSpec, ...]:
        return gain_and_shift(shapes[0][-1:]) if self.affine else ()

    def title(self) -> str:
        return f"GroupNorm {self.groups}"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        return _normalize(b, inputs[0], self.groups, self.epsilon, self.affine)


@component(
    "instance_norm",
    label="InstanceNorm",
    group="Normalization",
    formula="y = (x − μ) / √(σ² + ε), μ and σ² of one channel of one image",
    source="Ulyanov, Vedaldi, Lempitsky: Instance Normalization (2016)",
    synonyms=("instance normalization", "in", "contrast normalization", "style transfer"),
    avoid="In classifiers: how strong a channel is on an image tells what the image shows, and this takes it away. It "
    "is made for the transfer of styles.",
    differs="As in PyTorch, γ and β are left out unless asked for, and there are no running statistics: training and "
    "evaluation compute the same.",
)
class InstanceNorm(Layer, frozen=True):
    """Normalizes each channel of each image by itself to mean 0 and variance 1.

    μ and the biased variance σ² are taken over the pixels of one channel of one image: its contrast is taken out, its
    pattern stays. It is group normalization with as many groups as channels.
    """

    affine: Annotated[bool, field(label="Scale and shift", help="Learn a factor γ and a shift β for each channel.")] = (
        False
    )
    epsilon: Epsilon = 1e-5

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        (shape,) = shapes
        require_image("InstanceNorm", shape)
        if shape[0] * shape[1] == 1:
            raise _lone("Each channel", shape)
        return shape

    def parameters(self, shapes: tuple[Shape, ...]) -> tuple[ParameterSpec, ...]:
        return gain_and_shift(shapes[0][-1:]) if self.affine else ()

    def title(self) -> str:
        return "InstanceNorm"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        (x,) = inputs
        return _normalize(b, x, x.shape[-1], self.epsilon, self.affine)
