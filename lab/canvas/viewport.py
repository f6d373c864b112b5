"""Zoom, pan and fit: the part of the canvas that decides which piece of the scene is seen, and how large."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QTransform
from PySide6.QtWidgets import QFrame, QGraphicsView, QWidget

from lab.canvas.geometry import COLUMN
from lab.canvas.scene import CanvasScene

__all__ = ["Camera"]

MIN_ZOOM, MAX_ZOOM = 0.15, 3.0
MAX_FIT = 1.5
"""How much a small network is enlarged to fill the view."""

MARGINS = (36, 48, 36, 16)
"""Left, top (below the title block), right and bottom, in pixels, that a fitted network keeps clear."""


class Camera(QGraphicsView):
    """A view without scroll bars that can be moved freely. `following` is on until a person moves or zooms it: then new
    nodes that would lie out of sight and a new window size fit the network again."""

    def __init__(self, scene: CanvasScene, parent: QWidget | None = None) -> None:
        super().__init__(scene, parent)
        self._scene = scene
        self.following = True
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTransformationAnchor(QGraphicsView.ViewportAnchor.NoAnchor)
        self.setResizeAnchor(QGraphicsView.ViewportAnchor.NoAnchor)
        # Qt takes note of where items were painted whenever anything is painted. If that happens between a move and the
        # handling of it (when quick-add opens over a card, say), what was painted at the old places would stay.
        self.setViewportUpdateMode(QGraphicsView.ViewportUpdateMode.FullViewportUpdate)
        self.setOptimizationFlag(QGraphicsView.OptimizationFlag.DontSavePainterState)
        self.setSceneRect(QRectF(-20_000, -20_000, 40_000, 40_000))

    @property
    def zoom(self) -> float:
        return self.transform().m11()

    @property
    def seen(self) -> QRectF:
        """The visible part of the scene."""
        return self.mapToScene(self.viewport().rect()).boundingRect()

    @property
    def columns(self) -> int:
        """How many cards fit side by side at full size."""
        left, _, right, _ = MARGINS
        return max(2, int((self.viewport().width() - left - right + 44) // COLUMN))

    def look_at(self, zoom: float, scene_point: QPointF, pixel: QPointF) -> None:
        """Zoom so that a point of the scene lies at a pixel of the view."""
        zoom = min(max(zoom, MIN_ZOOM), MAX_ZOOM)
        if abs(zoom - self.zoom) > 1e-9:
            self.setTransform(QTransform.fromScale(zoom, zoom))
        offset = scene_point * zoom - pixel
        self.horizontalScrollBar().setValue(round(offset.x()))
        self.verticalScrollBar().setValue(round(offset.y()))

    def zoom_by(self, factor: float, at: QPointF | None = None) -> None:
        """Zoom about a pixel of the view (its middle)."""
        pixel = at if at is not None else QPointF(self.viewport().rect().center())
        self.following = False
        self.look_at(self.zoom * factor, self.exact(pixel), pixel)

    def zoom_to(self, zoom: float) -> None:
        self.zoom_by(zoom / self.zoom)

    def exact(self, pixel: QPointF) -> QPointF:
        """The point of the scene at a pixel, without rounding to whole pixels."""
        offset = QPointF(self.horizontalScrollBar().value(), self.verticalScrollBar().value())
        return (pixel + offset) / self.zoom

    def scroll_by(self, pixels: QPoint) -> None:
        self.following = False
        self.horizontalScrollBar().setValue(self.horizontalScrollBar().value() + pixels.x())
        self.verticalScrollBar().setValue(self.verticalScrollBar().value() + pixels.y())

    def home(self) -> None:
        """Show the whole network, as large as it can be up to half as large again as its actual size."""
        self.following = True
        content, room = self._scene.bounds(), self.room()
        if content.isEmpty() or room.width() < 40 or room.height() < 40:
            self.look_at(1.0, QPointF(0, 0), room.topLeft())
            return
        zoom = min(MAX_FIT, room.width() / content.width(), room.height() / content.height())
        spare = QPointF(room.width() - content.width() * zoom, room.height() - content.height() * zoom)
        left, top = room.left() + spare.x() / 2, room.top() + min(spare.y() / 2, 60.0)
        self.look_at(zoom, content.topLeft(), QPointF(left, top))

    def room(self) -> QRectF:
        """The part of the view, in pixels, that a fitted network fills."""
        left, top, right, bottom = MARGINS
        return QRectF(self.viewport().rect()).adjusted(left, top, -right, -bottom)

    def centre_on(self, point: QPointF) -> None:
        """Move, without zooming, so that a point of the scene is in the middle."""
        self.following = False
        self.look_at(self.zoom, point, QPointF(self.viewport().rect().center()))

    def reveal(self, area: QRectF) -> None:
        """Move as little as is needed to see a rectangle of the scene."""
        room, zoom = self.room(), self.zoom
        seen = QRectF(self.exact(room.topLeft()), self.exact(room.bottomRight()))
        if seen.contains(area):
            return
        dx = min(0.0, area.left() - seen.left()) + max(0.0, area.right() - seen.right())
        dy = min(0.0, area.top() - seen.top()) + max(0.0, area.bottom() - seen.bottom())
        self.look_at(zoom, self.exact(QPointF(0, 0)) + QPointF(dx, dy), QPointF(0, 0))
