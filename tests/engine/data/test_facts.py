from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from engine.data import DataError, Dataset, facts, load
from engine.data.dataset import assemble
from engine.data.facts import StageFacts, condition_of, data_facts
from engine.data.preprocessing import (
    Center,
    FillMissing,
    Normalize,
    OneHot,
    Pca,
    PreprocessingStep,
    Rescale,
    Standardize,
    StandardizeTargets,
    Whiten,
)
from engine.data.raw import Raw
from engine.data.signature import TargetSignature
from engine.data.sources import Blobs, Digits, NpzFile, Regression
from engine.experiment import DataSpec, SplitSpec

RNG = np.random.default_rng(2)
TABLE = RNG.normal(size=(80, 5)) @ RNG.normal(size=(5, 5)) + [100, 0, 3, -5, 1]
CLASSES = TargetSignature(classes=2, class_names=("no", "yes"))


def dataset(array: np.ndarray, *steps: PreprocessingStep, names: tuple[str, ...] = (), **split: float) -> Dataset:
    raw = Raw({"x": array}, {"y": np.arange(len(array)) % 2}, {"y": CLASSES}, input_names=names)
    spec = DataSpec(source=Blobs(), split=SplitSpec(**{"validation": 0.25, **split}), preprocessing=steps)  # type: ignore
    return assemble(spec, Blobs(), raw)


def agrees(stage: StageFacts, rows: np.ndarray) -> None:
    """The facts are NumPy's, of all features."""
    np.testing.assert_allclose(stage.mean, rows.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(stage.deviation, rows.std(axis=0), atol=1e-12)
    np.testing.assert_allclose((stage.low, stage.high), (rows.min(axis=0), rows.max(axis=0)), atol=1e-12)
    covariance = np.cov(rows.T, bias=True)
    np.testing.assert_allclose(stage.covariance, covariance, atol=1e-10)
    np.testing.assert_allclose(np.sort(stage.spectrum), np.linalg.eigvalsh(covariance), atol=1e-10)
    assert stage.condition == pytest.approx(np.linalg.cond(covariance), rel=1e-8)
    assert stage.second_moment_condition == pytest.approx(np.linalg.cond(rows.T @ rows / len(rows)), rel=1e-8)
    assert stage.rank == rows.shape[1]


def test_before_and_after_are_numpys() -> None:
    data = dataset(TABLE, Center(), Normalize(), Pca(components=3))
    training = TABLE[data.train.indices]
    scaled = (training - training.mean(axis=0)) / training.std(axis=0)
    for step, rows in ((0, training), (1, training - training.mean(axis=0)), (2, scaled)):
        found = data_facts(data, step)
        agrees(found.before, training)
        agrees(found.after, rows)
    assert found.steps == ("Centre", "Normalize", "Principal components")
    assert (found.used, found.total) == (60, 60)
    assert found.sizes == {"train": 60, "validation": 20, "test": 0}
    assert found.class_counts["train"] == tuple(np.bincount(data.train.arrays["y"]))
    last = data_facts(data).after
    assert (last.step, last.shape, last.names) == (3, (3,), ("PC 1", "PC 2", "PC 3"))
    np.testing.assert_allclose(
        last.covariance, np.diag(np.linalg.eigvalsh(np.cov(scaled.T, bias=True))[:1:-1]), atol=1e-9
    )


def test_known_condition_numbers() -> None:
    # Figures of lecture exercises, measured elsewhere: the covariance of wine, and of the digits where they vary.
    sets = pytest.importorskip("sklearn.datasets")
    wine = sets.load_wine().data
    assert data_facts(dataset(wine, validation=0.0)).before.condition == pytest.approx(1.21e7, rel=0.01)
    assert data_facts(dataset(wine, Standardize(), validation=0.0)).after.condition == pytest.approx(45.5, rel=0.01)
    assert data_facts(dataset(wine, Whiten(), validation=0.0)).after.condition == pytest.approx(1, rel=0.01)
    digits = data_facts(dataset(sets.load_digits().data, validation=0.0)).before
    assert digits.condition == math.inf and digits.rank == 61
    assert digits.condition_within == pytest.approx(4.3e5, rel=0.02)


def test_centring_leaves_the_covariance_and_mends_the_second_moment() -> None:
    found = data_facts(dataset(TABLE, Center()))
    assert found.after.condition == pytest.approx(found.before.condition, rel=1e-9)
    assert found.after.second_moment_condition < found.before.second_moment_condition / 10


@pytest.mark.parametrize(
    ("eigenvalues", "expected"),
    [
        ([4.0, 1.0], (2, 4.0, 4.0)),
        ([4.0, 2.0, 1e-30], (2, math.inf, 2.0)),
        ([0.0, 0.0], (0, math.inf, math.nan)),
        ([], (0, math.inf, math.nan)),
    ],
)
def test_condition_numbers_of_singular_matrices(eigenvalues: list[float], expected: tuple[int, float, float]) -> None:
    np.testing.assert_equal(condition_of(np.array(eigenvalues)), expected)


def test_large_and_wide_data_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "MOST_VALUES", 100)
    monkeypatch.setattr(facts, "FEWEST_SAMPLES", 20)
    monkeypatch.setattr(facts, "MOST_FEATURES", 4)
    monkeypatch.setattr(facts, "SHOWN_FEATURES", 3)
    monkeypatch.setattr(facts, "POINTS", 7)
    data = dataset(RNG.normal(size=(80, 9)))
    stage = data_facts(data).before
    rows = data.raw.inputs["x"][data.train.indices[np.linspace(0, 59, 20).astype(int)]]
    assert (stage.samples, stage.measured, len(stage.spectrum)) == (20, 4, 4)
    np.testing.assert_allclose(stage.mean, rows.mean(axis=0))
    chosen = [0, 2, 5]  # of 0, 2, 5, 8
    assert stage.features.tolist() == [0, 2, 8]
    np.testing.assert_allclose(stage.covariance, np.cov(rows.T, bias=True)[np.ix_([0, 2, 8], [0, 2, 8])])
    np.testing.assert_allclose(stage.spectrum[::-1], np.linalg.eigvalsh(np.cov(rows[:, [*chosen, 8]].T, bias=True)))
    assert stage.cloud is not None and len(stage.cloud.points) == 7


# -- clouds ------------------------------------------------------------------------------------------------------------


def test_two_features_are_shown_as_they_are() -> None:
    found = data_facts(load(DataSpec(source=Blobs(samples=50), preprocessing=(Standardize(),))))
    assert found.before.cloud is not None and found.after.cloud is not None
    assert found.before.cloud.axes == found.after.cloud.axes
    data = load(DataSpec(source=Blobs(samples=50), preprocessing=(Standardize(),)))
    np.testing.assert_allclose(found.after.cloud.points, data.train.arrays["x"], atol=1e-6)
    np.testing.assert_array_equal(found.targets[found.after.cloud.chosen], data.train.arrays["y"])


def test_more_are_shown_along_their_principal_components() -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    data = dataset(TABLE)
    stage = data_facts(data).before
    peer = decomposition.PCA(2, svd_solver="full").fit(TABLE[data.train.indices])
    assert stage.cloud is not None
    np.testing.assert_allclose(stage.cloud.points, peer.transform(TABLE[data.train.indices]), atol=1e-9)
    first, second = peer.explained_variance_ratio_
    assert stage.cloud.axes == (f"PC 1 ({first:.0%} of variance)", f"PC 2 ({second:.0%})")


def test_chosen_features_keep_their_names_through_the_steps() -> None:
    table = np.stack([RNG.normal(size=80), RNG.integers(0, 3, 80), RNG.normal(size=80)], axis=1)
    data = dataset(table, OneHot(), names=("a", "kind", "b"))
    found = data_facts(data, axes=("b", "a"))
    assert found.before.cloud is not None and found.after.cloud is not None
    np.testing.assert_array_equal(found.before.cloud.points, found.after.cloud.points)
    assert found.after.cloud.axes == ("b", "a")
    gone = data_facts(data, axes=("kind", "a")).after.cloud
    assert gone is not None and gone.axes == ("a", "kind = 0")
    unnamed = data_facts(dataset(TABLE), axes=("4", "2")).before.cloud
    assert unnamed is not None and unnamed.axes == ("feature 4", "feature 2")


def test_a_single_feature_is_shown_beside_the_target() -> None:
    source = Regression(samples=40, function="sine")
    data = load(DataSpec(source=source, preprocessing=(StandardizeTargets(),)))
    found = data_facts(data)
    assert found.steps == () and found.class_names == ()
    assert found.before.cloud is not None and found.before.cloud.axes[1] == "target"
    np.testing.assert_allclose(found.before.cloud.points[:, 1], data.raw.targets["y"][data.train.indices, 0])


def test_images_stay_images_or_become_points() -> None:
    pytest.importorskip("sklearn.datasets")
    for step, shape in ((Whiten(form="ZCA"), (8, 8, 1)), (Pca(components=3), (3,))):
        found = data_facts(load(DataSpec(source=Digits(), preprocessing=(step,))))
        assert found.before.images is not None and found.before.images.shape == (25, 8, 8, 1)
        assert found.after.shape == shape
        assert (found.after.images is not None) == (len(shape) == 3)
    assert found.before.name(9) == "2,2,1" and found.after.name(1) == "PC 2"


# -- data that are hard to describe ------------------------------------------------------------------------------------


def test_samples_with_missing_values_are_left_out_of_what_was_before(tmp_path: Path) -> None:
    x = TABLE.copy()
    x[::4, 1] = np.nan
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(80) % 2)
    spec = DataSpec(source=NpzFile(path=str(tmp_path / "x.npz"), missing="keep"), preprocessing=(FillMissing(),))
    data = load(spec)
    found = data_facts(data)
    rows = x[data.train.indices]
    complete = ~np.isnan(rows).any(axis=1)
    agrees(found.before, rows[complete])
    assert found.after.samples == len(rows) == found.used
    assert found.before.cloud is not None
    np.testing.assert_array_equal(found.before.cloud.chosen, np.flatnonzero(complete))
    x[:, 1] = np.nan
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(80) % 2)
    spec = DataSpec(source=spec.source, preprocessing=(FillMissing(by="constant"),))
    empty = data_facts(load(spec)).before
    assert empty.samples == 0 and np.isnan(empty.mean).all() and empty.cloud is None and empty.rank == 0


def test_constant_features_have_no_condition_number() -> None:
    stage = data_facts(dataset(np.full((80, 3), 7.0), Standardize())).after
    assert (stage.rank, stage.condition) == (0, math.inf) and math.isnan(stage.condition_within)
    assert (stage.deviation == 0).all() and stage.cloud is not None and np.isfinite(stage.cloud.points).all()


def test_squares_beyond_float64_are_shown_as_what_they_are() -> None:
    array = np.where(np.arange(240).reshape(80, 3) % 7, 1e200, -1e200)
    stage = data_facts(dataset(array, Rescale(low=-1, high=1))).before
    assert np.isinf(stage.deviation).all() and np.isnan(stage.spectrum).all() and stage.cloud is None
    assert stage.rank == 0 and not math.isfinite(stage.condition)
    assert np.isfinite(data_facts(dataset(array, Rescale(low=-1, high=1))).after.condition_within)


def test_an_input_that_there_is_none_of() -> None:
    with pytest.raises(DataError, match="the inputs are x"):
        data_facts(dataset(TABLE), name="z")
