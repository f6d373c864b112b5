"""Layers that act in training only, against overfitting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from engine.layers.base import Layer, Shape, ShapeProblem
from engine.layers.words import describe
from engine.ops.dropout import Dropout as InvertedDropout
from engine.ops.noise import Drop, Expected
from engine.ops.noise import GaussianNoise as AddNoise
from engine.schema import component, field

if TYPE_CHECKING:
    from engine.builder import Builder
    from engine.ops.base import Value

Form = Annotated[
    Literal["inverted", "vanilla"],
    field(
        help="“inverted”: what is kept is divided by the probability of being kept in training, and evaluation changes "
        "nothing. “vanilla”: training leaves it as it is, and evaluation multiplies by that probability.",
        advanced=True,
    ),
]
_SCALING = (
    "Lecture notes often show the vanilla form, and some say to multiply by the dropout probability at test time. The "
    "right factor is the probability of KEEPING a value, 1 − p (some notes call that one p); the two are equal only at "
    "one half. Libraries use the inverted form, as this does by default; “vanilla” is the original one."
)


@component(
    "dropout",
    label="Dropout",
    group="Regularization",
    formula="y = x m / (1 − p), m = 0 with probability p, else 1",
    source="Srivastava et al.: Dropout: a simple way to prevent neural networks from overfitting (2014)",
    synonyms=("drop", "noise", "regularization", "overfitting", "inverted dropout"),
    avoid="Not where the network does not overfit yet: it slows learning. Not right before batch normalization, whose "
    "running statistics then differ from what evaluation sees; on images prefer spatial dropout.",
    differs=_SCALING,
)
class Dropout(Layer, frozen=True):
    """In training, sets a random share of the values to zero and scales the rest up to make good for it.

    In its inverted form the scaling is done in training, so that evaluation uses the values as they are. A new mask is
    drawn at every step; the same seed draws the same masks on every device.
    """

    rate: Annotated[
        float,
        field(ge=0, le=0.95, live=True, symbol="p", help="Share of the values that is dropped.", search=(0.0, 0.7)),
    ] = 0.5
    form: Form = "inverted"

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        return shapes[0]

    def title(self) -> str:
        return f"Dropout {self.rate:g}"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        if self.form == "inverted":
            if not b.training:
                return inputs[0]
            return b.op(InvertedDropout(b.stream("dropout")), inputs[0], b.control("rate", self.rate), b.counters())[0]
        rate = b.control("rate", self.rate)
        if not b.training:
            return b.op(Expected(), inputs[0], rate)
        return b.op(Drop(b.stream("dropout"), inverted=False), inputs[0], rate, b.counters())[0]


@component(
    "spatial_dropout",
    label="Spatial dropout",
    group="Regularization",
    formula="y[…, c] = x[…, c] m[c] / (1 − p), m[c] = 0 with probability p, else 1",
    source="Tompson, Goroshin, Jain, LeCun, Bregler: Efficient object localization using convolutional networks "
    "(2015), section 3.2",
    synonyms=("dropout2d", "channel dropout", "feature map dropout", "drop", "regularization"),
    avoid="Not on few channels, where losing one loses much of the image. On vectors it is plain dropout.",
    differs=_SCALING,
)
class SpatialDropout(Layer, frozen=True):
    """In training, drops whole channels of each sample, drawn at random, and scales the others up to make good for it.

    Neighbouring pixels of a channel are alike, so that single values dropped from an image are told by those around
    them and little is learned from their loss; a channel that is gone altogether cannot be told. Every sample draws
    its own channels. In sequences a channel is one feature at all positions.
    """

    rate: Annotated[
        float,
        field(ge=0, le=0.95, live=True, symbol="p", help="Share of the channels that is dropped.", search=(0.0, 0.5)),
    ] = 0.2
    form: Form = "inverted"

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        if len(shapes[0]) < 2:
            raise ShapeProblem(
                f"Spatial dropout drops whole channels of images or sequences, but its input holds "
                f"{describe(shapes[0])}. Use Dropout there.",
                fix=("replace", "dropout", {"rate": self.rate, "form": self.form}),
            )
        return shapes[0]

    def title(self) -> str:
        return f"Spatial drop {self.rate:g}"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        rate = b.control("rate", self.rate)
        if b.training:
            drop = Drop(b.stream("channels"), "channel", self.form == "inverted")
            return b.op(drop, inputs[0], rate, b.counters())[0]
        return inputs[0] if self.form == "inverted" else b.op(Expected(), inputs[0], rate)


@component(
    "stochastic_depth",
    label="Stochastic depth",
    group="Regularization",
    formula="y = x m / p, m = 1 with probability p, else 0, one m for each sample",
    source="Huang, Sun, Liu, Sedra, Weinberger: Deep networks with stochastic depth (2016), section 3",
    synonyms=("drop path", "droppath", "layer drop", "residual branch", "survival probability", "regularization"),
    avoid="Anywhere but at the end of a residual block's branch, right before Add: a dropped sample would lose its "
    "whole signal. Shallow networks and data that are not overfitted gain nothing.",
    differs="The paper draws once for a whole batch, leaves the branch unscaled in training and multiplies it by its "
    "survival probability p in evaluation: “vanilla”, per batch. Libraries (PyTorch's StochasticDepth, DropPath) draw "
    "for each sample, divide by p in training, and are given the probability of dropping, 1 − p.",
)
class StochasticDepth(Layer, frozen=True):
    """In training, drops a residual branch for a random part of the samples, so that these see a shallower network.

    Put it on the branch of a residual block, between its last layer and Add: a sample whose branch is dropped goes on
    through the shortcut alone. The paper lets deeper blocks be dropped more often, by a linear rule: the l-th of L
    blocks survives with probability p_l = 1 − (l / L) (1 − p_L), and p_L = 0.5 is a good start. With L = 54 and p_L =
    0.5 about 40 blocks are left in an average step.
    """

    survival: Annotated[
        float,
        field(
            ge=0.05,
            le=1,
            live=True,
            symbol="p",
            label="Survival probability",
            help="How probable it is that the branch is kept. For the l-th of L blocks: 1 − (l / L) (1 − p_L).",
            search=(0.5, 1.0),
        ),
    ] = 0.8
    per: Annotated[
        Literal["sample", "batch"],
        field(help="“sample”: each sample draws for itself; “batch”: one draw decides for all.", advanced=True),
    ] = "sample"
    form: Form = "inverted"

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        return shapes[0]

    def title(self) -> str:
        return f"Depth p {self.survival:g}"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        survival = b.control("survival", self.survival)
        if b.training:
            drop = Drop(b.stream("depth"), self.per, self.form == "inverted", survival=True)
            return b.op(drop, inputs[0], survival, b.counters())[0]
        return inputs[0] if self.form == "inverted" else b.op(Expected(survival=True), inputs[0], survival)


@component(
    "gaussian_noise",
    label="Gaussian noise",
    group="Regularization",
    formula="y = x + σ z, z ~ N(0, 1)",
    source="Bishop: Training with noise is equivalent to Tikhonov regularization (1995)",
    synonyms=("noise", "jitter", "additive noise", "augmentation", "regularization"),
    avoid="Not before anything that needs exact values, such as token numbers. Behind a layer that can grow its "
    "outputs the network learns to drown the noise: put it at the input, or behind a normalization.",
    differs="Some notes multiply by noise of mean 1 instead (Gaussian dropout); this one adds.",
)
class GaussianNoise(Layer, frozen=True):
    """In training, adds independent normal noise to every value; evaluation uses the values as they are.

    At the input it makes new samples near the old ones. For small σ this is about the same as a penalty on the squared
    derivative of the output by the input. Choose σ beside the spread of the values: standardized data have 1.
    """

    deviation: Annotated[
        float,
        field(
            ge=0,
            le=100,
            live=True,
            symbol="σ",
            label="Standard deviation",
            help="Standard deviation of the noise, in the units of the values.",
            search=(0.0, 0.5),
        ),
    ] = 0.1

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        return shapes[0]

    def title(self) -> str:
        return f"Noise {self.deviation:g}"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        if not b.training:
            return inputs[0]
        noise = AddNoise(b.stream("noise radius"), b.stream("noise angle"))
        return b.op(noise, inputs[0], b.control("deviation", self.deviation), b.counters())
