"""Cross-entropies: for one class out of several, and for answers to yes/no questions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

import engine.ops.loss as ops
import engine.ops.weighted_loss as weighted
from engine.kinds import Prediction
from engine.layers.base import Loss, Shape, ShapeProblem
from engine.layers.words import require_vector
from engine.losses.words import TARGET_HELP, WEIGHT_HELP
from engine.ops.base import DType
from engine.schema import component, field
from engine.text import shape_text

if TYPE_CHECKING:
    from engine.builder import Builder
    from engine.data.signature import TargetSignature
    from engine.ops.base import Value

__all__ = ["BinaryCrossEntropy", "SoftmaxCrossEntropy"]


@component(
    "softmax_cross_entropy",
    label="Softmax CE",
    group="Loss",
    formula="L = mean(log Σ e^(z[j]) − z[label])",
    source="Goodfellow, Bengio, Courville: Deep Learning (2016), section 6.2.2.3",
    synonyms=("cross-entropy", "classification", "softmax", "log loss", "nll", "label smoothing", "class weights"),
    avoid="Samples that belong to several classes at once: binary cross-entropy asks about each class by itself. "
    "Behind a softmax layer: the softmax would be taken twice, and gradients fade.",
    differs="PyTorch's CrossEntropyLoss reads logits, as here; Keras' reads probabilities unless told otherwise. With "
    "class weights PyTorch divides by the sum of the weights of the batch, scikit-learn by the number of samples: both "
    "are offered. Smoothing spreads ε over all C classes, the right one included, as in the paper and in PyTorch.",
)
class SoftmaxCrossEntropy(Loss, frozen=True):
    """For one class out of several: the negative logarithm of the probability given to the right class.

    It reads one number (logit) for each class and contains the softmax, so that no softmax layer goes before it. A
    network that knows nothing about C classes has the loss ln C. Of samples that an augmentation mixes, the target is
    the classes' shares t, and the loss −Σ t ln p: it cannot fall below the shares' entropy.

    Label smoothing and class weights make it −Σ w t ln p with t = (1 − ε) [right class] + ε / C. They act in training
    and evaluation alike, so that the two curves can be compared. Weights that make up for rare classes (n / (C n_c)
    for n_c samples of class c) keep a network from winning by always naming the common one.
    """

    predicts: ClassVar[Prediction] = "classes"
    needs_classes: ClassVar[bool] = True
    takes_shares: ClassVar[bool] = True

    target: Annotated[str, field(help=TARGET_HELP)] = "y"
    weight: Annotated[float, field(ge=0, le=1e6, help=WEIGHT_HELP)] = 1.0
    smoothing: Annotated[
        float,
        field(
            ge=0, lt=1, label="Label smoothing", symbol="ε", search=(0.0, 0.3),
            help="Share of the target that is spread over all classes: the network is not driven to ever larger "
            "logits. 0: off; 0.1 is usual.",
        ),
    ] = 0.0  # fmt: skip
    class_weights: Annotated[
        tuple[float, ...],
        field(
            ge=0, le=1e6, advanced=True, symbol="w",
            help="A factor for each class, in the order of the classes; empty: all count alike.",
        ),
    ] = ()  # fmt: skip
    mean_over: Annotated[
        Literal["weights", "samples"],
        field(
            advanced=True, label="Divide by",
            help="What the weighted sum is divided by: the sum of the batch's weights (PyTorch), or the number of "
            "samples (scikit-learn). Of no account without class weights.",
        ),
    ] = "weights"  # fmt: skip

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        require_vector("Softmax cross-entropy", shapes[0])
        if shapes[0][0] < 2:
            raise ShapeProblem(
                "Softmax cross-entropy needs one output for each class, so at least two; its input has one. For two "
                "classes and one output use binary cross-entropy."
            )
        return shapes[0]

    def check_target(self, shape: Shape, target: TargetSignature) -> None:
        super().check_target(shape, target)
        check_class_weights(self.class_weights, target.classes)

    def title(self) -> str:
        return "Softmax CE"

    def lower(self, b: Builder, prediction: Value, target: Value) -> tuple[Value, Value]:
        if self.smoothing or self.class_weights:
            shares, divisor = b.op(
                weighted.ClassShares(
                    prediction.shape[1], self.smoothing, self.class_weights, self.mean_over == "weights"
                ),
                target,
            )
            loss, probabilities = b.op(weighted.WeightedCrossEntropy(), prediction, shares, divisor)
            return loss, probabilities
        shared = target.dtype is DType.FLOAT
        op = ops.SoftTargetCrossEntropy() if shared else ops.SoftmaxCrossEntropy()
        loss, probabilities = b.op(op, prediction, target)
        return loss, probabilities

    def expected_initial(self, outputs: int) -> float | None:
        # Equal probabilities cost ln C whatever the smoothing; weighted, it depends on how the classes are mixed.
        weighted_otherwise = self.class_weights and (self.smoothing or self.mean_over == "samples")
        return None if weighted_otherwise else math.log(outputs)

    def constant_loss(self, targets: np.ndarray, classes: int) -> float | None:
        if self.class_weights or self.smoothing or not len(targets):
            return None
        shares = np.bincount(targets, minlength=classes) / len(targets)
        return float(-np.sum(shares * np.log(shares, where=shares > 0, out=np.zeros_like(shares))))


@component(
    "binary_cross_entropy",
    label="Binary CE",
    group="Loss",
    formula="L = mean(max(z, 0) − z t + ln(1 + e^(−|z|)))",
    source="Goodfellow, Bengio, Courville: Deep Learning (2016), section 6.2.2.2",
    synonyms=(
        "cross-entropy",
        "bce",
        "logistic loss",
        "sigmoid cross-entropy",
        "log loss",
        "classification",
        "multi-label",
    ),
    avoid="One class out of three or more: softmax cross-entropy lets the classes compete. Behind a sigmoid layer: the "
    "sigmoid would be taken twice.",
    differs="PyTorch has it twice: BCEWithLogitsLoss reads logits, as here, BCELoss probabilities. It is the mean over "
    "samples and outputs, as there; some texts sum over the outputs.",
)
class BinaryCrossEntropy(Loss, frozen=True):
    """For yes or no: the negative logarithm of the probability given to the right answer, for each output by itself.

    It reads one number (logit) for each question and contains the sigmoid, so that no sigmoid layer goes before it.
    Targets are 0 or 1 (or probabilities between); two classes serve as 0 and 1 of a single output. A network that
    knows nothing has the loss ln 2.
    """

    predicts: ClassVar[Prediction] = "yes_no"
    takes_shares: ClassVar[bool] = True
    target_range: ClassVar[tuple[float, float] | None] = (0.0, 1.0)

    target: Annotated[str, field(help=TARGET_HELP)] = "y"
    weight: Annotated[float, field(ge=0, le=1e6, help=WEIGHT_HELP)] = 1.0

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        require_vector("Binary cross-entropy", shapes[0])
        return shapes[0]

    def check_target(self, shape: Shape, target: TargetSignature) -> None:
        if not target.classes:
            super().check_target(shape, target)
        elif target.classes > 2:
            raise ShapeProblem(
                f"it answers yes or no, but the data have {target.classes} classes: use softmax cross-entropy",
                fix=("loss", "softmax_cross_entropy"),
            )
        elif shape != (1,):
            raise ShapeProblem(
                f"two classes are 0 and 1 of a single output, but it gets {shape_text(shape)}",
                fix=("outputs", 1),
            )

    def title(self) -> str:
        return "Binary CE"

    def lower(self, b: Builder, prediction: Value, target: Value) -> tuple[Value, Value]:
        loss, probabilities = b.op(ops.BinaryCrossEntropy(), prediction, target)
        return loss, probabilities

    def expected_initial(self, outputs: int) -> float | None:
        return math.log(2.0)

    def constant_loss(self, targets: np.ndarray, classes: int) -> float | None:
        if not len(targets):
            return None
        yes = targets.reshape(len(targets), -1).mean(axis=0, dtype=np.float64)
        shares = np.stack([yes, 1.0 - yes])
        return float(-np.sum(shares * np.log(shares, where=shares > 0, out=np.zeros_like(shares)), axis=0).mean())


def check_class_weights(weights: tuple[float, ...], classes: int) -> None:
    """Refuse weights that are not one for each class, or all zero. Raises ShapeProblem."""
    if weights and len(weights) != classes:
        raise ShapeProblem(
            f"the data have {classes} classes, but there are {len(weights)} class weights: give one for each class, or "
            "none",
            "class_weights",
            ("set", "class_weights", ()),
        )
    if weights and not any(weights):
        raise ShapeProblem(
            "all class weights are 0, so nothing would be learned", "class_weights", ("set", "class_weights", ())
        )
