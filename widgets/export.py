"""Any widget as a PNG or an SVG picture, and columns of numbers as CSV. They raise OSError."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QBuffer, QIODevice, QPoint, QRect
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QWidget

from widgets import theme

__all__ = ["to_csv", "to_png", "to_svg"]


def to_png(widget: QWidget, path: Path | str, scale: float = 2.0) -> None:
    """A picture of the widget, `scale` pixels to each of the screen's."""
    size = widget.size()
    image = QImage(round(size.width() * scale), round(size.height() * scale), QImage.Format.Format_ARGB32_Premultiplied)
    image.setDevicePixelRatio(scale)
    image.fill(QColor(theme.current().panel))
    painter = QPainter(image)
    try:
        _paint(widget, painter)
    finally:
        painter.end()
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")  # type: ignore[call-overload]
    Path(path).write_bytes(buffer.data().data())


def to_svg(widget: QWidget, path: Path | str, title: str = "") -> None:
    """The widget as vector graphics; texts stay texts."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    generator.setSize(widget.size())
    generator.setViewBox(QRect(QPoint(0, 0), widget.size()))
    generator.setTitle(title)
    painter = QPainter(generator)
    try:
        painter.fillRect(QRect(QPoint(0, 0), widget.size()), QColor(theme.current().panel))
        _paint(widget, painter)
    finally:
        painter.end()
    Path(path).write_bytes(buffer.data().data())


def _paint(widget: QWidget, painter: QPainter) -> None:
    # A graphics view has a `render` of its own, which leaves out what lies over its scene.
    QWidget.render(widget, painter, QPoint(0, 0))


def to_csv(path: Path | str, columns: Sequence[tuple[str, Any]]) -> None:
    """Columns (lists or arrays) of any lengths under their names; shorter ones end in empty cells. No digit is lost."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([name for name, _ in columns])
        values = [column.tolist() if hasattr(column, "tolist") else column for _, column in columns]
        writer.writerows(itertools.zip_longest(*values, fillvalue=""))
