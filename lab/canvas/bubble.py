"""The message beside a card: what the check found, or what a run says of the node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QFontMetricsF, QPainter
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from lab.canvas.geometry import BUBBLE_ROOM, CARD, CARD_HEIGHT

if TYPE_CHECKING:
    from lab.canvas.node import NodeItem

__all__ = ["BUBBLE_TOP", "LEGIBLE", "BubbleItem"]

BUBBLE_GAP = 6.0
BUBBLE_TOP = CARD_HEIGHT + BUBBLE_GAP
LEGIBLE = 0.35
"""Below this scale a card has no histogram, and no message."""


class BubbleItem(QGraphicsItem):
    """The message below a card (above it at the view's lower edge): at most two lines, as wide as its words need and
    the next card's message allows."""

    _PAD = 7.0

    def __init__(self, parent: NodeItem) -> None:
        super().__init__(parent)
        self._node = parent
        self._level, self._text, self._whole = "", "", ""
        self._room = BUBBLE_ROOM
        self._rect = QRectF()
        self.setPos(0.0, BUBBLE_TOP)
        self.setCacheMode(QGraphicsItem.CacheMode.DeviceCoordinateCache)
        self.setZValue(1)
        self.hide()

    def show_message(self, level: str, text: str) -> None:
        if (level, text) != (self._level, self._whole):
            self._level, self._whole = level, text
            self._fit_words()

    def set_room(self, width: float) -> None:
        if width != self._room:
            self._room = width
            self._fit_words()

    def place(self, seen: QRectF) -> None:
        """See `NodeItem.place_bubble`; here `seen` counts from the card's corner."""
        x, y = 0.0, BUBBLE_TOP
        if not seen.isEmpty() and seen.intersects(CARD):
            above = -BUBBLE_GAP - self._rect.height()
            if y + self._rect.height() > seen.bottom() and above >= seen.top():
                y = above
            x = max(seen.left(), min(0.0, seen.right() - self._rect.width()))
        self.setPos(x, y)

    @property
    def shown(self) -> str:
        """The words as drawn: the message, or as much of it as there is room for."""
        return self._text

    def _fit_words(self) -> None:
        self.prepareGeometryChange()
        text = self._text = self._whole
        metrics = QFontMetricsF(self._node.style.bubble_font)
        widest = max(self._room, BUBBLE_ROOM)
        for width in (min(BUBBLE_ROOM, widest), min((BUBBLE_ROOM + widest) / 2, widest), widest):
            room = QRectF(0, 0, width - 2 * self._PAD, 1000.0)
            words = metrics.boundingRect(room, int(Qt.TextFlag.TextWordWrap), text)
            if words.height() < 2.5 * metrics.lineSpacing():
                break
        else:
            # The tooltip and the problems list have all of it.
            self._text = metrics.elidedText(text, Qt.TextElideMode.ElideRight, 1.75 * room.width())
            words = metrics.boundingRect(room, int(Qt.TextFlag.TextWordWrap), self._text)
        width = min(words.width() + 1, room.width()) + 2 * self._PAD
        self._rect = QRectF(0, 0, width, min(words.height(), 2 * metrics.lineSpacing()) + 9.0)
        self.setVisible(bool(text))
        self.update()

    def boundingRect(self) -> QRectF:
        return self._rect.adjusted(-1, -1, 1, 1)

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        style = self._node.style
        if QStyleOptionGraphicsItem.levelOfDetailFromTransform(painter.worldTransform()) < LEGIBLE:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(style.bubble_pen[self._level])
        painter.setBrush(style.bubble[self._level])
        painter.drawRoundedRect(self._rect, 5, 5)
        painter.setPen(style.bubble_text[self._level])
        painter.setFont(style.bubble_font)
        inner = self._rect.adjusted(self._PAD, 2, -self._PAD + 1, -2)
        painter.drawText(inner, int(Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignVCenter), self._text)
