from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from engine.data import load, preprocessing
from engine.data.errors import DataError
from engine.data.preprocessing import Center, FillMissing, OneHot, Standardize
from engine.data.sources import CsvFile
from engine.experiment import DataSpec, SplitSpec

RNG = np.random.default_rng(3)
NAMES = ("size", "colour", "yes", "stage")
TABLE = np.stack(
    [RNG.normal(size=60), RNG.choice([3.0, 7, -1], 60), RNG.integers(0, 2, 60), RNG.integers(1, 6, 60)], axis=1
)
TRAINING, REST = np.arange(40), np.arange(40, 60)


def fit(step: OneHot, table: np.ndarray = TABLE) -> tuple[preprocessing.Transformation, ...]:
    return preprocessing.fit_all(table, TRAINING, [step], ["preprocessing[0]"], names=NAMES)


@pytest.mark.parametrize("drop_first", [False, True])
def test_equals_scikit_learns(drop_first: bool) -> None:
    peer = pytest.importorskip("sklearn.preprocessing").OneHotEncoder(
        drop="first" if drop_first else None, sparse_output=False
    )
    fitted = fit(OneHot(columns=("colour", "4"), drop_first=drop_first))
    peer.fit(TABLE[TRAINING][:, [1, 3]])
    for part in (TRAINING, REST):
        got = preprocessing.transformed(TABLE, part, fitted)
        expected, cut = peer.transform(TABLE[part][:, [1, 3]]), 2 if drop_first else 3
        np.testing.assert_array_equal(
            got,
            np.hstack(
                [TABLE[part, :1], expected[:, :cut], TABLE[part, 2:3], expected[:, cut:]],
                dtype=np.float32,
                casting="unsafe",
            ),
        )
    assert fitted[0].shape((4,)) == got.shape[1:]


def test_columns_that_look_like_codes_are_found_and_named() -> None:
    (fitted,) = fit(OneHot())
    assert fitted.names(NAMES) == (
        "size", "colour = -1", "colour = 3", "colour = 7", "yes",
        "stage = 1", "stage = 2", "stage = 3", "stage = 4", "stage = 5",
    )  # fmt: skip
    assert fitted.names(()) == ()


def test_a_category_of_other_parts_alone() -> None:
    table = TABLE.copy()
    table[50, 1] = 9
    got = preprocessing.transformed(table, REST, fit(OneHot(columns=("colour",)), table))
    assert (got[10, 1:4] == 0).all() and (np.delete(got, 10, axis=0)[:, 1:4].sum(axis=1) == 1).all()
    with pytest.raises(DataError, match="column “colour” holds the category 9"):
        preprocessing.transformed(table, REST, fit(OneHot(columns=("colour",), unseen="refuse"), table))
    # The category whose column is left out is known all the same.
    fitted = fit(OneHot(columns=("colour",), unseen="refuse", drop_first=True))
    assert preprocessing.transformed(TABLE, REST, fitted).shape == (20, 5)


@pytest.mark.parametrize(
    ("step", "words", "field"),
    [
        (OneHot(columns=("weight",)), "there is no column “weight”; the columns are “size”", "columns"),
        (OneHot(columns=("5",)), "there is no column “5”", "columns"),
        (OneHot(columns=("size",)), "coded as whole numbers", "columns"),
        (OneHot(columns=("stage",), limit=4), "5 different values, more than the limit of 4", "limit"),
        (OneHot(limit=2), "whole numbers take a limit of 3", "columns"),
    ],
)
def test_what_cannot_be_encoded_is_refused_in_words(step: OneHot, words: str, field: str) -> None:
    with pytest.raises(DataError) as caught:
        fit(step)
    assert words in caught.value.message
    assert caught.value.field == f"preprocessing[0].{field}"


def test_images_are_no_tables() -> None:
    with pytest.raises(DataError, match="4 × 4 × 1"):
        preprocessing.fit_all(np.zeros((60, 4, 4, 1)), TRAINING, [Center(), OneHot()])


# -- columns of text ---------------------------------------------------------------------------------------------------


def table_of(folder: Path, cells: list[str], **fields: Any) -> CsvFile:
    rows = [f"{i + 0.5},{cell},{'uv'[i % 2]}" for i, cell in enumerate(cells)]
    (folder / "t.csv").write_text("size,colour,kind\n" + "\n".join(rows) + "\n")
    return CsvFile(path=str(folder / "t.csv"), header="yes", **fields)


def test_columns_of_text_are_coded_and_keep_their_names(tmp_path: Path) -> None:
    cells = ["red", "blue", "red", "green", "blue", "red", "green", "blue"]
    spec = DataSpec(
        source=table_of(tmp_path, cells, text="codes"),
        split=SplitSpec(validation=2, shuffle=False),
        preprocessing=(OneHot(), Standardize()),
    )
    dataset = load(spec)
    np.testing.assert_array_equal(dataset.raw.inputs["x"][:, 1], [2, 0, 2, 1, 0, 2, 1, 0])
    assert dataset.signature.input_names == ("size", "colour = blue", "colour = green", "colour = red")
    assert "the texts of column “colour” are coded 0 blue, 1 green, 2 red" in dataset.info.notes
    # Two categories are as sure as three: the column is known to hold text.
    two = replace(spec, source=table_of(tmp_path, ["yes", "no"] * 4, text="codes"))
    assert load(two).signature.input_names == ("size", "colour = no", "colour = yes")


def test_text_that_is_missing_is_filled(tmp_path: Path) -> None:
    source = table_of(tmp_path, ["red", "blue", "", "blue", "blue", "NA", "red", "red"], text="codes", missing="keep")
    steps = (FillMissing(by="most frequent"), OneHot())
    dataset = load(DataSpec(source=source, split=SplitSpec(validation=2, shuffle=False), preprocessing=steps))
    np.testing.assert_array_equal(dataset.train.arrays["x"][:, 1], [0, 1, 1, 1, 1, 1])


@pytest.mark.parametrize(
    ("cells", "fields", "words"),
    [
        (["red", "blue"] * 4, {}, "holds “red”, which is not a number: mend the cell, or choose the feature columns "
         "without this one, or set Text columns to “codes”"),
        (["1", "2", "oops", "4", "5", "6", "7", "8"], {"text": "codes"}, "row 4, column 2 (“colour”) holds “oops”"),
    ],
)  # fmt: skip
def test_text_where_numbers_are_meant(tmp_path: Path, cells: list[str], fields: dict[str, Any], words: str) -> None:
    source = table_of(tmp_path, cells, **fields)
    with pytest.raises(DataError) as caught:
        source.read()
    assert words in caught.value.message
    assert caught.value.field == "source.columns"


def test_too_many_texts_are_no_categories(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds 1,001 different texts"):
        table_of(tmp_path, [f"t{i}" for i in range(1001)], text="codes").read()
