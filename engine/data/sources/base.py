"""What every data source offers beside its fields."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from engine.data.raw import Outline, Raw
from engine.kinds import Source

RESOURCES = Path(__file__).resolve().parents[3] / "resources" / "data"


class DataSource(Source, frozen=True):
    """A source of samples. `licence` is empty for data that are made up or the user's own."""

    licence: ClassVar[str] = ""

    def read(self) -> Raw:
        """All samples. May take long: call it on a worker. Raises DataError."""
        raise NotImplementedError

    def outline(self) -> Outline | None:
        """Shapes and sizes without reading anything, where they are known beforehand; else None."""
        return None

    def columns_found(self) -> tuple[str, ...]:
        """The names of a table's columns in their order, where they can be read; else none. May take long."""
        return ()

    def files(self) -> tuple[Path, ...]:
        """The files and folders whose change makes what was read before out of date."""
        return ()


def stamp(paths: tuple[Path, ...]) -> tuple[tuple[str, int, int], ...]:
    """Path, size and time of the last change of each file; -1 for what cannot be read."""
    marks = []
    for path in paths:
        try:
            status = os.stat(path)
            marks.append((str(path), status.st_size, status.st_mtime_ns))
        except (OSError, ValueError):
            marks.append((str(path), -1, -1))
    return tuple(marks)


def user_path(text: str) -> Path:
    """The path that the user's text means, as far as it can be told; never raises."""
    try:
        return Path(text).expanduser().absolute()
    except (OSError, RuntimeError, ValueError):
        return Path(text)
