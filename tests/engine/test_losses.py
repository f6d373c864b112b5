"""Losses in closed form, their gradients, their stability, and what they refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from engine.data.signature import DataSignature, TargetSignature
from engine.layers.base import Loss, ShapeProblem
from engine.losses import BinaryCrossEntropy, Hinge, Huber, MeanAbsoluteError, MeanSquaredError, SoftmaxCrossEntropy
from engine.lower import target_tensor
from engine.ops.base import DType, Tensor
from tests.support.interpreter import Interpreter


def evaluate(
    loss: Loss, prediction: np.ndarray, target: np.ndarray, precision: str = "float64"
) -> tuple[float, np.ndarray, np.ndarray]:
    """(loss, output, gradient by the prediction)."""
    b = Interpreter(precision=precision, batch_size=len(prediction))
    x = b.value(prediction)
    value, output = loss.lower(b, x, b.value(target, needed=False))  # type: ignore[arg-type]
    assert value.shape == (1,)
    gradient = b.gradients({value: np.ones(1)})(x)
    return float(b.host(value)[0]), b.host(output), gradient


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_equal_logits_give_the_logarithm_of_the_classes(classes: int) -> None:
    labels = np.arange(5) % classes
    value, output, gradient = evaluate(SoftmaxCrossEntropy(), np.full((5, classes), 3.7), labels)
    assert value == pytest.approx(math.log(classes), rel=1e-12)
    assert value == pytest.approx(SoftmaxCrossEntropy().expected_initial(classes))
    np.testing.assert_allclose(output, 1 / classes)
    np.testing.assert_allclose(gradient, (1 / classes - np.eye(classes)[labels]) / 5, atol=1e-15)


def test_softmax_cross_entropy_of_a_known_row() -> None:
    z = np.log(np.array([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]]))
    value, output, _ = evaluate(SoftmaxCrossEntropy(), z + 100.0, np.array([2, 0]))
    assert value == pytest.approx(-(math.log(0.7) + math.log(0.5)) / 2, rel=1e-12)
    np.testing.assert_allclose(output, np.exp(z), rtol=1e-12)


def test_softmax_cross_entropy_of_huge_logits() -> None:
    z = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0]])
    value, output, gradient = evaluate(SoftmaxCrossEntropy(), z, np.array([0, 0]), "float32")
    assert value == pytest.approx(1e4)
    np.testing.assert_allclose(output, [[1, 0, 0], [0, 1, 0]])
    np.testing.assert_allclose(gradient, [[0, 0, 0], [-0.5, 0.5, 0]])


def test_shares_weigh_the_losses_of_their_classes() -> None:
    rng = np.random.default_rng(1)
    z, a, b, part = rng.normal(size=(6, 4)) * 3, rng.integers(0, 4, 6), rng.integers(0, 4, 6), rng.random(6)
    shares = part[:, None] * np.eye(4)[a] + (1 - part)[:, None] * np.eye(4)[b]
    soft, output, gradient = evaluate(SoftmaxCrossEntropy(), z, shares)
    hard = 0.0
    expected = np.zeros_like(z)
    for row in range(6):
        for label, weight in ((a[row], part[row]), (b[row], 1 - part[row])):
            value, _, slope = evaluate(SoftmaxCrossEntropy(), z[row : row + 1], np.array([label]))
            hard += weight * value / 6
            expected[row] += weight * slope[0] / 6
    assert soft == pytest.approx(hard, rel=1e-12)
    np.testing.assert_allclose(gradient, expected, atol=1e-14)
    np.testing.assert_allclose(gradient, (output - shares) / 6, atol=1e-14)


def test_shares_that_are_all_of_one_class_are_that_class() -> None:
    z, labels = np.random.default_rng(2).normal(size=(5, 3)), np.array([0, 1, 2, 2, 1])
    soft, hard = (evaluate(SoftmaxCrossEntropy(), z, target) for target in (np.eye(3)[labels], labels))
    for found, expected in zip(soft, hard, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-15)


def test_the_loss_of_shares_ends_at_their_entropy() -> None:
    value, _, gradient = evaluate(SoftmaxCrossEntropy(), np.log([[0.6, 0.4]]), np.array([[0.6, 0.4]]))
    assert value == pytest.approx(0.6730, abs=5e-5)
    np.testing.assert_allclose(gradient, 0, atol=1e-15)


@pytest.mark.parity
def test_shares_agree_with_pytorch() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    z, shares = rng.normal(size=(7, 5)) * 4, rng.dirichlet(np.ones(5), 7)
    value, _, gradient = evaluate(SoftmaxCrossEntropy(), z, shares)
    logits = torch.tensor(z, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor(shares))
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(gradient, logits.grad.numpy(), atol=1e-14)


def test_binary_cross_entropy_of_zero_logits_is_ln_2() -> None:
    value, output, gradient = evaluate(BinaryCrossEntropy(), np.zeros((4, 1)), np.array([0, 1, 1, 0]))
    assert value == pytest.approx(math.log(2), rel=1e-12)
    assert BinaryCrossEntropy().expected_initial(1) == pytest.approx(value)
    np.testing.assert_allclose(output, 0.5)
    np.testing.assert_allclose(gradient[:, 0], np.array([0.5, -0.5, -0.5, 0.5]) / 4)


def test_binary_cross_entropy_is_that_of_the_probabilities() -> None:
    rng = np.random.default_rng(0)
    z, t = rng.normal(size=(6, 3)), rng.random((6, 3))
    p = 1 / (1 + np.exp(-z))
    value, output, _ = evaluate(BinaryCrossEntropy(), z, t)
    assert value == pytest.approx(-np.mean(t * np.log(p) + (1 - t) * np.log(1 - p)), rel=1e-12)
    np.testing.assert_allclose(output, p, rtol=1e-12)


def test_binary_cross_entropy_of_huge_logits() -> None:
    z = np.array([[1e4], [-1e4], [1e4], [-1e4]])
    value, output, gradient = evaluate(BinaryCrossEntropy(), z, np.array([1, 0, 0, 1]), "float32")
    assert value == pytest.approx(5e3)
    np.testing.assert_allclose(output[:, 0], [1, 0, 1, 0])
    np.testing.assert_allclose(gradient[:, 0], [0, 0, 0.25, -0.25])


def test_mean_squared_error_is_the_mean_over_samples_and_outputs() -> None:
    y, t = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[0.0, 2.0], [1.0, 1.0]])
    value, output, gradient = evaluate(MeanSquaredError(), y, t)
    assert value == pytest.approx((1 + 0 + 4 + 16) / 4)
    np.testing.assert_array_equal(output, y)
    np.testing.assert_allclose(gradient, 2 * (y - t) / 4)


def test_mean_squared_error_knows_nothing_of_the_first_loss() -> None:
    assert MeanSquaredError().expected_initial(3) is None


@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), BinaryCrossEntropy()])
def test_classifiers_refuse_images_and_offer_to_flatten(loss: Loss) -> None:
    with pytest.raises(ShapeProblem, match="Flatten") as caught:
        loss.infer(((8, 8, 3),))
    assert caught.value.fix == ("insert", "flatten", {})


def test_softmax_cross_entropy_refuses_a_single_output() -> None:
    with pytest.raises(ShapeProblem, match="at least two"):
        SoftmaxCrossEntropy().infer(((1,),))
    assert SoftmaxCrossEntropy().infer(((2,),)) == (2,)


def test_targets_are_classes_or_numbers() -> None:
    assert SoftmaxCrossEntropy.needs_classes
    assert not BinaryCrossEntropy.needs_classes and not MeanSquaredError.needs_classes
    for loss in (SoftmaxCrossEntropy(), BinaryCrossEntropy(), MeanSquaredError()):
        assert (loss.target, loss.weight) == ("y", 1.0)


def test_mismatched_targets_are_refused_before_anything_runs() -> None:
    b = Interpreter()
    with pytest.raises(ValueError, match="do not match"):
        MeanSquaredError().lower(b, b.value(np.zeros((3, 2))), b.value(np.zeros((3, 1))))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="do not match"):
        SoftmaxCrossEntropy().lower(b, b.value(np.zeros((3, 2))), b.value(np.zeros(4, np.int64)))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="do not match"):
        SoftmaxCrossEntropy().lower(b, b.value(np.zeros((3, 2))), b.value(np.zeros((3, 3))))  # type: ignore[arg-type]


def test_a_target_of_classes_holds_numbers_or_shares() -> None:
    signature = DataSignature(
        inputs={"x": (2,)}, targets={"y": TargetSignature(classes=2), "z": TargetSignature(shape=(3,))}
    )
    for loss, target, hard, soft in (
        (SoftmaxCrossEntropy(), "y", Tensor((4,), DType.INT64), Tensor((4, 2))),
        (BinaryCrossEntropy(), "y", Tensor((4,), DType.INT64), Tensor((4,))),
        (MeanSquaredError(), "z", Tensor((4, 3)), Tensor((4, 3))),
    ):
        loss = replace(loss, target=target)
        assert loss.takes_shares or target == "z"
        assert target_tensor(loss, signature, 4) == hard
        assert target_tensor(loss, signature, 4, shares=True) == soft


# -- margins, robust losses, smoothing and weights ---------------------------------------------------------------------


@pytest.mark.parametrize(("power", "classes", "expected"), [(1, "mean", 4 * 0.7 / 5), (2, "sum", 4 * 0.49)])
def test_the_hinge_loss_of_equal_scores_is_the_expected_one(power: Any, classes: Any, expected: float) -> None:
    loss = Hinge(margin=0.7, power=power, classes=classes)
    value, shares, _ = evaluate(loss, np.full((3, 5), 2.2), np.array([0, 4, 2]))
    assert value == pytest.approx(expected) and loss.expected_initial(5) == pytest.approx(expected)
    np.testing.assert_allclose(shares, 0.2)


def test_a_sample_beyond_the_margin_has_neither_hinge_loss_nor_gradient() -> None:
    value, shares, gradient = evaluate(Hinge(), np.array([[3.0, 1.9, 0.0], [1e4, -1e4, 0.0]]), np.array([0, 0]))
    assert value == 0 and not gradient.any()
    assert (shares.argmax(axis=1) == 0).all() and np.isfinite(shares).all()


def test_huber_is_half_the_squared_error_near_the_target_and_straight_beyond() -> None:
    y, t = np.array([[0.3], [-4.0]]), np.zeros((2, 1))
    value, output, gradient = evaluate(Huber(delta=1.5), y, t)
    assert value == pytest.approx((0.3**2 / 2 + 1.5 * (4.0 - 0.75)) / 2)
    np.testing.assert_array_equal(output, y)
    np.testing.assert_allclose(gradient[:, 0], [0.15, -0.75])


def test_the_constant_that_absolute_error_prefers_is_the_median() -> None:
    t = np.array([[0.0], [1.0], [2.0], [3.0], [1000.0]])
    losses = [evaluate(MeanAbsoluteError(), np.full((5, 1), c), t)[0] for c in np.arange(0.0, 6.0, 0.5)]
    assert np.arange(0.0, 6.0, 0.5)[int(np.argmin(losses))] == 2.0


def test_smoothing_keeps_the_best_logits_finite() -> None:
    """With t = (1 − ε) + ε / C for the right class, −Σ t ln p is least at p = t."""
    eps, classes = 0.1, 4
    t = np.full((1, classes), eps / classes)
    t[0, 2] += 1 - eps
    value, p, gradient = evaluate(SoftmaxCrossEntropy(smoothing=eps), np.log(t), np.array([2]))
    np.testing.assert_allclose(p, t)
    np.testing.assert_allclose(gradient, 0, atol=1e-15)
    assert value == pytest.approx(-float(np.sum(t * np.log(t))))


def test_a_batch_whose_weights_are_all_zero_has_the_loss_zero() -> None:
    loss = SoftmaxCrossEntropy(class_weights=(0.0, 1.0))
    value, _, gradient = evaluate(loss, np.array([[1.0, 2.0]]), np.array([0]), "float32")
    assert value == 0 and not gradient.any()


@pytest.mark.parametrize("weights", [(1.0,), (0.0, 0.0, 0.0)])
def test_class_weights_that_do_not_fit_are_refused_with_a_remedy(weights: tuple[float, ...]) -> None:
    with pytest.raises(ShapeProblem, match="class weights") as caught:
        SoftmaxCrossEntropy(class_weights=weights).check_target((3,), TargetSignature(classes=3))
    assert caught.value.field == "class_weights" and caught.value.fix == ("set", "class_weights", ())


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (SoftmaxCrossEntropy(smoothing=0.2), math.log(3)),
        (SoftmaxCrossEntropy(class_weights=(1.0, 2.0, 5.0)), math.log(3)),
        (SoftmaxCrossEntropy(class_weights=(1.0, 2.0, 5.0), mean_over="samples"), None),
        (SoftmaxCrossEntropy(class_weights=(1.0, 2.0, 5.0), smoothing=0.2), None),
    ],
)
def test_the_expected_initial_loss_is_told_only_where_it_is_known(loss: Loss, expected: float | None) -> None:
    assert loss.expected_initial(3) == expected
    if expected is not None:
        value, _, _ = evaluate(loss, np.zeros((4, 3)), np.array([0, 1, 2, 2]))
        assert value == pytest.approx(expected)
