"""Weights: histograms of the parameters (of the selected layer, or of all), and the first layer's filters as images."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFontMetricsF, QImage, QPainter

from engine.training.events import FirstLayer, ParameterStats
from lab.panels.base import Panel, Rows
from lab.panels.chart import Chart, draw_text
from lab.panels.layers import layer, layers_of
from lab.panels.waiting import NEXT_STEPS, waiting_text
from widgets import theme
from widgets.histogram import legible
from widgets.text import number, shape

__all__ = ["WeightsPanel", "filter_image"]

CELL = QRectF(0, 0, 104, 76)
"""The smallest histogram that can be read."""


def filter_image(weights: np.ndarray, scale: float) -> QImage:
    """One filter (height, width, channels) as an image: grey for one channel, colours for three, else the mean of the
    channels; `scale` is the weight that becomes white (its negative black)."""
    planes = weights if weights.shape[2] in (1, 3) else weights.mean(axis=2, keepdims=True)
    levels = np.clip(np.nan_to_num(planes) / (2 * scale or 1.0) + 0.5, 0.0, 1.0)
    pixels = np.ascontiguousarray(np.broadcast_to((levels * 255).astype(np.uint8), (*levels.shape[:2], 3)))
    height, width = pixels.shape[:2]
    return QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()


class WeightsChart(Chart):
    """A grid of histograms, and filters when there are some."""

    def __init__(self) -> None:
        super().__init__()
        self.parameters: list[tuple[str, str, ParameterStats]] = []
        """(path, colour, statistics)."""
        self.filters: FirstLayer | None = None

    def paint(self, painter: QPainter, area: QRectF) -> None:
        self._cells: list[tuple[QRectF, str]] = []
        area = area.adjusted(10, 4, -10, -6)
        if self.filters is not None:
            self._paint_filters(painter, area, self.filters)
            return
        n = len(self.parameters)
        if not n:
            return
        columns = min(n, max(1, int(area.width() // CELL.width())))
        rows = math.ceil(n / columns)
        # As even as the number of rows allows.
        columns = math.ceil(n / rows)
        visible = min(rows, max(1, int(area.height() // CELL.height())))
        size = QRectF(0, 0, area.width() / columns, area.height() / visible)
        for i, (path, colour, stats) in enumerate(self.parameters[: visible * columns]):
            cell = size.translated(
                area.left() + (i % columns) * size.width(), area.top() + (i // columns) * size.height()
            )
            if i == visible * columns - 1 and n > visible * columns:
                painter.setPen(theme.color("text_dim"))
                painter.setFont(theme.ui_font(11))
                text = f"and {n - i} more: select a layer, or give this panel more room"
                painter.drawText(cell, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, text)
                break
            self._paint_histogram(painter, cell.adjusted(4, 0, -4, -2), path, colour, stats)

    def _paint_histogram(self, painter: QPainter, cell: QRectF, path: str, colour: str, stats: ParameterStats) -> None:
        weights = stats.weights
        self._cells.append((cell, parameter_tip(path, stats)))
        painter.setFont(theme.ui_font(11))
        metrics = QFontMetricsF(painter.font())
        painter.setPen(theme.color("text"))
        draw_text(
            painter, cell.left(), cell.top() + 8, metrics.elidedText(path, Qt.TextElideMode.ElideMiddle, cell.width())
        )
        painter.setFont(theme.mono_font(10))
        metrics = QFontMetricsF(painter.font())
        painter.setPen(theme.color("text_dim"))
        if weights is None:
            draw_text(painter, cell.left(), cell.top() + 24, f"norm {number(stats.weight_norm, 3)}")
            return
        numbers = f"{number(weights.mean, 2)} ± {number(weights.std, 2)}"
        wide = f"{shape(stats.shape)} · {numbers}"
        text = wide if metrics.horizontalAdvance(wide) <= cell.width() else numbers
        draw_text(
            painter, cell.left(), cell.top() + 22, metrics.elidedText(text, Qt.TextElideMode.ElideRight, cell.width())
        )
        if weights.histogram is not None:
            plot = QRectF(cell.left(), cell.top() + 32, cell.width(), max(8.0, cell.height() - 32 - 20))
            counts = legible(weights.histogram)
            self.bars(painter, counts, plot, theme.color(colour), float(counts.max()))
            painter.setPen(theme.color("border"))
            painter.drawLine(plot.bottomLeft(), plot.bottomRight())
            painter.setPen(theme.color("text_dim"))
            draw_text(painter, plot.left(), plot.bottom() + 9, number(weights.minimum, 2))
            draw_text(painter, plot.right(), plot.bottom() + 9, number(weights.maximum, 2), "right")
            if weights.minimum < 0 < weights.maximum:
                zero = plot.left() + plot.width() * -weights.minimum / (weights.maximum - weights.minimum)
                if plot.left() + 40 < zero < plot.right() - 40:
                    draw_text(painter, zero, plot.bottom() + 9, "0", "center")

    def _paint_filters(self, painter: QPainter, area: QRectF, event: FirstLayer) -> None:
        filters = event.filters
        n = len(filters)
        scale = float(np.abs(np.nan_to_num(filters)).max())
        columns = max(1, min(n, round(math.sqrt(n * area.width() / max(1.0, area.height())))))
        size = min(area.width() / columns, area.height() / math.ceil(n / columns))
        left = area.left() + (area.width() - size * columns) / 2
        for i in range(n):
            spot = QRectF(left + (i % columns) * size, area.top() + (i // columns) * size, size, size)
            # Weights are few and sharp: no smoothing between them.
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
            painter.drawImage(spot.adjusted(1.5, 1.5, -1.5, -1.5), filter_image(filters[i], scale))
            norm = float(np.linalg.norm(filters[i]))
            self._cells.append((spot, f"{event.node}, filter {i}\nnorm {number(norm)}"))

    def tip(self, position: QPointF) -> str:
        return next((text for cell, text in getattr(self, "_cells", ()) if cell.contains(position)), "")


def parameter_tip(path: str, stats: ParameterStats) -> str:
    lines = [f"{path}: {shape(stats.shape)}"]
    if stats.weights is not None:
        lines.append(f"mean {number(stats.weights.mean)}, standard deviation {number(stats.weights.std)}")
        lines.append(f"from {number(stats.weights.minimum)} to {number(stats.weights.maximum)}")
    lines.append(f"norms: weights {number(stats.weight_norm)}, gradient {number(stats.gradient_norm)}")
    return "\n".join(lines)


class WeightsPanel(Panel):
    """How the weights are distributed."""

    name: ClassVar[str] = "weights"
    title: ClassVar[str] = "Weights"
    behind: ClassVar[str] = "updates"
    closed: ClassVar[bool] = True
    topics: ClassVar[frozenset[str]] = frozenset({"weights", "filters"})
    listens: ClassVar[tuple[str, ...]] = ("frameChanged", "filtersChanged", "stateChanged")
    empty: ClassVar[str] = (
        "Shows how the weights of each layer are distributed, and the first layer’s filters as images. Select a layer "
        "on the canvas to see it alone.\nPress Train, or Step for a single step."
    )
    interval_ms: ClassVar[int] = 500
    looks_back: ClassVar[bool] = True

    def build(self) -> None:
        self.chart = WeightsChart()
        self.stack.addWidget(self.chart)
        self.show_filters = self.toggle("filters", "First layer’s filters as images")
        self.show_biases = self.toggle("biases", "Biases and other vectors too")

    def _parameters(self) -> list[tuple[str, str, ParameterStats]]:
        assert self.session is not None
        frame = self.session.moment().frame
        if frame is None:
            return []
        layers = layers_of(self.session.experiment)
        selected = set(self.selection.nodes) if self.selection is not None else set()
        own = {path: stats for path, stats in frame.parameters.items() if stats.node in selected}
        shown = own or frame.parameters
        if not own and not self.show_biases.isChecked():
            matrices = {path: stats for path, stats in shown.items() if len(stats.shape) > 1}
            shown = matrices or shown
        return [(path, layer(layers, stats.node).colour(), stats) for path, stats in shown.items()]

    def _filters(self) -> FirstLayer | None:
        assert self.session is not None
        return self.session.moment().filters if self.show_filters.isChecked() else None

    def has_data(self) -> bool:
        return bool(self._parameters()) or self._filters() is not None

    def draw(self) -> None:
        self.chart.parameters = self._parameters()
        self.chart.filters = self._filters()

    def caption(self) -> str:
        filters = self._filters()
        if filters is not None:
            return f"{self.when(filters)} · {filters.node} · {len(filters.filters)} filters"
        assert self.session is not None
        frame = self.session.moment().frame
        nodes = {stats.node for _, _, stats in self._parameters()}
        which = f" · {next(iter(nodes))}" if len(nodes) == 1 else ""
        return f"{self.when(frame)}{which}" if frame else ""

    def empty_text(self) -> str:
        return waiting_text(self.session, self.empty, NEXT_STEPS)

    def table(self) -> Rows:
        filters = self._filters()
        if filters is not None:
            rows = [(*map(int, place), float(filters.filters[place])) for place in np.ndindex(filters.filters.shape)]
            return ("filter", "row", "column", "channel", "weight"), rows
        lines: list[tuple[Any, ...]] = []
        for path, _, stats in self._parameters():
            numbers = (path, shape(stats.shape), stats.weight_norm)
            weights = stats.weights
            if weights is None or weights.histogram is None:
                lines.append((*numbers, "", "", "", "", "", ""))
                continue
            edges = np.linspace(weights.minimum, weights.maximum, len(weights.histogram) + 1)
            for i, count in enumerate(weights.histogram):
                ends = (float(edges[i]), float(edges[i + 1]))
                lines.append((*numbers, weights.mean, weights.std, i, *ends, int(count)))
        return ("parameter", "shape", "norm", "mean", "std", "bin", "bin_low", "bin_high", "bin_count"), lines
