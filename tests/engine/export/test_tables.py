"""CSV that any reader takes, with numbers that come back exactly."""

import csv
import io
import locale
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.export.tables import TableError, csv_text, epoch_columns, write_csv
from tests.support.runs import epoch


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@settings(deadline=None, derandomize=True)
@given(st.lists(st.floats(width=64), max_size=20))
def test_float64_comes_back_exactly(values: list[float]) -> None:
    rows = read(csv_text({"x": np.array(values, dtype=np.float64)}))
    assert rows[0] == ["x"]
    found = np.array([float(row[0]) for row in rows[1:]])
    assert np.array_equal(found, np.array(values), equal_nan=True)
    assert np.array_equal(np.signbit(found[found == 0]), np.signbit(np.array(values)[np.array(values) == 0]))


@settings(deadline=None, derandomize=True)
@given(st.lists(st.floats(width=32, allow_nan=False), max_size=20))
def test_float32_comes_back_exactly_and_short(values: list[float]) -> None:
    cells = [row[0] for row in read(csv_text({"x": np.array(values, dtype=np.float32)}))[1:]]
    assert [np.float32(cell) for cell in cells] == [np.float32(value) for value in values]


def test_cells() -> None:
    columns = {
        "n": np.array([1, 2**53 + 1]),
        "x": [0.1, None],
        "f": np.array([0.1, 1e30], np.float32),
        "b": [True, False],
    }
    assert csv_text(columns) == "n,x,f,b\r\n1,0.1,0.1,true\r\n9007199254740993,,1e+30,false\r\n"
    assert csv_text({"x": [float("nan"), float("-inf"), np.float64(0.5)]}) == "x\r\nnan\r\n-inf\r\n0.5\r\n"


def test_texts_with_commas_quotes_and_lines_come_back() -> None:
    names = ["a,b", 'say "x"', "two\nlines", "Größe", ""]
    assert [row[:1] for row in read(csv_text({"name": names, "i": range(5)}))[1:]] == [[name] for name in names]


def test_short_columns_are_filled_up() -> None:
    assert read(csv_text({"a": [1, 2, 3], "b": [4]}))[1:] == [["1", "4"], ["2", ""], ["3", ""]]
    assert csv_text({"a": []}) == "a\r\n"


def test_a_matrix_is_no_column() -> None:
    with pytest.raises(TableError, match="“m” has 2 dimensions"):
        csv_text({"m": np.zeros((2, 2))})


def test_decimal_points_whatever_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locale, "localeconv", lambda: {"decimal_point": ","})
    assert csv_text({"x": [1.5]}) == "x\r\n1.5\r\n"


def test_epoch_table() -> None:
    columns = epoch_columns([epoch(1, 10, None), epoch(2, 20, 0.25)])
    assert read(csv_text(columns)) == [
        ["epoch", "step", "train_loss", "validation_loss", "learning_rate", "seconds", "train_accuracy",
         "validation_accuracy"],
        ["1", "10", "0.75", "", "0.1", "1.5", "0.5", ""],
        ["2", "20", "0.75", "0.25", "0.1", "1.5", "0.5", "0.25"],
    ]  # fmt: skip


def test_files(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", {"ü": [1.5]})
    assert (tmp_path / "t.csv").read_bytes() == "ü\r\n1.5\r\n".encode()
    with pytest.raises(TableError, match="no such file or folder"):
        write_csv(tmp_path / "missing" / "t.csv", {"x": [1]})
