"""Adam: steps of about the learning rate's length, whatever the size of the gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np

from engine.kinds import Optimizer, Slot
from engine.ops.update import UpdateAdam
from engine.schema import component, field

if TYPE_CHECKING:
    from engine.kinds import Numbers
    from engine.ops.update import UpdateRule

__all__ = ["Adam"]


@component(
    "adam",
    label="Adam",
    formula="m ← β₁ m + (1 − β₁) g,  s ← β₂ s + (1 − β₂) g²,  w ← w − η m̂ / (√ŝ + ε)",
    source="Kingma, Ba: Adam: a method for stochastic optimization (ICLR 2015), algorithm 1; with “weight decay "
    "(decoupled)” it is AdamW (Loshchilov, Hutter 2019)",
    synonyms=("adamw", "adaptive"),
)
class Adam(Optimizer, frozen=True):
    """Divides each weight's mean gradient by the root of its mean square, so that all weights move at about rate η.

    m̂ = m / (1 − β₁ᵗ) and ŝ = s / (1 − β₂ᵗ) make up for the start at zero; without that correction the first step
    would be (1 − β₁) / √(1 − β₂) ≈ 3.16 times η, not smaller. ε stands outside the root, as in the paper and in
    PyTorch; notes that write √(ŝ + ε) mean another, far larger ε.
    """

    opposed: ClassVar[str] = "beta1"

    learning_rate: Annotated[
        float,
        field(
            gt=0, le=1e6, symbol="η", scale="log", live=True, search=(1e-5, 1e-1),
            help="About how far each weight moves in a step, whatever the size of its gradient.",
        ),
    ] = 0.001  # fmt: skip
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
    epsilon: Annotated[
        float,
        field(
            ge=1e-30, le=1, symbol="ε", scale="log", live=True, advanced=True,
            help="Added to the root of the mean square: bounds the step of weights whose gradients vanish.",
        ),
    ] = 1e-8  # fmt: skip

    def slots(self) -> tuple[Slot, ...]:
        return (Slot(name="mean"), Slot(name="square"))

    def scalars(self, learning_rate: Numbers, step: Numbers) -> dict[str, Numbers]:
        return {
            "beta1_rest": 1.0 - self.beta1,
            "beta2": self.beta2,
            "beta2_rest": 1.0 - self.beta2,
            "step_size": learning_rate / (1.0 - self.beta1**step),
            "square_correction": np.sqrt(1.0 - self.beta2**step),
            "epsilon": self.epsilon,
        }

    def rule(self, shape: tuple[int, ...] = ()) -> UpdateRule:
        return UpdateAdam()
