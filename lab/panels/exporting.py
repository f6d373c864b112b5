"""A panel on file: its picture as it stands on the screen, or its data as a table with all digits."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtWidgets import QFileDialog

from engine.files import write_atomically
from engine.training.result import words
from widgets import export

if TYPE_CHECKING:
    from lab.panels.base import Panel

__all__ = ["Rows", "ask_and_write", "write_panel", "write_table"]

Rows = tuple[Sequence[str], Iterable[Sequence[Any]]]
"""A table: the names of the columns, and the rows."""


def write_table(path: Path, table: Rows) -> None:
    """Write rows as CSV (RFC 4180, UTF-8), floats with all their digits."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(table[0])
    writer.writerows([[repr(float(v)) if isinstance(v, float) else v for v in row] for row in table[1]])
    write_atomically(path, text.getvalue().encode("utf-8"))


def write_panel(panel: Panel, path: Path) -> None:
    """Write what the panel shows: .png and .svg the picture, .csv the data with all digits.

    Raises ValueError for another suffix; OSError when the file cannot be written, and one that was there stays.
    """
    tools = panel.header.tools
    hovered = tools.isVisible()
    tools.hide()  # they lie over the picture
    try:
        match path.suffix.lower():
            case ".png":
                write_atomically(path, export.to_png(panel))
            case ".svg":
                write_atomically(path, export.to_svg(panel, panel.title))
            case ".csv":
                filled = panel.session is not None and panel.has_data()
                write_table(path, panel.table() if filled else ((), ()))
            case suffix:
                raise ValueError(f"“{path.name}”: a panel is exported as .png, .svg or .csv, not as “{suffix}”")
    finally:
        tools.setVisible(hovered)


def ask_and_write(panel: Panel, suffix: str) -> str:
    """Ask where to write the panel as `suffix`, and write it. Returns why it could not be written, in words, or ""."""
    path, _ = QFileDialog.getSaveFileName(
        panel, f"Export “{panel.title}”", f"{panel.name}.{suffix}", f"{suffix.upper()} (*.{suffix})"
    )
    if not path:
        return ""
    target = Path(path)
    try:
        panel.export(target if target.suffix.lower() == f".{suffix}" else target.with_suffix(f".{suffix}"))
    except OSError as error:
        return f"“{target.name}” could not be written. {words(error)}."
    return ""
