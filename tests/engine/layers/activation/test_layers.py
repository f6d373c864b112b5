"""Activation layers: values, derivatives at chosen points, saturation, extreme inputs."""

from __future__ import annotations

import numpy as np
import pytest

from engine.layers import (
    ELU,
    GELU,
    SELU,
    Activation,
    HardTanh,
    Identity,
    LeakyReLU,
    Mish,
    PReLU,
    ReLU,
    Sigmoid,
    Softmax,
    Softplus,
    Swish,
    Tanh,
)
from tests.support.layers import Lone

LAYERS: list[Activation] = [
    ReLU(),
    LeakyReLU(),
    LeakyReLU(slope=0.25),
    PReLU(),
    PReLU(slopes="channel"),
    ELU(),
    ELU(alpha=0.0),
    SELU(),
    Sigmoid(),
    Tanh(),
    HardTanh(),
    Identity(),
    Swish(),
    Swish(beta=2.0, learned=True),
    GELU(),
    GELU(form="tanh"),
    Softplus(),
    Softplus(beta=100.0),
    Mish(),
]


def derivative(layer: Activation, x: np.ndarray, precision: str = "float64") -> np.ndarray:
    lone = Lone(layer, x, precision=precision)
    return lone.b.gradients({lone.value: np.ones_like(x)})(lone.inputs[0])


def test_values() -> None:
    x = np.array([[-2.0, -1.0, 0.0, 1.0, 2.0]])
    np.testing.assert_allclose(Lone(ReLU(), x).output, [[0, 0, 0, 1, 2]])
    np.testing.assert_allclose(Lone(LeakyReLU(), x).output, [[-0.02, -0.01, 0, 1, 2]])
    np.testing.assert_allclose(Lone(PReLU(), x).output, [[-0.5, -0.25, 0, 1, 2]])
    np.testing.assert_allclose(Lone(Sigmoid(), x).output, 1 / (1 + np.exp(-x)), rtol=1e-14)
    np.testing.assert_allclose(Lone(Tanh(), x).output, np.tanh(x))
    np.testing.assert_allclose(Lone(HardTanh(), x).output, [[-1, -1, 0, 1, 1]])
    np.testing.assert_allclose(Lone(ELU(alpha=2.0), x).output, np.where(x > 0, x, 2 * np.expm1(x)), rtol=1e-15)
    np.testing.assert_allclose(Lone(Mish(), x).output, x * np.tanh(np.log1p(np.exp(x))), rtol=1e-14)
    np.testing.assert_array_equal(Lone(Identity(), x).output, x)


def test_derivatives() -> None:
    x = np.array([[-1.0, 0.0, 1.0]])
    np.testing.assert_allclose(derivative(ReLU(), x), [[0, 0, 1]])
    np.testing.assert_allclose(derivative(LeakyReLU(slope=0.25), x), [[0.25, 0.25, 1]])
    np.testing.assert_allclose(derivative(PReLU(slope=0.5), x), [[0.5, 0.5, 1]])
    np.testing.assert_allclose(derivative(HardTanh(), x), [[0, 1, 0]])
    np.testing.assert_allclose(derivative(Sigmoid(), x)[0, 1], 0.25)
    np.testing.assert_allclose(derivative(Tanh(), x)[0, 1], 1.0)


def test_what_swish_becomes_at_the_ends_of_beta() -> None:
    x = np.linspace(-3, 3, 31)[None]
    np.testing.assert_array_equal(Lone(Swish(beta=0.0), x).output, x / 2)
    np.testing.assert_allclose(Lone(Swish(beta=100.0), x).output, np.maximum(x, 0), atol=1e-4)
    learned = Lone(Swish(beta=3.0, learned=True), x)
    np.testing.assert_array_equal(learned.output, Lone(Swish(beta=3.0), x).output)


def test_the_two_forms_of_gelu_differ_by_half_a_thousandth() -> None:
    x = np.linspace(-6, 6, 20_001)[None]
    gap = np.abs(Lone(GELU(), x).output - Lone(GELU(form="tanh"), x).output).max()
    assert gap == pytest.approx(4.7e-4, abs=1e-5)


def test_selu_keeps_mean_and_variance() -> None:
    from engine.initializers import LeCun

    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 300))
    for _ in range(8):
        x = Lone(SELU(), x @ LeCun().sample(rng, (300, 300), 300, 300)).output
    assert abs(x.mean()) < 0.1 and 0.8 < x.std() < 1.2


def test_softmax_rows_are_shares_whatever_the_size_of_inputs() -> None:
    x = np.array([[1.0, 2.0, 3.0], [1e4, 0.0, -1e4], [-1e30, -1e30, -1e30]])
    y = Lone(Softmax(), x).output
    np.testing.assert_allclose(y.sum(axis=1), 1.0)
    np.testing.assert_allclose(y[0], np.exp(x[0]) / np.exp(x[0]).sum(), rtol=1e-14)
    np.testing.assert_allclose(y[1:], [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]])
    image = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    np.testing.assert_allclose(Lone(Softmax(), image).output.sum(axis=-1), 1.0)


EXTREME = np.array([[-1e30, -1e4, -1000.0, -100.0, 0.0, 100.0, 1000.0, 1e4, 1e30]])


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("layer", [*LAYERS, Softmax()], ids=repr)
def test_nothing_overflows(layer: Activation, precision: str) -> None:
    value = Lone(layer, EXTREME, precision=precision).output
    slope = derivative(layer, EXTREME, precision)
    assert np.isfinite(value).all() and np.isfinite(slope).all()
    if layer.elementwise and layer.saturation is None:
        # Far out, all of these are straight lines.
        np.testing.assert_allclose(value[0, -2:], slope[0, -2:] * EXTREME[0, -2:], rtol=1e-6)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_extreme_inputs_saturate(precision: str) -> None:
    x = np.array([[-1e30, -1000.0, 1000.0, 1e30]])
    np.testing.assert_array_equal(Lone(Sigmoid(), x, precision=precision).output, [[0, 0, 1, 1]])
    for layer in (Tanh(), HardTanh()):
        np.testing.assert_array_equal(Lone(layer, x, precision=precision).output, [[-1, -1, 1, 1]])


@pytest.mark.parametrize("layer", [*LAYERS, Softmax()], ids=repr)
def test_shapes_pass_through(layer: Activation) -> None:
    for shape in ((5,), (4, 3, 2)):
        assert layer.infer((shape,)) == shape
        assert Lone(layer, np.ones((2, *shape))).output.shape == (2, *shape)


def test_what_is_learned() -> None:
    for shape in ((5,), (4, 3, 2)):
        assert {layer.title() for layer in LAYERS if layer.parameters((shape,))} == {"PReLU", "Swish"}
        (one,) = PReLU(slope=0.1).parameters((shape,))
        (many,) = PReLU(slopes="channel").parameters((shape,))
        (beta,) = Swish(learned=True).parameters((shape,))
        assert (one.shape, many.shape, beta.shape) == ((1,), shape[-1:], (1,))
        assert not (one.decay or many.decay or beta.decay)


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_large_arrays_are_worked_through_in_blocks(layer: Activation) -> None:
    x = np.random.default_rng(0).standard_normal((3, 70_001))
    whole = Lone(layer, x).output
    np.testing.assert_array_equal(whole[:, 60_000:], Lone(layer, x[:, 60_000:]).output)


def test_saturation_ranges() -> None:
    level = {layer.title(): type(layer).saturation for layer in LAYERS if type(layer).saturation}
    assert level == {"Sigmoid": (0.03, 0.97), "Tanh": (-0.97, 0.97), "Hard tanh": (-1.0, 1.0)}
