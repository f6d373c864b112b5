"""Functions that level off on both sides, the softmax, and the function that does nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import engine.ops.activation as ops
from engine.layers.activation.base import Activation
from engine.ops.pointwise import HardTanh as HardTanhOp
from engine.ops.shape import Reshape
from engine.ops.softmax import Softmax as SoftmaxOp
from engine.schema import component

if TYPE_CHECKING:
    from engine.builder import Builder
    from engine.ops.base import Value


@component(
    "sigmoid",
    label="Sigmoid",
    group="Activation",
    formula="y = 1 / (1 + e^(−x))",
    source="Goodfellow, Bengio, Courville: Deep Learning (2016), section 6.3.2",
    synonyms=("logistic", "squash"),
    avoid="Not in hidden layers of deep networks, where gradients fade: through ten layers to a millionth. Not "
    "before a cross-entropy loss, which contains it.",
    differs="That all-positive outputs make the next layer's gradients all of one sign is true for each sample and "
    "unit; the sum over a mini-batch can have both signs.",
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
    source="LeCun, Bottou, Orr, Müller: Efficient BackProp (1998), section 4.4",
    synonyms=("hyperbolic tangent", "squash"),
    avoid="Not with He's initialization or unscaled inputs: units saturate at once. ReLU and its relatives learn "
    "faster in most hidden layers.",
    differs="LeCun et al. scale it to 1.7159 tanh(2 x / 3), whose outputs keep variance 1; libraries have the plain "
    "one. With weights that are too wide its local derivatives are near zero, yet gradients grow from layer to layer "
    "rather than vanish.",
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


@component(
    "hard_tanh",
    label="Hard tanh",
    group="Activation",
    formula="y = min(max(x, −1), 1)",
    source="Collobert: Large scale machine learning (thesis, Université Paris VI, 2004)",
    synonyms=("hardtanh", "clip", "clamp", "squash"),
    avoid="Units outside ±1 for every sample are dead, on either side: keep inputs small, or take tanh.",
    differs="At −1 and 1 themselves the derivative counts as 0, as in PyTorch.",
)
class HardTanh(Activation, frozen=True):
    """Cuts values off at −1 and 1 and leaves those between as they are.

    A tanh made of three straight lines: cheaper, with the full derivative within ±1 and none outside. An output of −1
    or 1 counts as saturated.
    """

    saturation: ClassVar[tuple[float, float] | None] = (-1.0, 1.0)

    def title(self) -> str:
        return "Hard tanh"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        return b.op(HardTanhOp(), inputs[0])


@component(
    "softmax",
    label="Softmax",
    group="Activation",
    formula="y_i = e^(x_i) / Σ_j e^(x_j), over the last axis",
    source="Bridle: Probabilistic interpretation of feedforward classification network outputs (1990)",
    synonyms=("probabilities", "exponential, normalized", "multinomial logistic"),
    avoid="Not before softmax cross-entropy, which contains it: taken twice, probabilities never come near 1 and "
    "learning is slow. Use it within a network, as weights of a mixture.",
    differs="Of images it runs over the channels of each pixel. The largest input is taken off first, so that nothing "
    "overflows; written as in the formula, inputs beyond 88 do in float32.",
)
class Softmax(Activation, frozen=True):
    """Turns each vector into positive shares that add up to 1.

    Every output depends on all inputs of its vector: the largest gains what the others lose. Before a cross-entropy
    loss no softmax is needed: the loss contains it.
    """

    elementwise: ClassVar[bool] = False

    def title(self) -> str:
        return "Softmax"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        return b.op(SoftmaxOp(), inputs[0])


@component(
    "identity",
    label="Identity",
    group="Activation",
    formula="y = x",
    source="Goodfellow, Bengio, Courville: Deep Learning (2016), section 6.2.2.1",
    synonyms=("linear", "none", "pass"),
    avoid="Not between dense layers that are meant to be deep: without a non-linearity they are no stronger than one.",
)
class Identity(Activation, frozen=True):
    """Hands its input on as it is; the “linear” activation of other libraries.

    Good for comparing a network with and without a non-linearity, and as a named end of a branch. It costs no time.
    """

    def title(self) -> str:
        return "Identity"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        # A view, so that the layer has an output of its own to be looked at.
        return b.op(Reshape(inputs[0].shape), inputs[0])
