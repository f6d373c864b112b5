"""Gradient descent, with and without momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from engine.kinds import Optimizer, Slot
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

    def slots(self) -> tuple[Slot, ...]:
        # The velocity is kept at momentum 0 too, so that momentum can be raised during a run.
        return (Slot(name="velocity"),)

    def scalars(self, learning_rate: Numbers, step: Numbers) -> dict[str, Numbers]:
        return {"momentum": self.momentum}

    def rule(self, shape: tuple[int, ...] = ()) -> UpdateRule:
        return UpdateSGD(nesterov=self.nesterov)
