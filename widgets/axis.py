"""An axis of a plot: a few round ticks, labels in the project's way of writing numbers, faint lines across the plot."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter

from widgets import theme
from widgets.text import compact

__all__ = ["Axis", "linear_labels", "linear_ticks", "log_labels", "log_ticks"]


def linear_ticks(low: float, high: float, most: int) -> list[float]:
    """Up to about `most` multiples of 1, 2 or 5 times a power of ten between `low` and `high`."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return []
    rough = (high - low) / max(1, most)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def linear_labels(ticks: list[float]) -> list[str]:
    """Labels with as many decimals as the ticks need to differ, as powers of ten where they are small."""
    if len(ticks) < 2:
        return [f"{tick:g}" for tick in ticks]
    step = min(b - a for a, b in itertools.pairwise(ticks))
    largest = max(abs(tick) for tick in ticks)
    place = math.floor(math.log10(step) + 1e-9)
    if largest < 0.01:
        return [_scientific(tick, step, place) for tick in ticks]
    if step >= 1:
        return [compact(round(tick)) if largest >= 10_000 else f"{tick:.0f}" for tick in ticks]
    return [f"{0.0 if abs(tick) < step * 1e-6 else tick:.{-place}f}" for tick in ticks]


def _scientific(tick: float, step: float, place: int) -> str:
    if abs(tick) < step * 1e-6:
        return "0"
    exponent = math.floor(math.log10(abs(tick)) + 1e-9)
    mantissa = f"{tick / 10.0**exponent:.{max(0, exponent - place)}f}"
    return f"{mantissa.removesuffix('.0')}e{exponent}"


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Ticks between the decimal logarithms `low` and `high`: whole decades where many show, else 1-3, 1-2-5, or round
    steps within less than a decade. As logarithms."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return []
    decades = high - low
    for factors in ((1, 2, 5), (1, 3), (1,)):
        if decades * len(factors) <= most + 0.5:
            found = [
                exponent + math.log10(factor)
                for exponent in range(math.floor(low) - 1, math.ceil(high) + 1)
                for factor in factors
                if low - 1e-9 <= exponent + math.log10(factor) <= high + 1e-9
            ]
            if len(found) >= 3 or (factors == (1,) and decades > 2):
                return found
            if factors == (1, 2, 5):
                return [math.log10(tick) for tick in linear_ticks(10**low, 10**high, max(3, most)) if tick > 0]
    stride = math.ceil(decades / max(1, most))
    exponents = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
    return [float(exponent) for exponent in exponents if exponent % stride == 0]


def log_labels(ticks: list[float]) -> list[str]:
    """Labels of ticks given as logarithms: plain numbers near one, powers of ten further away."""
    if not ticks:
        return []
    values = [10.0**tick for tick in ticks]
    labels = _log_labels(ticks, values)
    return labels if len(set(labels)) == len(labels) else linear_labels(values)


def _log_labels(ticks: list[float], values: list[float]) -> list[str]:
    decades = all(abs(tick - round(tick)) < 1e-9 for tick in ticks)
    if decades and (min(ticks) < -2 or max(ticks) > 4):
        return ["1" if round(tick) == 0 else f"1e{round(tick)}" for tick in ticks]
    if min(values) >= 0.009 and max(values) < 10_000:
        return [f"{v:.0f}" if v >= 9.99 else f"{v:.1f}" if v >= 0.999 else f"{v:.2g}" for v in values]
    return [_mantissa(value) for value in values]


def _mantissa(value: float) -> str:
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


class Axis(pg.AxisItem):
    """The bottom or left axis of a `Plot`. `lines` draws a faint line across the plot at each tick."""

    def __init__(self, orientation: str, *, lines: bool = False) -> None:
        super().__init__(orientation, showValues=True)
        self.enableAutoSIPrefix(False)
        self.setStyle(tickLength=0, tickTextOffset=7 if orientation == "left" else 5, hideOverlappingLabels=False)
        self.lines = lines
        self.retheme()

    def retheme(self) -> None:
        """Take the current theme's colours and fonts."""
        colors = theme.current()
        font = theme.mono_font(11)
        self.setTickFont(font)
        self.setTextPen(pg.mkPen(colors.text_dim))
        self.setPen(pg.mkPen(colors.grid))
        self.label.setFont(theme.ui_font(11))
        self.setGrid(255 if self.lines else False)

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, list[float]]]:
        """One level of ticks; pyqtgraph calls this."""
        room = 62 if self.orientation in ("bottom", "top") else 30
        most = max(2, int(size / room))
        ticks = (log_ticks if self.logMode else linear_ticks)(min(minVal, maxVal), max(minVal, maxVal), most)
        return [(1.0, ticks)]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """The labels of those ticks; pyqtgraph calls this."""
        return log_labels(values) if self.logMode else linear_labels(values)

    def generateDrawSpecs(self, p: QPainter) -> tuple[Any, list[Any], list[Any]] | None:
        """Lines in the grid's own colour, no line along the axis, labels that never overlap; pyqtgraph calls this."""
        view = self.linkedView()
        low, high = self.range
        if view is None or not high > low:
            return None
        area = self.mapRectFromParent(self.geometry())
        across = view.mapRectToItem(self, view.boundingRect())
        if self.style["tickFont"] is not None:
            p.setFont(self.style["tickFont"])
        flat = self.orientation == "bottom"
        length = area.width() if flat else area.height()
        ((_, ticks),) = self.tickValues(low, high, length)
        metrics = p.fontMetrics()
        pen = pg.mkPen(theme.current().grid)
        gap = self.style["tickTextOffset"][0 if self.orientation == "left" else 1]
        lines, texts, widest, free = [], [], 0.0, -math.inf
        for value, label in zip(ticks, self.tickStrings(ticks, 1.0, 1.0), strict=True):
            share = (value - low) / (high - low)
            if not -1e-9 <= share <= 1 + 1e-9:
                continue
            width, height = metrics.horizontalAdvance(label), metrics.height()
            widest = max(widest, float(height if flat else width))
            if flat:
                x = area.left() + share * length
                lines.append((pen, QPointF(x, across.top()), QPointF(x, across.bottom())))
                rect = QRectF(x - width / 2, area.top() + gap, width, height)
                start, end = rect.left(), rect.right() + 6
            else:
                y = area.bottom() - share * length
                lines.append((pen, QPointF(across.left(), y), QPointF(across.right(), y)))
                # A label at an end of the axis moves inwards rather than being cut off there.
                top = min(max(y - height / 2, area.top() - 1), area.bottom() + 1 - height)
                rect = QRectF(area.right() - gap - width, top, width, height)
                start, end = area.bottom() - rect.bottom(), area.bottom() - rect.top()
            if start >= free:
                free = end
                texts.append((rect, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextDontClip, label))
        self._updateMaxTextSize(widest)
        corner = area.topRight()
        return (pg.mkPen(0, 0, 0, 0), corner, corner), lines if self.lines else [], texts
