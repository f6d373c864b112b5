"""Terms that pull weights towards zero. They apply to parameters with `ParameterSpec.decay` (weights, not biases).

L1, L2 and their sum are part of the loss: their gradient passes through the optimizer's rule, unless L1 is taken as a
proximal step. Decoupled weight decay and the bound of the norm act beside it. Layers have penalties of their own by way
of parameter groups (`engine.groups`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Literal

from engine.kinds import Penalty
from engine.schema import component, field

__all__ = ["L1", "L2", "ElasticNet", "MaxNorm", "WeightDecay", "penalty_scalars"]

Method = Literal["subgradient", "proximal"]

METHOD_HELP = (
    "Subgradient: λ sign(w) joins the gradient, and no weight ever becomes exactly zero. Proximal: after each update, "
    "weights within η λ of zero become exactly zero and all others move η λ towards it."
)


@component(
    "l1",
    label="L1 (lasso)",
    formula="loss + λ Σ |w|",
    source="Tibshirani: Regression shrinkage and selection via the lasso (1996); Goodfellow et al. (2016), 7.1.2; the "
    "proximal step: Parikh, Boyd: Proximal algorithms (2014), sections 4.2 and 6.5.2",
    synonyms=("lasso", "sparse", "proximal gradient", "soft threshold", "ISTA"),
    avoid="When all features matter a little, or stand in groups that vary together: of a group, L1 keeps one at "
    "random. Use L2 or the elastic net.",
    differs="scikit-learn's Lasso minimizes 1/2 of the mean squared error + alpha Σ |w|: with the mean squared error "
    "here, λ = 2 alpha. Notes that promise exact zeros of the (sub)gradient method are wrong: it takes the proximal "
    "one.",
)
class L1(Penalty, frozen=True):
    """Adds λ Σ |w| to the loss: every weight is pulled to zero with the same force λ, whatever its size.

    The gradient is λ sign(w), and 0 at w = 0. Gradient steps bring small weights near zero, where they swing by about
    learning rate times λ; they do not become exactly zero. The proximal step, a soft threshold of η λ after the
    optimizer's update, makes them so. Under plain SGD that is the proximal gradient method. Under other rules the
    threshold stays η λ, whatever steps the rule takes: with momentum μ, whose steps add up to 1 / (1 − μ) times as
    much, it is worth a subgradient of (1 − μ) λ.
    """

    strength: Annotated[
        float,
        field(ge=0, le=1e3, symbol="λ", scale="log", live=True, search=(1e-6, 1e-2), help="The factor λ of Σ |w|."),
    ] = 1e-4
    method: Annotated[Method, field(help=METHOD_HELP)] = "subgradient"

    def scalars(self) -> dict[str, float]:
        return {"l1" if self.method == "subgradient" else "proximal_l1": self.strength}


@component(
    "l2",
    label="L2 (ridge)",
    formula="loss + λ Σ w²",
    source="Hoerl, Kennard: Ridge regression (1970); Goodfellow et al. (2016), 7.1.1",
    synonyms=("ridge", "tikhonov", "weight decay"),
    avoid="With Adam and other adaptive rules, when weight decay is what is wanted; and when weights should become "
    "exactly zero, which L2 never brings about.",
    differs="λ Σ w², not λ/2 Σ w²: PyTorch's weight_decay in SGD and Adam is 2 λ, and with n samples scikit-learn's "
    "Ridge has alpha = n λ beside the mean squared error.",
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
    "elastic_net",
    label="Elastic net",
    formula="loss + λ (β Σ w² + Σ |w|)",
    source="Zou, Hastie: Regularization and variable selection via the elastic net (2005)",
    synonyms=("l1 + l2", "lasso", "ridge", "sparse"),
    avoid="When one of its halves is enough: it has two strengths to find.",
    differs="scikit-learn's ElasticNet minimizes 1/2 of the mean squared error + alpha (l1_ratio Σ |w| + "
    "(1 − l1_ratio)/2 Σ w²): beside the mean squared error here, alpha = λ/2 + λ β and l1_ratio = 1 / (1 + 2 β).",
)
class ElasticNet(Penalty, frozen=True):
    """Adds λ (β Σ w² + Σ |w|) to the loss: sparse as L1, and even-handed among weights of related inputs as L2.

    The share of L2 is learned as a gradient in either case; the method concerns the share of L1 alone.
    """

    strength: Annotated[
        float,
        field(ge=0, le=1e3, symbol="λ", scale="log", live=True, search=(1e-6, 1e-2), help="The factor λ of both sums."),
    ] = 1e-4
    ratio: Annotated[
        float,
        field(
            ge=0, le=1e3, symbol="β", live=True, search=(0.1, 10.0),
            help="The factor β of Σ w² beside Σ |w|; 0 is L1 alone.",
        ),
    ] = 1.0  # fmt: skip
    method: Annotated[Method, field(help=METHOD_HELP)] = "subgradient"

    def scalars(self) -> dict[str, float]:
        name = "l1" if self.method == "subgradient" else "proximal_l1"
        return {name: self.strength, "l2": self.strength * self.ratio}


@component(
    "weight_decay",
    label="Weight decay (decoupled)",
    formula="w ← (1 − η λ) w, then the optimizer's update",
    source="Loshchilov, Hutter: Decoupled weight decay regularization (ICLR 2019), algorithm 2, in PyTorch's form",
    synonyms=("adamw", "sgdw", "decay", "weight decay"),
    avoid="When the penalty is to be part of a loss that is reported or compared: nothing is added to the loss.",
    differs="Multiplied by the learning rate, as in PyTorch's AdamW; in the paper's algorithm the decay stands outside "
    "the rate and follows the schedule's factor alone. PyTorch's weight_decay in SGD and Adam is an L2 penalty "
    "instead.",
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


@component(
    "max_norm",
    label="Max-norm constraint",
    formula="w_u ← w_u · c / max(‖w_u‖, c)  for each unit u, after the update",
    source="Srebro, Shraibman: Rank, trace-norm and max-norm (COLT 2005); Srivastava et al.: Dropout (JMLR 2014), "
    "section 5.1",
    synonyms=("maxnorm", "max norm", "norm constraint", "renorm", "projection"),
    avoid="In front of a normalization layer, which undoes any scale of the weights: the bound then only changes the "
    "effective learning rate.",
    differs="The norm is that of the weights into one unit or filter (all axes but the last), and weights within the "
    "bound keep their bits; Keras's MaxNorm has axis 0 by default, which for convolutions is the kernel's height.",
)
class MaxNorm(Penalty, frozen=True):
    """Keeps the norm of each unit's incoming weights within c: after every update, longer ones are scaled back to it.

    Nothing is added to the loss, and weights inside the bound are not pulled at all. Together with dropout it allows
    large learning rates. It concerns arrays of weights with a unit on their last axis, such as those of dense layers
    and convolutions.
    """

    bound: Annotated[
        float,
        field(
            gt=0, le=1e6, symbol="c", scale="log", live=True, search=(0.5, 10.0),
            help="The largest L2 norm of the weights into one unit.",
        ),
    ] = 3.0  # fmt: skip

    def scalars(self) -> dict[str, float]:
        return {"unit_norm": self.bound}


def penalty_scalars(penalties: Iterable[Penalty]) -> dict[str, float]:
    """What all penalties together ask of the update: the sums of `l1`, `l2`, `decoupled_decay` and `proximal_l1`, and
    the least `unit_norm` (infinite without)."""
    total = {"l1": 0.0, "l2": 0.0, "decoupled_decay": 0.0, "proximal_l1": 0.0, "unit_norm": math.inf}
    for penalty in penalties:
        for name, value in penalty.scalars().items():
            total[name] = min(total[name], value) if name == "unit_norm" else total[name] + value
    return total
