"""The draws: pure functions of their keys, of the distributions that they name."""

from __future__ import annotations

import numpy as np
import pytest

from engine.data.augmentation.draws import Draws
from engine.random import bits, stream_of

MANY = Draws(seed=7, first=3, steps=50, batch=1000, index=2)


def test_a_draw_is_the_stream_of_its_step() -> None:
    draws = Draws(seed=(5 << 32) + 7, first=11, steps=3, batch=4, index=2)
    stream = stream_of("augmentation", "2 angle")
    for k in range(3):
        expected = bits(8, (5 << 32) + 7, 11 + k, stream).reshape(4, 2)
        np.testing.assert_array_equal(draws.bits("angle", 2)[4 * k : 4 * k + 4], expected)


@pytest.mark.parametrize("other", [{"seed": 8}, {"first": 4}, {"index": 3}])
def test_every_key_makes_other_draws(other: dict[str, int]) -> None:
    keys = {"seed": 7, "first": 3, "steps": 1, "batch": 64, "index": 2}
    one, two = Draws(**keys), Draws(**keys | other)
    assert (one.uniform("a") == Draws(**keys).uniform("a")).all()
    assert not np.isin(one.uniform("a"), two.uniform("a")).any()
    assert not np.isin(one.uniform("a"), one.uniform("b")).any()


def test_draws_of_several_steps_are_those_of_each() -> None:
    together = Draws(7, 3, 5, 6, 2)
    for name, draw in {
        "uniform": lambda d: d.uniform("u", -2, 3),
        "batch": lambda d: d.uniform_of_batches("u"),
        "whole": lambda d: d.whole("w", -3, 3),
        "normal": lambda d: d.normal("n", 7),
        "beta": lambda d: d.beta("b", 0.3),
        "chosen": lambda d: d.chosen(0.4),
    }.items():
        singly = [draw(Draws(7, 3 + k, 1, 6, 2)) for k in range(5)]
        np.testing.assert_array_equal(draw(together), np.concatenate(singly), name)


def test_uniform_and_whole_numbers() -> None:
    u = MANY.uniform("u", -1, 3)
    assert u.min() > -1 and u.max() < 3
    assert u.mean() == pytest.approx(1, abs=0.02) and u.std() == pytest.approx(4 / np.sqrt(12), rel=0.01)
    assert np.unique(MANY.uniform("u", 2, 2)).tolist() == [2]
    numbers, counts = np.unique(MANY.whole("w", -2, 4), return_counts=True)
    assert numbers.tolist() == list(range(-2, 5))
    np.testing.assert_allclose(counts / MANY.count, 1 / 7, atol=0.006)


def test_a_share_of_the_samples_is_chosen() -> None:
    assert MANY.chosen(0.3).mean() == pytest.approx(0.3, abs=0.008)
    assert MANY.chosen(1.0).all() and not MANY.chosen(0.0).any()


def test_normal_numbers_are_normal() -> None:
    stats = pytest.importorskip("scipy.stats")
    x = Draws(7, 3, 10, 100, 2).normal("n", 51).reshape(-1)
    assert x.dtype == np.float32 and x.shape == (51_000,)
    assert stats.kstest(x, "norm").pvalue > 0.01
    assert abs(x).max() < 6
    both = Draws(7, 3, 10, 1000, 2).normal("n", 2)
    assert np.corrcoef(both.T)[0, 1] == pytest.approx(0, abs=0.03), "the two numbers of a pair are independent"


@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.5, 1.0, 4.0, 50.0])
def test_beta_numbers_have_their_distribution(alpha: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    x = Draws(7, 3, 20, 1000, 2).beta("share", alpha)
    assert x.min() >= 0 and x.max() <= 1
    # Of a small alpha many shares are 0 or 1 to the last bit: the two tests are of what lies between.
    assert (
        stats.kstest(x[(x > 1e-12) & (x < 1 - 1e-12)], lambda v: _conditional(stats.beta(alpha, alpha), v)).pvalue
        > 0.01
    )
    assert x.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.03)


def _conditional(law, values: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]
    low, high = law.cdf(1e-12), law.cdf(1 - 1e-12)
    return np.asarray((law.cdf(values) - low) / (high - low))


def test_the_smaller_share_of_mixup_on_average() -> None:
    """Of Beta(0.2, 0.2) it is 0.101, of the uniform distribution 0.25."""
    for alpha, expected in ((0.2, 0.101), (1.0, 0.25)):
        x = MANY.beta("share", alpha)
        assert np.minimum(x, 1 - x).mean() == pytest.approx(expected, abs=0.003)


def test_the_extremes_of_beta() -> None:
    x = MANY.beta("share", 1e-4)
    assert np.minimum(x, 1 - x).mean() < 1e-3 and x.mean() == pytest.approx(0.5, abs=0.01)
    assert np.abs(MANY.beta("share", 100.0) - 0.5).max() < 0.2


def test_one_number_for_a_batch() -> None:
    share = MANY.beta("share", 1.0, of_batches=True).reshape(50, 1000)
    assert (share == share[:, :1]).all() and len(np.unique(share[:, 0])) == 50


def test_partners_are_a_random_order_within_each_batch() -> None:
    partners = MANY.partners("p").reshape(50, 1000)
    for k, row in enumerate(partners):
        np.testing.assert_array_equal(np.sort(row), np.arange(1000 * k, 1000 * (k + 1)))
    assert (partners == np.arange(50_000).reshape(50, 1000)).mean() < 0.005
