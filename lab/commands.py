"""The command palette: one field that finds every action, layer, preset, panel and run, and the words of training."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from msgspec import Struct
from PySide6.QtCore import QEvent, QModelIndex, QObject, QPersistentModelIndex, QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QFont, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QFrame,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
)

from lab.catalog import search
from lab.choices import choices, take
from lab.panels import PANELS
from lab.run_row import when_text
from widgets import theme
from widgets.matching import WHOLE_SYNONYM
from widgets.text import shortened

if TYPE_CHECKING:
    from lab.window import Window

__all__ = ["CommandPalette", "Entry", "entries_of", "find"]

MOST = 60
RECENT_RUNS = 12
MOST_LAYERS, MOST_CHOICES = 8, 24
ROW = 28


class Entry(Struct, frozen=True):
    """Something that can be chosen. `kind` is the word at the left, `key` the shortcut at the right."""

    kind: str
    text: str
    run: Callable[[], object]
    key: str = ""
    words: str = ""
    enabled: bool = True


def score(query: str, entry: Entry) -> float:
    """How well an entry answers a query: 0 for not at all. Every word must be found."""
    text = entry.text.casefold()
    rest = f"{entry.kind} {entry.words}".casefold()
    total = 0.0
    for word in query.casefold().split():
        if text.startswith(word):
            total += 10
        elif any(part.startswith(word) for part in text.replace("-", " ").split()):
            total += 7
        elif word in text:
            total += 4
        elif any(part.startswith(word) for part in rest.split()):
            total += 3
        else:
            return 0.0
    return total - 0.01 * len(text) - (2.0 if not entry.enabled else 0.0)


def find(query: str, entries: Iterable[Entry], named: Callable[[str], list[tuple[float, Entry]]]) -> list[Entry]:
    """The entries for a query, best first; `named` finds what has other names and numbers, with its worth."""
    if not query.strip():
        return list(entries)[:MOST]
    found = [(value, i, entry) for i, entry in enumerate(entries) if (value := score(query, entry)) > 0]
    found += [(value, -1, entry) for value, entry in named(query)]
    found.sort(key=lambda item: (-item[0], item[1]))
    return [entry for _, _, entry in found[:MOST]]


def entries_of(window: Window) -> list[Entry]:
    """Everything that can be chosen in a window now, layers aside."""
    from engine.presets import presets

    entries = []
    for action in window.actions_by_id.by_id.values():
        if action.spec.id == "palette":
            continue
        action.refresh()
        text = action.spec.full or action.text().partition("\t")[0].replace("&", "")
        entries.append(
            Entry("Action", text.rstrip("…"), action.trigger, action.key_text, action.spec.words, action.isEnabled())
        )
    for panel in PANELS:
        entries.append(Entry("Panel", panel.title, _bind(window.area.open_panel, panel.name), words="show open"))
    for preset in presets():
        entries.append(
            Entry("Preset", preset.label, _bind(window.filing.new_from, preset.name), words=f"new {preset.summary}")
        )
    for path in window.settings.recent:
        entries.append(Entry("File", path.stem, _bind(window.filing.open, path), words=f"recent open {path.parent}"))
    for run in window.runs.summaries[:RECENT_RUNS]:
        text = f"{shortened(run.name)}, {when_text(run.created)}"
        entries.append(Entry("Run", text, _bind(window.runs.open_run, run.id), words=f"open {run.status}"))
    return entries


def named_entries(window: Window, query: str) -> list[tuple[float, Entry]]:
    """What a query finds by name or other name, with its worth: layers, to be added after the selection, and what
    training and data are made of."""
    text = query.strip()
    for prefix in ("add ", "layer "):
        if text.casefold().startswith(prefix):
            text = text[len(prefix) :]
    matches = [match for match in search(text) if match.score >= 40][:MOST_LAYERS]
    found = [
        (8.5 - i, Entry("Layer", f"Add {match.component.title()}", _bind(window.add_component, match.component)))
        for i, match in enumerate(matches)
    ]
    for choice in choices(query, window.document.experiment, window.canvas.selection.nodes)[:MOST_CHOICES]:
        entry = Entry(choice.tab.capitalize(), choice.text, _bind(take, window, choice))
        found.append((_worth(choice.score), entry))
    return found


def _worth(score: float) -> float:
    """What a match by name is worth beside actions and panels: its own name in full as much as a layer's, another name
    in full a little less than a word of an action."""
    return (8.5 if score >= 95 else 6.5 if score >= WHOLE_SYNONYM else 5.0 if score > 60 else 3.9) + score / 1000


def _bind(function: Callable[..., object], *arguments: object) -> Callable[[], object]:
    return lambda: function(*arguments)


class EntryDelegate(QStyledItemDelegate):
    """Paints an entry: its kind, its text, its key."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(400, ROW)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        look = theme.current()
        entry: Entry = index.data(Qt.ItemDataRole.UserRole)
        rect = QRect(option.rect)  # type: ignore[attr-defined]
        selected = bool(option.state & QStyle.StateFlag.State_Selected)  # type: ignore[attr-defined]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if selected:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color(theme.mix(look.panel, look.accent, 0.22)))
            painter.drawRoundedRect(QRectF(rect).adjusted(4, 1, -4, -1), 4, 4)
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.setFont(theme.ui_font(11))
        painter.setPen(theme.color(look.text_faint))
        painter.drawText(rect.adjusted(14, 0, 0, 0), Qt.AlignmentFlag.AlignLeft | middle, entry.kind)
        painter.setFont(theme.ui_font(13, QFont.Weight.Medium if selected else QFont.Weight.Normal))
        painter.setPen(theme.color(look.text if entry.enabled else look.text_faint))
        painter.drawText(rect.adjusted(72, 0, -110, 0), Qt.AlignmentFlag.AlignLeft | middle, entry.text)
        painter.setFont(theme.mono_font(11))
        painter.setPen(theme.color(look.text_dim))
        painter.drawText(rect.adjusted(0, 0, -14, 0), Qt.AlignmentFlag.AlignRight | middle, entry.key)
        painter.restore()


class CommandPalette(QFrame):
    """A pop-up over the window's upper middle. Type, choose with the arrows, Enter does it."""

    def __init__(self, window: Window) -> None:
        super().__init__(window, Qt.WindowType.Popup)
        self._window = window
        self._entries: list[Entry] = []
        self._tallest = 460
        self.setObjectName("command-palette")
        self.setAccessibleName("Command palette")
        self.field = QLineEdit(self)
        self.field.setPlaceholderText("Search actions, layers, optimizers, schedules, presets, panels, runs…")
        self.field.setMinimumHeight(34)
        self.field.textChanged.connect(self._on_text)
        self.field.installEventFilter(self)
        self.list = QListWidget(self)
        self.list.setItemDelegate(EntryDelegate(self.list))
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setMouseTracking(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.itemClicked.connect(self._on_item)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(6)
        column.addWidget(self.field)
        column.addWidget(self.list, 1)

    def open(self, text: str = "") -> None:
        """Show it, with everything that can be chosen now."""
        look = theme.current()
        self.setStyleSheet(
            f"#command-palette {{ background: {look.panel}; border: 1px solid {look.border}; border-radius: 8px; }}"
        )
        self._entries = entries_of(self._window)
        width, self._tallest = min(620, self._window.width() - 40), min(460, self._window.height() - 120)
        corner = self._window.mapToGlobal(QPoint((self._window.width() - width) // 2, 60))
        self.setGeometry(corner.x(), corner.y(), width, self._tallest)
        self.field.setText(text)
        self._on_text(text)
        self.show()
        self.field.setFocus(Qt.FocusReason.PopupFocusReason)

    @property
    def shown(self) -> list[Entry]:
        """What is listed now."""
        items = (self.list.item(row) for row in range(self.list.count()))
        return [item.data(Qt.ItemDataRole.UserRole) for item in items]

    def _on_text(self, text: str) -> None:
        self.list.clear()
        for entry in find(text, self._entries, self._named):
            item = QListWidgetItem(entry.text)
            item.setData(Qt.ItemDataRole.UserRole, entry)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{entry.kind}: {entry.text}")
            self.list.addItem(item)
        self.list.setCurrentRow(0)
        self.resize(self.width(), min(self._tallest, 62 + ROW * max(1, self.list.count())))

    def _named(self, query: str) -> list[tuple[float, Entry]]:
        return named_entries(self._window, query)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.field and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: 8, Qt.Key.Key_PageUp: -8}
            if event.key() in step:
                row = self.list.currentRow() + step[Qt.Key(event.key())]
                self.list.setCurrentRow(max(0, min(self.list.count() - 1, row)))
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._choose(self.list.currentItem())
                return True
        return super().eventFilter(watched, event)

    def _on_item(self, item: QListWidgetItem) -> None:
        self._choose(item)

    def _choose(self, item: QListWidgetItem | None) -> None:
        entry = item.data(Qt.ItemDataRole.UserRole) if item is not None else None
        if entry is None or not entry.enabled:
            return
        self.close()
        self._window.activateWindow()
        entry.run()
