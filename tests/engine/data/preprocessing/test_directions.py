from __future__ import annotations

import numpy as np
import pytest

from engine.data import load, preprocessing
from engine.data.errors import DataError
from engine.data.preprocessing import Center, Normalize, Pca, PreprocessingStep, Standardize, Whiten, applying
from engine.data.preprocessing.directions import MOST_FEATURES, principal_axes
from engine.data.sources import Digits
from engine.experiment import DataSpec, SplitSpec

RNG = np.random.default_rng(7)
TABLE = RNG.normal(size=(90, 6)) @ RNG.normal(size=(6, 6)) + RNG.normal(size=6)
IMAGES = RNG.normal(size=(90, 4, 3, 2)) @ RNG.normal(size=(2, 2)) + 3
TRAINING, REST = np.arange(60), np.arange(60, 90)


def apply(array: np.ndarray, *steps: PreprocessingStep) -> tuple[np.ndarray, np.ndarray]:
    fitted = preprocessing.fit_all(array, TRAINING, steps)
    return preprocessing.transformed(array, TRAINING, fitted), preprocessing.transformed(array, REST, fitted)


def exactly(array: np.ndarray, indices: np.ndarray, *steps: PreprocessingStep) -> np.ndarray:
    """The samples in float64, before they are rounded."""
    block = array[indices].astype(np.float64)
    for transformation in preprocessing.fit_all(array, TRAINING, steps):
        block = transformation.apply(block)
    return block


def refused(array: np.ndarray, *steps: PreprocessingStep) -> DataError:
    with pytest.raises(DataError) as caught:
        preprocessing.fit_all(array, TRAINING, steps, [f"preprocessing[{i}]" for i in range(len(steps))])
    return caught.value


# -- principal components ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [1, 3, 6, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("block", [7, 2**18])
def test_equals_scikit_learns(wanted: float, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    monkeypatch.setattr(applying, "_BLOCK", block)
    peer = decomposition.PCA(int(wanted) if wanted >= 1 else wanted, svd_solver="full").fit(TABLE[TRAINING])
    for part, got in zip((TRAINING, REST), apply(TABLE, Pca(components=wanted)), strict=True):
        np.testing.assert_allclose(got, peer.transform(TABLE[part]), rtol=1e-5, atol=1e-5)


def test_images_become_vectors_and_come_back() -> None:
    (fitted,) = preprocessing.fit_all(IMAGES, TRAINING, [Pca(components=24)])
    assert fitted.shape((4, 3, 2)) == (24,)
    assert fitted.names(())[:2] == ("PC 1", "PC 2")
    moved = fitted.apply(IMAGES[REST].copy())
    assert moved.shape == (30, 24)
    np.testing.assert_allclose(fitted.invert(moved), IMAGES[REST], atol=1e-10)


def test_what_comes_back_of_fewer_components_is_scikit_learns() -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    peer = decomposition.PCA(2).fit(TABLE[TRAINING])
    (fitted,) = preprocessing.fit_all(TABLE, TRAINING, [Pca(components=2)])
    moved = fitted.apply(TABLE[REST].copy())
    np.testing.assert_allclose(fitted.invert(moved), peer.inverse_transform(moved), atol=1e-10)


def test_components_of_the_digits() -> None:
    # Components for 90, 95 and 99 % of the variance of 1,000 training digits, and those of lecture notes on them.
    pytest.importorskip("sklearn.datasets")
    for share, count in ((0.90, 21), (0.95, 28), (0.99, 41)):
        spec = DataSpec(
            source=Digits(), split=SplitSpec(validation=400, test=397), preprocessing=(Pca(components=share),)
        )
        assert load(spec).signature.inputs == {"x": (count,)}


def test_signs_do_not_depend_on_the_solver() -> None:
    _, axes = principal_axes(np.cov(TABLE.T))
    assert (axes[np.abs(axes).argmax(axis=0), np.arange(6)] > 0).all()


def test_the_known_cloud() -> None:
    points = np.random.default_rng(0).standard_normal((500, 2)) @ np.array([[3, 0], [2, 0.5]]).T + [5, -3]
    everything = np.arange(500)

    def covariance(*steps: PreprocessingStep) -> np.ndarray:
        block = points.copy()
        for transformation in preprocessing.fit_all(points, everything, steps):
            block = transformation.apply(block)
        return np.cov(block.T, bias=True)

    np.testing.assert_allclose(points.mean(axis=0), [4.7366, -3.1797], atol=1e-3)
    np.testing.assert_allclose(covariance(), [[8.7208, 5.8232], [5.8232, 4.1224]], atol=1e-3)
    np.testing.assert_allclose(covariance(Standardize()), [[1, 0.9712], [0.9712, 1]], atol=1e-3)
    np.testing.assert_allclose(covariance(Pca(components=2)), np.diag([12.6823, 0.1609]), atol=1e-3)
    for form in ("PCA", "ZCA"):
        np.testing.assert_allclose(covariance(Whiten(form=form)), np.eye(2), atol=1e-4)


@pytest.mark.parametrize(
    ("array", "step", "words", "field"),
    [
        (TABLE, Pca(components=7), "only 6 values", "components"),
        (TABLE, Pca(components=2.5), "a share below 1 or a whole number", "components"),
        (RNG.normal(size=(90, 80)), Pca(components=60), "59 directions at most", "components"),
        (np.ones((90, 3)), Pca(), "no variance", "components"),
        (np.zeros((90, MOST_FEATURES + 1), np.uint8), Pca(), "centre the samples only", ""),
        (np.zeros((90, MOST_FEATURES + 1), np.uint8), Whiten(), "4,097 × 4,097", ""),
        (np.where(np.arange(180).reshape(90, 2) % 3, 1e200, -1e200), Pca(), "too large", ""),
        (np.where(np.arange(3), TABLE[:, :3], 1.0), Whiten(epsilon=0), "along 1 of 3 directions", "epsilon"),
    ],
)
def test_what_cannot_be_is_refused_in_words(array: np.ndarray, step: PreprocessingStep, words: str, field: str) -> None:
    error = refused(array, Center(), step)
    assert words in error.message
    assert error.field == ("preprocessing[1]." + field).rstrip(".")


def test_one_sample_has_no_covariance() -> None:
    with pytest.raises(DataError, match="single sample"):
        preprocessing.fit_all(TABLE, np.arange(1), [Whiten()])


# -- whitening ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["PCA", "ZCA"])
@pytest.mark.parametrize("array", [TABLE, IMAGES])
@pytest.mark.parametrize("divisor", ["N", "N − 1"])
def test_the_covariance_becomes_the_identity(form: str, array: np.ndarray, divisor: str) -> None:
    white = exactly(array, TRAINING, Whiten(form=form, epsilon=0, divisor=divisor))
    assert white.shape == (array[TRAINING].shape if form == "ZCA" else (60, array[0].size))
    rows = white.reshape(60, -1)
    np.testing.assert_allclose(np.cov(rows.T, bias=divisor == "N"), np.eye(rows.shape[1]), atol=1e-9)
    fed, _ = apply(array, Whiten(form=form, epsilon=0, divisor=divisor))
    np.testing.assert_allclose(np.cov(fed.reshape(60, -1).T, bias=divisor == "N"), np.eye(rows.shape[1]), atol=1e-6)


def test_zca_is_symmetric_and_pca_is_scikit_learns() -> None:
    (zca,) = preprocessing.fit_all(TABLE, TRAINING, [Whiten(form="ZCA", epsilon=0)])
    np.testing.assert_array_equal(zca.forward, zca.forward.T)  # type: ignore[attr-defined]
    decomposition = pytest.importorskip("sklearn.decomposition")
    peer = decomposition.PCA(4, whiten=True, svd_solver="full").fit(TABLE[TRAINING])
    got = apply(TABLE, Pca(components=4), Whiten(form="PCA", epsilon=0, divisor="N − 1"))
    np.testing.assert_allclose(got[1], peer.transform(TABLE[REST]), rtol=1e-5, atol=1e-5)


def test_epsilon_is_added_to_the_variances() -> None:
    points = np.array([[3.0, 0], [-3, 0], [0, 1], [0, -1]])  # variances 4.5 and 0.5, uncorrelated
    (fitted,) = preprocessing.fit_all(points, np.arange(4), [Whiten(form="ZCA", epsilon=0.5)])
    np.testing.assert_allclose(fitted.apply(points[:1].copy()), [[3 / np.sqrt(5.0), 0]], atol=1e-12)


@pytest.mark.parametrize("form", ["PCA", "ZCA"])
def test_whitening_can_be_undone(form: str) -> None:
    (fitted,) = preprocessing.fit_all(IMAGES, TRAINING, [Whiten(form=form)])
    np.testing.assert_allclose(fitted.invert(fitted.apply(IMAGES[REST].copy())), IMAGES[REST], atol=1e-9)


def test_constant_features_do_not_blow_up() -> None:
    table = TABLE.copy()
    table[:, 2] = 5
    fed, rest = apply(table, Whiten())
    assert np.isfinite(fed).all() and np.abs(fed).max() < 10 and np.abs(rest).max() < 100
    assert np.abs(fed[:, 2]).max() < 1e-9


# -- known before anything is read -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((Center(), Pca(components=5)), (5,)),
        ((Whiten(form="ZCA"), Normalize()), (4, 3, 2)),
        ((Whiten(form="PCA"),), (24,)),
        ((Pca(components=0.9),), None),
        ((Pca(components=25),), None),
    ],
)
def test_the_shape_is_known_beforehand(steps: tuple[PreprocessingStep, ...], expected: tuple[int, ...] | None) -> None:
    outline = preprocessing.outline_of(steps, (4, 3, 2))
    assert (outline[0] if outline is not None else None) == expected
    if expected is not None:
        assert apply(IMAGES, *steps)[0].shape[1:] == expected
