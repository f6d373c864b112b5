from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.errors import DataError
from engine.data.raw import Raw
from engine.data.sources import CsvFile

IRIS = "length,width,kind\n5.1,3.5,setosa\n4.9,3.0,virginica\n6.2,2.9,setosa\n5.9,3.1,virginica\n"


@pytest.fixture
def table(tmp_path: Path):
    def write(content: str | bytes, **fields) -> CsvFile:
        path = tmp_path / "table.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return CsvFile(path=str(path), **fields)

    return write


def refused(source: CsvFile) -> DataError:
    with pytest.raises(DataError) as caught:
        source.read()
    return caught.value


def test_header_features_and_text_labels(table) -> None:
    raw = table(IRIS).read()
    np.testing.assert_array_equal(raw.inputs["x"], [[5.1, 3.5], [4.9, 3.0], [6.2, 2.9], [5.9, 3.1]])
    assert raw.targets["y"].tolist() == [0, 1, 0, 1]
    assert raw.targets["y"].dtype == np.int64
    assert raw.signatures["y"].class_names == ("setosa", "virginica")
    assert raw.input_names == ("length", "width")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_are_found(table, delimiter: str) -> None:
    raw = table(IRIS.replace(",", delimiter)).read()
    assert raw.inputs["x"].shape == (4, 2)


def test_a_given_delimiter_wins(table) -> None:
    raw = table("a;b;c,c,c\n1;2;x\n3;4;y\n", delimiter="semicolon").read()
    assert raw.input_names == ("a", "b")


def test_without_header_columns_are_numbered(table) -> None:
    raw = table("1,2,0.5\n3,4,1.5\n5,6,2.5\n").read()
    assert raw.input_names == ("1", "2")
    np.testing.assert_array_equal(raw.targets["y"], np.array([[0.5], [1.5], [2.5]], np.float32))
    assert raw.signatures["y"].shape == (1,)


def test_target_by_name_and_by_number(table) -> None:
    text = "kind,length,width\na,1,2\nb,3,4\na,5,6\n"
    for target in ("kind", "1"):
        raw = table(text, target=target).read()
        assert raw.input_names == ("length", "width")
        assert raw.signatures["y"].class_names == ("a", "b")


def test_chosen_columns_leave_text_columns_alone(table) -> None:
    raw = table("name,a,b,kind\nx,1,2,k\ny,3,4,l\n", columns=("b", "a")).read()
    assert raw.inputs["x"].tolist() == [[2, 1], [4, 3]]


def test_few_whole_numbers_are_classes_unless_told_otherwise(table) -> None:
    text = "a,y\n" + "".join(f"{i},{i % 3}\n" for i in range(12))
    assert table(text).read().signatures["y"].class_names == ("0", "1", "2")
    assert table(text, task="regression").read().signatures["y"].classes == 0
    many = "a,y\n" + "".join(f"{i},{i}\n" for i in range(12))
    assert table(many).read().signatures["y"].classes == 0
    assert table(many, task="classification").read().signatures["y"].classes == 12


def test_numeric_classes_sort_by_value_and_read_as_whole(table) -> None:
    text = "a,y\n" + "1,10.0\n2,9.0\n" * 3
    assert table(text).read().signatures["y"].class_names == ("9", "10")


def test_quotes_blank_lines_and_byte_order_mark(table) -> None:
    text = '\ufeffa,"b, too",kind\n\n1,2,"x ""y"""\n3,4,z\n\n'
    raw = table(text).read()
    assert raw.input_names == ("a", "b, too")
    assert raw.signatures["y"].class_names == ('x "y"', "z")


def test_decimal_comma(table) -> None:
    text = "a;b;y\n1,5;2,5;x\n3,5;4,5;y\n"
    assert table(text, decimal="comma").read().inputs["x"].tolist() == [[1.5, 2.5], [3.5, 4.5]]
    error = refused(table(text, columns=("a",), header="yes"))
    assert "row 2, column 1 (“a”) holds “1,5”, which is not a number" in error.message
    assert "Decimal sign" in error.message


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a;b;y\n1,5;2,5;x\n3,5;4,5;y\n", "row 2, column 1 (“a”) holds “1,5”"),
        ("a;b;y\n1;2,5;x\n3,5;4,5;y\n", "row 3, column 1 (“a”) holds “3,5”"),
        ("1,5;2,5;x\n3,5;4,5;y\n", "row 1, column 1 holds “1,5”"),
        ("1,5;2;,5\n3,5;4;-1,e3\n", "row 1, column 1 holds “1,5”"),
        ("1\t2,5\n3\t4,5\n", "row 1, column 2 holds “2,5”"),
        ("a;y\n1;2,5\n2;3\n", "row 2, column 2 (“y”) holds “2,5”"),
        ('a,y\n"1,5",2\n"2,5",3\n', "row 2, column 1 (“a”) holds “1,5”"),
    ],
)
def test_decimal_commas_are_named_at_once(table, text: str, place: str) -> None:
    error = refused(table(text))
    remedy = "which is not a number: if the table writes 1,5 for one and a half, set Decimal sign to “comma”"
    assert error.message.startswith(f"{place}, {remedy}") and error.field == "source.decimal"
    assert table(text, decimal="comma").read().samples >= 2


def test_numbers_with_commas_may_be_names_of_classes(table) -> None:
    text = "a;y\n1;2,5\n2;3\n"
    assert "set Task to “classification”" in refused(table(text)).message
    assert table(text, task="classification").read().signatures["y"].class_names == ("2,5", "3")
    assert "set Decimal sign" in refused(table(text, task="regression")).message


def test_long_cells_and_names_are_cut_off_in_messages(table) -> None:
    name = "long\u202e " * 2000
    assert len(refused(table(f"a,{name},y\n1,{name},x\n2,3,y\n", header="yes")).message) < 300
    assert len(refused(table(f"a,y\n1,{name}\n2,{name}\n")).message) < 300


def test_rows_with_missing_values_are_refused_or_dropped(table) -> None:
    text = "a,b,y\n1,2,x\n3,,y\n5,NaN,x\n7,8,y\n"
    error = refused(table(text))
    assert error.message.startswith("row 3, column 2 (“b”) is empty")
    raw = table(text, missing="drop").read()
    assert raw.inputs["x"].tolist() == [[1, 2], [7, 8]]
    assert raw.notes == ("2 of 4 rows have missing values and were left out",)
    assert "nothing is left" in refused(table("a,y\n,x\n,y\n", missing="drop", header="yes")).message


@pytest.mark.parametrize(
    ("content", "fields", "words"),
    [
        (IRIS, {"target": "kin"}, "there is no column “kin”; did you mean “kind”?"),
        (IRIS, {"columns": ("height",)}, "there is no column “height”; the columns are “length”, “width”, “kind”"),
        (IRIS, {"target": "7"}, "there is no column “7”"),
        (IRIS, {"columns": ("length", "1")}, "“length” is named twice"),
        (IRIS, {"columns": ("kind",)}, "“kind” is the target and cannot be a feature too"),
        ("a,b,y\n1,2,x\n3,oops,y\n", {}, "row 3, column 2 (“b”) holds “oops”, which is not a number"),
        ("a,b,y\n1,2,x\n3,1_000,y\n", {}, "row 3, column 2 (“b”) holds “1_000”, which is not a number"),
        ("a,b,y\n1,2,x\n3,1e999,y\n", {}, "row 3, column 2 (“b”) holds “1e999”, not a finite number"),
        ("a,b,y\n1,2,x\n3,-inf,y\n", {}, "row 3, column 2 (“b”) holds “-inf”, not a finite number"),
        ("a,b,y\n1,2,x\n3,nan,y\n", {}, "row 3, column 2 (“b”) holds “nan”, a missing value"),
        ("a,y\n1,2.5\n2,inf\n", {}, "row 3, column 2 (“y”) holds “inf”, not a finite number"),
        ("a,b,y\n1,2,x\n\n3,y\n", {}, "row 4 has 2 cells, row 1 has 3"),
        ("a,b,y\n", {}, "row 2"),
        ("a,b,y\n1,2,x\n3,4,x\n", {}, "all 2 samples have the label “x”"),
        ("1,a,x\n2,b,y\n", {}, "set Header to “yes”"),
        ("a,a,y\n1,2,x\n", {}, "two columns have the name “a”"),
        ("y\n1\n2\n", {}, "only one column"),
        (" \n\n", {}, "only blank lines"),
        ("a,y\n1,x\n2,y\n", {"task": "regression"}, "row 2, column 2 (“y”) holds “x”, which is not a number"),
        ('a,y\n1,x\n1,"x\n2,y\n', {}, "row 3 of “table.csv” opens a quotation mark that is never closed: close it"),
        ('a,y\n1,"x"z\n2,y\n', {}, "row 2 of “table.csv” is damaged or not a row of a table"),
        (
            "a,y\n1," + "x" * 131_073,
            {},
            "row 2 of “table.csv” has a cell of more than 131,072 characters: if a quotation",
        ),
        (b"a,y\n1,caf\xe9\n2,x\n", {}, "is not UTF-8 text (byte 0xe9 in line 2)"),
        ("a,y\n1,x\n".encode("utf-16"), {}, "UTF-16"),
        (b"a,y\n1,\0\n", {}, "zero bytes"),
    ],
)
def test_bad_tables_get_words(table, content: str | bytes, fields: dict, words: str) -> None:
    if content == "a,b,y\n":
        fields, words = {"header": "yes"}, "names of its columns and no other row"
    error = refused(table(content, **fields))
    assert words in error.message
    assert error.field.startswith("source.")


def test_too_many_labels_are_no_classes(table) -> None:
    text = "a,y\n" + "".join(f"{i},name{i}\n" for i in range(1001))
    assert "1001 different labels" in refused(table(text)).message


def test_a_quoted_line_break_does_not_shift_the_count_of_rows(table) -> None:
    error = refused(table('a,b,y\n1,2,"x\ny"\n3,oops,z\n', header="yes"))
    assert "row 4, column 2" in error.message


def test_a_table_too_large_for_memory_is_refused_before_it_is_read(table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.data.errors.memory_limit", lambda: 10)
    assert "more than the 0.0 GiB that this machine can give" in refused(table(IRIS)).message


def outcome(source: CsvFile) -> Raw | DataError:
    try:
        return source.read()
    except DataError as error:
        return error


@given(
    content=st.one_of(
        st.binary(min_size=1, max_size=200), st.text(alphabet='01.,;\t\n"ax-e\r', min_size=1).map(str.encode)
    )
)
def test_any_bytes_are_read_or_refused_in_words(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes(content)
    result = outcome(CsvFile(path=str(path)))
    assert result.samples > 0 if isinstance(result, Raw) else result.message
