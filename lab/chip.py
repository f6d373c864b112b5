"""One component of the palette: drag it, double-click it, or press Enter on it."""

from __future__ import annotations

import html

from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QDrag,
    QEnterEvent,
    QFocusEvent,
    QFontMetrics,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
)
from PySide6.QtWidgets import QApplication, QScrollArea, QSizePolicy, QWidget

from engine.schema import ComponentInfo
from lab.catalog import DRAG_FORMAT, drag_data
from widgets import theme

__all__ = ["Chip", "tooltip"]


class Chip(QWidget):
    """One component: a label with its group's colour at the left. It is dragged; double-click or Enter activates."""

    activated = Signal(object)
    """Carries the `ComponentInfo`."""
    stepped = Signal(int)
    """An arrow key: to the next chip (1) or the one before (-1)."""
    menuRequested = Signal(object, QPoint)
    """Carries the `ComponentInfo` and the place on the screen."""
    favouriteToggled = Signal(object)
    """The key F. Carries the `ComponentInfo`."""

    _HEIGHT = 26

    def __init__(self, info: ComponentInfo, group: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.info, self.group = info, group
        self._pressed: QPoint | None = None
        self._hovered = self._best = False
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName(f"{info.label}, {group}")
        self.setAccessibleDescription(info.summary)
        self.setToolTip(tooltip(info))
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        self.ensurePolished()
        return QSize(QFontMetrics(theme.ui_font(12)).horizontalAdvance(self.info.label) + 23, self._HEIGHT)

    def set_best(self, on: bool) -> None:
        """Mark it as what Enter in the search field adds."""
        if on != self._best:
            self._best = on
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        self._paint(painter)

    def _paint(self, painter: QPainter) -> None:
        look = theme.current()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = QRectF(0.5, 0.5, self.width() - 1, self.height() - 1)
        marked = self.hasFocus() or self._best
        edge = look.accent if marked else theme.mix(look.border, look.text_dim, 0.5 if self._hovered else 0.0)
        painter.setPen(QPen(theme.color(edge), 1.0))
        painter.setBrush(theme.color(look.raised))
        painter.drawRoundedRect(rect, 4, 4)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color(theme.group_color(self.group)))
        painter.setClipRect(QRectF(0, 0, 3, self.height()))
        painter.drawRoundedRect(QRectF(0, 0, 12, self.height()), 4, 4)
        painter.setClipping(False)
        painter.setPen(theme.color(look.text))
        painter.setFont(theme.ui_font(12))
        painter.drawText(QRectF(self.rect()).adjusted(12, 0, 0, 0), int(Qt.AlignmentFlag.AlignVCenter), self.info.label)

    def enterEvent(self, event: QEnterEvent) -> None:
        self._hovered = True
        self.setCursor(Qt.CursorShape.OpenHandCursor)
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        self._hovered = False
        self.update()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()
        area = self.parentWidget()
        while area is not None and not isinstance(area, QScrollArea):
            area = area.parentWidget()
        if isinstance(area, QScrollArea):
            area.ensureWidgetVisible(self, 0, 20)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._pressed = event.position().toPoint()
            self.setFocus(Qt.FocusReason.MouseFocusReason)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pressed is None or not event.buttons() & Qt.MouseButton.LeftButton:
            return
        if (event.position().toPoint() - self._pressed).manhattanLength() >= QApplication.startDragDistance():
            self._pressed = None
            self.drag().exec(Qt.DropAction.CopyAction)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._pressed = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._pressed = None
        self.activated.emit(self.info)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        self.menuRequested.emit(self.info, event.globalPos())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        match event.key():
            case Qt.Key.Key_Return | Qt.Key.Key_Enter | Qt.Key.Key_Space:
                self.activated.emit(self.info)
            case Qt.Key.Key_Right | Qt.Key.Key_Down:
                self.stepped.emit(1)
            case Qt.Key.Key_Left | Qt.Key.Key_Up:
                self.stepped.emit(-1)
            case Qt.Key.Key_F:
                self.favouriteToggled.emit(self.info)
            case _:
                super().keyPressEvent(event)

    def drag(self) -> QDrag:
        """The drag of this component, with the chip as its picture."""
        data = QMimeData()
        data.setData(DRAG_FORMAT, drag_data(self.info))
        ratio = self.devicePixelRatioF()
        picture = QPixmap(self.size() * ratio)
        picture.setDevicePixelRatio(ratio)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        painter.setOpacity(0.85)
        self._paint(painter)
        painter.end()
        drag = QDrag(self)
        drag.setMimeData(data)
        drag.setPixmap(picture)
        drag.setHotSpot(QPointF(self.width() / 2, self.height() / 2).toPoint())
        return drag


def tooltip(info: ComponentInfo) -> str:
    """What a component does, its formula and where it comes from, as rich text."""
    look = theme.current()
    parts = [f"<b>{html.escape(info.label)}</b>", html.escape(info.summary)]
    if info.formula:
        parts.append(f"<code>{html.escape(info.formula)}</code>")
    if info.source:
        parts.append(f'<span style="color:{look.text_dim}">{html.escape(info.source)}</span>')
    parts.append(f'<span style="color:{look.text_dim}">Right-click for help and favourites.</span>')
    return f'<div style="max-width: 320px">{"<br>".join(parts)}</div>'
