"""Terms that pull weights towards zero. They apply to parameters with `ParameterSpec.decay` (weights, not biases).

L1 and L2 are part of the loss: their gradient passes through the optimizer's rule. Decoupled weight decay acts beside
it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from engine.kinds import Penalty
from engine.schema import component, field

__all__ = ["L1", "L2", "WeightDecay", "penalty_scalars"]


@component(
    "l1",
    label="L1 (lasso)",
    formula="loss + λ Σ |w|",
    source="Tibshirani: Regression shrinkage and selection via the lasso (1996); Goodfellow et al. (2016), 7.1.2",
    synonyms=("lasso", "sparse"),
)
class L1(Penalty, frozen=True):
    """Adds λ Σ |w| to the loss: every weight is pulled to zero with the same force λ, whatever its size.

    The gradient is λ sign(w), and 0 at w = 0. Gradient steps bring small weights near zero, where they swing by about
    learning rate times λ; they do not become exactly zero.
    """

    strength: Annotated[
        float,
        field(ge=0, le=1e3, symbol="λ", scale="log", live=True, search=(1e-6, 1e-2), help="The factor λ of Σ |w|."),
    ] = 1e-4

    def scalars(self) -> dict[str, float]:
        return {"l1": self.strength}


@component(
    "l2",
    label="L2 (ridge)",
    formula="loss + λ Σ w²",
    source="Hoerl, Kennard: Ridge regression (1970); Goodfellow et al. (2016), 7.1.1",
    synonyms=("ridge", "tikhonov"),
)
class L2(Penalty, frozen=True):
    """Adds λ Σ w² to the loss: every weight is pulled to zero with a force in proportion to its size.

    The gradient is 2 λ w. Texts that write λ/2 Σ w² mean half of it, and so does PyTorch: its optimizers' weight_decay
    adds weight_decay · w to the gradient (in SGD and Adam; AdamW decouples it), so weight_decay = 2 λ gives the same
    run. Under Adam the penalty's gradient is divided by the root of the second moment like any gradient, so weights
    with large gradients are hardly pulled at all: decoupled weight decay mends that.
    """

    strength: Annotated[
        float,
        field(
            ge=0, le=1e3, symbol="λ", scale="log", live=True, search=(1e-6, 1e-1),
            help="The factor λ of Σ w² (not of half of it).",
        ),
    ] = 1e-4  # fmt: skip

    def scalars(self) -> dict[str, float]:
        return {"l2": self.strength}


@component(
    "weight_decay",
    label="Weight decay (decoupled)",
    formula="w ← (1 − η λ) w, then the optimizer's update",
    source="Loshchilov, Hutter: Decoupled weight decay regularization (ICLR 2019), algorithm 2, in PyTorch's form",
    synonyms=("adamw", "sgdw", "decay"),
)
class WeightDecay(Penalty, frozen=True):
    """Shrinks every weight by the factor 1 − η λ (η the learning rate) before each update, past the optimizer's rule.

    Nothing is added to the loss. With Adam this is AdamW, as PyTorch has it: the decay follows the learning rate's
    schedule. With SGD without momentum it equals an L2 penalty of λ / 2; with momentum or Adam it does not.
    """

    strength: Annotated[
        float,
        field(
            ge=0, le=1e3, symbol="λ", scale="log", live=True, search=(1e-4, 1.0),
            help="The decay λ; each step multiplies weights by 1 − learning rate · λ.",
        ),
    ] = 1e-2  # fmt: skip

    def scalars(self) -> dict[str, float]:
        return {"decoupled_decay": self.strength}


def penalty_scalars(penalties: Iterable[Penalty]) -> dict[str, float]:
    """The sums of all penalties' strengths under the three names `l1`, `l2` and `decoupled_decay`."""
    total = {"l1": 0.0, "l2": 0.0, "decoupled_decay": 0.0}
    for penalty in penalties:
        for name, value in penalty.scalars().items():
            total[name] += value
    return total
