"""What a `Plot` holds: curves, and guides (straight lines at a value). Both keep to the theme and to log axes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor

from widgets import theme
from widgets.clutter import clutter

if TYPE_CHECKING:
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


class Curve:
    """One line of a plot, with the data as they were given. Made by `Plot.curve`."""

    def __init__(
        self, plot: Plot, name: str, tint: int | str, style: LineStyle, width: float, opacity: float, symbols: bool
    ) -> None:
        self.plot, self.name, self.tint, self.style = plot, name, tint, style
        self.width, self.opacity, self.symbols = width, opacity, symbols
        self.x = np.empty(0)
        self.y = np.empty(0)
        self.item = pg.PlotDataItem(name=name or None, antialias=True, autoDownsample=True, downsampleMethod="peak")
        self.item.setClipToView(True)
        if width > 1:
            self.item.curve.setSegmentedLineMode("on")
        self.retheme()

    def set(self, x: np.ndarray, y: np.ndarray) -> None:
        """Show y over x, both of shape (n,), x ascending. NaN makes a gap, as does what a log axis cannot show."""
        self.x, self.y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        if self.x.shape != self.y.shape or self.x.ndim != 1:
            raise ValueError(f"a curve takes two arrays of one length, got {self.x.shape} and {self.y.shape}")
        self.refresh()
        self.plot.data_changed()

    def refresh(self) -> None:
        """Hand the data to pyqtgraph again."""
        x, y = self.x, self.y
        if self.plot.log_x:
            x = np.where(x > 0, x, np.nan)
        if self.plot.log_y:
            y = np.where(y > 0, y, np.nan)
        if not np.isfinite(x + y).any():
            x = y = np.empty(0)  # pyqtgraph looks for the least of the marks, and warns where there is none
        self.item.setData(x, y)

    def show(self, visible: bool) -> None:
        """Show or hide the line."""
        self.item.setVisible(visible)
        self.plot.data_changed()

    def retheme(self) -> None:
        """Take the colour of the current theme."""
        color = series_color(self.tint)
        color.setAlphaF(self.opacity)
        self.item.setPen(pg.mkPen(color, width=self.width, style=_STYLES[self.style]))
        if self.symbols:
            self.item.setSymbol("o")
            self.item.setSymbolSize(5)
            self.item.setSymbolPen(None)
            self.item.setSymbolBrush(color)


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
        self.item.setVisible(shown)
        if shown:
            self.item.setValue(math.log10(value) if log else value)
        if text is not None and self.item.label is not None:
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
