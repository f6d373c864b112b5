"""The losses beside PyTorch: values, gradients by the predictions, and every option."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.layers.base import Loss
from engine.losses import Hinge, Huber, MeanAbsoluteError, SoftmaxCrossEntropy
from tests.engine.test_losses import evaluate

torch: Any = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

BATCH, CLASSES = 7, 5
WEIGHTS = (0.5, 2.0, 1.0, 0.0, 3.5)


def drawn() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scores (B, C), labels (B,), shares (B, C), numbers (B, C)."""
    rng = np.random.default_rng(11)
    shape = (BATCH, CLASSES)
    labels = rng.integers(0, CLASSES, BATCH)
    labels[0] = 0  # some weight is not zero
    return rng.normal(size=shape) * 2, labels, rng.dirichlet(np.ones(CLASSES), BATCH), rng.normal(size=shape) * 2


def same(loss: Loss, prediction: np.ndarray, target: np.ndarray, theirs: Any) -> None:
    value, _, gradient = evaluate(loss, prediction, target)
    x = torch.tensor(prediction, requires_grad=True)
    expected = theirs(x, torch.tensor(target))
    expected.backward()
    assert value == pytest.approx(float(expected.detach()), rel=1e-12, abs=1e-14)
    np.testing.assert_allclose(gradient, x.grad.numpy(), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("weights", [(), WEIGHTS], ids=["equal", "weighted"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
@pytest.mark.parametrize("what", ["labels", "shares"])
def test_cross_entropy(weights: tuple[float, ...], smoothing: float, what: str) -> None:
    scores, labels, shares, _ = drawn()
    theirs = torch.nn.CrossEntropyLoss(
        weight=torch.tensor(weights, dtype=torch.float64) if weights else None, label_smoothing=smoothing
    )
    ours = SoftmaxCrossEntropy(smoothing=smoothing, class_weights=weights)
    same(ours, scores, labels if what == "labels" else shares, theirs)


def test_cross_entropy_divided_by_the_samples() -> None:
    scores, labels, _, _ = drawn()
    weight = torch.tensor(WEIGHTS, dtype=torch.float64)
    same(
        SoftmaxCrossEntropy(class_weights=WEIGHTS, mean_over="samples"),
        scores,
        labels,
        lambda z, y: torch.nn.functional.cross_entropy(z, y, weight, reduction="sum") / BATCH,
    )


@pytest.mark.parametrize("margin", [1.0, 0.3])
@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("classes", ["mean", "sum"])
def test_hinge(margin: float, power: Any, classes: Any) -> None:
    scores, labels, _, _ = drawn()
    theirs = torch.nn.MultiMarginLoss(p=power, margin=margin)
    factor = 1 if classes == "mean" else CLASSES
    ours = Hinge(margin=margin, power=power, classes=classes)
    same(ours, scores, labels, lambda z, y: theirs(z, y) * factor)


@pytest.mark.parametrize("delta", [0.2, 1.0, 5.0])
def test_huber(delta: float) -> None:
    *_, y = drawn()
    same(Huber(delta=delta), y, drawn()[0], torch.nn.HuberLoss(delta=delta))


def test_absolute_error() -> None:
    *_, y = drawn()
    targets = drawn()[0]
    targets[0, 0] = y[0, 0]  # on the target: the gradient is 0
    same(MeanAbsoluteError(), y, targets, torch.nn.L1Loss())
