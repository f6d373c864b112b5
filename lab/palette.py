"""The palette: every layer and loss by group, read from the registry; search it, drag from it, or press Enter."""

from __future__ import annotations

import html

from PySide6.QtCore import QEvent, QMimeData, QObject, QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
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
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QLabel,
    QLayout,
    QLayoutItem,
    QLineEdit,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from engine.schema import ComponentInfo
from lab.catalog import DRAG_FORMAT, Match, build, drag_data, groups, search
from widgets import theme

__all__ = ["Chip", "Palette", "tooltip"]


class Palette(QWidget):
    """`addRequested` carries a component that is to be added after the selection: a chip was double-clicked, or Enter
    was pressed on it or in the search field."""

    addRequested = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Layers")
        self.field = QLineEdit(self)
        self.field.setPlaceholderText("Search layers…  Alt+1")
        self.field.setAccessibleName("Search layers")
        self.field.setClearButtonEnabled(True)
        self.field.setMinimumHeight(30)
        self.field.textChanged.connect(self._filter)
        self.field.installEventFilter(self)
        self._nothing = QLabel("No layer has this name.", self)
        self._nothing.hide()
        self._groups: list[tuple[QLabel, QWidget, list[Chip]]] = []
        self._best: Match | None = None
        body = QWidget(self)
        self._body = QVBoxLayout(body)
        self._body.setContentsMargins(10, 0, 10, 10)
        self._body.setSpacing(6)
        for name, infos in groups().items():
            self._add_group(name, infos, body)
        self._body.addWidget(self._nothing)
        self._body.addStretch(1)
        scroll = QScrollArea(self)
        scroll.setWidget(body)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 10, 0, 0)
        layout.setSpacing(8)
        top = QVBoxLayout()
        top.setContentsMargins(10, 0, 10, 0)
        top.addWidget(self.field)
        layout.addLayout(top)
        layout.addWidget(scroll, 1)
        self._apply_style()
        theme.signals.changed.connect(self._apply_style)

    def _add_group(self, name: str, infos: tuple[ComponentInfo, ...], body: QWidget) -> None:
        heading = QLabel(name, body)
        holder = QWidget(body)
        flow = FlowLayout(holder)
        chips = []
        for info in infos:
            chip = Chip(info, name, holder)
            chip.activated.connect(self._on_activated)
            flow.addWidget(chip)
            chips.append(chip)
        self._body.addWidget(heading)
        self._body.addWidget(holder)
        self._groups.append((heading, holder, chips))

    def _on_activated(self, info: ComponentInfo) -> None:
        self.addRequested.emit(build(info))

    @property
    def chips(self) -> list[Chip]:
        """Every chip, in order."""
        return [chip for _, _, chips in self._groups for chip in chips]

    @property
    def shown(self) -> list[str]:
        """The labels of the chips that the search leaves."""
        return [chip.info.label for chip in self.chips if not chip.isHidden()]

    def focus_search(self) -> None:
        """Put the cursor into the search field."""
        self.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.field.selectAll()

    def _filter(self, text: str) -> None:
        matches = search(text)
        self._best = matches[0] if matches and text.strip() else None
        found = {match.info.cls for match in matches}
        for heading, holder, chips in self._groups:
            for chip in chips:
                chip.setVisible(chip.info.cls in found)
                chip.set_best(self._best is not None and chip.info.cls is self._best.info.cls)
            some = any(chip.info.cls in found for chip in chips)
            heading.setVisible(some)
            holder.setVisible(some)
        self._nothing.setVisible(not found)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.field and event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._best is not None:
                self.addRequested.emit(self._best.component)
                self.field.selectAll()
                return True
            if event.key() == Qt.Key.Key_Escape and self.field.text():
                self.field.clear()
                return True
            if event.key() == Qt.Key.Key_Down:
                first = next((chip for chip in self.chips if not chip.isHidden()), None)
                if first is not None:
                    first.setFocus(Qt.FocusReason.TabFocusReason)
                return True
        return super().eventFilter(watched, event)

    def step_from(self, chip: Chip, step: int) -> None:
        """Move the focus to the next or previous chip that is shown; before the first comes the search field."""
        shown = [item for item in self.chips if not item.isHidden()]
        index = shown.index(chip) + step
        if index < 0:
            self.focus_search()
        elif index < len(shown):
            shown[index].setFocus(Qt.FocusReason.TabFocusReason)

    def _apply_style(self) -> None:
        look = theme.current()
        for heading, _, chips in self._groups:
            heading.setFont(theme.ui_font(12, heading.font().weight().DemiBold))
            heading.setStyleSheet(f"color: {look.text_dim}; background: transparent; padding: 2px 2px 0px 2px")
            for chip in chips:
                chip.update()
        self._nothing.setStyleSheet(f"color: {look.text_dim}; background: transparent")


class Chip(QWidget):
    """One component: a label with its group's colour at the left. It is dragged; double-click or Enter activates."""

    activated = Signal(object)
    """Carries the `ComponentInfo`."""

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

    def keyPressEvent(self, event: QKeyEvent) -> None:
        palette = self.parentWidget()
        while palette is not None and not isinstance(palette, Palette):
            palette = palette.parentWidget()
        match event.key():
            case Qt.Key.Key_Return | Qt.Key.Key_Enter | Qt.Key.Key_Space:
                self.activated.emit(self.info)
            case Qt.Key.Key_Right | Qt.Key.Key_Down if palette is not None:
                palette.step_from(self, 1)
            case Qt.Key.Key_Left | Qt.Key.Key_Up if palette is not None:
                palette.step_from(self, -1)
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
    return f'<div style="max-width: 320px">{"<br>".join(parts)}</div>'


class FlowLayout(QLayout):
    """Items side by side in lines as long as the width allows."""

    def __init__(self, parent: QWidget, gap: int = 5) -> None:
        super().__init__(parent)
        self._items: list[QLayoutItem] = []
        self._gap = gap
        self.setContentsMargins(0, 0, 0, 0)

    def addItem(self, item: QLayoutItem) -> None:
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:  # type: ignore[override]
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:  # type: ignore[override]
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self._arrange(QRect(0, 0, width, 0), place=False)

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        self._arrange(rect, place=True)

    def sizeHint(self) -> QSize:
        return self.minimumSize()

    def minimumSize(self) -> QSize:
        size = QSize()
        for item in self._items:
            size = size.expandedTo(item.minimumSize())
        return size

    def _arrange(self, rect: QRect, place: bool) -> int:
        x, y, line = rect.x(), rect.y(), 0
        for item in self._items:
            if item.isEmpty():
                continue
            size = item.sizeHint()
            if x > rect.x() and x + size.width() > rect.right() + 1:
                x, y, line = rect.x(), y + line + self._gap, 0
            if place:
                item.setGeometry(QRect(QPoint(x, y), size))
            x += size.width() + self._gap
            line = max(line, size.height())
        return y + line - rect.y()
