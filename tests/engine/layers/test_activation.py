"""Activation layers: values, derivatives at chosen points, saturation."""

from __future__ import annotations

import numpy as np
import pytest

from engine.layers import Activation, LeakyReLU, ReLU, Sigmoid, Tanh
from tests.support.layers import Lone

LAYERS = [ReLU(), LeakyReLU(), LeakyReLU(slope=0.25), Sigmoid(), Tanh()]


def derivative(layer: Activation, x: np.ndarray) -> np.ndarray:
    lone = Lone(layer, x)
    return lone.b.gradients({lone.value: np.ones_like(x)})(lone.inputs[0])


def test_values() -> None:
    x = np.array([[-2.0, -1.0, 0.0, 1.0, 2.0]])
    np.testing.assert_allclose(Lone(ReLU(), x).output, [[0, 0, 0, 1, 2]])
    np.testing.assert_allclose(Lone(LeakyReLU(), x).output, [[-0.02, -0.01, 0, 1, 2]])
    np.testing.assert_allclose(Lone(Sigmoid(), x).output, 1 / (1 + np.exp(-x)), rtol=1e-14)
    np.testing.assert_allclose(Lone(Tanh(), x).output, np.tanh(x))


def test_derivatives() -> None:
    x = np.array([[-1.0, 0.0, 1.0]])
    np.testing.assert_allclose(derivative(ReLU(), x), [[0, 0, 1]])
    np.testing.assert_allclose(derivative(LeakyReLU(slope=0.25), x), [[0.25, 0.25, 1]])
    np.testing.assert_allclose(derivative(Sigmoid(), x)[0, 1], 0.25)
    np.testing.assert_allclose(derivative(Tanh(), x)[0, 1], 1.0)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_extreme_inputs_saturate_without_nan(precision: str) -> None:
    x = np.array([[-1e30, -1000.0, 1000.0, 1e30]])
    np.testing.assert_array_equal(Lone(Sigmoid(), x, precision=precision).output, [[0, 0, 1, 1]])
    np.testing.assert_array_equal(Lone(Tanh(), x, precision=precision).output, [[-1, -1, 1, 1]])


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_shapes_pass_through_and_nothing_is_learned(layer: Activation) -> None:
    for shape in ((5,), (4, 3, 2)):
        assert layer.infer((shape,)) == shape
        assert layer.parameters((shape,)) == ()
        assert Lone(layer, np.ones((2, *shape))).output.shape == (2, *shape)


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_large_arrays_are_worked_through_in_blocks(layer: Activation) -> None:
    x = np.random.default_rng(0).standard_normal((3, 70_001))
    whole = Lone(layer, x).output
    np.testing.assert_array_equal(whole[:, 60_000:], Lone(layer, x[:, 60_000:]).output)


def test_saturation_ranges() -> None:
    assert [type(layer).saturation for layer in LAYERS] == [None, None, None, (0.03, 0.97), (-0.97, 0.97)]
    assert [layer.title() for layer in LAYERS] == ["ReLU", "Leaky ReLU", "Leaky ReLU", "Sigmoid", "Tanh"]
