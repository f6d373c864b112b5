"""Tables as text: comma-, semicolon- or tab-separated values, one sample in each row."""

from __future__ import annotations

import csv
import difflib
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from engine.data.errors import DataError, check_file, decoding, require_memory
from engine.data.raw import MAX_CLASSES, Raw, class_targets, targets_of
from engine.data.sources.base import DataSource, user_path
from engine.schema import component, field
from engine.text import shortened

__all__ = ["CsvFile"]

_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
_DECIMAL_COMMA = re.compile(r"[-+]?(\d+,\d*|,\d+)(e[-+]?\d+)?", re.IGNORECASE | re.ASCII)
_COMMA_REMEDY = "if the table writes 1,5 for one and a half, set Decimal sign to “comma”"
_BYTES_PER_BYTE = 12  # Python strings and floats for one byte of text, roughly.


@component(
    "csv",
    label="CSV table",
    group="Your files",
    source="Shafranovich: Common format and MIME type for comma-separated values (CSV) files (RFC 4180, 2005)",
    synonyms=("table", "spreadsheet", "tsv", "tab", "excel"),
    avoid="For tables of gigabytes: reading takes about twelve times the file's size in memory. A NumPy file takes "
    "its own size.",
    differs="Libraries for tables guess at types column by column and turn what they cannot read into missing values; "
    "here a cell that is not a number is refused with its row and column.",
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
    text: Annotated[
        Literal["refuse", "codes"],
        field(
            label="Text columns",
            help="refuse: features must be numbers. codes: number the texts of such a column in alphabetical order, "
            "for the preprocessing step “One-hot”.",
        ),
    ] = "refuse"
    missing: Annotated[
        Literal["refuse", "drop", "keep"],
        field(
            label="Missing values",
            help="refuse: say where they are. drop: leave out rows with empty cells or NaN. keep: leave those of "
            "features to the preprocessing step “Fill missing values”.",
        ),
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
            raise DataError(f"“{shortened(table.names[twice])}” is named twice", "source.columns")
        if not features:
            raise DataError("the table has only one column; it needs features beside the target", "source.path")
        if target in features:
            raise DataError(
                f"“{shortened(table.names[target])}” is the target and cannot be a feature too", "source.columns"
            )
        notes = self._check_missing(table, features, target)
        columns, categories = [], {}
        for i in features:
            coded = self._codes(table, i) if self.text == "codes" else None
            columns.append(self._numbers(table, i) if coded is None else coded[0])
            if coded is not None:
                categories[table.names[i]] = coded[1]
        x = np.stack(columns, axis=1)
        notes += _coded(categories)
        y, signature = self._target(table, target)
        names = tuple(table.names[i] for i in features)
        absent = int(np.isnan(x).sum())
        if absent:
            notes += (f"{absent:,} of {x.size:,} values are missing",)
        missing = ("x",) if absent else ()
        return Raw(
            {"x": x}, {"y": y}, {"y": signature}, input_names=names, notes=notes, missing=missing, categories=categories
        )

    # -- the table as text ---------------------------------------------------------------------------------------------

    def _table(self, path: Path) -> Table:
        require_memory(path.stat().st_size * _BYTES_PER_BYTE, f"reading “{path.name}”", "source.path")
        with decoding(path, "a table"):
            text = _text(path)
            delimiter = _DELIMITERS.get(self.delimiter) or _sniff(text)
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
            rows, places = [], []
            before = 0
            try:
                for row in reader:
                    if any(cell.strip() for cell in row):
                        rows.append([cell.strip() for cell in row])
                        places.append(before + 1)
                    before = reader.line_num
            except csv.Error as error:
                raise DataError(_unreadable(error, path, before + 1), "source.path") from None
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
                raise DataError(f"two columns have the name “{shortened(twice)}”: rename one", "source.path")
        else:
            names = [str(i + 1) for i in range(width)]
        return Table(names, rows, places)

    def _has_header(self, rows: list[list[str]]) -> bool:
        # A column of numbers with something else above it; when row 1 has a number itself, it is data. Numbers with the
        # other decimal sign count: it is the sign that is wrong then, not the header.
        first, rest = rows[0], rows[1:21]
        if any(self._is_number(cell) or _has_decimal_comma(cell) for cell in first):
            return False
        if not rest:
            return True
        return any(
            all(self._is_number(row[i]) or _has_decimal_comma(row[i]) or _is_missing(row[i]) for row in rest)
            for i in range(len(first))
        )

    def _column(self, table: Table, name: str, place: str) -> int:
        name = name.strip()
        if name in table.names:
            return table.names.index(name)
        if name.isdecimal() and 1 <= int(name[:9]) <= len(table.names):
            return int(name[:9]) - 1
        close = difflib.get_close_matches(name, table.names, n=1)
        listed = ", ".join(f"“{shortened(item)}”" for item in table.names[:12]) + (
            ", …" if len(table.names) > 12 else ""
        )
        hint = f"did you mean “{shortened(close[0])}”?" if close else f"the columns are {listed}"
        raise DataError(f"there is no column “{shortened(name)}”; {hint}", place)

    # -- cells ---------------------------------------------------------------------------------------------------------

    def _check_missing(self, table: Table, features: list[int], target: int) -> tuple[str, ...]:
        """Leave out (or refuse) the rows with a missing value in a column that is used; a target is never kept so."""
        used = [*features, target]
        if self.missing != "drop":
            for row, place in zip(table.rows, table.places, strict=True):
                for i in used if self.missing == "refuse" else [target]:
                    if _is_missing(row[i]):
                        what = f"holds “{row[i]}”, a missing value" if row[i] else "is empty"
                        keep = ", or to “keep” for the step “Fill missing values”" if i != target else ""
                        what += ", and it is the target" if self.missing == "keep" else ""
                        raise DataError(
                            f"{table.cell(place, i)} {what}: fill it in, or set Missing values to “drop” to leave such "
                            f"rows out{keep}",
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
        """One column as float64, NaN where a value is missing. Raises DataError that names row and column."""
        cells = [row[column] for row in table.rows]
        if self.missing == "keep":
            cells = ["nan" if _is_missing(cell) else cell for cell in cells]
        try:
            values = np.array([self._number(cell) for cell in cells])
        except ValueError:
            row = next(n for n, cell in enumerate(cells) if not self._is_number(cell))
            comma = self.decimal == "point" and _has_decimal_comma(cells[row])
            place = "source.decimal" if comma else "source.columns"
            raise DataError(self._not_a_number(table, row, column), place) from None
        unusable = np.isinf(values) if self.missing == "keep" else ~np.isfinite(values)
        if unusable.any():
            row = int(np.flatnonzero(unusable)[0])
            raise DataError(
                f"{table.cell(table.places[row], column)} holds “{shortened(cells[row])}”, not a finite number",
                "source.path",
            )
        return values

    def _codes(self, table: Table, column: int) -> tuple[np.ndarray, tuple[str, ...]] | None:
        """The codes of a column of text (NaN where one is missing) and the texts in alphabetical order; None for a
        column of numbers, in which a few texts are mistakes."""
        cells = [row[column] for row in table.rows]
        present = [cell for cell in cells if not _is_missing(cell)]
        numbers = sum(self._is_number(cell) or _has_decimal_comma(cell) for cell in present)
        if not present or 2 * numbers >= len(present):
            return None
        texts = tuple(sorted(set(present)))
        if len(texts) > MAX_CLASSES:
            raise DataError(
                f"column {column + 1} (“{shortened(table.names[column])}”) holds {len(texts):,} different texts, more "
                f"than {MAX_CLASSES:,}: choose the feature columns without it",
                "source.columns",
            )
        code = {text: float(i) for i, text in enumerate(texts)}
        return np.array([np.nan if _is_missing(cell) else code[cell] for cell in cells]), texts

    def _not_a_number(self, table: Table, row: int, column: int) -> str:
        cell = table.rows[row][column]
        text = f"{table.cell(table.places[row], column)} holds “{shortened(cell, 40)}”, which is not a number"
        if self.decimal == "point" and _has_decimal_comma(cell):
            return f"{text}: {_COMMA_REMEDY}"
        if row == 0 and table.places[row] == 1:
            return f"{text}: if row 1 holds the names of the columns, set Header to “yes”"
        codes = ", or set Text columns to “codes”" if self.text == "refuse" else ""
        return f"{text}: mend the cell, or choose the feature columns without this one{codes}"

    def _target(self, table: Table, column: int) -> tuple:
        cells = [row[column] for row in table.rows]
        what = f"the target column “{shortened(table.names[column])}”"
        numeric = all(self._is_number(cell) for cell in cells)
        if not numeric and self.task == "auto" and self.decimal == "point":
            self._refuse_decimal_commas(table, column, cells)
        if self.task == "regression" or (numeric and self.task == "auto"):
            return targets_of(self._numbers(table, column), self.task, what, "source.target")
        if numeric:
            values = self._numbers(table, column)
            if (values == np.floor(values)).all():
                return targets_of(values, "classification", what, "source.target")
        return class_targets(cells, what, "source.target")

    def _refuse_decimal_commas(self, table: Table, column: int, cells: list[str]) -> None:
        """Numbers with a decimal comma are not the names of classes."""
        if all(self._is_number(cell) or _has_decimal_comma(cell) for cell in cells):
            row = next(n for n, cell in enumerate(cells) if _has_decimal_comma(cell))
            raise DataError(
                f"{self._not_a_number(table, row, column)}; if these are the names of classes, set Task to "
                "“classification”",
                "source.decimal",
            )

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
        return f"row {place}, column {column + 1}" + (f" (“{shortened(name)}”)" if name != str(column + 1) else "")


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


def _unreadable(error: csv.Error, path: Path, row: int) -> str:
    """Why the row cannot be taken apart into cells, and what to do about it."""
    where, reason = f"row {row} of “{path.name}”", str(error)
    if "field limit" in reason:
        return (
            f"{where} has a cell of more than {csv.field_size_limit():,} characters: if a quotation mark is opened "
            "there and never closed, close it; otherwise shorten the text"
        )
    if "end of data" in reason:
        return f"{where} opens a quotation mark that is never closed: close it, or take it out"
    return f"{where} is damaged or not a row of a table ({reason}): a quotation mark inside of quoted text is doubled"


def _sniff(text: str) -> str:
    """The delimiter that the first line with content has most of, outside quotes; a comma when it has none. Commas
    that are decimal signs of cells between semicolons or tabs do not count."""
    line = next((line for line in text.splitlines() if line.strip()), "")
    bare = "".join(line.split('"')[::2])
    for delimiter in (";", "\t"):
        cells = [cell.strip() for cell in bare.split(delimiter)]
        commas = [cell for cell in cells if "," in cell]
        if len(cells) > 1 and commas and all(map(_has_decimal_comma, commas)):
            return delimiter
    return max(_DELIMITERS.values(), key=lambda delimiter: (bare.count(delimiter), delimiter == ","))


def _coded(categories: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """A remark on each column of text: what its codes stand for."""
    notes = []
    for name, texts in categories.items():
        listed = ", ".join(f"{i} {shortened(text, 20)}" for i, text in enumerate(texts[:6]))
        more = f", … {len(texts) - 1}" if len(texts) > 6 else ""
        notes.append(f"the texts of column “{shortened(name)}” are coded {listed}{more}")
    return tuple(notes)


def _is_missing(cell: str) -> bool:
    return cell.lower() in _MISSING


def _has_decimal_comma(cell: str) -> bool:
    """Whether the cell is a number that has a comma for its decimal sign."""
    return _DECIMAL_COMMA.fullmatch(cell) is not None
