"""What lies over the network: guides while cards are dragged, the marquee, the title block and the minimap."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QGraphicsItem,
    QLabel,
    QStyleOptionGraphicsItem,
    QVBoxLayout,
    QWidget,
)

from lab.canvas.geometry import card_rect
from lab.canvas.style import Style, style
from widgets import theme

__all__ = ["GuideItem", "Minimap", "TitleBlock"]


class GuideItem(QGraphicsItem):
    """Alignment lines, the marquee's rectangle, and the outline of a card about to be dropped."""

    def __init__(self) -> None:
        super().__init__()
        self._style = style()
        self._lines: tuple[QLineF, ...] = ()
        self._marquee: QRectF | None = None
        self._ghost: tuple[QRectF, str, str] | None = None
        self._bounds = QRectF()
        self.setZValue(10)

    def show_lines(self, lines: tuple[QLineF, ...]) -> None:
        self._lines = lines
        self._changed()

    def show_marquee(self, area: QRectF | None) -> None:
        self._marquee = area
        self._changed()

    def show_ghost(self, place: QPointF | None, title: str = "", group: str = "") -> None:
        """The outline of the card that a drop would make, upper left corner at `place`."""
        self._ghost = None if place is None else (card_rect(place), title, group)
        self._changed()

    def clear(self) -> None:
        self._lines, self._marquee, self._ghost = (), None, None
        self._changed()

    @property
    def marquee(self) -> QRectF | None:
        return self._marquee

    def set_style(self, style: Style) -> None:
        self._style = style
        self.update()

    def _changed(self) -> None:
        self.prepareGeometryChange()
        bounds = QRectF()
        for line in self._lines:
            bounds = bounds.united(QRectF(line.p1(), line.p2()).normalized().adjusted(-1, -1, 1, 1))
        if self._marquee is not None:
            bounds = bounds.united(self._marquee)
        if self._ghost is not None:
            bounds = bounds.united(self._ghost[0])
        self._bounds = bounds.adjusted(-2, -2, 2, 2)
        self.update()

    def boundingRect(self) -> QRectF:
        return self._bounds

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        look = self._style
        painter.setPen(look.guide)
        painter.drawLines(list(self._lines))
        if self._marquee is not None:
            painter.setPen(look.marquee_pen)
            painter.setBrush(look.marquee)
            painter.drawRect(self._marquee)
        if self._ghost is not None:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            card, title, group = self._ghost
            painter.setOpacity(0.85)
            painter.setPen(QPen(look.group(group).colour, 1.5, Qt.PenStyle.DashLine))
            painter.setBrush(look.card)
            painter.drawRoundedRect(card, 8, 8)
            painter.setPen(look.title_pen)
            painter.setFont(look.title_font)
            painter.drawText(card, int(Qt.AlignmentFlag.AlignCenter), title)


class TitleBlock(QWidget):
    """The experiment's name and figures at the canvas's upper left; lets the mouse through."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._name, self._figures = QLabel(self), QLabel(self)
        for label in (self._name, self._figures):
            label.setTextFormat(Qt.TextFormat.PlainText)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 10, 12, 5)
        layout.setSpacing(1)
        layout.addWidget(self._name)
        layout.addWidget(self._figures)
        self.apply_style()

    def apply_style(self) -> None:
        self._name.setFont(theme.ui_font(13, self._name.font().weight().DemiBold))
        self._figures.setFont(theme.mono_font(11))
        self._ground = QColor(theme.current().window)
        self._ground.setAlphaF(0.82)
        self._name.setStyleSheet(f"color: {theme.current().text}; background: transparent")
        self._figures.setStyleSheet(f"color: {theme.current().text_dim}; background: transparent")

    def show_texts(self, name: str, figures: str) -> None:
        if (name, figures) != (self._name.text(), self._figures.text()):
            self._name.setText(name)
            self._figures.setText(figures)
            self.adjustSize()

    def paintEvent(self, event: QPaintEvent) -> None:
        # Cards may lie beneath; the words stay legible.
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._ground)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(-8, -8, 0, 0), 8, 8)

    @property
    def figures(self) -> str:
        return self._figures.text()


class Minimap(QWidget):
    """The whole network, small, with the visible part marked; a click or a drag moves the view there."""

    centreRequested = Signal(QPointF)

    def __init__(self, parent: QWidget, content: Callable[[], tuple[QRectF, list[tuple[QRectF, str]], QRectF]]) -> None:
        """`content()` gives the bounds of everything, the cards with their groups, and the visible part."""
        super().__init__(parent)
        self._content = content
        self.setFixedSize(170, 110)
        self.setAccessibleName("Map of the network")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.hide()

    def _scale(self) -> tuple[QRectF, float, QPointF]:
        bounds, _, visible = self._content()
        whole = bounds.united(visible).adjusted(-20, -20, 20, 20)
        factor = min(self.width() / whole.width(), self.height() / whole.height())
        rest = QPointF(self.width() - whole.width() * factor, self.height() - whole.height() * factor) / 2
        return whole, factor, rest

    def paintEvent(self, event: QPaintEvent) -> None:
        _, cards, visible = self._content()
        whole, factor, rest = self._scale()
        look = style()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ground = QColor(look.window)
        ground.setAlphaF(0.9)
        painter.setBrush(ground)
        painter.setPen(look.card_border)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        painter.translate(rest)
        painter.scale(factor, factor)
        painter.translate(-whole.topLeft())
        painter.setPen(Qt.PenStyle.NoPen)
        for card, group in cards:
            painter.fillRect(card, look.group(group).colour)
        pen = QPen(look.accent, 1.5)
        pen.setCosmetic(True)
        painter.setPen(pen)
        painter.setBrush(look.marquee)
        painter.drawRect(visible)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._go(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._go(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        event.accept()

    def _go(self, event: QMouseEvent) -> None:
        whole, factor, rest = self._scale()
        self.centreRequested.emit((event.position() - rest) / factor + whole.topLeft())
        self.update()
