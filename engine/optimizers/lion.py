"""Lion: steps of one length for all weights, in the direction of a sign."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from engine.kinds import Optimizer
from engine.ops.rules import UpdateLion
from engine.optimizers.fields import DecoupledDecay
from engine.schema import component, field

if TYPE_CHECKING:
    from engine.kinds import Numbers
    from engine.ops.update import UpdateRule

__all__ = ["Lion"]


@component(
    "lion",
    label="Lion",
    formula="c = β₁ m + (1 − β₁) g,  w ← (1 − η λ) w − η sign(c),  m ← β₂ m + (1 − β₂) g",
    source="Chen, Liang, Huang, Real, Wang et al.: Symbolic discovery of optimization algorithms (NeurIPS 2023), "
    "algorithm 2",
    synonyms=("evolved sign momentum", "sign descent", "signsgd"),
    avoid="With small batches: the sign gives noise the full length of a step. And with Adam's rate: it must be 3 to "
    "10 times smaller here, and the weight decay as much larger.",
    differs="Weight decay is 0 by default, as in the authors' program; some libraries set 0.001. Biases are not "
    "decayed here.",
)
class Lion(Optimizer, frozen=True):
    """Moves every weight by exactly η, in the direction of the sign of a mean of gradients.

    It needs half of Adam's memory, one array, and was found by a search among programs; made for large batches. The
    weights never settle closer than η: let a schedule lower the rate.
    """

    decays: ClassVar[bool] = True
    opposed: ClassVar[str] = "beta1"

    learning_rate: Annotated[
        float,
        field(
            gt=0, le=1e6, symbol="η", scale="log", live=True, search=(1e-6, 1e-2),
            help="How far every weight moves in each step.",
        ),
    ] = 1e-4  # fmt: skip
    beta1: Annotated[
        float,
        field(ge=0, lt=1, symbol="β₁", live=True, help="Weight of the mean against the present gradient in a step."),
    ] = 0.9
    beta2: Annotated[
        float,
        field(ge=0, lt=1, symbol="β₂", live=True, help="Memory of the mean gradient, over about 1 / (1 − β₂) steps."),
    ] = 0.99
    weight_decay: DecoupledDecay = 0.0

    def decoupled_decay(self) -> float:
        return self.weight_decay

    def scalars(self, learning_rate: Numbers, step: Numbers) -> dict[str, Numbers]:
        return {"beta1_rest": 1.0 - self.beta1, "beta2_rest": 1.0 - self.beta2}

    def rule(self, shape: tuple[int, ...] = ()) -> UpdateRule:
        return UpdateLion()
