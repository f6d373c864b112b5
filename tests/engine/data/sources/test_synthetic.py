import numpy as np
import pytest

from engine.data.sources import Blobs, Circles, Moons, Regression, Spirals, Xor

PLANE = [Spirals(), Spirals(classes=5), Moons(), Circles(), Circles(classes=3), Xor(), Blobs(), Blobs(classes=7)]


@pytest.mark.parametrize("source", [*PLANE, Regression(), Regression(function="sine"), Regression(function="linear")])
def test_what_is_promised_is_what_comes(source) -> None:
    raw = source.read()
    assert raw.outline() == source.outline()
    assert np.isfinite(raw.inputs["x"]).all()
    again = source.read()
    np.testing.assert_array_equal(raw.inputs["x"], again.inputs["x"])
    np.testing.assert_array_equal(raw.targets["y"], again.targets["y"])


@pytest.mark.parametrize("cls", [Spirals, Moons, Circles, Xor, Blobs, Regression])
def test_seed_and_samples_count(cls) -> None:
    first, second = cls(samples=101, noise=0.1, seed=1).read(), cls(samples=101, noise=0.1, seed=2).read()
    assert first.samples == 101
    assert (first.inputs["x"] != second.inputs["x"]).any()


@pytest.mark.parametrize("source", PLANE)
def test_classes_are_of_equal_size(source) -> None:
    counts = np.bincount(source.read().targets["y"])
    assert len(counts) == source.class_count()
    assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("cls", [Spirals, Moons, Circles, Xor, Blobs])
def test_noise_is_the_deviation_from_the_clean_points(cls) -> None:
    clean = cls(samples=20_000, noise=0.0, seed=3).read().inputs["x"]
    noisy = cls(samples=20_000, noise=0.25, seed=3).read().inputs["x"]
    assert np.std(noisy - clean) == pytest.approx(0.25, rel=0.03)


def test_spirals_lie_on_their_formula() -> None:
    source = Spirals(samples=300, classes=3, noise=0.0, turns=2.0)
    raw = source.read()
    x, labels = raw.inputs["x"], raw.targets["y"]
    radius = np.hypot(*x.T)
    assert radius.min() > 0.04 and radius.max() <= 1 + 1e-12
    angle = 2 * np.pi * (2.0 * radius + labels / 3)
    np.testing.assert_allclose(x, radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1), atol=1e-12)


def test_xor_is_the_sign_of_the_product() -> None:
    raw = Xor(noise=0.0).read()
    np.testing.assert_array_equal(raw.inputs["x"].prod(axis=1) > 0, raw.targets["y"] == 1)


def test_circles_have_their_radii() -> None:
    raw = Circles(noise=0.0, classes=4).read()
    np.testing.assert_allclose(np.hypot(*raw.inputs["x"].T), (raw.targets["y"] + 1) / 4)


def test_moons_equal_scikit_learns() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    points, labels = datasets.make_moons(200, shuffle=False)
    raw = Moons(samples=200, noise=0.0).read()
    np.testing.assert_allclose(raw.inputs["x"], points, atol=1e-12)
    np.testing.assert_array_equal(raw.targets["y"], labels)


def test_friedman_equals_scikit_learns() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    x, y = datasets.make_friedman1(50, 8, noise=0.0, random_state=0)
    np.testing.assert_allclose(Regression(function="friedman").values(x), y, rtol=1e-12)
    source = Regression(function="friedman", samples=50, noise=0.0)
    raw = source.read()
    np.testing.assert_allclose(raw.targets["y"][:, 0], source.values(raw.inputs["x"]), rtol=1e-6)


def test_regression_counts_its_features() -> None:
    assert Regression(function="sine", features=7).outline().inputs == {"x": (1,)}
    assert Regression(function="friedman", features=2).outline().inputs == {"x": (5,)}
    raw = Regression(function="linear", features=3, noise=0.0).read()
    np.testing.assert_allclose(raw.targets["y"][:, 0], raw.inputs["x"] @ [1, -1 / 2, 1 / 3], atol=1e-6)
