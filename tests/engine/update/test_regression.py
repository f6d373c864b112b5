"""Penalties on a linear regression against scikit-learn: the diabetes data, standardized, with a centred target."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from engine.data.signature import DataSignature, TargetSignature
from engine.kinds import Penalty
from engine.optimizers import SGD
from engine.penalties import L1, L2, ElasticNet
from tests.engine.update.bench import Ours
from tests.support.random_networks import Case, Chain, experiment_of

FEATURES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")


@cache
def diabetes() -> tuple[np.ndarray, np.ndarray]:
    """x (442, 10) with mean 0 and standard deviation 1, y (442,) with mean 0."""
    datasets = pytest.importorskip("sklearn.datasets")
    x, y = datasets.load_diabetes(return_X_y=True, scaled=False)
    return (x - x.mean(axis=0)) / x.std(axis=0), y - y.mean()


def fitted(penalty: Penalty, steps: int = 6000) -> tuple[np.ndarray, float]:
    """The coefficients (10,) after gradient descent on the mean squared error and the penalty, and the loss."""
    x, y = diabetes()
    chain = Chain()
    chain.add("layer", "input")
    chain.add("layer", "dense", units=1, use_bias=False)
    chain.add("loss", "mean_squared_error")
    experiment = experiment_of(chain.nodes, optimizer=SGD(learning_rate=0.2), penalties=(penalty,), precision="float64")
    signature = DataSignature(inputs={"x": (10,)}, targets={"y": TargetSignature(shape=(1,))}, train_size=len(x))
    ours = Ours(Case(experiment=experiment, signature=signature, inputs={"x": x}, targets={"y": y[:, None]}, batch=442))
    loss = ours.step(steps)
    return np.array(ours.state.parameters["dense_1/weight"][:, 0]), loss


@pytest.mark.parametrize(("alpha", "count"), [(40.0, 2), (10.0, 4), (5.0, 5), (2.0, 7)])
def test_the_lasso_by_proximal_steps(alpha: float, count: int) -> None:
    """scikit-learn minimizes half of the mean squared error: its alpha is half of λ."""
    linear = pytest.importorskip("sklearn.linear_model")
    found, loss = fitted(L1(strength=2 * alpha, method="proximal"))
    model = linear.Lasso(alpha=alpha, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(*diabetes())
    np.testing.assert_allclose(found, model.coef_, atol=1e-3)
    assert np.count_nonzero(found) == np.count_nonzero(model.coef_) == count, "exact zeros, and the same ones"
    x, y = diabetes()
    residual = y - x @ model.coef_
    assert loss == pytest.approx(np.mean(residual**2) + 2 * alpha * np.sum(np.abs(model.coef_)), rel=1e-7)


def test_the_lasso_of_the_literature() -> None:
    found, _ = fitted(L1(strength=20.0, method="proximal"))
    expected = {"bmi": 22.599, "bp": 6.8019, "s3": -3.0891, "s5": 19.5859}
    np.testing.assert_allclose(found, [expected.get(name, 0.0) for name in FEATURES], atol=1e-3)


def test_subgradients_come_near_and_never_to_zero() -> None:
    found, _ = fitted(L1(strength=20.0))
    exact, _ = fitted(L1(strength=20.0, method="proximal"))
    assert np.count_nonzero(exact) == 4 and np.count_nonzero(found) == 10
    # Each weight swings by about the rate times λ, and the swings of related features add up.
    assert 0.2 < np.abs(found - exact).max() / (0.2 * 20.0) < 4


def test_ridge() -> None:
    """scikit-learn sums squared errors: with n samples its alpha is n λ."""
    linear = pytest.importorskip("sklearn.linear_model")
    found, _ = fitted(L2(strength=100.0 / 442))
    np.testing.assert_allclose(found, linear.Ridge(alpha=100.0, fit_intercept=False).fit(*diabetes()).coef_, atol=1e-9)
    table = [0.4361, -8.4331, 21.3766, 13.3369, -2.0665, -3.7073, -8.9759, 5.7228, 18.6514, 4.7304]
    np.testing.assert_allclose(found, table, atol=1e-4)
    assert np.count_nonzero(found) == 10


@pytest.mark.parametrize(("strength", "ratio"), [(4.0, 0.05), (1.0, 0.5)])
def test_the_elastic_net(strength: float, ratio: float) -> None:
    """λ (β Σ w² + Σ |w|) beside the mean squared error: alpha = λ/2 + λ β, l1_ratio = 1 / (1 + 2 β)."""
    linear = pytest.importorskip("sklearn.linear_model")
    found, _ = fitted(ElasticNet(strength=strength, ratio=ratio, method="proximal"))
    model = linear.ElasticNet(
        alpha=strength / 2 + strength * ratio,
        l1_ratio=1 / (1 + 2 * ratio),
        fit_intercept=False,
        tol=1e-12,
        max_iter=100_000,
    ).fit(*diabetes())
    np.testing.assert_allclose(found, model.coef_, atol=1e-3)
    assert np.count_nonzero(found) == np.count_nonzero(model.coef_)
