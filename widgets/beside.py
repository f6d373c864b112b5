"""Pairs of numbers side by side: a mark for what each is held against, a dot for what it is, and a line between."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from widgets import theme
from widgets.item_row import BENEATH, ItemRow
from widgets.text import number

__all__ = ["Beside"]

RADIUS = 2.5


class Beside(ItemRow):
    """n pairs: arrays (n,) of the numbers and of what they are held against. `noun` is what an item is called under the
    mouse, `names` the two numbers of a pair there; `empty` what it says without any."""

    def __init__(self, noun: str, names: tuple[str, str], parent: QWidget | None = None, *, empty: str = "") -> None:
        super().__init__(noun, 76, parent, empty=empty)
        self._names = names
        self._values = self._against = np.zeros(0)
        self._span, self._from_zero = 0.0, False

    def set_pairs(self, values: np.ndarray, against: np.ndarray, *, span: float = 0.0, from_zero: bool = False) -> None:
        """Show these; pairs that are not finite are left out. The height stands for `span` at least, so that what is
        small beside it looks small, and begins at zero where `from_zero`."""
        self._values, self._against, self._span, self._from_zero = values, against, span, from_zero
        self.setAccessibleDescription(f"{len(values):,} of {self._noun}")
        self.update()

    def clear(self) -> None:
        """Show nothing."""
        self.set_pairs(np.zeros(0), np.zeros(0))

    def paintEvent(self, _event: QPaintEvent) -> None:
        colors = theme.current()
        painter = QPainter(self)
        count = self.count()
        if not count:
            self.draw_empty(painter)
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(0, 2 + RADIUS, self.width(), self.height() - BENEATH - 4 - 2 * RADIUS)
        finite = np.isfinite(self._values) & np.isfinite(self._against)
        both = np.concatenate([self._values[finite], self._against[finite]])
        least, most = (float(both.min()), float(both.max())) if both.size else (0.0, 1.0)
        if self._from_zero:
            least = min(least, 0.0)
        if most - least < self._span:
            middle = (least + most) / 2
            least, most = middle - self._span / 2, middle + self._span / 2
        scale = area.height() / ((most - least) or 1.0)
        pitch = area.width() / count
        mark, dot = QColor(colors.text_dim), QColor(colors.accent)
        between = QPen(QColor(colors.accent), 1)
        wide = max(2.0, min(pitch - 1, 12.0))
        radius = max(1.0, min(RADIUS, pitch / 2))
        for i in np.flatnonzero(finite):
            middle = (float(i) + 0.5) * pitch
            here, there = (
                area.bottom() - (float(item) - least) * scale for item in (self._values[i], self._against[i])
            )
            painter.setPen(between)
            painter.drawLine(QPointF(middle, here), QPointF(middle, there))
            painter.fillRect(QRectF(middle - wide / 2, there - 1, wide, 2), mark)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(dot)
            painter.drawEllipse(QPointF(middle, here), radius, radius)
        self.draw_ends(painter)

    def count(self) -> int:
        return len(self._values)

    def words(self, index: int) -> str:
        first, second = self._names
        return f"{first} {number(self._values[index], 3)}, {second} {number(self._against[index], 3)}"
