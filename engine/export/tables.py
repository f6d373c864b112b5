"""Tables as CSV (RFC 4180): comma, CRLF, decimal points, every number with the digits that give it back exactly."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.files import write_atomically
from engine.training.database import os_error_in_words
from engine.training.events import EpochEnd

__all__ = ["TableError", "csv_text", "epoch_columns", "write_csv"]


class TableError(Exception):
    """A table cannot be written; the message is for people."""


def csv_text(columns: Mapping[str, Sequence[Any] | np.ndarray]) -> str:
    """The table as text, a header first. Columns of different lengths are filled up with empty cells.

    Numbers are written as Python's shortest exact form; None is an empty cell; NaN and infinities are “nan”, “inf”,
    “-inf”. Raises TableError for an array that is not one-dimensional.
    """
    texts = [_cells(name, column) for name, column in columns.items()]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(columns)
    for i in range(max((len(cells) for cells in texts), default=0)):
        writer.writerow([cells[i] if i < len(cells) else "" for cells in texts])
    return stream.getvalue()


def write_csv(path: str | os.PathLike[str], columns: Mapping[str, Sequence[Any] | np.ndarray]) -> None:
    """Write a table as a UTF-8 CSV file, atomically. Raises TableError."""
    try:
        write_atomically(Path(path), csv_text(columns).encode())
    except OSError as error:
        raise TableError(os_error_in_words(error, f"The table cannot be saved as {path}")) from error


def _cells(name: str, column: Sequence[Any] | np.ndarray) -> list[str]:
    if isinstance(column, np.ndarray):
        if column.ndim != 1:
            raise TableError(f"The column “{name}” has {column.ndim} dimensions instead of one.")
        if column.dtype == np.float32:
            return [_float32(value) for value in column]
        column = column.tolist()
    return [_cell(value) for value in column]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, np.float32):
        return _float32(value)
    if isinstance(value, float):
        return repr(float(value))
    return str(value.item() if isinstance(value, np.generic) else value)


def _float32(value: Any) -> str:
    # The shortest digits that give this float32 back, not those of the float64 next to it.
    number = float(value)
    return repr(number) if not math.isfinite(number) else str(value)


def epoch_columns(epochs: Iterable[EpochEnd]) -> dict[str, list[Any]]:
    """The columns of an epoch table: numbers of each epoch, then every metric that any epoch has."""
    rows = list(epochs)
    columns: dict[str, list[Any]] = {
        name: [getattr(row, name) for row in rows]
        for name in ("epoch", "step", "train_loss", "validation_loss", "learning_rate", "seconds")
    }
    for part in ("train", "validation"):
        tags = dict.fromkeys(tag for row in rows for tag in getattr(row, f"{part}_metrics"))
        for tag in tags:
            columns[f"{part}_{tag}"] = [getattr(row, f"{part}_metrics").get(tag) for row in rows]
    return columns
