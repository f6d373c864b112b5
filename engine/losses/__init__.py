"""The losses: where a network ends and is told how wrong it is. Each is a mean over the samples of a batch."""

# isort: off
# The order of declaration is the order of the palette.
from engine.losses.classification import BinaryCrossEntropy, SoftmaxCrossEntropy
from engine.losses.margin import Hinge
from engine.losses.regression import Huber, MeanAbsoluteError, MeanSquaredError
# isort: on

__all__ = ["BinaryCrossEntropy", "Hinge", "Huber", "MeanAbsoluteError", "MeanSquaredError", "SoftmaxCrossEntropy"]
