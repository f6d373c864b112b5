"""Gradient descent, with and without momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from engine.kinds import Optimizer
from engine.ops.rules import UpdateRateInside
from engine.ops.update import UpdateSGD
from engine.schema import component, field

if TYPE_CHECKING:
    from engine.kinds import Numbers
    from engine.ops.update import UpdateRule

__all__ = ["SGD"]


@component(
    "sgd",
    label="SGD",
    formula="v ← μ v + g,  w ← w − η v   (Nesterov: w ← w − η (g + μ v))",
    source="Sutskever, Martens, Dahl, Hinton: On the importance of initialization and momentum in deep learning "
    "(ICML 2013), in the form of PyTorch's SGD without dampening",
    synonyms=(
        "gradient descent", "stochastic gradient descent", "batch gradient descent", "mini-batch", "momentum",
        "nesterov", "nag", "heavy ball",
    ),
    avoid="Where gradients of different weights differ much in size, as in transformers and embeddings: one rate "
    "cannot suit all, and Adam needs less tuning. Without momentum, in long valleys: steps in proportion to the "
    "condition number are needed, with momentum to its root.",
    differs="Lecture notes keep the rate inside the velocity, v ← μ v − η g, w ← w + v. Both are equal while the rate "
    "is constant; after a change of the rate that form goes on at the old one until the velocity has faded. Choose it "
    "under “Place of η”. Nesterov's gradient is taken at the look-ahead point w + μ v, and as in PyTorch that point is "
    "what is kept and shown as the weights; notes list w.",
)  # fmt: skip
class SGD(Optimizer, frozen=True):
    """Steps against the gradient of a batch; momentum keeps a share of the last steps' direction.

    Plain gradient descent at momentum 0. The batch size says which: all training samples in a batch are batch gradient
    descent, one sample stochastic gradient descent, some tens or hundreds mini-batch gradient descent. Momentum carries
    steps along valleys and through flat parts; Nesterov's form looks ahead before it turns, and swings less.
    """

    opposed: ClassVar[str] = "momentum"

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
    rate_place: Annotated[
        Literal["outside v", "inside v"],
        field(
            label="Place of η", advanced=True,
            help="outside v: v ← μ v + g, w ← w − η v, as in PyTorch. inside v: v ← μ v − η g, w ← w + v, as in many "
            "lecture notes. They differ when the rate changes.",
        ),
    ] = "outside v"  # fmt: skip

    def scalars(self, learning_rate: Numbers, step: Numbers) -> dict[str, Numbers]:
        return {"momentum": self.momentum}

    def rule(self, shape: tuple[int, ...] = ()) -> UpdateRule:
        # The velocity is kept at momentum 0 too, so that momentum can be raised during a run.
        if self.rate_place == "inside v":
            return UpdateRateInside(nesterov=self.nesterov)
        return UpdateSGD(nesterov=self.nesterov)
