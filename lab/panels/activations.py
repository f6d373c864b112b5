"""Activations by layer: a ridgeline of histograms, or mean and deviation by depth beside zero and saturated shares."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen

from engine.training.events import TensorStats
from lab.panels.base import Panel, Rows
from lab.panels.chart import Axis, Chart, draw_text
from lab.panels.layers import Layer, density, layer, layers_of, percentiles
from lab.panels.waiting import NEXT_STEPS, waiting_text
from widgets import theme
from widgets.text import number
from widgets.trace import paint_line, polygon

__all__ = ["ActivationsPanel"]

SATURATED = 0.5
"""From this share of saturated elements a layer is drawn in the colour of trouble."""
NARROW = 320
"""Below this width the caption says no more than the step."""
OVERLAP = 1.7
"""Height of a ridge in rows."""


class LayersChart(Chart):
    """Rows of layers: ridges, or means and shares."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[Layer, TensorStats]] = []
        self.statistics = False
        self.own_scale = False

    def paint(self, painter: QPainter, area: QRectF) -> None:
        if not self.rows:
            return
        painter.setFont(theme.ui_font(11))
        metrics = QFontMetricsF(painter.font())
        widest = max(metrics.horizontalAdvance(item.title) for item, _ in self.rows)
        self._left = min(widest + 22, area.width() * 0.35)
        top = 24.0 if self.statistics else 12.0
        self._plot = QRectF(self._left, top, area.width() - self._left - 14, area.height() - top - 24)
        self._step = self._plot.height() / len(self.rows)
        self._labels(painter, metrics)
        if self.statistics:
            self._paint_statistics(painter)
        else:
            self._paint_ridges(painter)

    def _labels(self, painter: QPainter, metrics: QFontMetricsF) -> None:
        painter.setPen(theme.color("text_dim"))
        every = max(1, int(np.ceil(12 / self._step)))
        for i, (item, _) in enumerate(self.rows):
            if i % every == 0:
                text = metrics.elidedText(item.title, Qt.TextElideMode.ElideRight, self._left - 18)
                y = self._base(i) - (self._step / 2 if self.statistics else min(5.0, self._step / 2))
                draw_text(painter, 12, y, text)

    def _base(self, row: int) -> float:
        return self._plot.top() + (row + 1) * self._step

    def _paint_ridges(self, painter: QPainter) -> None:
        shared = value_range([stats for _, stats in self.rows])
        axis = Axis(*shared, self._plot.left(), self._plot.right())
        self._axis = axis
        if not self.own_scale:
            self.grid(painter, axis, self._plot.top(), self._plot.bottom())
        for i, (item, stats) in enumerate(self.rows):
            own = Axis(*value_range([stats]), axis.start, axis.end) if self.own_scale else axis
            self._ridge(painter, i, item, stats, own)
        if self.own_scale:
            painter.setFont(theme.mono_font(10))
            painter.setPen(theme.color("text_dim"))
            draw_text(
                painter, self._plot.center().x(), self._plot.bottom() + 12, "each layer on its own scale", "center"
            )
        else:
            self.horizontal_scale(painter, axis, self._plot.bottom())

    def _ridge(self, painter: QPainter, row: int, item: Layer, stats: TensorStats, axis: Axis) -> None:
        base = self._base(row)
        colour = layer_colour(item, stats)
        pen = QPen(colour, 1.2)
        if stats.histogram is None or not stats.maximum > stats.minimum:
            self.line(painter, axis.start, base, axis.end, base, pen)
            return
        x, y = density(stats)
        top = ridge_top(y)
        width = (stats.maximum - stats.minimum) / len(x)
        x = np.concatenate([[stats.minimum - width / 2], x, [stats.maximum + width / 2]])
        y = np.concatenate([[0.0], y, [0.0]])
        inside = (x >= axis.low - width) & (x <= axis.high + width)
        height = min(self._step * OVERLAP, base - 2)
        px = np.clip(axis.pixels(x[inside]), axis.start, axis.end)
        py = base - np.minimum(y[inside] / top, 1.0) * height if top > 0 else np.full(inside.sum(), base)
        if not len(px):
            self.line(painter, axis.start, base, axis.end, base, pen)
            return
        shape = polygon(np.concatenate([[px[0]], px, [px[-1]]]), np.concatenate([[base], py, [base]]))
        fill = QColor(colour)
        fill.setAlphaF(0.32)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(fill)
        painter.drawPolygon(shape)
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        paint_line(painter, np.concatenate([[axis.start], px, [axis.end]]), np.concatenate([[base], py, [base]]))

        self._mark_cuts(painter, base, stats, axis, colour)

    @staticmethod
    def _mark_cuts(painter: QPainter, base: float, stats: TensorStats, axis: Axis, colour: QColor) -> None:
        """Arrowheads where a layer reaches beyond the shared range."""
        low, high = percentiles(stats, 0.005, 0.995)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        for cut, x, tip in ((low < axis.low, axis.start, -5.0), (high > axis.high, axis.end, 5.0)):
            if cut:
                head = np.array([x, x + tip, x]), np.array([base - 4.0, base, base + 4.0])
                painter.drawPolygon(polygon(*head))
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _paint_statistics(self, painter: QPainter) -> None:
        split = self._plot.left() + self._plot.width() * 0.58
        finite = [stats for _, stats in self.rows if np.isfinite(stats.mean) and np.isfinite(stats.std)]
        low = min([0.0, *(stats.mean - stats.std for stats in finite)])
        high = max([0.0, *(stats.mean + stats.std for stats in finite)])
        pad = 0.05 * (high - low) or 1.0
        axis = Axis(low - pad, high + pad, self._plot.left(), split - 12)
        shares = Axis(0.0, 1.0, split + 4, self._plot.right())
        for scale in (axis, shares):
            self.grid(painter, scale, self._plot.top(), self._plot.bottom(), spacing=60)
        painter.setFont(theme.ui_font(10))
        painter.setPen(theme.color("text_dim"))
        draw_text(painter, axis.start, 12, "mean ± std")
        now = theme.current()
        legend = ((now.text_dim, "zero"), (now.bad, "saturated"), (now.warn, "dead"))
        metrics = QFontMetricsF(painter.font())
        x = min(shares.start, shares.end - sum(19 + metrics.horizontalAdvance(text) for _, text in legend) + 8)
        for name, text in legend:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(name))
            painter.drawRoundedRect(QRectF(x, 9, 8, 6), 2, 2)
            painter.setPen(theme.color("text_dim"))
            draw_text(painter, x + 11, 12, text)
            x += 19 + metrics.horizontalAdvance(text)
        for i, (item, stats) in enumerate(self.rows):
            middle = self._base(i) - self._step / 2
            colour = layer_colour(item, stats)
            if np.isfinite(stats.mean) and np.isfinite(stats.std):
                pen = QPen(colour, 3)
                pen.setCapStyle(Qt.PenCapStyle.RoundCap)
                self.line(
                    painter, axis.pixel(stats.mean - stats.std), middle, axis.pixel(stats.mean + stats.std), middle, pen
                )
                painter.setPen(QPen(theme.color("panel"), 1))
                painter.setBrush(colour)
                painter.drawEllipse(QPointF(axis.pixel(stats.mean), middle), 4, 4)
            values = (stats.zero_share, stats.saturated_share, stats.dead_share)
            height = max(1.5, min(4.0, self._step / 4))
            painter.setPen(Qt.PenStyle.NoPen)
            for k, ((name, _), share) in enumerate(zip(legend, values, strict=True)):
                if share > 0:
                    painter.setBrush(QColor(name))
                    y = middle + (k - 1) * (height + 1) - height / 2
                    painter.drawRect(QRectF(shares.start, y, max(1.0, shares.pixel(share) - shares.start), height))
        self.horizontal_scale(painter, axis, self._plot.bottom(), spacing=60)
        self.horizontal_scale(painter, shares, self._plot.bottom(), spacing=60)

    def tip(self, position: QPointF) -> str:
        if not self.rows or not self._plot.top() <= position.y() <= self._plot.bottom():
            return ""
        row = min(len(self.rows) - 1, int((position.y() - self._plot.top()) / self._step))
        item, stats = self.rows[row]
        return (
            f"{item.title} ({item.node})\nmean {number(stats.mean)}, standard deviation {number(stats.std)}\n"
            f"from {number(stats.minimum)} to {number(stats.maximum)}\n"
            f"zero {stats.zero_share:.1%}, saturated {stats.saturated_share:.1%}, dead units {stats.dead_share:.1%}"
            + (f"\n{stats.nonfinite} values are not finite" if stats.nonfinite else "")
        )


def value_range(rows: list[TensorStats]) -> tuple[float, float]:
    """The range that holds 99 % of each tensor, zero included, with a little room; but at most three times as far as
    the median layer reaches, so that one wide layer does not shrink all others to a line."""
    ends = np.array(
        [percentiles(stats, 0.005, 0.995) for stats in rows if np.isfinite([stats.minimum, stats.maximum]).all()]
    ).reshape(-1, 2)
    if not len(ends):
        return -1.0, 1.0
    low, high = min(ends[:, 0].min(), 0.0), max(ends[:, 1].max(), 0.0)
    reach = np.abs(ends).max(axis=1)
    limit = 3.0 * float(np.median(reach)) or float(reach.max())
    low, high = max(low, -limit), min(high, limit)
    pad = 0.03 * (high - low) or 1.0
    return float(low - pad), float(high + pad)


def ridge_top(y: np.ndarray) -> float:
    """The density that fills a ridge: the peak, unless it is a spike of one or two bins (zeros, saturated values)
    beside which nothing else would be seen; such spikes are cut."""
    if len(y) < 4:
        return float(y.max())
    third = float(np.partition(y, -3)[-3])
    return min(float(y.max()), 3.0 * third) or float(y.max())


def layer_colour(item: Layer, stats: TensorStats) -> QColor:
    trouble = stats.saturated_share >= SATURATED or stats.nonfinite > 0
    return theme.color("bad" if trouble else item.colour())


class ActivationsPanel(Panel):
    """What comes out of each layer, for the batch at hand."""

    name: ClassVar[str] = "activations"
    title: ClassVar[str] = "Activations by layer"
    tab: ClassVar[str] = "Activations"
    topics: ClassVar[frozenset[str]] = frozenset({"activations"})
    listens: ClassVar[tuple[str, ...]] = ("frameChanged", "stateChanged")
    empty: ClassVar[str] = (
        "Shows how the outputs of each layer are distributed, from input to output: dead, saturated and exploding "
        "layers show here first.\nPress Train, or Step for a single step."
    )
    interval_ms: ClassVar[int] = 400
    looks_back: ClassVar[bool] = True

    def build(self) -> None:
        self.chart = LayersChart()
        self.stack.addWidget(self.chart)
        self.statistics = self.toggle("statistics", "Mean, deviation and shares by depth")
        self.own_scale = self.toggle("own_scale", "Each layer on its own scale")

    def _rows(self) -> list[tuple[Layer, TensorStats]]:
        assert self.session is not None
        frame = self.session.moment().frame
        if frame is None:
            return []
        layers = layers_of(self.session.experiment)
        return [(layer(layers, node), stats) for node, stats in frame.activations.items()]

    def has_data(self) -> bool:
        return bool(self._rows())

    def draw(self) -> None:
        self.chart.rows = self._rows()
        # Frames of a stored run may hold numbers alone; they can still be shown by depth.
        bare = all(stats.histogram is None for _, stats in self.chart.rows)
        self.chart.statistics = self.statistics.isChecked() or bare
        self.chart.own_scale = self.own_scale.isChecked()

    def caption(self) -> str:
        assert self.session is not None
        frame = self.session.moment().frame
        if frame is None:
            return ""
        step = self.when(frame)
        # What lies beyond is marked by arrowheads.
        return step if self.chart.statistics or self.width() < NARROW else f"{step} · 99 % of values"

    def empty_text(self) -> str:
        return waiting_text(self.session, self.empty, NEXT_STEPS)

    def table(self) -> Rows:
        header = (
            *("layer", "title", "count", "mean", "std", "minimum", "maximum", "zero_share", "saturated_share"),
            *("dead_share", "nonfinite", "bin", "bin_low", "bin_high", "bin_count"),
        )
        rows: list[tuple[Any, ...]] = []
        for item, stats in self._rows():
            numbers = (
                *(item.node, item.title, stats.count, stats.mean, stats.std, stats.minimum, stats.maximum),
                *(stats.zero_share, stats.saturated_share, stats.dead_share, stats.nonfinite),
            )
            if stats.histogram is None:
                rows.append((*numbers, "", "", "", ""))
                continue
            edges = np.linspace(stats.minimum, stats.maximum, len(stats.histogram) + 1)
            for i, count in enumerate(stats.histogram):
                rows.append((*numbers, i, float(edges[i]), float(edges[i + 1]), int(count)))
        return header, rows
