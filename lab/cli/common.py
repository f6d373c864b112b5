"""What the commands share: the parser, errors in one sentence, reading experiments, tables and JSON."""

from __future__ import annotations

import argparse
import difflib
import json
import math
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from engine.text import count_text, shortened
from lab.cli.streams import is_utf8

if TYPE_CHECKING:
    from engine.data.signature import DataSignature
    from engine.diagnostics import Diagnostic
    from engine.experiment import Experiment

__all__ = [
    "Parser",
    "UserError",
    "command",
    "count_text",
    "device",
    "finding_text",
    "in_help",
    "in_words",
    "print_json",
    "print_table",
    "read_experiment",
    "sentence",
    "shape_text",
    "signature_of",
    "time_text",
    "whole",
]


MOST, CELL = 4000, 160
"""Characters of a sentence, and of a table's cell, that are printed; a check may find something at every layer."""


class UserError(Exception):
    """A mistake in the call; its text is one sentence for the person who made it."""


class Parser(argparse.ArgumentParser):
    """argparse, with errors of one sentence and no abbreviated options."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **arguments)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the call, and leave with status 2."""
        self.exit(2, f"descent{self.prog.removeprefix(command())}: {sentence(message)}; see “{self.prog} --help”\n")


def in_words(error: Exception) -> str | None:
    """The sentence for an error that a person can do something about; None for a bug of this program."""
    from engine.backend import BackendError
    from engine.data.errors import DataError
    from engine.device_errors import DeviceError
    from engine.export.tables import TableError
    from engine.export.weights import WeightsError
    from engine.files import FileError
    from engine.schema import SchemaError
    from engine.training.checkpoint import CheckpointError
    from engine.training.result import TrainingError
    from engine.training.store import StoreError
    from lab.offscreen import QtError

    known = (
        UserError,
        FileError,
        SchemaError,
        DataError,
        BackendError,
        DeviceError,
        TrainingError,
        StoreError,
        CheckpointError,
        WeightsError,
        TableError,
        QtError,
    )
    if isinstance(error, OSError):
        reason = (error.strerror or str(error)).lower()
        # Whoever opens a file names it: without a name it is a stream that could not be written.
        name = error.filename if error.filename is not None else "the output cannot be written"
        return sentence(f"{name}: {reason}")
    if isinstance(error, DataError) and error.field:
        return sentence(f"data.{error.field}: {error}")
    return sentence(str(error)) if isinstance(error, known) else None


def command(*words: str) -> str:
    """What a person writes to call this program, with `words` after it: "descent train".

    Whoever starts the program under another name (`run.py`) says so in the environment variable DESCENT_COMMAND.
    """
    return " ".join([os.environ.get("DESCENT_COMMAND", "").strip() or "descent", *words])


def in_help(*words: str) -> str:
    """The same for argparse's help and usage, which take a per cent sign for a place to fill in."""
    return command(*words).replace("%", "%%")


# -- arguments ---------------------------------------------------------------------------------------------------------


def whole(low: int, high: int) -> Any:
    """An argparse type: a whole number from `low` to `high`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected a whole number, got “{text}”") from None
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"expected a whole number from {low} to {high}, got {value}")
        return value

    return parse


def device(text: str) -> str:
    """An argparse type: auto, cpu, cuda or cuda:N."""
    from engine.backend import BackendError, read_device

    try:
        read_device(text)
    except BackendError as error:
        raise argparse.ArgumentTypeError(str(error)[:1].lower() + str(error)[1:].rstrip(".")) from None
    return text


def read_experiment(path: str) -> Experiment:
    """Load an experiment file. For the name of a preset, the error says how to make a file of it."""
    from engine.files import FileError, load

    if not path:
        raise UserError("expected the name of an experiment file, got “”")
    try:
        return load(path)
    except FileError as error:
        if not os.path.exists(path):
            from engine.presets import presets

            names = [preset.name for preset in presets()]
            close = difflib.get_close_matches(path, names, n=1)
            if close:
                made = command("new", close[0], "--out", f"{close[0]}.dlab")
                raise UserError(f"{path}: there is no such file; “{close[0]}” is a preset: {made}") from None
        raise error


def signature_of(experiment: Experiment) -> DataSignature:
    """The names, shapes and classes of an experiment's data, loading them where there is no other way."""
    from engine import data

    found = data.peek(experiment.data)
    return found if found is not None else data.load(experiment.data).signature


def folder_path(text: str) -> Path:
    """A folder to write into or to read from. An empty name, as of a shell's unset variable, is not the present one."""
    path = Path(text)
    if not text:
        raise UserError("expected the name of a folder, got “”")
    if path.exists() and not path.is_dir():
        raise UserError(f"{text}: is a file, not a folder")
    return path


def output_path(text: str, suffixes: Iterable[str]) -> Path:
    """A file to write: its folder exists and its suffix is one of `suffixes`."""
    path, allowed = Path(text), tuple(suffixes)
    if not text:
        raise UserError(f"expected the name of a file that ends in {' or '.join(allowed)}, got “”")
    if path.suffix.lower() not in allowed:
        raise UserError(f"{text}: expected a name that ends in {' or '.join(allowed)}")
    if path.is_dir():
        raise UserError(f"{text}: is a folder, not a file")
    if not path.absolute().parent.is_dir():
        raise UserError(f"{text}: the folder does not exist")
    return path


# -- output ------------------------------------------------------------------------------------------------------------


def print_json(value: Any, indent: int | None = None) -> None:
    """One JSON value on standard output; numbers that JSON cannot hold become null."""
    narrow = not is_utf8(sys.stdout)
    print(json.dumps(_finite(value), ensure_ascii=narrow, allow_nan=False, indent=indent), flush=True)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def finding_text(item: Diagnostic) -> str:
    """What a check found: where, what, and how to mend it."""
    place = ".".join(part for part in (item.node, item.field) if part)
    fix = f" Fix: {item.fix.label}." if item.fix is not None else ""
    return f"{f'{place}: ' if place else ''}{item.message}{fix}"


def sentence(text: str) -> str:
    """A text as it may stand on a terminal: one line without control characters, and not endless."""
    return shortened(text, MOST)


def print_table(rows: Sequence[Sequence[str]], *, right: Iterable[int] = ()) -> None:
    """Rows of cells in columns, the first row the heading; the columns `right` are aligned to the right. What is too
    long for a cell is cut off."""
    if not rows:
        return
    rows = [[shortened(cell, CELL) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    aligned = set(right)
    for row in rows:
        cells = (
            cell.rjust(width) if i in aligned else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join(cells).rstrip())


def shape_text(shape: tuple[int, ...] | None) -> str:
    """A shape for people: "28 × 28 × 1"."""
    return "?" if shape is None else " × ".join(map(str, shape)) or "1"


def time_text(seconds: float) -> str:
    """A duration for people: "0:07", "1:02:03"."""
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def warn(text: str) -> None:
    """A sentence on standard error."""
    print(f"descent: {sentence(text)}", file=sys.stderr, flush=True)
