"""Rules that divide each gradient by what its weight's gradients have been: Adagrad, Adadelta, RMSprop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from engine.kinds import Optimizer, Slot
from engine.ops.rules import UpdateAdadelta, UpdateAdagrad, UpdateCenteredRMSprop, UpdateRMSprop
from engine.optimizers.fields import AdaptiveRate, Epsilon, EpsilonPlace
from engine.schema import component, field

if TYPE_CHECKING:
    from engine.kinds import Numbers
    from engine.ops.update import UpdateRule

__all__ = ["Adadelta", "Adagrad", "RMSprop"]


@component(
    "adagrad",
    label="Adagrad",
    formula="G ← G + g²,  w ← w − η g / (√G + ε)",
    source="Duchi, Hazan, Singer: Adaptive subgradient methods for online learning and stochastic optimization (JMLR "
    "2011), in PyTorch's form, without its lr_decay",
    synonyms=("adaptive gradient", "adaptive"),
    avoid="For long training of deep networks: G only grows, so that the rate of every weight falls like 1 / √t and "
    "learning comes to a halt. RMSprop and Adam forget instead.",
    differs="Notes often write √(G + ε): with ε = 1e-8 and a gradient of 1e-6 the first step is then 0.01 η, not η. "
    "Both forms are here; PyTorch's ε of 1e-10 is the default. PyTorch's lr_decay is a schedule here.",
)
class Adagrad(Optimizer, frozen=True):
    """Divides each weight's gradient by the root of the sum of all its squared gradients so far.

    Weights that seldom get a gradient keep large steps: for sparse features, such as words. Along axes of different
    curvature it needs few steps, but not along a rotated valley.
    """

    learning_rate: AdaptiveRate = 0.01
    initial: Annotated[
        float,
        field(
            ge=0, le=1e6, symbol="G₀", label="First sum", advanced=True,
            help="What G starts from; a larger one makes the first steps shorter.",
        ),
    ] = 0.0  # fmt: skip
    epsilon: Epsilon = 1e-10
    epsilon_place: EpsilonPlace = "outside the root"

    def slots(self) -> tuple[Slot, ...]:
        return (Slot(name="sum", initial=self.initial),)

    def scalars(self, learning_rate: Numbers, step: Numbers) -> dict[str, Numbers]:
        return {"epsilon": self.epsilon}

    def rule(self, shape: tuple[int, ...] = ()) -> UpdateRule:
        return UpdateAdagrad(inside=self.epsilon_place == "inside the root")


@component(
    "adadelta",
    label="Adadelta",
    formula="s ← ρ s + (1 − ρ) g²,  Δ = g √(d + ε) / √(s + ε),  d ← ρ d + (1 − ρ) Δ²,  w ← w − η Δ",
    source="Zeiler: ADADELTA: an adaptive learning rate method (2012), algorithm 1, with PyTorch's factor η",
    synonyms=("adaptive",),
    avoid="Where training shall be fast from the first step: d starts at 0, so that the first steps are about "
    "√(ε / (1 − ρ)) long and take many batches to grow. Adam with its defaults is nearly always faster.",
    differs="The paper has no learning rate: η = 1, the default here as in PyTorch (Keras starts from 0.001). ε stands "
    "inside both roots in the paper and in PyTorch alike.",
)
class Adadelta(Optimizer, frozen=True):
    """Divides by the root mean square of the gradients and multiplies by that of its own steps: no rate to choose.

    The step has the unit of the weights, whatever the unit of the loss. Made so that nothing needs tuning.
    """

    learning_rate: Annotated[
        float,
        field(
            gt=0, le=1e6, symbol="η", scale="log", live=True, search=(1e-2, 10.0),
            help="Factor of the step that the rule finds by itself; 1 in the paper.",
        ),
    ] = 1.0  # fmt: skip
    rho: Annotated[
        float,
        field(ge=0, lt=1, symbol="ρ", live=True, help="Memory of both mean squares, over about 1 / (1 − ρ) steps."),
    ] = 0.9
    epsilon: Annotated[
        float,
        field(
            ge=1e-30, le=1, symbol="ε", scale="log", live=True, advanced=True,
            help="Added inside both roots. It is what the first step is made of: about √(ε / (1 − ρ)) long.",
        ),
    ] = 1e-6  # fmt: skip

    def scalars(self, learning_rate: Numbers, step: Numbers) -> dict[str, Numbers]:
        return {"rho": self.rho, "rho_rest": 1.0 - self.rho, "epsilon": self.epsilon}

    def rule(self, shape: tuple[int, ...] = ()) -> UpdateRule:
        return UpdateAdadelta()


@component(
    "rmsprop",
    label="RMSprop",
    formula="s ← α s + (1 − α) g²,  v ← μ v + g / (√s + ε),  w ← w − η v   (centred: √(s − m²), m the mean gradient)",
    source="Tieleman, Hinton: Lecture 6.5, RMSprop (Neural networks for machine learning, Coursera 2012); centred: "
    "Graves: Generating sequences with recurrent neural networks (2013), section 4.2; in PyTorch's form",
    synonyms=("root mean square propagation", "rms prop", "adaptive"),
    avoid="Without a warm-up at a large α: s starts at 0 and is not made up for, so that the first step is 1 / √(1 − "
    "α) times as long as η, ten times at α = 0.99. Adam makes up for that.",
    differs="Lectures use α = 0.9 and often write √(s + ε); PyTorch has α = 0.99 and √s + ε, the defaults here. With "
    "ε = 1e-8 inside the root and a gradient of 1e-6 the first step is 0.01 η. TensorFlow keeps the rate inside v.",
)
class RMSprop(Optimizer, frozen=True):
    """Divides each weight's gradient by the root of its recent mean square: Adagrad that forgets.

    For recurrent networks and reinforcement learning, where gradients change in size during the run. Centred, it
    divides by the spread of the gradients rather than their size, so that steady gradients make long steps.
    """

    opposed: ClassVar[str] = "momentum"

    learning_rate: AdaptiveRate = 0.01
    alpha: Annotated[
        float,
        field(
            ge=0, lt=1, symbol="α", live=True,
            help="Memory of the mean squared gradient, over about 1 / (1 − α) steps.",
        ),
    ] = 0.99  # fmt: skip
    momentum: Annotated[
        float,
        field(
            ge=0, lt=1, symbol="μ", live=True, search=(0.0, 0.99), help="Share of the velocity that is kept each step."
        ),
    ] = 0.0
    centered: Annotated[
        bool, field(label="Centred", help="Subtract the squared mean gradient: divide by the gradients' deviation.")
    ] = False
    epsilon: Epsilon = 1e-8
    epsilon_place: EpsilonPlace = "outside the root"

    def scalars(self, learning_rate: Numbers, step: Numbers) -> dict[str, Numbers]:
        return {
            "alpha": self.alpha,
            "alpha_rest": 1.0 - self.alpha,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
        }

    def rule(self, shape: tuple[int, ...] = ()) -> UpdateRule:
        # The velocity is kept at momentum 0 too, so that momentum can be raised during a run.
        inside = self.epsilon_place == "inside the root"
        return UpdateCenteredRMSprop(inside=inside) if self.centered else UpdateRMSprop(inside=inside)
