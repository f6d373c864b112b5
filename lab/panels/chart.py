"""Painted charts: a widget that draws itself with a QPainter, and an axis that maps numbers to pixels."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QHelpEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from widgets import theme
from widgets.axis import linear_labels, linear_ticks, log_labels, log_ticks

__all__ = ["Axis", "Chart", "draw_text"]


class Axis:
    """Maps [low, high] to the pixels [start, end], linearly or logarithmically."""

    def __init__(self, low: float, high: float, start: float, end: float, log: bool = False) -> None:
        if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
            low, high = (low, low * 10 if log and low > 0 else low + 1) if math.isfinite(low) else (0.0, 1.0)
        if log and low <= 0:
            low = high * 1e-6
        self.low, self.high, self.start, self.end, self.log = low, high, start, end, log

    def pixel(self, value: float) -> float:
        """Where a number lies; beyond the ends for numbers outside."""
        return float(self.pixels(np.array([value]))[0])

    def pixels(self, values: np.ndarray) -> np.ndarray:
        if self.log:
            low, high = math.log10(self.low), math.log10(self.high)
            scaled = np.log10(np.maximum(values, 1e-300))
        else:
            low, high, scaled = self.low, self.high, np.asarray(values, dtype=float)
        return self.start + (scaled - low) / (high - low) * (self.end - self.start)

    def ticks(self, spacing: float = 48.0) -> list[tuple[float, str]]:
        """Round numbers, about `spacing` pixels apart at least, with their labels."""
        most = max(2, int(abs(self.end - self.start) // spacing))
        if self.log:
            marks = log_ticks(math.log10(self.low), math.log10(self.high), most)
            return list(zip([10.0**mark for mark in marks], log_labels(marks), strict=True))
        values = linear_ticks(self.low, self.high, most)
        return list(zip(values, linear_labels(values), strict=True))


def draw_text(painter: QPainter, x: float, y: float, text: str, align: str = "left") -> None:
    """Text whose vertical middle is at `y`; `align` says which of its ends (or its middle) is at `x`."""
    width = 2000.0
    left = {"left": x, "right": x - width, "center": x - width / 2}[align]
    flag = {
        "left": Qt.AlignmentFlag.AlignLeft,
        "right": Qt.AlignmentFlag.AlignRight,
        "center": Qt.AlignmentFlag.AlignHCenter,
    }[align]
    painter.drawText(QRectF(left, y - 20, width, 40), flag | Qt.AlignmentFlag.AlignVCenter, text)


class Chart(QWidget):
    """Base of painted charts. Subclasses write `paint` and, for hover values, `tip`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(60, 40)
        self.setMouseTracking(True)
        self.paint_seconds = 0.0
        """How long the last painting took."""

    def paint(self, painter: QPainter, area: QRectF) -> None:
        """Draw the chart."""
        raise NotImplementedError

    def tip(self, position: QPointF) -> str:
        """The values at a place, or an empty string."""
        return ""

    def paintEvent(self, event: QPaintEvent) -> None:
        begun = time.perf_counter()
        painter = QPainter(self)
        try:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            self.paint(painter, QRectF(self.rect()))
        finally:
            painter.end()  # a painter that outlives an exception takes the process with it
        self.paint_seconds = time.perf_counter() - begun

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._show_tip(event.position(), event.globalPosition())
        super().mouseMoveEvent(event)

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            self._show_tip(QPointF(event.pos()), QPointF(event.globalPos()))
            return True
        return super().event(event)

    def _show_tip(self, position: QPointF, at: QPointF) -> None:
        text = self.tip(position)
        if text:
            QToolTip.showText(at.toPoint(), text, self)
        else:
            QToolTip.hideText()

    # -- pieces that several charts draw -------------------------------------------------------------------------------

    @staticmethod
    def horizontal_scale(painter: QPainter, axis: Axis, y: float, *, spacing: float = 48.0) -> None:
        """Tick labels below the line at `y`."""
        painter.setFont(theme.mono_font(10))
        painter.setPen(theme.color("text_dim"))
        for value, text in axis.ticks(spacing):
            draw_text(painter, axis.pixel(value), y + 10, text, "center")

    @staticmethod
    def grid(painter: QPainter, axis: Axis, top: float, bottom: float, *, spacing: float = 48.0) -> None:
        """Faint upright lines at the ticks."""
        painter.setPen(theme.color("grid"))
        for value, _ in axis.ticks(spacing):
            x = axis.pixel(value)
            painter.drawLine(QPointF(x, top), QPointF(x, bottom))

    @staticmethod
    def bars(painter: QPainter, counts: Sequence[float] | np.ndarray, area: QRectF, color: QColor, top: float) -> None:
        """Histogram bars over the width of `area`, `top` being the count that reaches its upper edge."""
        n = len(counts)
        if not n or top <= 0:
            return
        width = area.width() / n
        gap = 1.0 if width >= 3 else 0.0
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        for i, count in enumerate(counts):
            height = min(1.0, float(count) / top) * area.height()
            if count > 0:
                height = max(height, 1.0)  # what is there is seen
                painter.drawRect(QRectF(area.left() + i * width, area.bottom() - height, width - gap, height))

    @staticmethod
    def line(painter: QPainter, x1: float, y1: float, x2: float, y2: float, pen: QPen | QColor) -> None:
        painter.setPen(pen)
        painter.drawLine(QPointF(x1, y1), QPointF(x2, y2))
