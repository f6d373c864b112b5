"""A plot painted in layers: what stays is kept as pictures, and only the curves are drawn anew when data come.

pyqtgraph's scene takes milliseconds to draw axes, texts and legend, and none of them changes with each batch of a run.
So what lies below the curves and what lies over them is drawn into a picture each, and again only when the scene says
that something in it has changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from msgspec import Struct
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPaintEngine, QPainter, QPixmap
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from widgets import theme

if TYPE_CHECKING:
    from widgets.plot import Plot

__all__ = ["CurveItem", "Frame", "Layers", "frame_of"]


class Frame(Struct, frozen=True):
    """What a view shows: its size in pixels, and the ranges in its own coordinates (logarithms on log axes)."""

    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]
    log_x: bool
    log_y: bool

    @property
    def key(self) -> tuple[object, ...]:
        return self.width, self.height, self.x, self.y, self.log_x, self.log_y

    @property
    def empty(self) -> bool:
        return not (self.width > 0 and self.height > 0 and self.x[1] > self.x[0] and self.y[1] > self.y[0])

    def pixels(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points in pixels from the view's left upper corner, y downwards: those in view and one more at each side
        (x ascending). NaN for what a log axis cannot show."""
        if self.empty:
            return np.empty(0), np.empty(0)
        ends = np.array(self.x)
        first, last = np.searchsorted(x, 10.0**ends if self.log_x else ends, side="left")
        span = slice(max(0, int(first) - 1), int(last) + 2)
        x, y = x[span], y[span]
        with np.errstate(divide="ignore", invalid="ignore"):
            x = np.log10(np.where(x > 0, x, np.nan)) if self.log_x else x
            y = np.log10(np.where(y > 0, y, np.nan)) if self.log_y else y
        across = (x - self.x[0]) * (self.width / (self.x[1] - self.x[0]))
        if self.log_x and not np.isfinite(across).all():
            good = np.isfinite(across)
            across, y = across[good], y[good]
        return across, (self.y[1] - y) * (self.height / (self.y[1] - self.y[0]))


def frame_of(plot: Plot) -> Frame:
    """What a plot's view shows now."""
    box = plot.getPlotItem().getViewBox()
    (left, right), (low, high) = box.viewRange()
    return Frame(box.width(), box.height(), (left, right), (low, high), plot.log_x, plot.log_y)


class CurveItem(QGraphicsItem):
    """All curves of a plot, in its view box below everything else, in pixels."""

    def __init__(self, plot: Plot) -> None:
        super().__init__(plot.getPlotItem().getViewBox())
        self._plot = plot
        self.setZValue(-1)
        self.setAcceptedMouseButtons(Qt.MouseButton.NoButton)

    def boundingRect(self) -> QRectF:
        return QRectF(self._plot.getPlotItem().getViewBox().rect())

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        # The scene paints itself only for pictures in another size, or as vectors.
        self.draw(painter, whole=True)

    def draw(self, painter: QPainter, *, whole: bool = False) -> None:
        """Paint the curves; the painter counts from the view's corner."""
        frame = frame_of(self._plot)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for curve in self._plot.curves:
            curve.paint(painter, frame, whole=whole)


class Layers:
    """The two pictures of one plot, and the curves between them."""

    def __init__(self, plot: Plot) -> None:
        self._plot = plot
        self.curves = CurveItem(plot)
        self._pictures: tuple[QPixmap, QPixmap] | None = None
        self.renewed = 0
        """How often the pictures were drawn."""
        plot.scene().changed.connect(self.forget)

    def forget(self, *_: object) -> None:
        """Something else than the curves has changed."""
        self._pictures = None

    def paint(self) -> bool:
        """Paint the plot's viewport. False, and nothing painted, for a picture of another resolution, or of vectors."""
        plot, viewport = self._plot, self._plot.viewport()
        painter = QPainter(viewport)
        try:
            scale = viewport.devicePixelRatioF()
            raster = painter.paintEngine().type() == QPaintEngine.Type.Raster
            if not raster or abs(painter.deviceTransform().m11() - scale) > 1e-6:
                return False
            plot.scene().prepareForPaint()
            size = viewport.size() * scale
            if self._pictures is None or self._pictures[0].size() != size:
                self._pictures = self._renew()
            below, over = self._pictures
            painter.drawPixmap(0, 0, below)
            box = plot.getPlotItem().getViewBox()
            place = box.sceneBoundingRect()
            painter.save()
            painter.setClipRect(place)
            painter.translate(place.topLeft())
            self.curves.draw(painter)
            painter.restore()
            painter.drawPixmap(0, 0, over)
        finally:
            painter.end()
        return True

    def _renew(self) -> tuple[QPixmap, QPixmap]:
        self.renewed += 1
        plot, viewport = self._plot, self._plot.viewport()
        scale = viewport.devicePixelRatioF()
        pictures = []
        for ground in (QColor(theme.current().panel), QColor(Qt.GlobalColor.transparent)):
            picture = QPixmap(viewport.size() * scale)
            picture.setDevicePixelRatio(scale)
            picture.fill(ground)
            pictures.append(picture)
        painters = [QPainter(picture) for picture in pictures]
        try:
            box = plot.getPlotItem().getViewBox()
            current = painters[0]
            for item in plot.scene().items(Qt.SortOrder.AscendingOrder):
                if item is self.curves:
                    current = painters[1]
                elif item.isVisible() and not item.flags() & QGraphicsItem.GraphicsItemFlag.ItemHasNoContents:
                    self._paint_item(current, item, box)
        finally:
            for painter in painters:
                painter.end()
        return pictures[0], pictures[1]

    def _paint_item(self, painter: QPainter, item: QGraphicsItem, box: pg.ViewBox) -> None:
        """Paint one item as the scene would."""
        plot = self._plot
        option = QStyleOptionGraphicsItem()
        option.exposedRect = item.boundingRect()
        painter.save()
        if box.isAncestorOf(item):
            painter.setClipRect(box.sceneBoundingRect())
        painter.setOpacity(item.effectiveOpacity())
        painter.setTransform(item.deviceTransform(plot.viewportTransform()))
        item.paint(painter, option, plot.viewport())
        painter.restore()
