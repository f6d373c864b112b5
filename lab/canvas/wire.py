"""A wire from one card's output to another's input."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPainterPathStroker, QPen
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from lab.canvas.style import Style

__all__ = ["WireItem"]

WireKey = tuple[str, str]
"""(source, target)."""


class WireItem(QGraphicsItem):
    """One wire; `state` is one of "plain", "hover", "selected", "live" (being drawn), "bypassed", "faulty"."""

    def __init__(self, key: WireKey, style: Style) -> None:
        super().__init__()
        self.key = key
        self._style = style
        self._path = QPainterPath()
        self._bounds = QRectF()
        self._state = "plain"
        self.setZValue(1)

    @property
    def path(self) -> QPainterPath:
        return self._path

    @property
    def state(self) -> str:
        return self._state

    def set_path(self, path: QPainterPath) -> None:
        if path != self._path:
            self.prepareGeometryChange()
            self._path = path
            self._bounds = path.boundingRect().adjusted(-4, -4, 4, 4)

    def set_state(self, state: str) -> None:
        if state != self._state:
            self._state = state
            self.setZValue(1.5 if state in ("selected", "live", "hover") else 1)
            self.update()

    def set_style(self, style: Style) -> None:
        self._style = style
        self.update()

    def near(self) -> QPainterPath:
        """The region in which the mouse is on the wire."""
        stroker = QPainterPathStroker()
        stroker.setWidth(14.0)
        return stroker.createStroke(self._path)

    def boundingRect(self) -> QRectF:
        return self._bounds

    def shape(self) -> QPainterPath:
        return self.near()

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(self._pen())
        painter.drawPath(self._path)

    def _pen(self) -> QPen:
        style = self._style
        return {
            "plain": style.wire,
            "hover": style.wire_hover,
            "selected": style.wire_selected,
            "live": style.wire_live,
            "bypassed": style.wire_bypassed,
            "faulty": style.wire_faulty,
        }[self._state]
