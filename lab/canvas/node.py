"""A node's card: what it is, its output, its live histogram and gradient, its health, its ports and its bubble."""

from __future__ import annotations

from msgspec import Struct
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPainterPath, QPolygonF
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from lab.canvas.bubble import BUBBLE_TOP, LEGIBLE, BubbleItem
from lab.canvas.geometry import (
    CARD,
    CARD_WIDTH,
    CORNER,
    HEADER_HEIGHT,
    PORT_RADIUS,
    PORT_Y,
    port_offset,
)
from lab.canvas.style import Style, draw_ring
from lab.canvas.vitals import Vitals

__all__ = ["Face", "NodeItem"]

_HISTOGRAM = QRectF(9.5, 45.0, 94.0, 38.0)
_ROW = QRectF(9.5, HEADER_HEIGHT + 5.0, CARD_WIDTH - 18.5, 15.0)
_GRADIENT = QRectF(111.0, 46.0, 8.0, 37.0)
_DOT = QPointF(CARD_WIDTH - 11.5, 11.5)
_EDGE = 9.0
TEXT = 0.45
"""Below this scale it has a title only."""
_NO_VITALS = Vitals()

_BODY = QPainterPath()
_BODY.addRoundedRect(CARD, CORNER, CORNER)
_HEAD = QPainterPath()
_HEAD.addRect(QRectF(0, 0, CARD_WIDTH, HEADER_HEIGHT))
_HEAD = _HEAD.intersected(_BODY)


class Face(Struct, frozen=True):
    """What a card says when nothing trains: `facts` are up to three short lines about its fields; `error` and `warning`
    are messages of the check, or empty."""

    title: str
    group: str
    shape: str
    count: str
    bypass: bool = False
    inputs: int = 1
    takes_input: bool = True
    gives_output: bool = True
    facts: tuple[str, ...] = ()
    error: str = ""
    warning: str = ""


class NodeItem(QGraphicsItem):
    """The card of one node. Its position is the card's upper left corner."""

    def __init__(self, node_id: str, face: Face, style: Style) -> None:
        super().__init__()
        self.node_id = node_id
        self.face = face
        self.vitals = _NO_VITALS
        self.live_text = ""
        self._style = style
        self._selected = self._hovered = self._dimmed = self._target = False
        self._hot_port: tuple[str, int] | None = None
        self._bars: list[QRectF] = []
        self._cuts: list[QRectF] = []
        self._bubble = BubbleItem(self)
        self._moving = VitalsItem(self)
        self.setZValue(2)
        self.setCacheMode(QGraphicsItem.CacheMode.DeviceCoordinateCache)
        self._refresh_bubble()

    # -- what it shows -------------------------------------------------------------------------------------------------

    def set_face(self, face: Face) -> None:
        if face != self.face:
            self.face = face
            self._refresh_bubble()
            self.update()

    def set_vitals(self, vitals: Vitals | None, live_text: str = "") -> None:
        """Show what was measured; None shows nothing."""
        vitals = vitals or _NO_VITALS
        if vitals == self.vitals and live_text == self.live_text:
            return
        before = self._still()
        self.vitals, self.live_text = vitals, live_text
        self._place_bars(vitals)
        self._moving.renew()
        if self._still() != before:
            self._refresh_bubble()
            self.update()

    def _still(self) -> tuple[object, ...]:
        """What of the vitals the card itself shows."""
        return self.message, self.vitals.health, bool(self.live_text), self.measured

    @property
    def measured(self) -> bool:
        """Whether the card shows what was measured, rather than facts about its fields."""
        return not self.face.bypass and (self.vitals.heights is not None or self.vitals.gradient is not None)

    def set_style(self, style: Style) -> None:
        self._style = style
        self._bubble.update()
        self._moving.update()
        self.update()

    def set_selected(self, on: bool) -> None:
        if on != self._selected:
            self._selected = on
            self.update()

    def set_hovered(self, on: bool, port: tuple[str, int] | None = None) -> None:
        """`port` is ("input", index) or ("output", 0) under the mouse."""
        if (on, port) != (self._hovered, self._hot_port):
            self._hovered, self._hot_port = on, port
            self.update()

    def set_dimmed(self, on: bool) -> None:
        """Draw it faint: what is going on does not concern it."""
        if on != self._dimmed:
            self._dimmed = on
            self.setOpacity(0.35 if on else 1.0)

    def set_lifted(self, on: bool) -> None:
        """Draw it over all other cards, as while it is dragged."""
        self.setZValue(4 if on else 2)

    @property
    def dimmed(self) -> bool:
        return self._dimmed

    def set_target(self, on: bool) -> None:
        """Mark it as where a dragged wire would end."""
        if on != self._target:
            self._target = on
            self.update()

    @property
    def message(self) -> tuple[str, str]:
        """The bubble's level ("bad" or "warn") and text; ("", "") without one."""
        if self.face.error:
            return "bad", self.face.error
        if self.vitals.message and self.vitals.health in ("warn", "bad"):
            return self.vitals.health, self.vitals.message
        if self.face.warning:
            return "warn", self.face.warning
        return "", ""

    def _place_bars(self, vitals: Vitals) -> None:
        heights = vitals.heights
        if heights is None:
            self._bars, self._cuts = [], []
            return
        if len(self._bars) != len(heights):
            self._bars = [QRectF() for _ in heights]
        width = _HISTOGRAM.width() / len(heights)
        for i, (bar, height) in enumerate(zip(self._bars, heights, strict=True)):
            tall = max(height * _HISTOGRAM.height(), 0.8 if height > 0 else 0.0)
            bar.setRect(_HISTOGRAM.left() + i * width, _HISTOGRAM.bottom() - tall, width * 0.82, tall)
        self._cuts = [
            QRectF(bar.left() - 0.5, bar.top() + 3.5, bar.width() + 1.0, 1.5)
            for bar, cut in zip(self._bars, vitals.cut, strict=False)
            if cut
        ]

    def set_bubble_room(self, width: float) -> None:
        """How wide the message below the card may be before it would cover that of the next."""
        self._bubble.set_room(width)

    def place_bubble(self, seen: QRectF) -> None:
        """Put the message where all of it lies in `seen` (of the scene): below the card or above it, and not beyond
        either side."""
        self._bubble.place(seen.translated(-self.pos()))

    @property
    def extent(self) -> QRectF:
        """The card and the message below it (where there is room), in units of the scene."""
        bubble = self._bubble.boundingRect().translated(0.0, BUBBLE_TOP) if self.message[1] else QRectF()
        return CARD.united(bubble).translated(self.pos())

    def _refresh_bubble(self) -> None:
        level, text = self.message
        self._bubble.show_message(level, text)

    # -- painting ------------------------------------------------------------------------------------------------------

    def boundingRect(self) -> QRectF:
        return CARD.adjusted(-_EDGE, -_EDGE, _EDGE, _EDGE)

    def shape(self) -> QPainterPath:
        return _BODY

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        style, face = self._style, self.face
        group = style.group(face.group)
        scale = QStyleOptionGraphicsItem.levelOfDetailFromTransform(painter.worldTransform())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._selected:
            painter.setPen(style.glow)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawPath(_BODY)
        painter.setPen(Qt.PenStyle.NoPen)
        if face.bypass:
            painter.setOpacity(painter.opacity() * 0.6)
        else:
            painter.setBrush(style.card)
            painter.drawPath(_BODY)
            painter.setBrush(group.header)
            painter.drawPath(_HEAD)
        painter.setPen(group.rule)
        painter.drawLine(QPointF(0.5, HEADER_HEIGHT - 0.25), QPointF(CARD_WIDTH - 0.5, HEADER_HEIGHT - 0.25))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(self._border())
        painter.drawPath(_BODY)
        self._paint_texts(painter, scale)
        if scale >= LEGIBLE and not self.measured:
            self._paint_facts(painter)
        self._paint_state(painter)
        self._paint_ports(painter)

    def _border(self) -> object:
        style = self._style
        if self._selected or self._target:
            return style.selected_border
        if self.face.bypass:
            return style.hollow_border
        return style.hover_border if self._hovered else style.card_border

    def _paint_texts(self, painter: QPainter, scale: float) -> None:
        style, face = self._style, self.face
        painter.setFont(style.title_font)
        painter.setPen(style.title_pen)
        width = CARD_WIDTH - 19.0 - 10.0
        title = QFontMetricsF(style.title_font).elidedText(face.title, Qt.TextElideMode.ElideRight, width)
        painter.drawText(QRectF(9.5, 0, width, HEADER_HEIGHT), _MIDDLE_LEFT, title)
        if scale < TEXT:
            return
        painter.setFont(style.small_font)
        if face.count:
            painter.setPen(style.count_pen)
            painter.drawText(_ROW, _MIDDLE_RIGHT, face.count)
        if face.bypass or not self.live_text:
            painter.setPen(style.shape_pen)
            painter.drawText(_ROW, _MIDDLE_LEFT, "bypassed" if face.bypass else face.shape)

    def paint_vitals(self, painter: QPainter) -> None:
        """The histogram and the gradient's bar; the painter counts from the card's corner."""
        style, vitals = self._style, self.vitals
        if vitals.stale:
            painter.setOpacity(0.4 * painter.opacity())
        painter.setPen(style.axis)
        y = _HISTOGRAM.bottom() + 1.0
        painter.drawLine(QPointF(_HISTOGRAM.left(), y), QPointF(_HISTOGRAM.right(), y))
        if self._bars:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(style.group(self.face.group).bars)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
            painter.drawRects(self._bars)
            if self._cuts:
                painter.setBrush(style.card)
                painter.drawRects(self._cuts)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.setPen(style.track)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(_GRADIENT, 2.5, 2.5)
        if vitals.gradient is not None:
            height = max(2.0, _GRADIENT.height() * vitals.gradient)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(style.bar_brush[vitals.gradient_health])
            fill = QRectF(_GRADIENT.left(), _GRADIENT.bottom() - height, _GRADIENT.width(), height)
            painter.drawRoundedRect(fill, 2.5, min(2.5, height / 2))

    def _paint_facts(self, painter: QPainter) -> None:
        painter.setPen(self._style.count_pen)
        painter.setFont(self._style.small_font)
        metrics = QFontMetricsF(self._style.small_font)
        line = QRectF(9.5, HEADER_HEIGHT + 22.0, CARD_WIDTH - 18.0, 14.0)
        for fact in self.face.facts:
            painter.drawText(line, _MIDDLE_LEFT, metrics.elidedText(fact, Qt.TextElideMode.ElideRight, line.width()))
            line.translate(0.0, 14.0)

    def _paint_state(self, painter: QPainter) -> None:
        """The dot in the header. Its shape says what its colour says: disc, triangle with a bar, octagon with a bar."""
        style = self._style
        level = self.message[0] or self.vitals.health
        if level is None:
            painter.setPen(style.idle_dot)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(_DOT, 3.2, 3.2)
            return
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(style.health_brush[level])
        if level == "good":
            painter.drawEllipse(_DOT, 4.0, 4.0)
            return
        painter.drawPolygon(_TRIANGLE if level == "warn" else _OCTAGON)
        painter.setBrush(style.card)
        painter.drawRect(QRectF(_DOT.x() - 0.7, _DOT.y() - 3.0, 1.4, 3.6))
        painter.drawRect(QRectF(_DOT.x() - 0.7, _DOT.y() + 1.6, 1.4, 1.4))

    def _paint_ports(self, painter: QPainter) -> None:
        style, face = self._style, self.face
        painter.setOpacity(1.0 if not self._dimmed else painter.opacity())
        if face.takes_input:
            for i in range(max(1, face.inputs)):
                hot = self._hot_port == ("input", i)
                centre = QPointF(0.0, port_offset(i, face.inputs))
                draw_ring(painter, centre, PORT_RADIUS + hot, style.port_pen, style.port_hover if hot else style.port)
        if face.gives_output:
            hot = self._hot_port == ("output", 0)
            centre = QPointF(CARD_WIDTH, PORT_Y)
            draw_ring(painter, centre, PORT_RADIUS + hot, style.port_pen, style.port_hover if hot else style.port)

    @property
    def style(self) -> Style:
        return self._style


class VitalsItem(QGraphicsItem):
    """What moves on a card while it trains, apart from what stays: the card itself need not be drawn again."""

    def __init__(self, parent: NodeItem) -> None:
        super().__init__(parent)
        self._node = parent
        self.setAcceptedMouseButtons(Qt.MouseButton.NoButton)

    def boundingRect(self) -> QRectF:
        return _HISTOGRAM.united(_GRADIENT).united(_ROW).adjusted(-2, -1, 2, 3)

    def renew(self) -> None:
        """Draw it anew, and nothing around it: an item's own `update` would draw the whole canvas."""
        scene = self.scene()
        for view in scene.views() if scene is not None else ():
            area = view.mapFromScene(self.sceneBoundingRect()).boundingRect()
            view.viewport().update(area.adjusted(-1, -1, 1, 1))

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        scale = QStyleOptionGraphicsItem.levelOfDetailFromTransform(painter.worldTransform())
        node = self._node
        if scale >= TEXT and node.live_text and not node.face.bypass:
            painter.setFont(node.style.small_font)
            painter.setPen(node.style.shape_pen)
            painter.drawText(_ROW, _MIDDLE_LEFT, node.live_text)
        if scale >= LEGIBLE and node.measured:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            node.paint_vitals(painter)


_MIDDLE_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
_MIDDLE_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_TRIANGLE = QPolygonF([_DOT + QPointF(0, -5.2), _DOT + QPointF(5.2, 4.2), _DOT + QPointF(-5.2, 4.2)])
_OCTAGON = QPolygonF(
    [_DOT + QPointF(x, y) for x, y in ((-2, -5), (2, -5), (5, -2), (5, 2), (2, 5), (-2, 5), (-5, 2), (-5, -2))]
)
