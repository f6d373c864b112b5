"""Numbers, beside the loss, that say how good predictions are. Evaluated on the host, batch by batch."""

# isort: off
# The order of declaration is the order of the menus.
from engine.metrics.classification import F1, Accuracy, Precision, Recall, TopKAccuracy, class_scores
from engine.metrics.regression import R2, MeanAbsoluteError
# isort: on

__all__ = ["F1", "R2", "Accuracy", "MeanAbsoluteError", "Precision", "Recall", "TopKAccuracy", "class_scores"]
