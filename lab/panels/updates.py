"""The ratio of update to weight norm by layer, beside the guide of 1e-3."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen

from lab.panels.base import Panel, Rows
from lab.panels.chart import Axis, Chart, draw_text
from lab.panels.layers import update_ratios
from lab.panels.waiting import NEXT_STEPS, waiting_text
from widgets import theme
from widgets.text import number

__all__ = ["GUIDE", "UpdatesPanel", "judgement"]

GUIDE = 1e-3
BAND = 10**0.5
"""Within this factor of the guide a ratio is drawn as good, within its cube as worth a look, beyond as bad."""

ALL = "all"
"""In the table, all parameters of a layer together: the bars."""


def judgement(ratio: float) -> str:
    """The theme's colour token of a ratio: "good", "warn" or "bad"."""
    if not math.isfinite(ratio) or ratio <= 0:
        return "bad"
    distance = abs(math.log10(ratio / GUIDE)) / math.log10(BAND)
    return "good" if distance <= 1 else "warn" if distance <= 3 else "bad"


def ratio_text(ratio: float) -> str:
    """A ratio in the manner of its scale: "3.0e-3"."""
    if math.isnan(ratio):
        return "all weights are 0"
    if not math.isfinite(ratio) or ratio <= 0:
        return number(ratio)
    mantissa, exponent = f"{ratio:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


class RatioChart(Chart):
    """Horizontal bars on a logarithmic scale."""

    def __init__(self) -> None:
        super().__init__()
        self.ratios: dict[str, float] = {}

    def paint(self, painter: QPainter, area: QRectF) -> None:
        if not self.ratios:
            return
        painter.setFont(theme.ui_font(11))
        metrics = QFontMetricsF(painter.font())
        left = min(max(metrics.horizontalAdvance(node) for node in self.ratios) + 24, area.width() * 0.35)
        plot = QRectF(left, 8, area.width() - left - 16, area.height() - 8 - 24)
        values = [ratio for ratio in self.ratios.values() if math.isfinite(ratio) and ratio > 0]
        low = min([1e-5, *(10 ** math.floor(math.log10(value)) for value in values)])
        high = max([1e-1, *(10 ** math.ceil(math.log10(value)) for value in values)])
        axis = Axis(low, high, plot.left(), plot.right(), log=True)
        self._plot, self._step = plot, plot.height() / len(self.ratios)
        self.grid(painter, axis, plot.top(), plot.bottom())
        band = theme.rgba("good", 0.13)
        start, end = axis.pixel(GUIDE / BAND), axis.pixel(GUIDE * BAND)
        painter.fillRect(QRectF(start, plot.top(), end - start, plot.height()), band)
        ends = [self._bar(painter, axis, i, ratio) for i, ratio in enumerate(self.ratios.values())]
        pen = QPen(theme.color("good"), 1, Qt.PenStyle.DashLine)
        self.line(painter, axis.pixel(GUIDE), plot.top(), axis.pixel(GUIDE), plot.bottom(), pen)
        for i, (node, ratio) in enumerate(self.ratios.items()):
            self._texts(painter, metrics, axis, i, node, ratio, ends[i])
        self.horizontal_scale(painter, axis, plot.bottom())

    def _middle(self, row: int) -> float:
        return self._plot.top() + (row + 0.5) * self._step

    def _bar(self, painter: QPainter, axis: Axis, row: int, ratio: float) -> float:
        """Draw a bar; return the pixel where it ends."""
        if not math.isfinite(ratio) or ratio <= 0:
            return axis.start
        height = max(2.0, min(13.0, self._step * 0.6))
        colour = QColor(theme.color(judgement(ratio)))
        colour.setAlphaF(0.75)
        end = axis.pixel(ratio)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        painter.drawRoundedRect(QRectF(axis.start, self._middle(row) - height / 2, end - axis.start, height), 2, 2)
        return end

    def _texts(
        self, painter: QPainter, metrics: QFontMetricsF, axis: Axis, row: int, node: str, ratio: float, end: float
    ) -> None:
        middle = self._middle(row)
        painter.setFont(theme.ui_font(11))
        painter.setPen(theme.color("text_dim"))
        if row % max(1, math.ceil(11 / self._step)) == 0:
            text = metrics.elidedText(node, Qt.TextElideMode.ElideMiddle, axis.start - 18)
            draw_text(painter, axis.start - 8, middle, text, "right")
        if self._step < 12:
            return
        painter.setFont(theme.mono_font(10))
        text = ratio_text(ratio)
        wide = QFontMetricsF(painter.font()).horizontalAdvance(text)
        if end + wide + 8 <= axis.end:
            painter.fillRect(QRectF(end + 3, middle - 7, wide + 4, 14), theme.rgba("panel", 0.8))
            painter.setPen(theme.color("text_dim"))
            draw_text(painter, end + 5, middle, text)
        else:
            painter.setPen(theme.color("text"))
            draw_text(painter, end - 5, middle, text, "right")

    def tip(self, position: QPointF) -> str:
        if not self.ratios or not self._plot.top() <= position.y() <= self._plot.bottom():
            return ""
        row = min(len(self.ratios) - 1, int((position.y() - self._plot.top()) / self._step))
        node, ratio = list(self.ratios.items())[row]
        if math.isnan(ratio):
            return f"{node}: all weights are 0, so that there is nothing to set the update against"
        words = {
            "good": "near the guide",
            "warn": "away from the guide: watch it",
            "bad": "far from the guide: the layer hardly learns, or its weights are thrown about",
        }
        return f"{node}: update / weight {number(ratio)}\n{words[judgement(ratio)]}"


class UpdatesPanel(Panel):
    """Update norm over weight norm."""

    name: ClassVar[str] = "updates"
    title: ClassVar[str] = "Update : weight ratio"
    tab: ClassVar[str] = "Updates"
    topics: ClassVar[frozenset[str]] = frozenset({"gradients"})
    listens: ClassVar[tuple[str, ...]] = ("frameChanged", "stateChanged")
    empty: ClassVar[str] = (
        "Shows how far one step moves each layer’s weights, as a share of their size. About 1e-3 is usual; far below, "
        "a layer hardly learns, far above, it is thrown about.\nPress Train, or Step for a single step."
    )
    interval_ms: ClassVar[int] = 400
    looks_back: ClassVar[bool] = True

    def build(self) -> None:
        self.chart = RatioChart()
        self.stack.addWidget(self.chart)

    def _ratios(self) -> dict[str, float]:
        assert self.session is not None
        frame = self.session.moment().frame
        return update_ratios(frame.parameters) if frame is not None else {}

    def has_data(self) -> bool:
        return bool(self._ratios())

    def draw(self) -> None:
        self.chart.ratios = self._ratios()

    def caption(self) -> str:
        assert self.session is not None
        frame = self.session.moment().frame
        return f"{self.when(frame)} · target 1e-3" if frame is not None else "target 1e-3"

    def empty_text(self) -> str:
        return waiting_text(self.session, self.empty, NEXT_STEPS)

    def table(self) -> Rows:
        assert self.session is not None
        frame = self.session.moment().frame
        rows: list[tuple[Any, ...]] = []
        if frame is not None:
            for node, ratio in self._ratios().items():
                parts = {path: item for path, item in frame.parameters.items() if item.node == node}
                whole = [
                    math.hypot(*(getattr(item, name) for item in parts.values()))
                    for name in ("weight_norm", "gradient_norm", "update_norm")
                ]
                rows.append((node, ALL, frame.step, *whole, ratio))
                for path, item in parts.items():
                    norms = (item.weight_norm, item.gradient_norm, item.update_norm)
                    rows.append((node, path.rpartition("/")[2], frame.step, *norms, item.update_ratio))
        return ("layer", "parameter", "step", "weight_norm", "gradient_norm", "update_norm", "update_ratio"), rows
