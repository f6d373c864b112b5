"""A drawing that says under the mouse what lies there."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QToolTip, QWidget

__all__ = ["Tipped"]


class Tipped(QWidget):
    """Shows `tip` beside the mouse as it moves, and takes it away where there is nothing to say."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMouseTracking(True)

    def tip(self, position: QPointF) -> str:
        """What lies under a place; empty for nothing."""
        raise NotImplementedError

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        text = self.tip(event.position())
        if text:
            QToolTip.showText(event.globalPosition().toPoint(), text, self)
        else:
            QToolTip.hideText()

    def leaveEvent(self, event: QEvent) -> None:
        QToolTip.hideText()
        super().leaveEvent(event)
