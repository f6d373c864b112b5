"""The frame around a group of layers that is repeated: behind its cards, row by row, with its name and ×N."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPainterPath
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from engine.experiment import Block
from lab.canvas.geometry import CARD_HEIGHT, COLUMN, card_rect
from lab.canvas.style import Style

__all__ = ["FrameItem", "runs_of"]

MARGIN = 9.0
LABEL_HEIGHT = 20.0
"""How high the label over the first row is."""


def runs_of(places: Sequence[QPointF]) -> list[QRectF]:
    """The cards at these places as rectangles: cards beside one another in a row share one."""
    runs: list[QRectF] = []
    for rect in sorted((card_rect(place) for place in places), key=lambda rect: (round(rect.y()), rect.x())):
        last = runs[-1] if runs else None
        if last is not None and abs(rect.y() - last.y()) < CARD_HEIGHT / 2 and rect.left() - last.right() < COLUMN:
            runs[-1] = last.united(rect)
        else:
            runs.append(rect)
    return [rect.adjusted(-MARGIN, -MARGIN, MARGIN, MARGIN) for rect in runs]


class FrameItem(QGraphicsItem):
    """One group. It lies behind wires and cards; its label is what the mouse can take hold of."""

    def __init__(self, block: Block, style: Style) -> None:
        super().__init__()
        self.block = block
        self._style = style
        self._runs: list[QRectF] = []
        self._path = QPainterPath()
        self._bounds = QRectF()
        self._selected = False
        self.setZValue(0)

    @property
    def text(self) -> str:
        """What the label says."""
        return f"{self.block.title}  ×{self.block.repeat}" if self.block.title else f"×{self.block.repeat}"

    @property
    def label(self) -> QRectF:
        """Where the label lies; empty without cards."""
        if not self._runs:
            return QRectF()
        first = self._runs[0]
        width = QFontMetricsF(self._style.title_font).horizontalAdvance(self.text) + 14.0
        return QRectF(first.left(), first.top() - LABEL_HEIGHT, width, LABEL_HEIGHT + 2.0)

    def show_block(self, block: Block) -> None:
        """Take the group's new name, number or members."""
        if block != self.block:
            self.prepareGeometryChange()
            self.block = block
            self._measure()
            self.update()

    def place(self, places: Sequence[QPointF]) -> None:
        """Lie around the cards at these places."""
        runs = runs_of(places)
        if runs != self._runs:
            self.prepareGeometryChange()
            self._runs = runs
            self._measure()

    def _measure(self) -> None:
        path = QPainterPath()
        for rect in self._runs:
            path.addRoundedRect(rect, 10, 10)
        self._path = path.simplified()
        self._bounds = path.boundingRect().united(self.label).adjusted(-2, -2, 2, 2)

    def set_selected(self, on: bool) -> None:
        if on != self._selected:
            self._selected = on
            self.update()

    def set_style(self, style: Style) -> None:
        self._style = style
        self.update()

    def boundingRect(self) -> QRectF:
        return self._bounds

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        look = self._style
        painter.setPen(look.frame_selected if self._selected else look.frame)
        painter.setBrush(look.frame_fill)
        painter.drawPath(self._path)
        label = self.label
        if label.isEmpty():
            return
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.frame_label)
        painter.drawRoundedRect(label, 5, 5)
        painter.setFont(look.title_font)
        painter.setPen(look.accent if self._selected else look.text_dim)
        painter.drawText(label, int(Qt.AlignmentFlag.AlignCenter), self.text)
