"""Adam, with decoupled weight decay (AdamW), and with the largest mean square so far (AMSGrad)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from engine.ops.rules import UpdateAMSGrad
from engine.ops.update import UpdateAdam
from engine.optimizers.fields import DecoupledDecay, Moments
from engine.schema import component, field

if TYPE_CHECKING:
    from engine.kinds import Numbers
    from engine.ops.update import UpdateRule

__all__ = ["AMSGrad", "Adam", "AdamW"]

BiasCorrection = Annotated[
    bool,
    field(
        advanced=True,
        help="Make up for means that start at zero. Without it the first step is (1 − β₁) / √(1 − β₂) ≈ 3.16 times as "
        "long as the rate: longer, not shorter.",
    ),
]

_DIFFERS = (
    "ε stands outside the root, as in the paper and in PyTorch; notes that write √(ŝ + ε) mean another, far larger ε. "
    "Notes also leave the correction of the means out: choose so under “Bias correction”. "
)


class _Adam(Moments, frozen=True):
    """What the three have in common."""

    bias_correction: BiasCorrection = True

    def scalars(self, learning_rate: Numbers, step: Numbers) -> dict[str, Numbers]:
        return self.corrected(learning_rate, step) if self.bias_correction else self.uncorrected(learning_rate)


@component(
    "adam",
    label="Adam",
    formula="m ← β₁ m + (1 − β₁) g,  s ← β₂ s + (1 − β₂) g²,  w ← w − η m̂ / (√ŝ + ε)",
    source="Kingma, Ba: Adam: a method for stochastic optimization (ICLR 2015), algorithm 1",
    synonyms=("adaptive moment estimation", "adaptive"),
    avoid="With an L2 penalty: the penalty's gradient is divided by the root like any other, so that weights with "
    "large gradients are hardly pulled; AdamW mends that. Tuned SGD with momentum often ends better on images.",
    differs=_DIFFERS + "PyTorch's weight_decay of Adam is an L2 penalty, of half that number here.",
)
class Adam(_Adam, frozen=True):
    """Divides each weight's mean gradient by the root of its mean square, so that all weights move at about rate η.

    The first choice where gradients of different weights differ much in size, or where there is no time to tune a rate.
    m̂ = m / (1 − β₁ᵗ) and ŝ = s / (1 − β₂ᵗ) make up for means that start at zero.
    """

    def rule(self, shape: tuple[int, ...] = ()) -> UpdateRule:
        return UpdateAdam()


@component(
    "adamw",
    label="AdamW",
    formula="m ← β₁ m + (1 − β₁) g,  s ← β₂ s + (1 − β₂) g²,  w ← (1 − η λ) w − η m̂ / (√ŝ + ε)",
    source="Loshchilov, Hutter: Decoupled weight decay regularization (ICLR 2019), algorithm 2, in PyTorch's form",
    synonyms=("weight decay", "decoupled weight decay", "adam with weight decay", "adaptive"),
    avoid="Together with the penalty “weight decay (decoupled)”, unless both shall add up. For weights that shall stay "
    "as large as the data want them: decay 0 is Adam.",
    differs=_DIFFERS + "PyTorch decays every parameter it is given, biases and normalization's factors too; here those "
    "are left alone, as most training programs do by hand. The paper's λ is multiplied by the schedule alone, here and "
    "in PyTorch by the learning rate.",
)
class AdamW(_Adam, frozen=True):
    """Adam that shrinks every weight by the factor 1 − η λ in each step, past the division by the root.

    The usual choice for transformers and for networks that overfit under Adam. Decay acts on all weights alike, however
    large their gradients, which an L2 penalty under Adam does not. It equals Adam with the penalty “weight decay
    (decoupled)” of the same λ; the decay follows the learning rate's schedule.
    """

    decays: ClassVar[bool] = True

    weight_decay: DecoupledDecay = 0.01

    def decoupled_decay(self) -> float:
        return self.weight_decay

    def rule(self, shape: tuple[int, ...] = ()) -> UpdateRule:
        return UpdateAdam()


@component(
    "amsgrad",
    label="AMSGrad",
    formula="m ← β₁ m + (1 − β₁) g,  s ← β₂ s + (1 − β₂) g²,  S ← max(S, s),  w ← w − η m̂ / (√Ŝ + ε)",
    source="Reddi, Kale, Kumar: On the convergence of Adam and beyond (ICLR 2018), algorithm 2, with PyTorch's "
    "correction of the means",
    synonyms=("ams", "adam amsgrad", "adaptive"),
    avoid="As a cure for slow training: one early, huge gradient keeps its weight's steps short for the rest of the "
    "run. In practice it is seldom better than Adam.",
    differs="The paper has no bias correction; PyTorch (Adam with amsgrad) corrects S after taking the largest. Both "
    "are here, PyTorch's as the default. Some libraries take the largest of corrected squares, a third form.",
)
class AMSGrad(_Adam, frozen=True):
    """Adam that divides by the largest mean square so far, so that a weight's steps never grow again by themselves.

    Made for the problems on which Adam provably does not converge: rare, large gradients that its mean forgets.
    """

    def rule(self, shape: tuple[int, ...] = ()) -> UpdateRule:
        return UpdateAMSGrad()
