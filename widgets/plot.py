"""A plot in the window's manner: curves and guides that follow the theme, a read-out at the mouse, and export.

    plot = Plot(x_label="epoch", y_label="loss", log_y=True)
    train = plot.curve("train", 0)            # colour: an index into the theme's series, a token, or "#rrggbb"
    train.set(x, y)                           # numpy arrays; log axes and gaps are the plot's business
    plot.guide(2.303, "ln 10 = 2.303", color="warn")
    path.write_bytes(plot.to_csv())

The wheel zooms, a drag pans, a double-click goes back to the whole. While the view has not been touched it follows the
data: the plot sets the ranges itself, and leaves them as they are while the data lie well within them, because axes and
texts that stay need not be drawn again (`widgets.layers`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QElapsedTimer, QEvent, QPointF, Qt, QTimer, Signal
from PySide6.QtGui import QMouseEvent, QPaintEvent
from PySide6.QtWidgets import QApplication, QLabel, QWidget

from widgets import export, theme
from widgets.axis import Axis
from widgets.clutter import Place
from widgets.curve import Curve, Guide, LineStyle, series_color
from widgets.layers import Layers
from widgets.legend import Legend
from widgets.text import number

__all__ = ["Curve", "Guide", "Plot", "series_color"]

ARRANGE_MS = 4000
"""So long the legend and the texts stay where they are while data come."""
FILLED = 0.7
"""Data that fill less of the view than this share make it smaller."""


class Plot(pg.PlotWidget):
    """See the module. `x_label` and `y_label` name the axes in the read-out and in exports; they are not drawn."""

    viewTouched = Signal()
    """The view was zoomed or panned by hand, or put back."""

    def __init__(
        self,
        parent: QWidget | None = None,
        *,
        x_label: str = "x",
        y_label: str = "y",
        log_x: bool = False,
        log_y: bool = False,
        legend: Place | None = "top-right",
        lines: Literal["y", "x", "both", "none"] = "y",
    ) -> None:
        axes = {
            "bottom": Axis("bottom", lines=lines in ("x", "both")),
            "left": Axis("left", lines=lines in ("y", "both")),
        }
        before = set(QApplication.topLevelWidgets())
        super().__init__(parent, axisItems=axes, enableMenu=False)
        strays = set(QApplication.topLevelWidgets())
        self.x_label, self.y_label = x_label, y_label
        self.log_x, self.log_y = False, False
        self.curves: list[Curve] = []
        self.guides: list[Guide] = []
        self.follows = True
        self.margin = 0.04
        self.limits: dict[str, tuple[float | None, float | None]] = {"x": (None, None), "y": (None, None)}
        self.kept_clear: list[pg.GraphicsObject] = []
        """Marks and texts that the legend stays away from."""
        self.setMinimumSize(80, 60)
        self.setFrameShape(self.Shape.NoFrame)
        item = self.getPlotItem()
        item.hideButtons()
        item.setMenuEnabled(False)
        self._adopt(strays - before)
        item.setContentsMargins(6, 8, 14, 2)
        for axis in axes.values():
            axis.setZValue(-100)
        box = item.getViewBox()
        box.setMenuEnabled(False)
        box.disableAutoRange()
        box.setDefaultPadding(0.0)
        box.sigRangeChangedManually.connect(self._on_touched)
        self.legend: Legend | None = None
        if legend is not None:
            self.legend = Legend(box, legend)
        self._arranging = QTimer(self, singleShot=True)
        self._arranging.timeout.connect(self.arrange)
        self._arranged = QElapsedTimer()
        self._changing = self._dirty = False
        self._fitted: tuple[object, ...] = ()
        self.layers = Layers(self)
        box.sigResized.connect(lambda _box: self._arranging.start(0))
        self._hair = pg.InfiniteLine(angle=90, movable=False)
        self._hair.setZValue(6)
        self._hair.hide()
        self.addItem(self._hair, ignoreBounds=True)
        self._readout = QLabel(self)
        self._readout.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._readout.hide()
        self.setMouseTracking(True)
        for widget in (self, self.viewport()):  # what is dragged over it is for the window
            widget.setAcceptDrops(False)
        self.set_log(log_x, log_y)
        self.retheme()
        theme.signals.changed.connect(self.retheme)

    def _adopt(self, strays: set[QWidget]) -> None:
        """pyqtgraph makes a context menu and an empty window even when the menu is off: they become the plot's, so that
        they go when it goes."""
        for widget in strays:
            if type(widget) is QWidget and not widget.children():
                widget.setParent(self)
                widget.hide()
        menu = self.getPlotItem().ctrlMenu
        menu.setParent(self, menu.windowFlags())

    def close(self) -> bool:
        """Close as any widget does. pyqtgraph would empty the scene and swap the viewport for one that stays behind."""
        return QWidget.close(self)

    # -- what is shown -------------------------------------------------------------------------------------------------

    def curve(
        self,
        name: str,
        tint: int | str = 0,
        *,
        style: LineStyle = "solid",
        width: float = 1.0,
        opacity: float = 1.0,
        symbols: bool = False,
        in_legend: bool = True,
    ) -> Curve:
        """Add a curve. Width 1 is by far the fastest; keep more for curves of few points."""
        curve = Curve(self, name, tint, style, width, opacity, symbols)
        self.curves.append(curve)
        if self.legend is not None and in_legend and name:
            self.legend.addItem(curve, name)
        return curve

    def remove(self, curve: Curve) -> None:
        """Take a curve away."""
        self.curves.remove(curve)
        if self.legend is not None:
            self.legend.removeItem(curve)
        self.data_changed()

    def clear_curves(self) -> None:
        """Take all curves away."""
        for curve in tuple(self.curves):
            self.remove(curve)

    def guide(
        self,
        value: float,
        text: str = "",
        *,
        axis: Literal["x", "y"] = "y",
        tint: int | str = "warn",
        style: LineStyle = "dash",
    ) -> Guide:
        """A line across the plot at a value of one axis."""
        guide = Guide(self, value, text, axis, tint, style)
        self.guides.append(guide)
        self.addItem(guide.item, ignoreBounds=True)
        return guide

    def set_log(self, x: bool | None = None, y: bool | None = None) -> None:
        """Make axes logarithmic or linear; None leaves one as it is."""
        self.log_x = self.log_x if x is None else x
        self.log_y = self.log_y if y is None else y
        self.getPlotItem().setLogMode(self.log_x, self.log_y)
        for guide in self.guides:
            guide.move(guide.value)
        self.fit()

    def set_limits(self, axis: Literal["x", "y"], low: float | None, high: float | None) -> None:
        """Fix an end of the range that the view takes by itself (an accuracy's 0 to 1, a run's whole length)."""
        if self.limits[axis] != (low, high):
            self.limits[axis] = (low, high)
            self.data_changed()

    # -- the range -----------------------------------------------------------------------------------------------------

    def data_changed(self) -> None:
        """Draw the curves anew, and follow the data unless the view was moved by hand."""
        self.curves_changed()
        if self._changing:
            self._dirty = True
            return
        if self.follows:
            self._follow()
        if not self._arranging.isActive():
            since = self._arranged.elapsed() if self._arranged.isValid() else ARRANGE_MS
            self._arranging.start(max(0, ARRANGE_MS - since))

    def curves_changed(self) -> None:
        """Draw the curves anew."""
        self.viewport().update()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Several curves change together: the view follows once, when all have."""
        self._changing, self._dirty = True, False
        try:
            yield
        finally:
            self._changing = False
            if self._dirty:
                self.data_changed()

    def fit(self) -> None:
        """Show everything, and follow the data again."""
        self.follows = True
        self._fitted = ()
        self._follow()

    def _follow(self) -> None:
        """Show all of the data; an axis that shows them well stays as it is."""
        limits = (self.log_x, self.log_y, self.limits["x"], self.limits["y"])
        exact, self._fitted = limits != self._fitted, limits
        for axis, now in zip(("x", "y"), self.getPlotItem().getViewBox().viewRange(), strict=True):
            found = self._span(axis)
            if found is None:
                continue
            bare, wanted = found
            within = now[0] <= bare[0] and bare[1] <= now[1]
            if exact or not within or wanted[1] - wanted[0] < FILLED * (now[1] - now[0]):
                (self.setXRange if axis == "x" else self.setYRange)(*wanted, padding=0)

    def _span(self, axis: str) -> tuple[tuple[float, float], tuple[float, float]] | None:
        """What the data take of one axis, in the view's coordinates, and the range that shows them with a margin; None
        while there is nothing to show."""
        log = self.log_x if axis == "x" else self.log_y
        shown = [curve.extent(axis, log) for curve in self.curves if curve.isVisible()]
        lows = [extent[0] for extent in shown if extent is not None]
        highs = [extent[1] for extent in shown if extent is not None]
        fixed_low, fixed_high = self.limits[axis]
        for fixed, ends in ((fixed_low, lows), (fixed_high, highs)):
            if fixed is not None and (fixed > 0 or not log):
                ends[:] = [fixed]
        if not lows or not highs:
            return None
        low, high = min(lows), max(highs)
        if log:
            low, high = math.log10(low), math.log10(high)
        if high < low:
            low, high = high, low
        if high - low < 1e-9 * max(1.0, abs(low)):
            pad = 0.5 if log else max(abs(low) * 0.1, 1e-6)
            low, high = low - pad, high + pad
        pad = (high - low) * self.margin if axis == "y" else 0.0
        wanted = (low if fixed_low is not None else low - pad, high if fixed_high is not None else high + pad)
        return (low, high), wanted

    def _on_touched(self, _mouse: object = None) -> None:
        self.follows = False
        self._arranging.start(0)
        self.viewTouched.emit()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Back to the whole."""
        self.fit()
        self.viewTouched.emit()
        event.accept()

    # -- what gives way to the data ------------------------------------------------------------------------------------

    def arrange(self) -> None:
        """Put the legend into the place where it covers least, and the guides' texts where there is room."""
        self._arranged.start()
        for guide in self.guides:
            guide.settle()
        if self.legend is not None and self.legend.items:
            self.legend.arrange(self)

    def paintEvent(self, event: QPaintEvent) -> None:
        if not self.layers.paint():
            super().paintEvent(event)

    # -- the read-out --------------------------------------------------------------------------------------------------

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        if event.buttons() == Qt.MouseButton.NoButton:
            self._show_readout(event.position())

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._hair.hide()
        self._readout.hide()

    def readout(self, x: float) -> list[tuple[Curve, float, float]]:
        """The point of each visible, named curve that is nearest to `x` (a value, not its logarithm)."""
        found = []
        for curve in self.curves:
            if not curve.name or not curve.x.size or not curve.isVisible():
                continue
            index = int(np.searchsorted(curve.x, x))
            if index and (index == curve.x.size or x - curve.x[index - 1] < curve.x[index] - x):
                index -= 1
            found.append((curve, float(curve.x[index]), float(curve.values[index])))
        return found

    def _show_readout(self, position: QPointF) -> None:
        box = self.getPlotItem().getViewBox()
        point = self.mapToScene(position.toPoint())
        if not box.sceneBoundingRect().contains(point):
            self._hair.hide()
            self._readout.hide()
            return
        x = box.mapSceneToView(point).x()
        found = self.readout(10**x if self.log_x else x)
        if not found:
            return
        self._hair.setValue(x)
        self._hair.show()
        nearest = min(found, key=lambda item: abs(item[1] - (10**x if self.log_x else x)))[1]
        dim = theme.current().text_dim
        rows = [f"<span style='color:{dim}'>{self.x_label} {number(nearest)}</span>"]
        for curve, _, y in found[:12]:
            mark = f"<span style='color:{series_color(curve.tint).name()}'>■</span>"
            rows.append(f"{mark} {curve.name}&nbsp; {number(y)}")
        self._readout.setText("<br>".join(rows))
        self._readout.adjustSize()
        left = position.x() + 14
        if left + self._readout.width() > self.width():
            left = position.x() - 14 - self._readout.width()
        top = min(max(4.0, position.y() - self._readout.height() / 2), self.height() - self._readout.height() - 4.0)
        self._readout.move(round(max(0.0, left)), round(max(0.0, top)))
        self._readout.show()
        self._readout.raise_()

    # -- theme and export ----------------------------------------------------------------------------------------------

    def retheme(self) -> None:
        """Take the current theme."""
        colors = theme.current()
        self.layers.forget()
        self.setBackground(colors.panel)
        for name in ("bottom", "left"):
            self.getPlotItem().getAxis(name).retheme()
        for curve in self.curves:
            curve.retheme()
        for guide in self.guides:
            guide.retheme()
        self._hair.setPen(pg.mkPen(colors.text_faint, width=1))
        self._readout.setFont(theme.mono_font(11))
        self._readout.setStyleSheet(
            f"background: {colors.raised}; color: {colors.text}; border: 1px solid {colors.border}; padding: 4px 6px;"
        )
        if self.legend is not None:
            self.legend.retheme()

    def columns(self) -> list[tuple[str, np.ndarray]]:
        """Every curve's data as columns: one x column where all share it, else one for each curve."""
        curves = [curve for curve in self.curves if curve.x.size]
        if not curves:
            return []
        first = curves[0].x
        if all(curve.x is first or np.array_equal(curve.x, first) for curve in curves):
            return [(self.x_label, first), *((curve.name or self.y_label, curve.values) for curve in curves)]
        result = []
        for curve in curves:
            name = curve.name or self.y_label
            result += [(f"{name} {self.x_label}", curve.x), (name, curve.values)]
        return result

    def to_png(self, scale: float = 2.0) -> bytes:
        """A picture of the plot as it is shown."""
        return export.to_png(self, scale)

    def to_svg(self) -> bytes:
        """The plot as it is shown, as vector graphics."""
        return export.to_svg(self)

    def to_csv(self) -> bytes:
        """All data of all curves, with every digit."""
        return export.to_csv(self.columns())
