"""Any widget as a PNG or an SVG picture, and columns of numbers as CSV: the bytes of a file, for whoever writes it."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QBuffer, QIODevice, QPoint, QRect
from PySide6.QtGui import QColor, QImage, QPainter, QPixmap
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QWidget

from widgets import theme

__all__ = ["png_of", "to_csv", "to_png", "to_svg"]


def to_png(widget: QWidget, scale: float = 2.0) -> bytes:
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
    return png_of(image)


def png_of(picture: QImage | QPixmap) -> bytes:
    """A picture as PNG. Raises OSError for one that is too large (or empty) to be drawn."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    if not picture.save(buffer, "PNG"):  # type: ignore[call-overload]
        raise OSError("the picture cannot be drawn in this size")
    return bytes(buffer.data().data())


def to_svg(widget: QWidget, title: str = "") -> bytes:
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
    return bytes(buffer.data().data())


def _paint(widget: QWidget, painter: QPainter) -> None:
    # A graphics view has a `render` of its own, which leaves out what lies over its scene.
    QWidget.render(widget, painter, QPoint(0, 0))


def to_csv(columns: Sequence[tuple[str, Any]]) -> bytes:
    """Columns (lists or arrays) of any lengths under their names; shorter ones end in empty cells. No digit is lost."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([name for name, _ in columns])
    values = [column.tolist() if hasattr(column, "tolist") else column for _, column in columns]
    writer.writerows(itertools.zip_longest(*values, fillvalue=""))
    return text.getvalue().encode("utf-8")
