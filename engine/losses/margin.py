"""Losses that ask for a margin between the right answer and the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import engine.ops.margin_loss as ops
from engine.kinds import Prediction
from engine.layers.base import Loss, Shape, ShapeProblem
from engine.layers.words import require_vector
from engine.losses.words import TARGET_HELP, WEIGHT_HELP
from engine.schema import component, field

if TYPE_CHECKING:
    from engine.builder import Builder
    from engine.ops.base import Value

__all__ = ["Hinge"]


@component(
    "hinge",
    label="Hinge (SVM)",
    group="Loss",
    formula="L = mean(Σ_{j ≠ label} max(0, z[j] − z[label] + Δ)^p) / C",
    source="Weston, Watkins: Multi-class support vector machines (technical report CSD-TR-98-04, 1998)",
    synonyms=("svm", "max margin", "multi-class", "support vector", "multimargin"),
    avoid="Where probabilities are wanted: its scores only rank the classes. Deep networks usually train better with "
    "softmax cross-entropy, whose gradient never stops.",
    differs="PyTorch's MultiMarginLoss divides the sum over the classes by C; the lecture notes of CS231n do not, so "
    "that its values, and the learning rate and penalty that fit, differ by that factor. Both are offered.",
)
class Hinge(Loss, frozen=True):
    """For one class out of several, as a support vector machine: the right score is to lead all others by a margin.

    A sample whose right score leads by more than Δ adds nothing, not even a gradient: only samples near the border, or
    beyond it, are learned from. What panels show as this loss's shares is the softmax of the scores: it keeps their
    order, but these are no probabilities. With all scores equal the loss is (C − 1) Δᵖ, divided by C where it is.
    """

    predicts: ClassVar[Prediction] = "classes"
    needs_classes: ClassVar[bool] = True

    target: Annotated[str, field(help=TARGET_HELP)] = "y"
    weight: Annotated[float, field(ge=0, le=1e6, help=WEIGHT_HELP)] = 1.0
    margin: Annotated[
        float, field(gt=0, le=1e6, symbol="Δ", help="By how much the right score must lead; it sets the scores' scale.")
    ] = 1.0
    power: Annotated[
        Literal[1, 2], field(symbol="p", help="2 squares each violation (L2-SVM): large ones weigh more.")
    ] = 1
    classes: Annotated[
        Literal["mean", "sum"],
        field(label="Over classes", help="mean: divide by the number of classes (PyTorch). sum: do not (CS231n)."),
    ] = "mean"

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        require_vector("The hinge loss", shapes[0])
        if shapes[0][0] < 2:
            raise ShapeProblem(
                "The hinge loss needs one score for each class, so at least two; its input has one.",
            )
        return shapes[0]

    def title(self) -> str:
        return "Hinge" if self.power == 1 else "Squared hinge"

    def lower(self, b: Builder, prediction: Value, target: Value) -> tuple[Value, Value]:
        op = ops.MultiMargin(self.margin, self.power == 2, self.classes == "mean")
        loss, shares = b.op(op, prediction, target)
        return loss, shares

    def expected_initial(self, outputs: int) -> float | None:
        return (outputs - 1) * self.margin**self.power / (outputs if self.classes == "mean" else 1)
