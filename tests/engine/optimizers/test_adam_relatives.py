"""Relatives of Adam: the numbers of their steps."""

import numpy as np
import pytest

from engine.optimizers import Adam, Adamax, Nadam, RAdam
from engine.optimizers.adam_relatives import NEGLIGIBLE, _product
from tests.support.stepping import Stepper


@pytest.mark.parametrize("beta1", [0.0, 0.5, 0.9, 0.9999])
def test_product_of_momenta_by_definition(beta1: float) -> None:
    expected, step = 1.0, 0
    wanted = {1, 2, 7, 300, 5000}
    while step < max(wanted):
        step += 1
        expected *= beta1 * (1 - 0.5 * 0.96 ** (step * 0.004))
        if step in wanted:
            assert _product(beta1, 0.004, step) == pytest.approx(expected, rel=1e-11, abs=NEGLIGIBLE)


def test_product_far_on_is_nothing() -> None:
    steps = np.array([1, 10**6, 10**9])
    found = _product(0.9999, 0.004, steps)
    assert found[0] == 0.9999 * (1 - 0.5 * 0.96**0.004) and found[1:].max() < 1e-40  # type: ignore[index]


def test_product_where_the_momentum_moves() -> None:
    steps, momenta = np.array([3, 4]), np.array([0.85, 0.95])
    both = _product(momenta, 0.004, steps)  # type: ignore[arg-type]
    assert both == pytest.approx([_product(0.85, 0.004, 3), _product(0.95, 0.004, 4)], rel=1e-14)


def test_nadam_with_a_large_decay_keeps_momentum_constant() -> None:
    scalars = Nadam(momentum_decay=1000.0, beta1=0.5).scalars(1.0, 3)
    assert scalars["gradient_size"] == pytest.approx(0.5 / (1 - 0.5**3))
    assert scalars["mean_size"] == pytest.approx(0.5 / (1 - 0.5**4))


def test_radam_divides_from_the_sixth_step_on() -> None:
    scalars = RAdam().scalars(np.full(8, 0.1), np.arange(1, 9))
    plain, adaptive = scalars["plain_size"], scalars["adaptive_size"]
    assert isinstance(plain, np.ndarray) and isinstance(adaptive, np.ndarray)
    assert (plain[:5] > 0).all() and (plain[5:] == 0).all()
    assert (adaptive[:5] == 0).all() and (adaptive[5:] > 0).all()


def test_radam_becomes_adam() -> None:
    late, adam = RAdam().scalars(0.1, 10**6), Adam().scalars(0.1, 10**6)
    assert late["plain_size"] == 0.0
    assert late["adaptive_size"] == pytest.approx(adam["step_size"], rel=1e-12)


def test_radam_with_a_short_memory_never_divides() -> None:
    for beta2 in (0.0, 1 / 3, 0.6, 2 / 3):
        scalars = RAdam(beta2=beta2).scalars(np.full(50, 0.1), np.arange(1, 51))
        assert np.all(scalars["adaptive_size"] == 0.0) and np.all(np.isfinite(scalars["plain_size"]))


def test_adamax_is_bounded_by_the_rate() -> None:
    stepper = Stepper(Adamax(learning_rate=0.1), np.zeros(3))
    stepper.step(np.array([1e-3, 1.0, 1e6]))
    assert stepper.parameter == pytest.approx(np.full(3, -0.1), rel=1e-4)
    stepper.step(np.zeros(3))
    assert (np.abs(stepper.parameter) <= 0.2).all()
