"""What activations do, in numbers: an independent table, and the operations that training runs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.activation_facts import distribution, evaluate, facts, gallery
from engine.layers import (
    ELU,
    GELU,
    SELU,
    Activation,
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

EXACT, EXPECTED = 1e-4, 2e-3
INF = math.inf

# f(1), f(-1), f'(0) (None at a corner), max f', lowest, highest; E f, sd f, E f'^2, share of |f'| < .05 at N(0, 5^2)
TABLE: list[tuple[Activation, tuple[float | None, ...], tuple[float, ...]]] = [
    (Sigmoid(), (0.7311, 0.2689, 0.25, 0.25, 0, 1), (0.5, 0.2083, 0.0448, 0.564)),
    (Tanh(), (0.7616, -0.7616, 1, 1, -1, 1), (0, 0.6279, 0.4644, 0.663)),
    (ReLU(), (1, 0, 0, 1, 0, INF), (0.3989, 0.5838, 0.5, 0.5)),
    (LeakyReLU(), (1, -0.01, None, 1, -INF, INF), (0.3950, 0.5866, 0.5, 0.5)),
    (LeakyReLU(slope=0.1), (1, -0.1, None, 1, -INF, INF), (0.3590, 0.6133, 0.5050, 0)),
    (PReLU(), (1, -0.25, None, 1, -INF, INF), (0.2992, 0.6646, 0.5312, 0)),
    (ELU(), (1, -0.6321, 1, 1, -1, INF), (0.1605, 0.7869, 0.6681, 0.275)),
    (SELU(), (1.0507, -1.1113, None, 1.7581, -1.7581, INF), (0, 1, 1.0716, 0.238)),
    (Swish(), (0.7311, -0.2689, 0.5, 1.0998, -0.27846, INF), (0.2066, 0.5595, 0.3795, 0.244)),
    (GELU(), (0.8413, -0.1587, 0.5, 1.1289, -0.16997, INF), (0.2821, 0.5879, 0.4559, 0.338)),
    (Softplus(), (1.3133, 0.3133, 0.5, 1, 0, INF), (0.8061, 0.5211, 0.2934, 0.278)),
    (Mish(), (0.8651, -0.3034, 0.6, 1.0885, -0.30884, INF), (0.2404, 0.6281, 0.4791, 0.236)),
]


@pytest.mark.parametrize(("layer", "exact", "expected"), TABLE, ids=lambda item: repr(item)[:30])
def test_the_table(layer: Activation, exact: tuple[float | None, ...], expected: tuple[float, ...]) -> None:
    found = facts(layer)
    numbers = (found.at_one, found.at_minus_one, found.slope_at_zero, found.max_slope, found.low, found.high)
    for number, wanted in zip(numbers, exact, strict=True):
        assert wanted is None or number == pytest.approx(wanted, abs=EXACT)
    averages = (found.mean, found.std, found.mean_square_slope, found.flat_share)
    assert averages == pytest.approx(expected, abs=EXPECTED)


@pytest.mark.parametrize(
    ("layer", "place"), [(Swish(), -1.2785), (GELU(), -0.7518), (Mish(), -1.1924), (ReLU(), None), (Tanh(), None)]
)
def test_where_it_is_lowest(layer: Activation, place: float | None) -> None:
    assert facts(layer).low_at == (None if place is None else pytest.approx(place, abs=EXACT))


@pytest.mark.parametrize(
    ("layer", "gain"),
    [
        (Sigmoid(), 1.846),
        (Tanh(), 1.593),
        (ReLU(), 1.414),
        (ELU(), 1.245),
        (SELU(), 1.0),
        (Swish(), 1.677),
        (GELU(), 1.534),
    ],
    ids=repr,
)
def test_gains(layer: Activation, gain: float) -> None:
    assert facts(layer).gain == pytest.approx(gain, abs=1e-3)


def test_initializers_have_the_same_gains() -> None:
    from engine.initializers import GAINS, gain_of

    for name, layer in (("relu", ReLU()), ("elu", ELU()), ("gelu", GELU()), ("swish", Swish())):
        assert GAINS[name] == pytest.approx(facts(layer).gain, abs=1e-6)
    assert gain_of("leaky_relu", 0.25) == pytest.approx(facts(PReLU()).gain, abs=1e-6)


def test_curves_are_those_of_the_operations() -> None:
    x = np.linspace(-2, 2, 9)
    y, slope = evaluate(ELU(), x)
    np.testing.assert_allclose(y, np.where(x > 0, x, np.expm1(x)))
    np.testing.assert_allclose(slope, np.where(x > 0, 1, np.exp(x)))
    _, slope = evaluate(Swish(beta=2.0, learned=True), x)
    np.testing.assert_allclose(slope, evaluate(Swish(beta=2.0), x)[1], rtol=1e-12)
    with pytest.raises(ValueError, match="Softmax has no curve"):
        evaluate(Softmax(), x)


def test_another_input() -> None:
    found = facts(ReLU(), 3.0, 0.1)
    assert (found.mean, found.std) == pytest.approx((3.0, 0.1), abs=1e-6)
    assert found.flat_share == facts(ReLU()).flat_share, "that is told for one input, whatever the other"


def test_distributions() -> None:
    same = distribution(gallery()["Identity"], 1.0, 2.0, 40)
    assert same.shares.sum() == pytest.approx(1)
    assert (same.mean, same.std) == pytest.approx((1.0, 2.0), rel=1e-6)
    assert (same.low, same.high) == pytest.approx((1 - 7.44, 1 + 7.44), rel=1e-2)
    cut = distribution(ReLU(), bins=40)
    assert cut.shares[0] == pytest.approx(0.5, abs=0.05) and cut.low == 0.0
    assert distribution(ReLU(), -60.0, 1.0).shares.sum() == pytest.approx(1), "a dead unit has one value"


def test_the_gallery_has_everything_with_a_curve() -> None:
    names = list(gallery())
    assert names[0] == "ReLU" and {"Leaky ReLU 0.1", "GELU (tanh)", "Identity", "Mish"} <= set(names)
    assert "Softmax" not in names and "Maxout 128" not in names
