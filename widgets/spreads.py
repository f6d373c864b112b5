"""Many small distributions side by side: for each a line from least to greatest and a bar of one deviation about the
mean. Those that are marked as dead are a red tick at zero."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from widgets import theme
from widgets.item_row import BENEATH, ItemRow
from widgets.text import number

__all__ = ["Spreads"]


class Spreads(ItemRow):
    """n distributions: arrays (n,) of mean, deviation, least and greatest, and which are dead. `noun` is what one is
    called under the mouse; `empty` what it says without any."""

    def __init__(self, noun: str, parent: QWidget | None = None, *, empty: str = "") -> None:
        super().__init__(noun, 100, parent, empty=empty)
        self._mean = self._std = self._low = self._high = np.zeros(0)
        self._dead = np.zeros(0, bool)

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
        count = self.count()
        if not count:
            self.draw_empty(painter)
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
        self.draw_ends(painter)

    def count(self) -> int:
        return len(self._mean)

    def words(self, index: int) -> str:
        if self._dead[index]:
            return "zero everywhere"
        return (
            f"mean {number(self._mean[index], 3)}, deviation {number(self._std[index], 3)}, "
            f"from {number(self._low[index], 3)} to {number(self._high[index], 3)}"
        )
