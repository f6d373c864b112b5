"""Histograms painted directly: bars for nodes and lists (`paint_bars`), and a widget with an axis for one tensor."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from widgets import theme
from widgets.text import number
from widgets.tipped import Tipped

__all__ = ["Histogram", "ends", "legible", "paint_bars", "rebin"]


def rebin(counts: np.ndarray, most: int) -> np.ndarray:
    """Add neighbouring bins up until at most `most` are left; the sum stays the same. The last may span fewer."""
    counts = np.asarray(counts)
    if counts.size <= most:
        return counts
    width = -(-counts.size // max(1, most))
    return np.add.reduceat(counts, np.arange(0, counts.size, width))


def legible(counts: np.ndarray) -> np.ndarray:
    """The histogram in as many bins as its values can fill: few values in many bins look like a comb.

    Pairs of neighbouring bins are added up while there are more than twice the square root of the number of values, but
    not to fewer than eight. Bins stay equally wide, and the ends of the range where they are.
    """
    counts = np.asarray(counts)
    most = max(8.0, 2.0 * float(np.sqrt(counts.sum())))
    while counts.size > most and counts.size % 2 == 0:
        counts = counts[0::2] + counts[1::2]
    return counts


def ends(low: float, high: float) -> tuple[str, str]:
    """The ends of a range in as few digits as tell them apart: of scales about one 0.996 and 1.0, not 1.0 twice."""
    for digits in range(2, 7):
        texts = number(low, digits), number(high, digits)
        if texts[0] != texts[1] or low == high:
            break
    return texts


def paint_bars(painter: QPainter, area: QRectF, counts: np.ndarray, color: QColor, gap: float = 1.0) -> None:
    """Bars from the bottom of `area`, the tallest as tall as it. A bin that is not empty is at least a pixel tall."""
    counts = np.asarray(counts, dtype=float)
    highest = counts.max(initial=0.0)
    if highest <= 0 or area.width() < 1 or area.height() < 1:
        return
    counts = np.asarray(rebin(counts, max(1, int(area.width() / 2))))
    highest = counts.max()
    pitch = area.width() / counts.size
    gap = gap if pitch >= 3 else 0.0
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(color)
    for index, count in enumerate(counts):
        if count > 0:
            height = max(1.0, count / highest * area.height())
            painter.drawRect(QRectF(area.left() + index * pitch, area.bottom() - height, max(0.8, pitch - gap), height))


class Histogram(Tipped):
    """One tensor's values: bars, the ends of the range and zero beneath them, and counts under the mouse.
    `empty` is what it says without values."""

    def __init__(self, parent: QWidget | None = None, *, empty: str = "") -> None:
        super().__init__(parent)
        self._empty = empty
        self._counts = np.zeros(0)
        self._low, self._high = 0.0, 0.0
        self._tint = "accent"
        self.setMinimumHeight(96)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme.signals.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(240, 112)

    def set_counts(self, counts: np.ndarray, low: float, high: float, tint: str = "accent") -> None:
        """Show counts in equal bins from `low` to `high` in a colour (a token or "#rrggbb"); few values in fewer."""
        self._counts, self._low, self._high, self._tint = legible(counts), low, high, tint
        total = int(self._counts.sum())
        self.setAccessibleDescription(f"{total:,} values from {number(low, 3)} to {number(high, 3)}")
        self.update()

    def clear(self) -> None:
        """Show nothing."""
        self._counts = np.zeros(0)
        self.update()

    def _area(self) -> QRectF:
        return QRectF(0, 2, self.width(), self.height() - 20)

    def paintEvent(self, _event: QPaintEvent) -> None:
        colors = theme.current()
        painter = QPainter(self)
        area = self._area()
        painter.fillRect(QRectF(area.left(), area.bottom(), area.width(), 1), QColor(colors.border))
        if not self._counts.size:
            if self._empty:
                painter.setFont(theme.ui_font(11))
                painter.setPen(QColor(colors.text_faint))
                painter.drawText(area, Qt.AlignmentFlag.AlignCenter, self._empty)
            return
        color = theme.color(self._tint)
        color.setAlphaF(0.85)
        paint_bars(painter, area, self._counts, color)
        painter.setFont(theme.mono_font(11))
        painter.setPen(QColor(colors.text_dim))
        beneath = QRectF(0, area.bottom() + 3, self.width(), 15)
        low, high = ends(self._low, self._high)
        painter.drawText(beneath, Qt.AlignmentFlag.AlignLeft, low)
        painter.drawText(beneath, Qt.AlignmentFlag.AlignRight, high)
        if self._low < 0 < self._high:
            x = -self._low / (self._high - self._low) * self.width()
            if 50 < x < self.width() - 50:
                painter.drawText(QRectF(x - 20, beneath.top(), 40, 15), Qt.AlignmentFlag.AlignHCenter, "0")

    def tip(self, position: QPointF) -> str:
        """What lies under a place: the bin's ends and its count."""
        if not self._counts.size or not self._area().contains(position):
            return ""
        index = min(self._counts.size - 1, int(position.x() / self.width() * self._counts.size))
        width = (self._high - self._low) / self._counts.size
        left = self._low + index * width
        share = self._counts[index] / max(1, self._counts.sum())
        return f"{number(left, 3)} to {number(left + width, 3)}: {int(self._counts[index]):,} ({100 * share:.1f} %)"
