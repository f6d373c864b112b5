"""What a `Plot` holds: curves, and guides (straight lines at a value). Both keep to the theme and to log axes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from widgets import theme
from widgets.clutter import clutter
from widgets.trace import Stroke

if TYPE_CHECKING:
    from widgets.layers import Frame
    from widgets.plot import Plot

__all__ = ["Curve", "Guide", "LineStyle", "series_color"]

LineStyle = Literal["solid", "dash", "dot"]

NOW = 0.92
"""How high the text at an upright line stands, as a share of the plot's height."""

_STYLES = {"solid": Qt.PenStyle.SolidLine, "dash": Qt.PenStyle.DashLine, "dot": Qt.PenStyle.DotLine}


def series_color(tint: int | str) -> QColor:
    """A colour of the current theme: an index into its series (they repeat), a token's name, or "#rrggbb"."""
    if isinstance(tint, int):
        series = theme.current().series
        return QColor(series[tint % len(series)])
    return theme.color(tint)


EMPTY = np.empty(0)
DOT = 2.5
"""Half the width of a mark, in pixels."""


class Curve:
    """One line of a plot, with the data as they were given. Made by `Plot.curve`."""

    def __init__(
        self, plot: Plot, name: str, tint: int | str, style: LineStyle, width: float, opacity: float, symbols: bool
    ) -> None:
        self.plot, self.name, self.tint, self.style = plot, name, tint, style
        self.width, self.opacity, self.symbols = width, opacity, symbols
        self.x = self.y = EMPTY
        self.values = EMPTY
        """What the read-out and exports tell of each point: `y`, unless the curve has an axis of its own."""
        self.pen = QPen()
        self._visible = True
        self._extents: dict[tuple[str, bool], tuple[float, float] | None] = {}
        self._drawn: tuple[object, Stroke] | None = None
        self.retheme()

    def set(self, x: np.ndarray, y: np.ndarray, values: np.ndarray | None = None) -> None:
        """Show y over x, both of shape (n,), x ascending. NaN makes a gap, as does what a log axis cannot show.
        `values` (n,) are what is told of the points, where they were moved to lie beside other curves."""
        x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        if x.shape != y.shape or x.ndim != 1:
            raise ValueError(f"a curve takes two arrays of one length, got {x.shape} and {y.shape}")
        if not x.size and not self.x.size:
            return
        self.x, self.y, self.values = x, y, y if values is None else np.asarray(values, dtype=float)
        self._extents.clear()
        self._drawn = None
        self.plot.data_changed()

    def mark(self, on: bool) -> None:
        """Mark each point, or draw the line alone."""
        if on != self.symbols:
            self.symbols = on
            self.plot.data_changed()

    def show(self, visible: bool) -> None:
        """Show or hide the line."""
        if visible != self._visible:
            self._visible = visible
            self.plot.data_changed()

    setVisible = show
    """By the name that pyqtgraph's legend knows."""

    def isVisible(self) -> bool:
        """Whether the line is shown; the legend asks, too."""
        return self._visible

    def retheme(self) -> None:
        """Take the colour of the current theme."""
        color = series_color(self.tint)
        color.setAlphaF(self.opacity)
        pen = pg.mkPen(color, width=self.width, style=_STYLES[self.style])
        if pen != self.pen:
            self.pen = pen
            self.plot.curves_changed()

    # -- where it runs -------------------------------------------------------------------------------------------------

    def extent(self, axis: str, log: bool) -> tuple[float, float] | None:
        """The least and greatest value on an axis ("x" or "y") that can be shown; None without any."""
        key = axis, log
        if key not in self._extents:
            values = getattr(self, axis)
            values = values[np.isfinite(values) & ((values > 0) if log else True)]
            self._extents[key] = (float(values.min()), float(values.max())) if values.size else None
        return self._extents[key]

    def stroke(self, frame: Frame) -> Stroke:
        """The line in the pixels of a view."""
        key = frame.key
        if self._drawn is None or self._drawn[0] != key:
            self._drawn = key, Stroke(*frame.pixels(self.x, self.y))
        return self._drawn[1]

    def paint(self, painter: QPainter, frame: Frame, *, whole: bool = False) -> None:
        """Draw the line, and marks where they are on."""
        if not self._visible or not self.x.size or self.opacity == 0:
            return
        stroke = self.stroke(frame)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        stroke.paint(painter, self.pen, whole=whole)
        if self.symbols:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self.pen.color())
            for x, y in zip(stroke.x.tolist(), stroke.y.tolist(), strict=True):
                if math.isfinite(x) and math.isfinite(y):
                    painter.drawEllipse(QPointF(x, y), DOT, DOT)


class Guide:
    """A straight dashed line at a value, with a short text. Made by `Plot.guide`."""

    def __init__(self, plot: Plot, value: float, text: str, axis: Literal["x", "y"], tint: int | str, style: LineStyle):
        self.plot, self.axis, self.tint, self.style, self.value = plot, axis, tint, style, value
        horizontal = axis == "y"
        options = {
            "position": 0.02 if horizontal else NOW,
            "anchors": [(0, 1), (0, 1)] if horizontal else [(0, 0), (0, 0)],
        }
        self.item = pg.InfiniteLine(angle=0 if horizontal else 90, movable=False, label=text, labelOpts=options)
        self.item.setZValue(5)
        self.retheme()
        self.move(value)

    def move(self, value: float, text: str | None = None) -> None:
        """Put the line elsewhere. On a log axis a value that is not positive hides it."""
        self.value = value
        log = self.plot.log_y if self.axis == "y" else self.plot.log_x
        shown = math.isfinite(value) and (not log or value > 0)
        # pyqtgraph lays a text out and draws the scene anew even where nothing has changed.
        if shown != self.item.isVisible():
            self.item.setVisible(shown)
        at = math.log10(value) if shown and log else value
        if shown and at != self.item.value():
            self.item.setValue(at)
        if text is not None and self.item.label is not None and text != self.item.label.format:
            self.item.label.setFormat(text)

    def settle(self) -> None:
        """Put the text on the side of the line where there is room for it."""
        label, box = self.item.label, self.plot.getPlotItem().getViewBox()
        (left, right), (low, high) = box.viewRange()
        if label is None or not self.item.isVisible() or not (high > low and right > left):
            return
        if self.axis == "y":
            share = (self.item.value() - low) / (high - low)
            above = (1.0 - share) * box.height() >= label.boundingRect().height()
            anchor = (0.0, 1.0) if above else (0.0, 0.0)
        else:
            at = (self.item.value() - left) / (right - left) * box.width()
            wide, tall = label.boundingRect().width(), label.boundingRect().height()

            def cost(side: float) -> float:
                start = at - side * wide
                beyond = max(0.0, -start) + max(0.0, start + wide - box.width())
                return 100.0 * beyond + clutter(self.plot, QRectF(start, (1.0 - NOW) * box.height(), wide, tall))

            anchor = (min((0.0, 1.0), key=cost), 0.0)
        if label.anchors[0] != anchor:
            label.anchors = [anchor, anchor]
            label.updatePosition()

    def retheme(self) -> None:
        """Take the colour of the current theme."""
        color = series_color(self.tint)
        self.item.setPen(pg.mkPen(color, width=1, style=_STYLES[self.style]))
        if self.item.label is not None:
            self.item.label.setColor(color)
            self.item.label.setFont(theme.ui_font(11))
            self.item.label.fill = pg.mkBrush(theme.rgba("panel", 0.78))  # a curve behind it leaves it legible
