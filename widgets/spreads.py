"""Many small distributions side by side: for each a line from least to greatest and a bar of one deviation about the
mean. Those that are marked as dead are a red tick at zero."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from widgets import theme
from widgets.text import number
from widgets.tipped import Tipped

__all__ = ["Spreads"]

BENEATH = 16
"""Pixels for the numbers of the first and the last item."""


class Spreads(Tipped):
    """n distributions: arrays (n,) of mean, deviation, least and greatest, and which are dead. `noun` is what one is
    called under the mouse; `empty` what it says without any."""

    def __init__(self, noun: str, parent: QWidget | None = None, *, empty: str = "") -> None:
        super().__init__(parent)
        self._noun, self._empty = noun, empty
        self._mean = self._std = self._low = self._high = np.zeros(0)
        self._dead = np.zeros(0, bool)
        self.setMinimumHeight(84)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme.signals.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(240, 100)

    def set_spreads(
        self, mean: np.ndarray, std: np.ndarray, low: np.ndarray, high: np.ndarray, dead: np.ndarray
    ) -> None:
        """Show these; what is not finite is left out."""
        self._mean, self._std, self._low, self._high, self._dead = mean, std, low, high, dead
        self.setAccessibleDescription(f"{len(mean):,} of {self._noun}, {int(dead.sum()):,} dead")
        self.update()

    def clear(self) -> None:
        """Show nothing."""
        self.set_spreads(*(np.zeros(0),) * 4, np.zeros(0, bool))

    def _area(self) -> QRectF:
        return QRectF(0, 4, self.width(), self.height() - BENEATH - 8)

    def paintEvent(self, _event: QPaintEvent) -> None:
        colors = theme.current()
        painter = QPainter(self)
        area = self._area()
        count = len(self._mean)
        if not count:
            painter.setFont(theme.ui_font(11))
            painter.setPen(QColor(colors.text_faint))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._empty)
            return
        ends = np.concatenate([self._low, self._high, [0.0]])
        ends = ends[np.isfinite(ends)]
        least, most = float(ends.min()), float(ends.max())
        scale = area.height() / ((most - least) or 1.0)
        pitch = area.width() / count
        painter.fillRect(QRectF(0, area.bottom() + least * scale, area.width(), 1), QColor(colors.border))
        range_colour, bar_colour = theme.color("accent"), theme.color("accent")
        range_colour.setAlphaF(0.4)
        for i in range(count):
            left, middle = i * pitch, (i + 0.5) * pitch
            if self._dead[i]:
                height = area.bottom() + least * scale
                painter.fillRect(QRectF(left, height - 2, max(1.0, pitch - 1), 4), QColor(colors.bad))
                continue
            values = self._low[i], self._high[i], self._mean[i], self._std[i]
            if not np.isfinite(values).all():
                continue
            low, high, mean, std = (float(value) for value in values)
            top = area.bottom() - (high - least) * scale
            painter.fillRect(QRectF(middle - 0.5, top, 1, max(1.0, (high - low) * scale)), range_colour)
            top = area.bottom() - (min(mean + std, high) - least) * scale
            bar = (min(mean + std, high) - max(mean - std, low)) * scale
            width = max(1.0, min(pitch - 1, 14.0))
            painter.fillRect(QRectF(middle - width / 2, top, width, max(1.0, bar)), bar_colour)
        painter.setFont(theme.mono_font(11))
        painter.setPen(QColor(colors.text_dim))
        beneath = QRectF(0, self.height() - BENEATH, self.width(), BENEATH)
        painter.drawText(beneath, Qt.AlignmentFlag.AlignLeft, "0")
        if count > 1:
            painter.drawText(beneath, Qt.AlignmentFlag.AlignRight, f"{count - 1:,}")

    def tip(self, position: QPointF) -> str:
        """What lies under a place: an item's numbers."""
        count = len(self._mean)
        if not count or not 0 <= position.x() < self.width():
            return ""
        i = min(count - 1, int(position.x() / self.width() * count))
        if self._dead[i]:
            return f"{self._noun} {i}: zero everywhere"
        return (
            f"{self._noun} {i}: mean {number(self._mean[i], 3)}, deviation {number(self._std[i], 3)}, "
            f"from {number(self._low[i], 3)} to {number(self._high[i], 3)}"
        )
