"""The losses: where a network ends and is told how wrong it is. Each is a mean over the samples of a batch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar

import engine.ops.loss as ops
from engine.kinds import Prediction
from engine.layers.base import Loss, Shape, ShapeProblem
from engine.layers.words import require_vector
from engine.ops.base import DType
from engine.schema import component, field
from engine.text import shape_text

if TYPE_CHECKING:
    from engine.builder import Builder
    from engine.data.signature import TargetSignature
    from engine.ops.base import Value

__all__ = ["BinaryCrossEntropy", "MeanSquaredError", "SoftmaxCrossEntropy"]

TARGET_HELP = "Which array of the data set holds the targets; usually y."
WEIGHT_HELP = "Factor of this loss in the sum of all losses of the network."


@component(
    "softmax_cross_entropy",
    label="Softmax CE",
    group="Loss",
    formula="L = mean(log Σ e^(z[j]) − z[label])",
    source="Goodfellow, Bengio, Courville 2016, Deep Learning, section 6.2.2.3",
    synonyms=("cross-entropy", "classification", "softmax", "log loss", "nll"),
)
class SoftmaxCrossEntropy(Loss, frozen=True):
    """For one class out of several: the negative logarithm of the probability given to the right class.

    It reads one number (logit) for each class and contains the softmax, so that no softmax layer goes before it. A
    network that knows nothing about C classes has the loss ln C. Of samples that an augmentation mixes, the target is
    the classes' shares t, and the loss −Σ t ln p: it cannot fall below the shares' entropy.
    """

    predicts: ClassVar[Prediction] = "classes"
    needs_classes: ClassVar[bool] = True
    takes_shares: ClassVar[bool] = True

    target: Annotated[str, field(help=TARGET_HELP)] = "y"
    weight: Annotated[float, field(ge=0, le=1e6, help=WEIGHT_HELP)] = 1.0

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        require_vector("Softmax cross-entropy", shapes[0])
        if shapes[0][0] < 2:
            raise ShapeProblem(
                "Softmax cross-entropy needs one output for each class, so at least two; its input has one. For two "
                "classes and one output use binary cross-entropy."
            )
        return shapes[0]

    def title(self) -> str:
        return "Softmax CE"

    def lower(self, b: Builder, prediction: Value, target: Value) -> tuple[Value, Value]:
        shared = target.dtype is DType.FLOAT
        op = ops.SoftTargetCrossEntropy() if shared else ops.SoftmaxCrossEntropy()
        loss, probabilities = b.op(op, prediction, target)
        return loss, probabilities

    def expected_initial(self, outputs: int) -> float | None:
        return math.log(outputs)


@component(
    "binary_cross_entropy",
    label="Binary CE",
    group="Loss",
    formula="L = mean(max(z, 0) − z t + ln(1 + e^(−|z|)))",
    source="Goodfellow, Bengio, Courville 2016, Deep Learning, section 6.2.2.2",
    synonyms=("cross-entropy", "bce", "logistic", "sigmoid", "classification", "multi-label"),
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


@component(
    "mean_squared_error",
    label="Squared error",
    group="Loss",
    formula="L = mean((y − t)²)",
    source="Bishop 2006, Pattern Recognition and Machine Learning, section 5.2",
    synonyms=("mse", "l2", "regression", "least squares"),
)
class MeanSquaredError(Loss, frozen=True):
    """For numbers: the squared distance between prediction and target, averaged over samples and outputs.

    Large errors weigh heavily. With standardized targets a network that always predicts the mean has the loss 1.
    """

    predicts: ClassVar[Prediction] = "numbers"

    target: Annotated[str, field(help=TARGET_HELP)] = "y"
    weight: Annotated[float, field(ge=0, le=1e6, help=WEIGHT_HELP)] = 1.0

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        return shapes[0]

    def title(self) -> str:
        return "Squared error"

    def lower(self, b: Builder, prediction: Value, target: Value) -> tuple[Value, Value]:
        return b.op(ops.MeanSquaredError(), prediction, target), prediction
