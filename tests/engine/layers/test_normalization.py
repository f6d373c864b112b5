"""Batch normalization: statistics of the batch in training, running statistics in evaluation."""

from __future__ import annotations

import numpy as np
import pytest

from engine.layers import BatchNorm
from tests.support.layers import Lone


@pytest.mark.parametrize("shape", [(8, 5), (3, 6, 7, 4), (2, 1, 1, 1), (5, 3, 3, 1)])
def test_training_normalizes_each_channel_over_the_batch(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).standard_normal(shape) * 3 + 7
    axes = tuple(range(len(shape) - 1))
    gamma, beta = np.linspace(0.5, 2, shape[-1]), np.linspace(-1, 1, shape[-1])
    lone = Lone(BatchNorm(epsilon=1e-8), x, parameters={"gamma": gamma, "beta": beta})
    np.testing.assert_allclose(lone.output.mean(axes), beta, atol=1e-12)
    np.testing.assert_allclose(lone.output.std(axes), np.abs(gamma), rtol=1e-6)


def test_running_statistics_take_the_unbiased_variance() -> None:
    x = np.random.default_rng(1).standard_normal((6, 3)) * 2 + 1
    lone = Lone(BatchNorm(momentum=0.25), x)
    np.testing.assert_allclose(lone.named("running_mean"), 0.25 * x.mean(0))
    np.testing.assert_allclose(lone.named("running_var"), 0.75 + 0.25 * x.var(0, ddof=1))


def test_evaluation_uses_the_running_statistics_and_leaves_them_alone() -> None:
    x = np.random.default_rng(1).standard_normal((6, 3)) * 2 + 1
    lone = Lone(BatchNorm(epsilon=1e-3), x, training=False)
    np.testing.assert_allclose(lone.output, x / np.sqrt(1 + 1e-3))
    np.testing.assert_array_equal(lone.named("running_mean"), np.zeros(3))


def test_a_batch_of_one_vector_gives_beta_and_stays_finite() -> None:
    lone = Lone(BatchNorm(), np.array([[3.0, -2.0]]), parameters={"beta": np.array([0.5, 1.0])})
    np.testing.assert_array_equal(lone.output, [[0.5, 1.0]])
    np.testing.assert_allclose(lone.named("running_var"), 0.9)


def test_a_mean_far_from_zero_costs_no_digits() -> None:
    # The variance as a difference of mean squares would be off by 2.5e-4 here.
    x = np.random.default_rng(2).standard_normal((4096, 2)).astype(np.float32) + np.float32(64)
    single, double = (Lone(BatchNorm(), x, precision=p).output for p in ("float32", "float64"))
    np.testing.assert_allclose(single, double, atol=3e-5)


def test_parameters_and_buffers() -> None:
    gamma, beta = BatchNorm().parameters(((8, 8, 5),))
    assert (gamma.shape, gamma.decay, beta.shape, beta.decay) == ((5,), False, (5,), False)
    rng = np.random.default_rng(0)
    assert [spec.initializer.sample(rng, (1,), 1, 1)[0] for spec in (gamma, beta)] == [1.0, 0.0]
    assert [(kept.name, kept.shape, kept.initial) for kept in BatchNorm().buffers(((5,),))] == [
        ("running_mean", (5,), 0.0),
        ("running_var", (5,), 1.0),
    ]
    assert BatchNorm().title() == "BatchNorm"
