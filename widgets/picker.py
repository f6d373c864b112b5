"""A popup to choose a component from a long list: type a name or a synonym, or walk through the groups."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QEvent, QObject, QPoint, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QFrame, QLabel, QLineEdit, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from engine.schema import ComponentInfo
from widgets import theme
from widgets.fields import Combo
from widgets.matching import ranked

__all__ = ["MANY", "ComponentPicker", "PickerCombo"]

MANY = 8
"""With more choices than this a plain menu is no longer taken in at a glance."""
ROWS = 13
_ROW = 27
_INFO = Qt.ItemDataRole.UserRole


class ComponentPicker(QFrame):
    """A search field over a list. `chosen` carries the tag that was picked; Escape or a click elsewhere closes it."""

    chosen = Signal(str)

    def __init__(self, parent: QWidget, infos: Iterable[ComponentInfo], noun: str) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setProperty("role", "card")
        self.setAccessibleName(f"Choose: {noun}")
        self._infos = tuple(infos)
        self._current = ""
        self.field = QLineEdit(self)
        self.field.setPlaceholderText("Type a name, as others call it too")
        self.field.setAccessibleName(f"Search: {noun}")
        self.field.setClearButtonEnabled(True)
        self.field.textChanged.connect(self._fill)
        self.field.installEventFilter(self)
        self.list = QListWidget(self)
        self.list.setAccessibleName(noun)
        self.list.setFrameShape(QFrame.Shape.NoFrame)
        self.list.setUniformItemSizes(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.itemClicked.connect(self._pick)
        self.list.currentItemChanged.connect(self._describe)
        self.hint = QLabel(self)
        self.hint.setWordWrap(True)
        self.hint.setProperty("role", "hint")
        self.hint.setAlignment(Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(6)
        for widget in (self.field, self.list, self.hint):
            layout.addWidget(widget)

    def open_at(self, anchor: QWidget, current: str = "") -> None:
        """Show below `anchor`, as wide at least, with the component tagged `current` selected."""
        self._current = current
        self.setFixedWidth(max(anchor.width(), 280))
        self.field.clear()
        self._fill("")
        self.hint.setFixedHeight(4 * self.hint.fontMetrics().lineSpacing() + 4)
        self.adjustSize()
        screen = anchor.screen().availableGeometry()
        below = anchor.mapToGlobal(QPoint(0, anchor.height() + 2))
        x = max(screen.left(), min(below.x(), screen.right() - self.width()))
        y = below.y()
        if y + self.height() > screen.bottom():
            y = max(screen.top(), below.y() - anchor.height() - self.height() - 4)
        self.move(x, y)
        self.show()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.field.setFocus(Qt.FocusReason.PopupFocusReason)

    @property
    def labels(self) -> list[str]:
        """What can be picked now, from top to bottom."""
        return [item.text() for item in self._items() if item.data(_INFO) is not None]

    def _items(self) -> list[QListWidgetItem]:
        return [self.list.item(row) for row in range(self.list.count())]

    def _fill(self, text: str) -> None:
        self.list.clear()
        found = ranked(text, self._infos)
        grouped = not text.strip() and len({info.group for info in found}) > 1
        if grouped:
            # In order of declaration, but a group that comes in two parts under one heading.
            places = {name: i for i, name in enumerate(dict.fromkeys(info.group for info in found))}
            found.sort(key=lambda info: places[info.group])
        group = None
        for info in found:
            if grouped and info.group != group:
                group = info.group
                self._add_heading(group or "Other")
            item = QListWidgetItem(info.label)
            item.setData(_INFO, info)
            item.setSizeHint(QSize(0, _ROW))
            self.list.addItem(item)
            if info.tag == self._current and not text.strip():
                self.list.setCurrentItem(item)
        self.list.setFixedHeight(min(max(self.list.count(), 1), ROWS) * _ROW + 4)
        fits = self.list.count() <= ROWS
        policy = Qt.ScrollBarPolicy
        self.list.setVerticalScrollBarPolicy(policy.ScrollBarAlwaysOff if fits else policy.ScrollBarAsNeeded)
        if not found:
            self.hint.setText("Nothing has this name.")
        elif self.list.currentItem() is None:
            self._walk(1)
        self.adjustSize()

    def _add_heading(self, text: str) -> None:
        heading = QListWidgetItem(text)
        heading.setFlags(Qt.ItemFlag.NoItemFlags)
        heading.setFont(theme.ui_font(11))
        heading.setForeground(QColor(theme.current().text_dim))
        heading.setSizeHint(QSize(0, _ROW))
        self.list.addItem(heading)

    def _describe(self, item: QListWidgetItem | None, _previous: object = None) -> None:
        info = item.data(_INFO) if item is not None else None
        if info is not None:
            self.hint.setText(info.summary)

    def _walk(self, step: int) -> None:
        count = self.list.count()
        row = self.list.currentRow()
        for _ in range(count):
            row = (row + step) % count
            if self.list.item(row).data(_INFO) is not None:
                self.list.setCurrentRow(row)
                return

    def _pick(self, item: QListWidgetItem | None) -> None:
        info = item.data(_INFO) if item is not None else None
        if info is not None:
            self.close()
            self.chosen.emit(info.tag)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is not self.field or event.type() != QEvent.Type.KeyPress or not isinstance(event, QKeyEvent):
            return False
        match event.key():
            case Qt.Key.Key_Return | Qt.Key.Key_Enter:
                self._pick(self.list.currentItem())
            case Qt.Key.Key_Escape:
                self.close()
            case Qt.Key.Key_Down | Qt.Key.Key_Tab:
                self._walk(1)
            case Qt.Key.Key_Up | Qt.Key.Key_Backtab:
                self._walk(-1)
            case _:
                return False
        return True


class PickerCombo(Combo):
    """A combo box of components that opens a `ComponentPicker` where there are many."""

    def __init__(self, infos: Iterable[ComponentInfo], noun: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._infos, self._noun = tuple(infos), noun
        self.picker: ComponentPicker | None = None
        for index, info in enumerate(self._infos):
            self.addItem(info.label, info.tag)
            self.setItemData(index, info.summary, Qt.ItemDataRole.ToolTipRole)

    def showPopup(self) -> None:
        if self.count() <= MANY:
            super().showPopup()
            return
        if self.picker is None:
            self.picker = ComponentPicker(self, self._infos, self._noun)
            self.picker.chosen.connect(self._on_chosen)
        self.picker.open_at(self, self.currentData() or "")

    def _on_chosen(self, tag: str) -> None:
        index = self.findData(tag)
        self.setCurrentIndex(index)
        self.setFocus(Qt.FocusReason.PopupFocusReason)
        self.activated.emit(index)
