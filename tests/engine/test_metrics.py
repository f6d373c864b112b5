"""Metrics on small batches whose answers can be counted."""

import numpy as np
import pytest

from engine.kinds import Metric
from engine.layers.base import Loss
from engine.losses import BinaryCrossEntropy, MeanSquaredError, SoftmaxCrossEntropy
from engine.metrics import Accuracy, MeanAbsoluteError


def test_accuracy_of_class_probabilities() -> None:
    p = np.array([[0.7, 0.3, 0.0], [0.2, 0.3, 0.5], [0.1, 0.8, 0.1], [0.4, 0.4, 0.2]], dtype=np.float32)
    assert Accuracy().evaluate(p, np.array([0, 2, 2, 0])) == (3.0, 4.0)  # the tie goes to class 0


@pytest.mark.parametrize("targets", [np.array([1, 0, 1, 0]), np.array([[1.0], [0.0], [1.0], [0.0]])])
def test_accuracy_of_one_yes_or_no_output(targets: np.ndarray) -> None:
    assert Accuracy().evaluate(np.array([[0.5], [0.49], [0.2], [0.9]]), targets) == (2.0, 4.0)


def test_accuracy_of_several_yes_or_no_outputs_counts_each() -> None:
    p, y = np.array([[0.9, 0.1], [0.6, 0.6]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    assert Accuracy().evaluate(p, y) == (3.0, 4.0)


def test_a_prediction_that_is_not_a_number_is_wrong() -> None:
    assert Accuracy().evaluate(np.array([[np.nan, 0.1], [0.2, 0.8]]), np.array([0, 1])) == (1.0, 2.0)
    assert Accuracy().evaluate(np.array([[np.nan]]), np.array([0])) == (0.0, 1.0)


@pytest.mark.parametrize("metric", [Accuracy(), MeanAbsoluteError()])
def test_batches_of_unequal_size_add_up(metric: Accuracy | MeanAbsoluteError) -> None:
    rng = np.random.default_rng(0)
    p, y = rng.random((10, 2)), rng.random((10, 2))
    parts = [metric.evaluate(p[a:b], y[a:b]) for a, b in ((0, 7), (7, 10))]
    assert tuple(np.sum(parts, axis=0)) == pytest.approx(metric.evaluate(p, y))


def test_mean_absolute_error() -> None:
    found = MeanAbsoluteError().evaluate(np.array([[1.0, -2.0], [0.5, 0.0]]), np.array([[0.0, 0.0], [0.5, 4.0]]))
    assert found == (7.0, 4.0)
    assert MeanAbsoluteError().evaluate(np.array([[1.0], [3.0]]), np.array([2.0, 5.0])) == (3.0, 2.0)
    assert not MeanAbsoluteError.higher_is_better and Accuracy.higher_is_better


def test_sums_are_taken_in_float64() -> None:
    ones = np.full((200_000, 1), 0.1, dtype=np.float32)
    total, count = MeanAbsoluteError().evaluate(ones, np.zeros_like(ones))
    assert total == pytest.approx(count * float(np.float32(0.1)), rel=1e-12)


def test_metrics_suit_their_losses() -> None:
    assert Accuracy().suits(SoftmaxCrossEntropy()) and Accuracy().suits(BinaryCrossEntropy())
    assert not Accuracy().suits(MeanSquaredError())
    assert MeanAbsoluteError().suits(MeanSquaredError) and not MeanAbsoluteError().suits(SoftmaxCrossEntropy)


def test_a_new_loss_has_the_metrics_of_what_it_predicts() -> None:
    class Huber(Loss, frozen=True):
        predicts = "numbers"

    assert MeanAbsoluteError().suits(Huber) and not Accuracy().suits(Huber)


@pytest.mark.parametrize("metric", [Accuracy(), MeanAbsoluteError()])
@pytest.mark.parametrize("shape", [(7, 1, 3), (5, 8, 1), (9, 33, 4), (3, 1000, 2)])
def test_several_steps_at_once_have_the_bits_of_each_alone(metric: Metric, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(3)
    outputs = rng.random(shape, dtype=np.float32)
    outputs[-1, 0, 0] = np.nan
    classes = shape[2] > 1 and isinstance(metric, Accuracy)
    targets = rng.integers(0, shape[2], shape[:2]) if classes else rng.random(shape, dtype=np.float32)
    sums, count = metric.evaluate_steps(outputs, targets)
    for step in range(shape[0]):
        alone = metric.evaluate(outputs[step], targets[step])
        assert np.array_equal((sums[step], count), alone, equal_nan=True)
