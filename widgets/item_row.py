"""Many items side by side across the width of a widget: which of them lies where, and what stands beneath."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QSizePolicy, QWidget

from widgets import theme
from widgets.tipped import Tipped

__all__ = ["BENEATH", "ItemRow"]

BENEATH = 16
"""Pixels for the numbers of the first and the last item."""


class ItemRow(Tipped):
    """`noun` is what an item is called under the mouse, `empty` what it says without any. Of `height` pixels, a few can
    be done without."""

    def __init__(self, noun: str, height: int, parent: QWidget | None = None, *, empty: str = "") -> None:
        super().__init__(parent)
        self._noun, self._height, self._empty = noun, height, empty
        self.setMinimumHeight(round(0.84 * height))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme.signals.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(240, self._height)

    def count(self) -> int:
        """How many items there are."""
        raise NotImplementedError

    def words(self, index: int) -> str:
        """What an item is, after its name."""
        raise NotImplementedError

    def tip(self, position: QPointF) -> str:
        """What lies under a place: an item's numbers."""
        count = self.count()
        if not count or not 0 <= position.x() < self.width():
            return ""
        index = min(count - 1, int(position.x() / self.width() * count))
        return f"{self._noun} {index}: {self.words(index)}"

    def draw_empty(self, painter: QPainter) -> None:
        """Words in the place of items."""
        painter.setFont(theme.ui_font(11))
        painter.setPen(QColor(theme.current().text_faint))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._empty)

    def draw_ends(self, painter: QPainter) -> None:
        """The numbers of the first and the last item, beneath them."""
        painter.setFont(theme.mono_font(11))
        painter.setPen(QColor(theme.current().text_dim))
        beneath = QRectF(0, self.height() - BENEATH, self.width(), BENEATH)
        painter.drawText(beneath, Qt.AlignmentFlag.AlignLeft, "0")
        if self.count() > 1:
            painter.drawText(beneath, Qt.AlignmentFlag.AlignRight, f"{self.count() - 1:,}")
