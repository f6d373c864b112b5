"""Optimizers: the rules that turn gradients into updates, and the numbers that they read at each step.

A rule is declared here and computed by its operation in `engine.ops.update`. `update_scalars` gives the whole control
block of one step; its names and order are those of the operation's inputs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from engine.kinds import Optimizer, Slot
from engine.ops.update import UpdateAdam, UpdateSGD
from engine.penalties import penalty_scalars
from engine.schema import component, field

if TYPE_CHECKING:
    from engine.kinds import Numbers
    from engine.ops.base import Op

__all__ = ["SGD", "Adam", "update_scalars"]


@component(
    "sgd",
    label="SGD",
    formula="v ← μ v + g,  w ← w − η v   (Nesterov: w ← w − η (g + μ v))",
    source="Sutskever, Martens, Dahl, Hinton: On the importance of initialization and momentum in deep learning "
    "(ICML 2013), in the form of PyTorch's SGD without dampening",
    synonyms=("gradient descent", "momentum", "nesterov", "heavy ball"),
)
class SGD(Optimizer, frozen=True):
    """Steps against the gradient of a batch; momentum keeps a share of the last steps' direction.

    The velocity v sums gradients, and the learning rate multiplies it when it is used, as in PyTorch. The other common
    form, v ← μ v − η g, w ← w + v, keeps the rate inside the velocity: both are equal while the rate is constant, but
    after a change of the rate that form goes on at the old rate until the velocity has faded. Nesterov's gradient is
    taken at the look-ahead point; as in PyTorch, the weights kept are the look-ahead ones, so that only the update
    changes. Momentum 0 is plain gradient descent.
    """

    learning_rate: Annotated[
        float,
        field(
            gt=0, le=1e6, symbol="η", scale="log", live=True, search=(1e-4, 1.0),
            help="Length of a step per unit of gradient. Too small: slow. Too large: the loss grows.",
        ),
    ] = 0.1  # fmt: skip
    momentum: Annotated[
        float,
        field(
            ge=0, lt=1, symbol="μ", live=True, search=(0.0, 0.99),
            help="Share of the velocity that is kept each step; the effective rate is up to 1 / (1 − μ) times larger.",
        ),
    ] = 0.0  # fmt: skip
    nesterov: Annotated[bool, field(help="Take the gradient at the look-ahead point. Has no effect at momentum 0.")] = (
        False
    )

    def slots(self) -> tuple[Slot, ...]:
        # The velocity is kept at momentum 0 too, so that momentum can be raised during a run.
        return (Slot(name="velocity"),)

    def scalars(self, learning_rate: Numbers, step: Numbers) -> dict[str, Numbers]:
        return {"momentum": self.momentum}

    def update_op(
        self, *, l1: bool = False, l2: bool = False, decay: bool = False, clip: bool = False, norms: bool = False
    ) -> Op:
        return UpdateSGD(has_l1=l1, has_l2=l2, has_decay=decay, has_clip=clip, norms=norms, nesterov=self.nesterov)


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

    def update_op(
        self, *, l1: bool = False, l2: bool = False, decay: bool = False, clip: bool = False, norms: bool = False
    ) -> Op:
        return UpdateAdam(has_l1=l1, has_l2=l2, has_decay=decay, has_clip=clip, norms=norms)


def update_scalars(training: Any, learning_rate: Numbers, step: Numbers) -> dict[str, Any]:
    """The control block of the update number `step`, counted from 1, in the order of the operation's inputs.

    With arrays (steps,) of rates and steps, what differs from step to step is an array too.

    `training` is a `TrainingSpec`. `keep` is 1 - learning_rate * decoupled decay, formed in float64; `max_norm` is the
    bound of the gradient's norm, infinite when clipping is off. `max_norm` feeds `ClipScale`; the other names up to the
    rule's own are `engine.ops.update.COMMON` without `clip_scale`.
    """
    penalties = penalty_scalars(training.penalties)
    return {
        "learning_rate": learning_rate,
        "l1": penalties["l1"],
        "l2": penalties["l2"],
        "keep": 1.0 - learning_rate * penalties["decoupled_decay"],
        "max_norm": training.clip_norm if training.clip_norm > 0 else math.inf,
        **training.optimizer.scalars(learning_rate, step),
    }
