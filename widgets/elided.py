"""A label of one line that gives way: where its text does not fit it ends in "…" and the tooltip has all of it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QHelpEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QToolTip

from widgets.text import shortened

__all__ = ["ElidedLabel"]

MOST = 500
"""A line is cut off after so many characters, wherever it stands."""


class ElidedLabel(QLabel):
    """Used as a QLabel of plain text; insists on no more than `least` pixels of width."""

    def __init__(self, text: str = "", role: str = "", least: int = 40) -> None:
        super().__init__(shortened(text, MOST))
        self._least = least
        self.setTextFormat(Qt.TextFormat.PlainText)
        if role:
            self.setProperty("role", role)

    def setText(self, text: str) -> None:
        super().setText(shortened(text, MOST))

    @property
    def shown(self) -> str:
        """The text as it is painted."""
        room = self.contentsRect().width()
        return self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, room)

    def minimumSizeHint(self) -> QSize:
        full = super().minimumSizeHint()
        return QSize(min(full.width(), self._least), full.height())

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(self.palette().windowText().color())
        painter.drawText(self.contentsRect(), int(self.alignment()), self.shown)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent) and not self.toolTip():
            if self.shown != self.text():
                QToolTip.showText(event.globalPos(), self.text(), self)
                return True
        return super().event(event)
