"""Tables as text: comma-, semicolon- or tab-separated values, one sample in each row."""

from __future__ import annotations

import csv
import difflib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from engine.data.errors import DataError, check_file, decoding, require_memory
from engine.data.raw import Raw, class_targets, targets_of
from engine.data.sources.base import DataSource, user_path
from engine.schema import component, field

__all__ = ["CsvFile"]

_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
_BYTES_PER_BYTE = 12  # Python strings and floats for one byte of text, roughly.


@component(
    "csv",
    label="CSV table",
    group="Your files",
    source="Shafranovich, “Common format and MIME type for comma-separated values (CSV) files”, RFC 4180, 2005",
    synonyms=("table", "spreadsheet", "tsv", "tab", "excel"),
)
class CsvFile(DataSource, frozen=True):
    """A table in a text file: one sample in each row, one column with the target, numbers in all other columns.

    Text in the target column makes classes; so do few different whole numbers, unless the task says otherwise. The file
    must be UTF-8. Rows are counted from 1, with the row of column names.
    """

    path: Annotated[str, field(path=True, label="File", help="The table.")] = ""
    target: Annotated[
        str, field(label="Target column", help="Name of the column to predict, or its number. Empty: the last column.")
    ] = ""
    columns: Annotated[
        tuple[str, ...], field(label="Feature columns", help="Names of the columns to predict from. Empty: all others.")
    ] = ()
    task: Annotated[
        Literal["auto", "classification", "regression"],
        field(help="auto: text and few different whole numbers are classes, everything else is numbers."),
    ] = "auto"
    header: Annotated[
        Literal["auto", "yes", "no"],
        field(
            help="Whether row 1 holds the names of the columns. auto: yes, when it has text above columns of numbers."
        ),
    ] = "auto"
    delimiter: Annotated[
        Literal["auto", "comma", "semicolon", "tab"],
        field(help="What separates the cells. auto: the one that row 1 has most of."),
    ] = "auto"
    decimal: Annotated[Literal["point", "comma"], field(label="Decimal sign", help="1.5 or 1,5.", advanced=True)] = (
        "point"
    )
    missing: Annotated[
        Literal["refuse", "drop"],
        field(label="Missing values", help="refuse: say where they are. drop: leave out rows with empty cells or NaN."),
    ] = "refuse"

    def files(self) -> tuple[Path, ...]:
        return (user_path(self.path),) if self.path else ()

    def columns_found(self) -> tuple[str, ...]:
        try:
            return tuple(self._table(check_file(self.path)).names)
        except DataError:
            return ()

    def read(self) -> Raw:
        path = check_file(self.path)
        table = self._table(path)
        target = self._column(table, self.target, "source.target") if self.target.strip() else len(table.names) - 1
        if self.columns:
            features = [self._column(table, name, "source.columns") for name in self.columns]
        else:
            features = [i for i in range(len(table.names)) if i != target]
        twice = next((i for n, i in enumerate(features) if i in features[:n]), None)
        if twice is not None:
            raise DataError(f"“{table.names[twice]}” is named twice", "source.columns")
        if not features:
            raise DataError("the table has only one column; it needs features beside the target", "source.path")
        if target in features:
            raise DataError(f"“{table.names[target]}” is the target and cannot be a feature too", "source.columns")
        notes = self._drop_missing(table, [*features, target])
        x = np.stack([self._numbers(table, i) for i in features], axis=1)
        y, signature = self._target(table, target)
        names = tuple(table.names[i] for i in features)
        return Raw({"x": x}, {"y": y}, {"y": signature}, input_names=names, notes=notes)

    # -- the table as text ---------------------------------------------------------------------------------------------

    def _table(self, path: Path) -> Table:
        require_memory(path.stat().st_size * _BYTES_PER_BYTE, f"reading “{path.name}”", "source.path")
        with decoding(path, "a table"):
            text = _text(path)
            delimiter = _DELIMITERS.get(self.delimiter) or _sniff(text)
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
            rows, places = [], []
            before = 0
            for row in reader:
                if any(cell.strip() for cell in row):
                    rows.append([cell.strip() for cell in row])
                    places.append(before + 1)
                before = reader.line_num
        if not rows:
            raise DataError(f"“{path.name}” holds only blank lines", "source.path")
        width = len(rows[0])
        for row, place in zip(rows, places, strict=True):
            if len(row) != width:
                raise DataError(
                    f"row {place} has {len(row)} {'cell' if len(row) == 1 else 'cells'}, row {places[0]} has {width}: "
                    "every row needs the same number. Is the delimiter right?",
                    "source.path",
                )
        if self.header == "yes" or (self.header == "auto" and self._has_header(rows)):
            names, rows, places = rows[0], rows[1:], places[1:]
            names = [name or str(i + 1) for i, name in enumerate(names)]
            if not rows:
                raise DataError(f"“{path.name}” holds the names of its columns and no other row", "source.path")
            twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
            if twice is not None:
                raise DataError(f"two columns have the name “{twice}”: rename one", "source.path")
        else:
            names = [str(i + 1) for i in range(width)]
        return Table(names, rows, places)

    def _has_header(self, rows: list[list[str]]) -> bool:
        # A column of numbers with something else above it; when row 1 has a number itself, it is data.
        first, rest = rows[0], rows[1:21]
        if any(self._is_number(cell) for cell in first):
            return False
        if not rest:
            return True
        return any(all(self._is_number(row[i]) or _is_missing(row[i]) for row in rest) for i in range(len(first)))

    def _column(self, table: Table, name: str, place: str) -> int:
        name = name.strip()
        if name in table.names:
            return table.names.index(name)
        if name.isdecimal() and 1 <= int(name[:9]) <= len(table.names):
            return int(name[:9]) - 1
        close = difflib.get_close_matches(name, table.names, n=1)
        listed = ", ".join(f"“{item}”" for item in table.names[:12]) + (", …" if len(table.names) > 12 else "")
        hint = f"did you mean “{close[0]}”?" if close else f"the columns are {listed}"
        raise DataError(f"there is no column “{name}”; {hint}", place)

    # -- cells ---------------------------------------------------------------------------------------------------------

    def _drop_missing(self, table: Table, used: list[int]) -> tuple[str, ...]:
        """Leave out (or refuse) the rows with a missing value in a column that is used."""
        if self.missing == "refuse":
            for row, place in zip(table.rows, table.places, strict=True):
                for i in used:
                    if _is_missing(row[i]):
                        what = f"holds “{row[i]}”, a missing value" if row[i] else "is empty"
                        raise DataError(
                            f"{table.cell(place, i)} {what}: fill it in, or set Missing values to “drop” to leave such "
                            "rows out",
                            "source.missing",
                        )
            return ()
        kept = [n for n, row in enumerate(table.rows) if not any(_is_missing(row[i]) for i in used)]
        dropped = len(table.rows) - len(kept)
        if not kept:
            raise DataError("every row has a missing value: nothing is left", "source.missing")
        table.rows, table.places = [table.rows[n] for n in kept], [table.places[n] for n in kept]
        return (f"{dropped} of {dropped + len(kept)} rows have missing values and were left out",) if dropped else ()

    def _numbers(self, table: Table, column: int) -> np.ndarray:
        """One column as float64. Raises DataError that names row and column."""
        cells = [row[column] for row in table.rows]
        try:
            values = np.array([self._number(cell) for cell in cells])
        except ValueError:
            row = next(n for n, cell in enumerate(cells) if not self._is_number(cell))
            raise DataError(self._not_a_number(table, row, column), "source.columns") from None
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise DataError(
                f"{table.cell(table.places[row], column)} holds “{cells[row]}”, not a finite number", "source.path"
            )
        return values

    def _not_a_number(self, table: Table, row: int, column: int) -> str:
        cell = table.rows[row][column]
        shown = cell if len(cell) <= 40 else cell[:37] + "..."
        text = f"{table.cell(table.places[row], column)} holds “{shown}”, which is not a number"
        if "," in cell and self.decimal == "point" and _parses(cell.replace(",", ".")):
            return f"{text}: if the table writes 1,5 for one and a half, set Decimal sign to “comma”"
        if row == 0 and table.places[row] == 1:
            return f"{text}: if row 1 holds the names of the columns, set Header to “yes”"
        return f"{text}: mend the cell, or choose the feature columns without this one"

    def _target(self, table: Table, column: int) -> tuple:
        cells = [row[column] for row in table.rows]
        what = f"the target column “{table.names[column]}”"
        numeric = all(self._is_number(cell) for cell in cells)
        if self.task == "regression" or (numeric and self.task == "auto"):
            return targets_of(self._numbers(table, column), self.task, what, "source.target")
        if numeric:
            values = self._numbers(table, column)
            if (values == np.floor(values)).all():
                return targets_of(values, "classification", what, "source.target")
        return class_targets(cells, what, "source.target")

    def _number(self, cell: str) -> float:
        if "_" in cell:  # Python reads 1_000 as a number; a table does not mean one.
            raise ValueError(cell)
        return float(cell.replace(",", ".") if self.decimal == "comma" else cell)

    def _is_number(self, cell: str) -> bool:
        try:
            self._number(cell)
        except ValueError:
            return False
        return True


@dataclass
class Table:
    """Column names, rows of cells without outer blanks, and the row of the file in which each begins."""

    names: list[str]
    rows: list[list[str]]
    places: list[int]

    def cell(self, place: int, column: int) -> str:
        """ "row 17, column 3 (“age”)", as the user counts them."""
        name = self.names[column]
        return f"row {place}, column {column + 1}" + (f" (“{name}”)" if name != str(column + 1) else "")


def _text(path: Path) -> str:
    data = path.read_bytes()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"“{path.name}” is UTF-16 text; save it as UTF-8", "source.path")
    if b"\0" in data:
        raise DataError(f"“{path.name}” holds zero bytes: it is not a text file", "source.path")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"“{path.name}” is not UTF-8 text (byte {data[error.start]:#04x} in line {line}); save it as UTF-8",
            "source.path",
        ) from None


def _sniff(text: str) -> str:
    """The delimiter that the first line with content has most of, outside quotes; a comma when it has none."""
    line = next((line for line in text.splitlines() if line.strip()), "")
    bare = "".join(line.split('"')[::2])
    return max(_DELIMITERS.values(), key=lambda delimiter: (bare.count(delimiter), delimiter == ","))


def _is_missing(cell: str) -> bool:
    return cell.lower() in _MISSING


def _parses(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
