"""Metrics on small batches whose answers can be counted."""

import numpy as np
import pytest

from engine.kinds import Metric
from engine.layers.base import Loss
from engine.losses import BinaryCrossEntropy, MeanSquaredError, SoftmaxCrossEntropy
from engine.metrics import F1, R2, Accuracy, MeanAbsoluteError, Precision, Recall, TopKAccuracy, class_scores
from engine.training.evaluate import Head, Sums


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


EVERY = [Accuracy(), MeanAbsoluteError(), TopKAccuracy(k=2), Recall(), Precision(), F1(), R2()]


@pytest.mark.parametrize("metric", EVERY, ids=lambda metric: type(metric).__name__)
@pytest.mark.parametrize("shape", [(7, 1, 3), (5, 8, 1), (9, 33, 4), (3, 1000, 2)])
def test_several_steps_at_once_have_the_bits_of_each_alone(metric: Metric, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(3)
    outputs = rng.random(shape, dtype=np.float32)
    outputs[-1, 0, 0] = np.nan
    classes = isinstance(metric, TopKAccuracy) or (shape[2] > 1 and "classes" in metric.takes)
    targets = rng.integers(0, shape[2], shape[:2]) if classes else rng.random(shape, dtype=np.float32)
    sums, count = metric.evaluate_steps(outputs, targets)
    for step in range(shape[0]):
        alone = metric.evaluate(outputs[step], targets[step])
        assert np.array_equal(sums[step], alone[0], equal_nan=True) and count == alone[1]


# -- beside scikit-learn -----------------------------------------------------------------------------------------------


def over_batches(metric: Metric, outputs: np.ndarray, targets: np.ndarray) -> float:
    """The metric over three batches of unequal size, as a run adds it up."""
    sums, head = Sums(), Head("loss_1", "y", 1.0, 0, (), (("m", metric),))
    for start, stop in ((0, 5), (5, 6), (6, len(outputs))):
        part = slice(start, stop)
        sums.add_metrics((head,), {"loss_1": outputs[np.newaxis, part]}, {"y": targets[np.newaxis, part]})
    return sums.values((head,))["m"]


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_scores_of_classes(classes: int) -> None:
    scores = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(classes)
    p, y = rng.dirichlet(np.ones(classes), 200), rng.integers(0, classes, 200)
    named = p.argmax(axis=1)
    assert over_batches(Recall(), p, y) == pytest.approx(scores.recall_score(y, named, average="macro"))
    assert over_batches(Precision(), p, y) == pytest.approx(scores.precision_score(y, named, average="macro"))
    assert over_batches(F1(), p, y) == pytest.approx(scores.f1_score(y, named, average="macro"))
    found = class_scores(scores.confusion_matrix(y, named))
    for name, theirs in (("recall", "recall"), ("precision", "precision"), ("F1", "f1")):
        np.testing.assert_allclose(found[name], getattr(scores, f"{theirs}_score")(y, named, average=None))


@pytest.mark.parametrize("questions", [1, 4])
def test_scores_of_answers(questions: int) -> None:
    scores = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(questions)
    p, y = rng.random((60, questions)), rng.integers(0, 2, (60, questions)).astype(float)
    average = "macro" if questions > 1 else "binary"
    yes = (p >= 0.5).astype(int)
    assert over_batches(Recall(), p, y) == pytest.approx(scores.recall_score(y, yes, average=average))
    assert over_batches(Precision(), p, y) == pytest.approx(scores.precision_score(y, yes, average=average))
    assert over_batches(F1(), p, y) == pytest.approx(scores.f1_score(y, yes, average=average))


@pytest.mark.parametrize("k", [1, 2, 5, 9])
def test_top_k(k: int) -> None:
    scores = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(k)
    p, y = rng.dirichlet(np.ones(7), 100), rng.integers(0, 7, 100)
    expected = scores.top_k_accuracy_score(y, p, k=k, labels=range(7)) if k < 7 else 1.0
    assert over_batches(TopKAccuracy(k=k), p, y) == pytest.approx(expected)
    assert over_batches(TopKAccuracy(k=1), p, y) == over_batches(Accuracy(), p, y)


def test_of_equal_probabilities_the_first_class_goes_first() -> None:
    p = np.full((4, 4), 0.25)
    assert TopKAccuracy(k=2).evaluate(p, np.array([0, 1, 2, 3])) == (2.0, 4.0)
    p[0, 3] = np.nan
    assert TopKAccuracy(k=2).evaluate(p, np.array([0, 1, 2, 3])) == (1.0, 4.0)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("shift", [0.0, 1e3])
def test_r2(outputs: int, shift: float) -> None:
    scores = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    y = rng.normal(size=(40, outputs)) * np.arange(1, outputs + 1) + shift
    guess = y + rng.normal(size=y.shape)
    assert over_batches(R2(), guess, y) == pytest.approx(scores.r2_score(y, guess), rel=1e-8)
    mean = np.broadcast_to(y.mean(axis=0), y.shape)
    assert over_batches(R2(), mean, y) == pytest.approx(0.0, abs=1e-8)
    assert over_batches(R2(), y, y) == 1.0


def test_classes_and_outputs_that_say_nothing_are_left_out() -> None:
    p = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.1, 0.9, 0.0]])
    y = np.array([0, 1, 0])
    for metric, expected in ((Recall(), (0.5 + 1.0) / 2), (Precision(), (1.0 + 0.5) / 2), (F1(), 2 / 3)):
        sums, count = metric.evaluate(p, y)
        assert metric.value(sums, count) == pytest.approx(expected)
    equal = np.array([[1.0, 4.0], [2.0, 4.0], [3.0, 4.0]])
    sums, count = R2().evaluate(np.add(equal, [[0.5, 9.0]]), equal)
    assert R2().value(sums, count) == pytest.approx(1 - 0.75 / 2)


def test_a_class_that_is_never_named_has_no_precision() -> None:
    p, y = np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1])
    sums, count = Precision().evaluate(p, y)
    assert Precision().value(sums, count) == pytest.approx((0.5 + 0.0) / 2)
