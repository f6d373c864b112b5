from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.data import DataError, load, preprocessing
from engine.data.preprocessing import Center, FillMissing, Standardize
from engine.data.sources import CsvFile, NpzFile
from engine.experiment import DataSpec, SplitSpec

RNG = np.random.default_rng(5)
TABLE = RNG.integers(0, 6, (60, 4)).astype(float)
TABLE[RNG.random(TABLE.shape) < 0.2] = np.nan
TABLE[:40, 3] = np.arange(40)
TABLE[50, 3] = np.nan  # missing outside of the training part alone
TRAINING, REST = np.arange(40), np.arange(40, 60)
NAMES = ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("by", "strategy"),
    [("mean", "mean"), ("median", "median"), ("most frequent", "most_frequent"), ("constant", "constant")],
)
@pytest.mark.parametrize("indicator", [False, True])
@pytest.mark.parametrize("held", [1, 2**24])
def test_equals_scikit_learns(
    by: str, strategy: str, indicator: bool, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    impute = pytest.importorskip("sklearn.impute")
    monkeypatch.setattr("engine.data.preprocessing.statistics.COLUMN_VALUES", held)
    peer = impute.SimpleImputer(strategy=strategy, fill_value=-3.5, add_indicator=indicator).fit(TABLE[TRAINING])
    step = FillMissing(by=by, constant=-3.5, indicator=indicator)
    fitted = preprocessing.fit_all(TABLE, TRAINING, [step], missing=True, names=NAMES)
    for part in (TRAINING, REST):
        got = preprocessing.transformed(TABLE, part, fitted)
        np.testing.assert_allclose(got, peer.transform(TABLE[part]), rtol=1e-6)
    assert fitted[0].shape((4,)) == got.shape[1:]
    assert fitted[0].names(NAMES) == ((*NAMES, "a missing", "b missing", "c missing") if indicator else NAMES)


def test_images_are_filled_pixel_by_pixel() -> None:
    images = RNG.normal(size=(60, 3, 2, 1))
    holes = images.copy()
    holes[5, 1, 1, 0] = np.nan
    fitted = preprocessing.fit_all(holes, TRAINING, [FillMissing()], missing=True)
    got = preprocessing.transformed(holes, TRAINING, fitted)
    assert got[5, 1, 1, 0] == pytest.approx(np.delete(images[:40, 1, 1, 0], 5).mean(), rel=1e-6)
    with pytest.raises(DataError, match="indicator columns are for tables"):
        preprocessing.fit_all(holes, TRAINING, [FillMissing(indicator=True)], missing=True)


def test_a_column_without_values_has_nothing_to_fill_in() -> None:
    table = TABLE.copy()
    table[TRAINING, 1] = np.nan
    for by in ("mean", "median", "most frequent"):
        with pytest.raises(DataError, match="column “b” has no value in the training part") as caught:
            preprocessing.fit_all(table, TRAINING, [FillMissing(by=by)], ["here"], missing=True, names=NAMES)
        assert caught.value.field == "here.by"
    fitted = preprocessing.fit_all(table, TRAINING, [FillMissing(by="constant")], missing=True)
    assert (preprocessing.transformed(table, TRAINING, fitted)[:, 1] == 0).all()


# -- from files --------------------------------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path: Path) -> Path:
    lines = [f"{i},{'' if i == 4 else i % 3},{'NA' if i in (2, 9) else i / 2},{'uv'[i % 2]}" for i in range(12)]
    (tmp_path / "t.csv").write_text("first,second,third,kind\n" + "\n".join(lines) + "\n")
    return tmp_path / "t.csv"


def described(path: Path, *steps: preprocessing.PreprocessingStep, missing: str = "keep", **split: object) -> DataSpec:
    source = CsvFile(path=str(path), missing=missing)
    return DataSpec(source=source, split=SplitSpec(validation=2, shuffle=False), preprocessing=steps)


def test_a_table_with_holes_is_filled_from_the_training_part(table: Path) -> None:
    dataset = load(described(table, FillMissing(indicator=True), Standardize()))
    assert dataset.signature.inputs == {"x": (5,)} and dataset.signature.source_inputs == {"x": (3,)}
    assert dataset.signature.input_names == ("first", "second", "third", "second missing", "third missing")
    assert dataset.raw.missing == ("x",) and "3 of 36 values are missing" in dataset.info.notes
    assert np.isfinite(dataset.train.arrays["x"]).all()
    third = dataset.raw.inputs["x"][:10, 2]
    filled = np.where(np.isnan(third), np.nanmean(third), third)
    np.testing.assert_allclose(dataset.train.arrays["x"][:, 2], (filled - filled.mean()) / filled.std(), atol=1e-6)
    low, high = dataset.bounds()
    assert low.tolist() == [0, 0, 0] and high.tolist() == [11, 2, 5.5]


@pytest.mark.parametrize(
    ("steps", "missing", "words", "field"),
    [
        ((), "refuse", "row 4, column 3 (“third”) holds “NA”, a missing value", "source.missing"),
        ((), "keep", "3 values are missing (the first: sample 3, column “third”): add the preprocessing step",
         "source.missing"),
        ((Center(), FillMissing()), "keep", "which “Centre” cannot take: put “Fill missing values” before it",
         "preprocessing[0]"),
    ],
)  # fmt: skip
def test_holes_that_nothing_fills_are_refused(
    table: Path, steps: tuple[preprocessing.PreprocessingStep, ...], missing: str, words: str, field: str
) -> None:
    with pytest.raises(DataError) as caught:
        load(described(table, *steps, missing=missing))
    assert words in caught.value.message
    assert caught.value.field == field


def test_a_target_that_is_missing_cannot_be_filled(table: Path) -> None:
    table.write_text(table.read_text().replace("3,0,1.5,v", "3,0,1.5,"))
    with pytest.raises(DataError, match=r"row 5, column 4 \(“kind”\) is empty, and it is the target"):
        load(described(table, FillMissing()))


def test_infinity_is_no_missing_value(table: Path) -> None:
    table.write_text(table.read_text().replace("3,0,1.5,v", "3,0,-inf,v"))
    with pytest.raises(DataError, match="not a finite number"):
        load(described(table, FillMissing()))


def test_archives_keep_drop_or_refuse(tmp_path: Path) -> None:
    x = RNG.normal(size=(20, 3))
    x[4, 1] = x[7, 0] = x[7, 2] = np.nan
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(20) % 2)
    path = str(tmp_path / "a.npz")
    with pytest.raises(DataError, match="NaN"):
        NpzFile(path=path).read()
    dropped = NpzFile(path=path, missing="drop").read()
    np.testing.assert_array_equal(dropped.inputs["x"], np.delete(x, [4, 7], axis=0))
    np.testing.assert_array_equal(dropped.targets["y"], np.delete(np.arange(20) % 2, [4, 7]))
    assert dropped.notes == ("2 of 20 samples have missing values and were left out",) and not dropped.missing
    kept = NpzFile(path=path, missing="keep").read()
    assert kept.missing == ("x",) and kept.notes == ("2 of 20 samples of “x” have missing values",)
    spec = DataSpec(source=NpzFile(path=path, missing="keep"), preprocessing=(FillMissing(by="median"),))
    assert np.isfinite(load(spec).train.arrays["x"]).all()
    np.savez(tmp_path / "a.npz", x=np.where(x > 0, np.inf, x), y=np.arange(20) % 2)
    with pytest.raises(DataError, match="infinite"):
        NpzFile(path=path, missing="keep").read()
    np.savez(tmp_path / "a.npz", x=np.full((4, 2), np.nan), y=np.arange(4) % 2)
    with pytest.raises(DataError, match="nothing is left"):
        NpzFile(path=path, missing="drop").read()
