"""Smooth relatives of ReLU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import engine.ops.pointwise as ops
from engine.initializers import Constant
from engine.layers.activation.base import Activation
from engine.layers.base import ParameterSpec, Shape
from engine.ops.learned import LearnedSwish
from engine.schema import component, field

if TYPE_CHECKING:
    from engine.builder import Builder
    from engine.ops.base import Value


@component(
    "swish",
    label="Swish / SiLU",
    group="Activation",
    formula="y = x / (1 + e^(−β x))",
    source="Ramachandran, Zoph, Le: Searching for activation functions (2017); as SiLU: Elfwing, Uchibe, Doya: "
    "Sigmoid-weighted linear units for neural network function approximation in reinforcement learning (Neural "
    "Networks, 2018)",
    synonyms=("silu", "sigmoid linear unit", "swish-1"),
    avoid="No gain over ReLU is to be expected in shallow networks, and it costs an exponential. Where a unit must "
    "never fall when its input rises, take another: it dips below zero.",
    differs="SiLU in PyTorch and “swish” in Keras are β = 1; the paper also learns β. β towards 0 gives x / 2, β large "
    "gives ReLU.",
)
class Swish(Activation, frozen=True):
    """The input times its own sigmoid: close to ReLU, but smooth, and with a dip below zero.

    With β = 1 it falls to −0.278 at −1.28 and rises to zero again further left. The derivative is up to 1.1. β can be
    fixed or learned, one number for the layer.
    """

    beta: Annotated[
        float, field(ge=0, le=100, symbol="β", help="How sharp the bend is; 1 makes it SiLU.", search=(0.5, 5.0))
    ] = 1.0
    learned: Annotated[bool, field(label="Learn β", help="Learn β from this value on, as the paper does.")] = False

    def parameters(self, shapes: tuple[Shape, ...]) -> tuple[ParameterSpec, ...]:
        if not self.learned:
            return ()
        initial = Constant(value=self.beta)
        return (ParameterSpec(name="beta", shape=(1,), initializer=initial, fan_in=1, fan_out=1, decay=False),)

    def title(self) -> str:
        return "Swish"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        if self.learned:
            return b.op(LearnedSwish(), inputs[0], b.parameter("beta"))
        return b.op(ops.Swish(self.beta), inputs[0])


@component(
    "gelu",
    label="GELU",
    group="Activation",
    formula="y = x Φ(x), or x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2",
    source="Hendrycks, Gimpel: Gaussian error linear units (GELUs) (2016)",
    synonyms=("gaussian error linear unit", "activation of transformers"),
    avoid="Like Swish, it rarely beats ReLU in shallow networks; it is at home in transformers.",
    differs="GELU stands for Gaussian Error Linear Unit, not “generalized exponential”, as notes have it. PyTorch "
    "and Keras take the exact form unless told otherwise, GPT-2 and BERT's first code the tanh form; they differ by "
    "0.0005 at most.",
)
class GELU(Activation, frozen=True):
    """The input times the share of a standard normal distribution that lies below it.

    Close to Swish with β = 1.7: smooth, with a dip of −0.17 at −0.75. “exact” takes the error function, “tanh” the
    paper's approximation.
    """

    form: Annotated[
        Literal["exact", "tanh"], field(help="“exact”: the error function; “tanh”: its approximation by a tanh.")
    ] = "exact"

    def title(self) -> str:
        return "GELU"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        return b.op(ops.GELU() if self.form == "exact" else ops.TanhGELU(), inputs[0])


@component(
    "softplus",
    label="Softplus",
    group="Activation",
    formula="y = ln(1 + e^(β x)) / β",
    source="Dugas, Bengio, Bélisle, Nadeau, Garcia: Incorporating second-order functional knowledge for better option "
    "pricing (NIPS 2000)",
    synonyms=("smooth relu",),
    avoid="Rarely for hidden layers: outputs are all positive, with a mean of 0.8 for a standard normal input, and "
    "learning is slower than with ReLU. It is meant for outputs that must be positive, such as a deviation.",
    differs="PyTorch goes over to y = x where β x is above 20; here the formula holds everywhere. They differ by "
    "less than 3e-9 / β.",
)
class Softplus(Activation, frozen=True):
    """A smooth ReLU that is positive everywhere; its derivative is the sigmoid.

    At zero it is ln 2 / β. The larger β, the closer to ReLU.
    """

    beta: Annotated[
        float, field(gt=0, le=100, symbol="β", help="How sharp the bend is.", scale="log", search=(0.5, 5.0))
    ] = 1.0

    def title(self) -> str:
        return "Softplus"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        return b.op(ops.Softplus(self.beta), inputs[0])


@component(
    "mish",
    label="Mish",
    group="Activation",
    formula="y = x tanh(ln(1 + e^x))",
    source="Misra: Mish: A self regularized non-monotonic activation function (BMVC 2020)",
    synonyms=("self regularized",),
    avoid="It costs more than Swish and behaves much the same: worth a trial in deep convolutional networks only.",
)
class Mish(Activation, frozen=True):
    """The input times the tanh of its softplus; a relative of Swish with a slightly deeper dip.

    It falls to −0.309 at −1.19; its derivative is up to 1.09.
    """

    def title(self) -> str:
        return "Mish"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        return b.op(ops.Mish(), inputs[0])
