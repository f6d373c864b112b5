"""Pooling layers on small images, and their refusals."""

from __future__ import annotations

import numpy as np
import pytest

from engine.layers import AveragePool2D, GlobalAveragePool2D, Layer, MaxPool2D, ShapeProblem
from tests.support.layers import Lone

IMAGE = np.arange(16.0).reshape(1, 4, 4, 1)


def test_maximum_and_mean_of_each_window() -> None:
    np.testing.assert_array_equal(Lone(MaxPool2D(), IMAGE).output[0, :, :, 0], [[5, 7], [13, 15]])
    np.testing.assert_array_equal(Lone(AveragePool2D(), IMAGE).output[0, :, :, 0], [[2.5, 4.5], [10.5, 12.5]])
    np.testing.assert_array_equal(Lone(GlobalAveragePool2D(), IMAGE).output, [[7.5]])


def test_padding_never_wins_and_counts_as_zero() -> None:
    x = np.full((1, 2, 2, 1), -1.0)
    np.testing.assert_array_equal(Lone(MaxPool2D(size=2, stride=2, padding=1), x).output, np.full((1, 2, 2, 1), -1.0))
    np.testing.assert_array_equal(
        Lone(AveragePool2D(size=2, stride=2, padding=1), x).output, np.full((1, 2, 2, 1), -0.25)
    )


def test_the_gradient_goes_to_the_first_maximum() -> None:
    lone = Lone(MaxPool2D(), np.zeros((1, 4, 4, 1)))
    gradient = lone.b.gradients({lone.value: np.ones((1, 2, 2, 1))})(lone.inputs[0])
    np.testing.assert_array_equal(gradient[0, :, :, 0], np.kron(np.eye(2) * 0 + 1, [[1, 0], [0, 0]]))


def test_pixels_that_no_window_covers_are_left_out() -> None:
    layer = MaxPool2D(size=2, stride=2)
    assert layer.infer(((5, 7, 3),)) == (2, 3, 3)
    lone = Lone(layer, np.arange(25.0).reshape(1, 5, 5, 1))
    gradient = lone.b.gradients({lone.value: np.ones((1, 2, 2, 1))})(lone.inputs[0])
    assert not gradient[0, 4].any() and not gradient[0, :, 4].any()
    assert gradient.sum() == 4


@pytest.mark.parametrize("layer", [MaxPool2D(size=5), AveragePool2D(size=5)])
def test_a_window_larger_than_the_image_is_refused(layer: Layer) -> None:
    with pytest.raises(ShapeProblem, match="does not fit into images of 3 × 4") as caught:
        layer.infer(((3, 4, 8),))
    assert (caught.value.field, caught.value.fix) == ("size", ("set", "size", 3))


@pytest.mark.parametrize("layer", [MaxPool2D(size=3, padding=2), AveragePool2D(size=3, padding=2)])
def test_padding_beyond_half_the_window_is_refused(layer: Layer) -> None:
    with pytest.raises(ShapeProblem, match="more than half") as caught:
        layer.infer(((8, 8, 1),))
    assert caught.value.fix == ("set", "padding", 1)


@pytest.mark.parametrize("layer", [MaxPool2D(), AveragePool2D(), GlobalAveragePool2D()])
def test_vectors_are_refused(layer: Layer) -> None:
    with pytest.raises(ShapeProblem, match="needs images"):
        layer.infer(((64,),))


def test_titles_and_costs() -> None:
    assert [layer.title() for layer in (MaxPool2D(), AveragePool2D(size=3), GlobalAveragePool2D())] == [
        "MaxPool 2×2",
        "AvgPool 3×3",
        "Global avg",
    ]
    assert Lone(MaxPool2D(), IMAGE).flops == 16
