"""Fields that several rules share, and the base of the rules that keep means of the gradient and of its square."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

from engine.kinds import Optimizer
from engine.schema import field

if TYPE_CHECKING:
    from engine.kinds import Numbers

__all__ = ["AdaptiveRate", "DecoupledDecay", "EpsilonPlace", "Epsilon", "Moments"]

AdaptiveRate = Annotated[
    float,
    field(
        gt=0, le=1e6, symbol="η", scale="log", live=True, search=(1e-5, 1e-1),
        help="About how far each weight moves in a step, whatever the size of its gradient.",
    ),
]  # fmt: skip

Epsilon = Annotated[
    float,
    field(
        ge=1e-30, le=1, symbol="ε", scale="log", live=True, advanced=True,
        help="Added to the root of the mean square: bounds the step of weights whose gradients vanish.",
    ),
]  # fmt: skip

EpsilonPlace = Annotated[
    Literal["outside the root", "inside the root"],
    field(
        label="Place of ε", advanced=True,
        help="√s + ε, as in libraries, or √(s + ε), as in many lecture notes: there ε bounds the step far more "
        "strongly, since √ε is far larger than ε.",
    ),
]  # fmt: skip

DecoupledDecay = Annotated[
    float,
    field(
        ge=0, le=1e3, symbol="λ", scale="log", live=True, search=(1e-4, 1.0),
        help="Each step multiplies weights (not biases) by 1 − learning rate · λ, past the rule. It adds to the "
        "penalty “weight decay (decoupled)”.",
    ),
]  # fmt: skip


class Moments(Optimizer, frozen=True):
    """Base of Adam and its relatives: exponential means of the gradient and of its square."""

    opposed: ClassVar[str] = "beta1"

    learning_rate: AdaptiveRate = 0.001
    beta1: Annotated[
        float,
        field(ge=0, lt=1, symbol="β₁", live=True, help="Memory of the mean gradient, over about 1 / (1 − β₁) steps."),
    ] = 0.9
    beta2: Annotated[
        float,
        field(
            ge=0, lt=1, symbol="β₂", live=True, advanced=True,
            help="Memory of the mean squared gradient, over about 1 / (1 − β₂) steps.",
        ),
    ] = 0.999  # fmt: skip
    epsilon: Epsilon = 1e-8

    def memories(self) -> dict[str, Numbers]:
        """The first scalars of the family's operations."""
        return {"beta1_rest": 1.0 - self.beta1, "beta2": self.beta2, "beta2_rest": 1.0 - self.beta2}

    def corrected(self, learning_rate: Numbers, step: Numbers) -> dict[str, Numbers]:
        """Adam's scalars: with means that start at zero made up for."""
        return {
            **self.memories(),
            "step_size": learning_rate / (1.0 - self.beta1**step),
            "square_correction": np.sqrt(1.0 - self.beta2**step),
            "epsilon": self.epsilon,
        }

    def uncorrected(self, learning_rate: Numbers) -> dict[str, Numbers]:
        """The same scalars for means that are used as they are."""
        return {**self.memories(), "step_size": learning_rate, "square_correction": 1.0, "epsilon": self.epsilon}
