"""A label for a text that changes many times a second and must not move anything."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QWidget

__all__ = ["SteadyLabel"]


class SteadyLabel(QLabel):
    """Used as a QLabel of plain text, of one line. It takes the room of the widest text since `forget`; one that
    `gives_way` takes what room it gets, and its text ends in “…” where it does not fit.

    A QLabel asks for a new layout with each text, and the question goes up to the window, which then lays out
    everything that it holds: ten numbers that change ten times a second took a tenth of the window's time.
    """

    def __init__(self, text: str = "", parent: QWidget | None = None, *, gives_way: bool = False) -> None:
        super().__init__(parent)
        self._text, self._gives_way = "", gives_way
        self._room = QSize()
        self.setText(text)

    def text(self) -> str:
        return self._text

    def setText(self, text: str) -> None:
        """Show another text."""
        if text == self._text:
            return
        self._text = text
        self.setAccessibleName(text)
        wanted = self.wanted()
        if wanted.width() > self._room.width() or wanted.height() > self._room.height():
            self._room = wanted.expandedTo(self._room)
            self.updateGeometry()
        self.update()

    def forget(self) -> None:
        """Take the room of the present text alone."""
        wanted = self.wanted()
        if wanted != self._room:
            self._room = wanted
            self.updateGeometry()

    def wanted(self) -> QSize:
        """The room that the present text needs."""
        metrics, margins = self.fontMetrics(), self.contentsMargins()
        return QSize(
            metrics.horizontalAdvance(self._text) + 1 + margins.left() + margins.right(),
            metrics.height() + margins.top() + margins.bottom(),
        )

    def sizeHint(self) -> QSize:
        return self._room

    def minimumSizeHint(self) -> QSize:
        return QSize(0, self._room.height()) if self._gives_way else self._room

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self.forget()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(self.palette().windowText().color())
        room = self.contentsRect()
        text = self.fontMetrics().elidedText(self._text, Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, int(self.alignment() | Qt.AlignmentFlag.AlignVCenter), text)
