"""Relatives of Adam: with Nesterov's look-ahead, with a rectified start, and with the largest gradient as a measure."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated

import numpy as np

from engine.ops.rules import UpdateAdamax, UpdateNadam, UpdateRAdam
from engine.optimizers.fields import AdaptiveRate, Epsilon, Moments
from engine.schema import component, field

if TYPE_CHECKING:
    from engine.kinds import Numbers
    from engine.ops.update import UpdateRule

__all__ = ["Adamax", "Nadam", "RAdam"]

NEGLIGIBLE = 2.0**-60
"""A share that leaves 1 as it is when it is taken from it, in float64."""


@component(
    "nadam",
    label="Nadam",
    formula="μₜ = β₁ (1 − ½ · 0.96^(t ψ)),  w ← w − η [(1 − μₜ) g / (1 − Πμ) + μₜ₊₁ m / (1 − Πμ · μₜ₊₁)] / (√ŝ + ε)",
    source="Dozat: Incorporating Nesterov momentum into Adam (ICLR workshop 2016), in PyTorch's form",
    synonyms=("nesterov adam", "adam with nesterov momentum", "adaptive"),
    avoid="To mend Adam where it fails: it follows the same measure and fails on the same problems. Gains over Adam "
    "are small.",
    differs="μₜ grows towards β₁ during the run, as in the paper and in PyTorch and Keras; overviews often write it "
    "with β₁ in its place: a large ψ is that.",
)
class Nadam(Moments, frozen=True):
    """Adam with Nesterov's momentum: the step looks ahead along the mean gradient.

    It weighs the present gradient more than Adam does, and so turns a little sooner when gradients change. Πμ is the
    product of all μ up to step t.
    """

    learning_rate: AdaptiveRate = 0.002
    beta1: Annotated[
        float,
        field(
            ge=0, le=0.9999, symbol="β₁", live=True,
            help="Memory of the mean gradient, over about 1 / (1 − β₁) steps; μ grows towards it.",
        ),
    ] = 0.9  # fmt: skip
    momentum_decay: Annotated[
        float,
        field(
            ge=0, le=1e3, symbol="ψ", label="Momentum's warm-up", advanced=True,
            help="How fast μ grows from half of β₁ towards β₁: in 17 / ψ steps what is missing becomes half as much. A "
            "large ψ gives μ = β₁ at once.",
        ),
    ] = 0.004  # fmt: skip

    def scalars(self, learning_rate: Numbers, step: Numbers) -> dict[str, Numbers]:
        product = _product(self.beta1, self.momentum_decay, step)
        now, after = (self.beta1 * (1.0 - 0.5 * 0.96 ** (t * self.momentum_decay)) for t in (step, step + 1))
        return {
            **self.memories(),
            "gradient_size": learning_rate * (1.0 - now) / (1.0 - product),
            "mean_size": learning_rate * after / (1.0 - product * after),
            "square_correction": np.sqrt(1.0 - self.beta2**step),
            "epsilon": self.epsilon,
        }

    def rule(self, shape: tuple[int, ...] = ()) -> UpdateRule:
        return UpdateNadam()


def _product(beta1: Numbers, momentum_decay: float, step: Numbers) -> Numbers:
    """The product of μ over the steps 1 to `step`. As with Adam's correction, the β₁ of the step counts for all."""
    largest = float(np.max(beta1))
    count = 1 if largest == 0.0 else math.ceil(math.log(NEGLIGIBLE) / math.log(largest))
    table = _shares(momentum_decay, 1 << (count - 1).bit_length())
    product: Numbers = beta1**step * table[np.minimum(step, len(table) - 1)]
    return product


@lru_cache(maxsize=4)
def _shares(momentum_decay: float, count: int) -> np.ndarray:
    """The product of 1 − ½ · 0.96^(t ψ) over the steps up to 0, 1, ... `count`, from where on β₁ᵗ is negligible."""
    factors = 1.0 - 0.5 * 0.96 ** (np.arange(1, count + 1) * momentum_decay)
    return np.concatenate([[1.0], np.cumprod(factors)])


@component(
    "radam",
    label="RAdam",
    formula="ρₜ = ρ∞ − 2 t β₂ᵗ / (1 − β₂ᵗ);  ρₜ > 5: w ← w − η rₜ m̂ √(1 − β₂ᵗ) / (√s + ε);  otherwise w ← w − η m̂",
    source="Liu, Jiang, He, Chen, Liu, Gao, Han: On the variance of the adaptive learning rate and beyond (ICLR 2020), "
    "algorithm 2, in PyTorch's form",
    synonyms=("rectified adam", "warm-up", "adaptive"),
    avoid="Together with a warm-up of the learning rate: it is one itself. With β₂ up to 2/3 it never divides by the "
    "root at all.",
    differs="The paper rectifies from ρₜ > 4 on, its authors' program and PyTorch from 5 on, as is done here: from "
    "the sixth step on at β₂ = 0.999. The steps before are as long as their gradients, not of about length η.",
)
class RAdam(Moments, frozen=True):
    """Adam that waits until its mean square can be relied on: first plain momentum, then a rectified step.

    The factor rₜ = √[(ρₜ − 4)(ρₜ − 2) ρ∞ / ((ρ∞ − 4)(ρ∞ − 2) ρₜ)], where ρ∞ = 2 / (1 − β₂) − 1, grows from near 0 to 1,
    as a warm-up of the rate would. For Adam runs that go astray in their first steps.
    """

    def scalars(self, learning_rate: Numbers, step: Numbers) -> dict[str, Numbers]:
        faded = self.beta2**step
        final = 2.0 / (1.0 - self.beta2) - 1.0
        length = final - 2.0 * step * faded / (1.0 - faded)
        size = learning_rate / (1.0 - self.beta1**step)
        # As booleans times numbers, so that single numbers and arrays take the same way.
        ready = 1.0 * (length > 5.0)
        if final > 5.0:
            counted = np.maximum(length, 5.0)
            rectified = np.sqrt((counted - 4.0) * (counted - 2.0) * final / ((final - 4.0) * (final - 2.0) * counted))
        else:
            rectified = 0.0
        return {
            **self.memories(),
            "plain_size": size * (1.0 - ready),
            "adaptive_size": size * ready * (rectified * np.sqrt(1.0 - faded)),
            "epsilon": self.epsilon,
        }

    def rule(self, shape: tuple[int, ...] = ()) -> UpdateRule:
        return UpdateRAdam()


@component(
    "adamax",
    label="Adamax",
    formula="m ← β₁ m + (1 − β₁) g,  u ← max(β₂ u, |g| + ε),  w ← w − η m / ((1 − β₁ᵗ) u)",
    source="Kingma, Ba: Adam: a method for stochastic optimization (ICLR 2015), algorithm 2, with PyTorch's ε",
    synonyms=("infinity norm", "adam max", "adaptive"),
    avoid="Where single gradients are far larger than the rest: one of them shortens its weight's steps for about "
    "1 / (1 − β₂) steps.",
    differs="The paper has no ε, and divides 0 by 0 where a gradient has always been 0; PyTorch adds it to |g|, as "
    "here.",
)
class Adamax(Moments, frozen=True):
    """Adam with the largest recent gradient as its measure, rather than the root of the mean square.

    No step is longer than about η, with no correction of u needed. For sparse gradients, embeddings above all.
    """

    learning_rate: AdaptiveRate = 0.002
    epsilon: Epsilon = 1e-8

    def scalars(self, learning_rate: Numbers, step: Numbers) -> dict[str, Numbers]:
        return {
            "beta1_rest": 1.0 - self.beta1,
            "beta2": self.beta2,
            "step_size": learning_rate / (1.0 - self.beta1**step),
            "epsilon": self.epsilon,
        }

    def rule(self, shape: tuple[int, ...] = ()) -> UpdateRule:
        return UpdateAdamax()
