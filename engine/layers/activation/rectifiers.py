"""Functions that pass what is positive and hold back what is negative: ReLU and its relatives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import engine.ops.activation as ops
from engine.initializers import Constant
from engine.layers.activation.base import Activation
from engine.layers.base import ParameterSpec, Shape
from engine.ops.learned import PReLU as PReLUOp
from engine.ops.pointwise import ELU as ELUOp
from engine.schema import component, field

if TYPE_CHECKING:
    from engine.builder import Builder
    from engine.ops.base import Value

SELU_SCALE = 1.0507009873554805
SELU_ALPHA = 1.6732632423543772
"""Klambauer et al. 2017, section 2: with these two the mean 0 and the variance 1 are a fixed point."""


@component(
    "relu",
    label="ReLU",
    group="Activation",
    formula="y = max(x, 0)",
    source="Nair, Hinton: Rectified linear units improve restricted Boltzmann machines (2010)",
    synonyms=("rectifier", "rectified linear unit"),
    avoid="Not for the output layer, and not where many units are dead (negative for every sample): a high learning "
    "rate kills them, and they do not come back. Leaky ReLU and ELU do.",
    differs="“Converges six times faster” is one network on CIFAR-10, beside tanh (Krizhevsky et al. 2012, figure 1); "
    "elsewhere it is one to four times. That outputs are not centred at zero and that units die are two matters, which "
    "notes mix up. A small positive bias does not keep units from dying.",
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
    source="Maas, Hannun, Ng: Rectifier nonlinearities improve neural network acoustic models (2013)",
    synonyms=("lrelu", "rectifier"),
    avoid="With a slope of 0.01 it hardly helps where units are far in the negative: they learn a hundred times more "
    "slowly. Take a slope of 0.1, or ELU.",
    differs="max(0.01, x), as some notes have it, is a slip of the pen for max(0.01 x, x): its derivative below 0.01 "
    "is zero, so that its units die as ReLU's do. The slope is 0.01 in the paper and in PyTorch, 0.1 in other notes, "
    "0.3 in Keras.",
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
    "prelu",
    label="PReLU",
    group="Activation",
    formula="y = x where x > 0, else a x, with a learned",
    source="He, Zhang, Ren, Sun: Delving deep into rectifiers (2015), section 2.1",
    synonyms=("parametric relu", "learned slope", "rectifier"),
    avoid="Not on very small data sets: slopes are learned numbers that can overfit too. A slope near 1 makes the "
    "layer linear, which tells that the network wanted less of it.",
    differs="PyTorch learns one slope for the layer unless told otherwise, Keras one for each element; the paper has "
    "one for each channel, and one for the layer as its simpler form. No weight decay applies to slopes: it would pull "
    "them to ReLU.",
)
class PReLU(Activation, frozen=True):
    """A leaky ReLU that learns its slope, one for the whole layer or one for each unit or channel.

    Weights before it keep the variance of signals with He's rule and the gain sqrt(2 / (1 + a²)), which the initializer
    “He” takes as its slope.
    """

    slope: Annotated[
        float, field(ge=0, le=1, symbol="a", help="The slope at the start; 0.25 in the paper.", search=(0.01, 0.5))
    ] = 0.25
    slopes: Annotated[
        Literal["layer", "channel"],
        field(
            label="One slope for each",
            help="“layer”: one slope for all values; “channel”: one for each unit, of images for each channel.",
        ),
    ] = "layer"

    def parameters(self, shapes: tuple[Shape, ...]) -> tuple[ParameterSpec, ...]:
        shape = (1,) if self.slopes == "layer" else shapes[0][-1:]
        initial = Constant(value=self.slope)
        return (ParameterSpec(name="slope", shape=shape, initializer=initial, fan_in=1, fan_out=1, decay=False),)

    def title(self) -> str:
        return "PReLU"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        return b.op(PReLUOp(), inputs[0], b.parameter("slope"))


@component(
    "elu",
    label="ELU",
    group="Activation",
    formula="y = x where x > 0, else α (e^x − 1)",
    source="Clevert, Unterthiner, Hochreiter: Fast and accurate deep network learning by exponential linear units "
    "(2016)",
    synonyms=("exponential linear unit",),
    avoid="Where every microsecond counts: an exponential for each negative value costs several times as much as ReLU, "
    "though beside the matrix product it is little.",
    differs="Its robustness against noise, which notes praise, is that a unit far in the negative is flat; on inputs "
    "with noise it classifies no better than ReLU, and tanh does.",
)
class ELU(Activation, frozen=True):
    """As ReLU for positive values; negative ones level off smoothly at −α.

    Outputs average closer to zero than ReLU's. A unit in the negative keeps a gradient and finds its way back from
    where a leaky ReLU of slope 0.01 is stuck.
    """

    alpha: Annotated[
        float,
        field(ge=0, le=10, symbol="α", help="The value at which negative outputs level off, without its sign.",
              search=(0.5, 2.0)),
    ] = 1.0  # fmt: skip

    def title(self) -> str:
        return "ELU"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        return b.op(ELUOp(self.alpha), inputs[0])


@component(
    "selu",
    label="SELU",
    group="Activation",
    formula="y = λ x where x > 0, else λ α (e^x − 1); λ = 1.0507, α = 1.6733",
    source="Klambauer, Unterthiner, Mayr, Hochreiter: Self-normalizing neural networks (2017)",
    synonyms=("scaled exponential linear unit", "self-normalizing", "snn"),
    avoid="With weights that are not drawn by the LeCun initializer, or together with batch normalization: nothing "
    "normalizes itself then. Plain dropout disturbs it as well.",
    differs="Some libraries draw weights by He or Glorot behind it by default; the paper's variance is 1 / fan_in.",
)
class SELU(Activation, frozen=True):
    """An ELU with two constants that pull every layer's outputs towards mean 0 and variance 1.

    With weights of mean 0 and variance 1 / fan_in, a standard normal input comes out with mean 0 and variance 1 again,
    and small deviations shrink from layer to layer.
    """

    def title(self) -> str:
        return "SELU"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        return b.op(ELUOp(SELU_ALPHA, SELU_SCALE), inputs[0])
