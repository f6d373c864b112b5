"""Pairs of numbers side by side: a mark for what each is held against, a dot for what it is, and a line between."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from widgets import theme
from widgets.text import number
from widgets.tipped import Tipped

__all__ = ["Beside"]

BENEATH = 16
"""Pixels for the numbers of the first and the last item."""
RADIUS = 2.5


class Beside(Tipped):
    """n pairs: arrays (n,) of the numbers and of what they are held against. `noun` is what an item is called under the
    mouse, `names` the two numbers of a pair there; `empty` what it says without any."""

    def __init__(self, noun: str, names: tuple[str, str], parent: QWidget | None = None, *, empty: str = "") -> None:
        super().__init__(parent)
        self._noun, self._names, self._empty = noun, names, empty
        self._values = self._against = np.zeros(0)
        self._span, self._from_zero = 0.0, False
        self.setMinimumHeight(64)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme.signals.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(240, 76)

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
        count = len(self._values)
        if not count:
            painter.setFont(theme.ui_font(11))
            painter.setPen(QColor(colors.text_faint))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._empty)
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
        painter.setFont(theme.mono_font(11))
        painter.setPen(QColor(colors.text_dim))
        beneath = QRectF(0, self.height() - BENEATH, self.width(), BENEATH)
        painter.drawText(beneath, Qt.AlignmentFlag.AlignLeft, "0")
        if count > 1:
            painter.drawText(beneath, Qt.AlignmentFlag.AlignRight, f"{count - 1:,}")

    def tip(self, position: QPointF) -> str:
        """What lies under a place: an item's two numbers."""
        count = len(self._values)
        if not count or not 0 <= position.x() < self.width():
            return ""
        i = min(count - 1, int(position.x() / self.width() * count))
        first, second = self._names
        return f"{self._noun} {i}: {first} {number(self._values[i], 3)}, {second} {number(self._against[i], 3)}"
