"""The pieces of a panel's header: its title, a notice that can be pressed, a caption that gives way."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from widgets import theme

__all__ = ["Caption", "Chip", "Title", "look_words"]


def look_words(epoch: int, epochs: int | None) -> tuple[str, ...]:
    """That panels look back at an epoch, in ever fewer words."""
    whole = f"looking back: epoch {epoch} of {epochs}" if epochs else f"looking back: epoch {epoch}"
    return f"{whole} (click to return to now)", whole, f"looking back: epoch {epoch}", f"epoch {epoch}"


class Title(QLabel):
    """The panel's name; a double click asks for all the room."""

    doubleClicked = Signal()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.doubleClicked.emit()
        event.accept()


class Chip(QLabel):
    """A short notice in a frame that can be pressed."""

    pressed = Signal()

    def say(self, texts: tuple[str, ...], room: int) -> None:
        """Show the first text that fits into `room` pixels, or the last; the first is always in the tip."""
        frame = 12  # border and padding, as the style sheet has them
        wide = self.fontMetrics().horizontalAdvance
        self.setText(next((text for text in texts if wide(text) + frame <= room), texts[-1]))
        self.setToolTip(texts[0])

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.pressed.emit()
        event.accept()


class Caption(QLabel):
    """A text that gives way, so that it never widens the panel: where there is no room its last parts (between dots)
    are left out."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def fitting(self, room: int) -> str:
        """As much of the text as fits into `room` pixels."""
        parts = self.text().split(" · ")
        texts = [" · ".join(parts[:count]) for count in range(len(parts), 0, -1)]
        texts.append(texts[-1].replace("nearest kept:", "nearest:"))
        return next((text for text in texts if self.fontMetrics().horizontalAdvance(text) <= room), texts[-1])

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        text = self.fontMetrics().elidedText(self.fitting(self.width()), Qt.TextElideMode.ElideRight, self.width())
        painter.setPen(theme.color("text_dim"))
        painter.setFont(self.font())
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
        painter.end()
