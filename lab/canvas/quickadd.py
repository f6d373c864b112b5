"""Quick-add: a search field over the canvas. Type a layer's name, Enter adds it; "dense 64" sets the units too."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QEvent, QObject, QPoint, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QGraphicsDropShadowEffect,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from engine.layers.base import NodeComponent
from engine.schema import ComponentInfo
from lab.canvas.style import style
from lab.catalog import Match, search
from widgets import theme

__all__ = ["QuickAdd"]

_ROW = 30
_MATCH = Qt.ItemDataRole.UserRole


class QuickAdd(QFrame):
    """A popup over its parent; it may reach beyond the lower edge as far as the window does. `chosen` carries the
    component that was picked, `closed` follows in any case."""

    chosen = Signal(object)
    closed = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._ground = parent
        self.setObjectName("quickAdd")
        self.setAccessibleName("Add a layer")
        self.setFixedWidth(300)
        self._fits: Callable[[NodeComponent], bool] | None = None
        self._closing = False
        self.first: Callable[[], Sequence[ComponentInfo]] = tuple
        """What is offered before all else, asked for at each search."""
        self.lacking: Callable[[], Sequence[ComponentInfo]] = tuple
        """What the network still needs, asked for at each search: one whose name is typed in full comes first."""
        self.field = QLineEdit(self)
        self.field.setPlaceholderText("Name of a layer, as in “dense 64”")
        self.field.setAccessibleName("Name of the layer to add")
        self.field.setFrame(False)
        self.field.textEdited.connect(self._search)
        self.field.installEventFilter(self)
        self.list = QListWidget(self)
        self.list.setAccessibleName("Layers that fit")
        self.list.setFrameShape(QFrame.Shape.NoFrame)
        self.list.setItemDelegate(_MatchDelegate(self.list))
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.itemClicked.connect(self._pick_item)
        self.list.currentItemChanged.connect(self._describe)
        self.hint = QLabel(self)
        self.hint.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(4)
        for widget in (self.field, self.list, self.hint):
            layout.addWidget(widget)
        shadow = QGraphicsDropShadowEffect(self)
        shadow.setBlurRadius(24)
        shadow.setOffset(0, 6)
        self.setGraphicsEffect(shadow)
        self.apply_style()
        self.hide()

    def apply_style(self) -> None:
        look = theme.current()
        self.setStyleSheet(
            f"#quickAdd {{ background: {look.panel}; border: 1px solid {look.border}; border-radius: 8px; }}"
            f"QListWidget {{ background: transparent; outline: none; }}"
            f"QLabel {{ color: {look.text_dim}; padding: 2px 6px; background: transparent; }}"
        )
        self.hint.setFont(theme.ui_font(11))

    def open_at(
        self, at: QPoint, text: str = "", what: str = "", fits: Callable[[NodeComponent], bool] | None = None
    ) -> None:
        """Show beside `at` (of the parent), with `text` typed. `what` says where the layer will go."""
        self._fits = fits
        self._what = what
        self.field.setText(text)
        self._search(text)
        window = self._ground.window()
        if self.parentWidget() is not window:
            self.setParent(window)
        self.adjustSize()
        room = self._ground.rect().adjusted(8, 8, -8, -8)
        room.setBottom(self._ground.mapFrom(window, window.rect().bottomLeft()).y() - 8)
        x = max(room.left(), min(at.x(), room.right() - self.width()))
        y = max(room.top(), min(at.y(), room.bottom() - self.height()))
        self.move(self._ground.mapTo(window, QPoint(x, y)))
        self.show()
        self.raise_()
        self.field.setFocus(Qt.FocusReason.PopupFocusReason)
        self.field.end(False)

    def close_it(self) -> None:
        if self.isVisible():
            self._vanish()
            self.closed.emit()

    def _vanish(self) -> None:
        """Hide, and give the focus back to the canvas unless it has gone elsewhere."""
        # Hidden with the focus, a widget passes it on as the Tab key would, and on the canvas Tab selects another node.
        self._closing = True
        if self.window().focusWidget() is self.field:
            self._ground.setFocus(Qt.FocusReason.OtherFocusReason)
        self.hide()
        self._closing = False

    def _search(self, text: str) -> None:
        self.list.clear()
        for match in search(text, self._fits, self.first(), self.lacking()):
            item = QListWidgetItem(match.component.title())
            item.setData(_MATCH, match)
            item.setSizeHint(QSize(0, _ROW))
            item.setToolTip(match.info.summary)
            self.list.addItem(item)
        rows = min(max(self.list.count(), 1), 7)
        self.list.setFixedHeight(rows * _ROW)
        if self.list.count():
            self.list.setCurrentRow(0)
        else:
            self._describe(None)
        self.adjustSize()

    def _describe(self, item: QListWidgetItem | None, _previous: object = None) -> None:
        if item is None:
            fits = " that fits here" if self._fits is not None else ""
            self.hint.setText(f"No layer{fits} has this name. Esc closes.")
        else:
            match: Match = item.data(_MATCH)
            self.hint.setText(f"{match.info.summary}\nEnter adds it{self._what}. Esc closes.")

    @property
    def titles(self) -> list[str]:
        """What the list offers."""
        return [self.list.item(row).text() for row in range(self.list.count())]

    def _pick_item(self, item: QListWidgetItem) -> None:
        match: Match = item.data(_MATCH)
        self._vanish()
        self.chosen.emit(match.component)
        self.closed.emit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.field and isinstance(event, QFocusEvent) and event.lostFocus() and not self._closing:
            if event.reason() != Qt.FocusReason.PopupFocusReason:  # the field's own menu
                self.close_it()
        if watched is self.field and event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            # Shortcuts of the window (Space, Delete, single letters) must not fire while a name is typed.
            event.accept()
            return False
        if watched is not self.field or event.type() != QEvent.Type.KeyPress or not isinstance(event, QKeyEvent):
            return False
        match event.key():
            case Qt.Key.Key_Escape:
                self.close_it()
            case Qt.Key.Key_Return | Qt.Key.Key_Enter:
                item = self.list.currentItem()
                if item is not None:
                    self._pick_item(item)
            case Qt.Key.Key_Down | Qt.Key.Key_Up | Qt.Key.Key_Tab | Qt.Key.Key_Backtab:
                step = -1 if event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Backtab) else 1
                if self.list.count():
                    self.list.setCurrentRow((self.list.currentRow() + step) % self.list.count())
            case _:
                return False
        return True


class _MatchDelegate(QStyledItemDelegate):
    """A row: the group's colour, the title, and the group's name at the right."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: object) -> None:  # type: ignore[override]
        match: Match = index.data(_MATCH)  # type: ignore[attr-defined]
        look, rect = style(), QRectF(option.rect).adjusted(1, 1, -1, -1)
        group = match.info.group or match.info.kind.capitalize()
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setBrush(look.group(group).header)
            painter.drawRoundedRect(rect, 5, 5)
        painter.setBrush(look.group(group).colour)
        painter.drawRoundedRect(QRectF(rect.left() + 4, rect.top() + 6, 3, rect.height() - 12), 1.5, 1.5)
        inner, middle = rect.adjusted(14, 0, -8, 0), Qt.AlignmentFlag.AlignVCenter
        painter.setPen(look.text)
        painter.setFont(theme.ui_font(13))
        painter.drawText(inner, int(middle | Qt.AlignmentFlag.AlignLeft), match.component.title())
        painter.setPen(look.text_dim)
        painter.setFont(theme.ui_font(11))
        painter.drawText(inner, int(middle | Qt.AlignmentFlag.AlignRight), group)
        painter.restore()
