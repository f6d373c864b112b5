"""Dropout: shares, scaling, the same mask forwards and backwards, a new one each step, none in evaluation."""

from __future__ import annotations

import numpy as np
import pytest

from engine.layers import Dropout
from engine.random import bits, stream_of
from tests.support.layers import Lone

ONES = np.ones((50, 40))


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.95])
def test_share_and_scale(rate: float) -> None:
    y = Lone(Dropout(rate=rate), ONES).output
    assert set(np.unique(y)) <= {0.0, 1 / (1 - rate)}
    assert abs(np.mean(y == 0) - rate) < 5 * np.sqrt(0.25 / y.size)
    assert rate > 0 or np.array_equal(y, ONES)


def test_the_mask_is_the_random_stream_of_the_node() -> None:
    y = Lone(Dropout(rate=0.3), ONES, seed=5, step=9).output
    keep = bits(ONES.size, 5, 9, stream_of("node", "dropout")) >= np.uint32(int(0.3 * 2**32))
    np.testing.assert_array_equal(y != 0, keep.reshape(ONES.shape))


def test_every_step_and_seed_draws_another_mask() -> None:
    masks = [Lone(Dropout(), ONES, seed=s, step=t).output for s, t in ((0, 0), (0, 1), (1, 0))]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert 0.4 < np.mean(masks[a] == masks[b]) < 0.6


@pytest.mark.parametrize("size", [7, 70_000, 200_000])
def test_both_precisions_drop_the_same_elements(size: int) -> None:
    x = np.ones((1, size))
    single, double = (Lone(Dropout(rate=0.25), x, precision=p).output for p in ("float32", "float64"))
    np.testing.assert_array_equal(single != 0, double != 0)
    assert size == 7 or not double.all()


def test_the_gradient_passes_through_the_same_mask() -> None:
    lone = Lone(Dropout(rate=0.4), np.random.default_rng(0).standard_normal((20, 30)))
    gradient = lone.b.gradients({lone.value: np.ones((20, 30))})(lone.inputs[0])
    np.testing.assert_allclose(gradient * lone.b.host(lone.inputs[0]), lone.output)


def test_evaluation_passes_values_on() -> None:
    lone = Lone(Dropout(rate=0.9), ONES, training=False)
    assert lone.value is lone.inputs[0]
    assert Dropout(rate=0.25).title() == "Dropout 0.25"


def test_the_rate_is_read_when_the_program_runs() -> None:
    lone = Lone(Dropout(rate=0.5), ONES)
    assert lone.b.host(lone.b.control("rate", 0.0)) == pytest.approx(0.5)
