"""A plot's legend: names that keep out of the curves' way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyqtgraph as pg
from PySide6.QtCore import QPointF, QSizeF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from widgets import theme
from widgets.clutter import PLACES, STAY, Place, quiet_place

if TYPE_CHECKING:
    from widgets.plot import Plot

__all__ = ["Legend"]


class _Sample(pg.ItemSample):
    """A curve's mark in the legend: a short thick line, whole or in two dashes as the curve is."""

    def paint(self, painter: QPainter, *_args: Any) -> None:
        pen = QPen(self.item.pen)
        if pen.style() != Qt.PenStyle.SolidLine:
            pen.setDashPattern([1.8, 1.4])
        pen.setWidthF(2.5)
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        painter.setOpacity(1.0 if self.item.isVisible() else 0.3)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(pen)
        painter.drawLine(QPointF(4, 11), QPointF(17, 11))


class Legend(pg.LegendItem):
    """The names of a plot's curves in its view box `box`, at first at `place`."""

    def __init__(self, box: pg.ViewBox, place: Place) -> None:
        super().__init__(sampleType=_Sample, verSpacing=-5, horSpacing=4, labelTextSize="11px")
        self.layout.setContentsMargins(4, 0, 4, 0)
        self.setParentItem(box)
        self._put(place)

    def arrange(self, plot: Plot) -> None:
        """Lie where the least is covered: one name below the other, or side by side where a column would cover the
        curves, as in a low plot. Where it would be the whole picture it hides, and the read-out tells the names."""
        widths = [sample.width() + label.minimumWidth() + 8 for sample, label in self.items]
        height = max(label.minimumHeight() for _, label in self.items)
        below = self.layout.verticalSpacing()
        count = len(widths)
        box = plot.getPlotItem().getViewBox().rect()
        fitting: dict[int, QSizeF] = {}
        for columns in dict.fromkeys((1, min(2, count), count)):
            widest = [max(widths[i::columns]) for i in range(columns)]
            size = QSizeF(8 + sum(widest), -(-count // columns) * (height + below) - below)
            if size.width() < 0.95 * box.width() and size.height() < 0.6 * box.height():
                fitting[columns] = size
        self.setVisible(bool(fitting))
        if not fitting:
            return
        found = {columns: quiet_place(plot, size, self._place) for columns, size in fitting.items()}
        columns = min(found, key=lambda item: found[item][1] + (0.0 if item == self.columnCount else STAY))
        place, size = found[columns][0], fitting[columns]
        self.setColumnCount(columns)
        # pyqtgraph's own measure leaves more room around the names than a small plot has.
        if self.geometry().size() != size or place != self._place:
            self.resize(size)
            self._put(place)

    def _put(self, place: Place) -> None:
        self._place: Place = place
        anchor, offset = PLACES[place]
        self.anchor(itemPos=anchor, parentPos=anchor, offset=offset)

    def retheme(self) -> None:
        """Take the current theme."""
        colors = theme.current()
        back = QColor(colors.panel)
        back.setAlphaF(0.72)
        self.setBrush(pg.mkBrush(back))
        self.setPen(pg.mkPen(None))
        self.setLabelTextColor(colors.text_dim)
        for _, label in self.items:
            label.setText(label.text)
