"""The choice of a preset: each with a picture of its network, what it is, and what there is to see."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QEvent, QModelIndex, QObject, QPersistentModelIndex, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QFont, QKeyEvent, QPainter, QPen
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
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

from engine import presets
from engine.experiment import Experiment
from engine.kinds import Source
from engine.layers.base import Loss
from engine.schema import Unknown, info_of
from lab.catalog import layers_text
from widgets import theme
from widgets.layout import set_role

__all__ = ["NewDialog"]

ROW = 74
PICTURE = QSize(92, 52)
WORDS = Qt.ItemDataRole.UserRole + 2


class NewDialog(QDialog):
    """`chosen` is the preset's name."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("New experiment from a preset")
        self.resize(620, 640)
        head = QLabel("Choose what to begin with. Everything in it can be changed.", self)
        head.setProperty("role", "dim")
        self.field = QLineEdit(self)
        self.field.setPlaceholderText("Search: data, layers, optimizer…")
        self.field.setAccessibleName("Search presets")
        self.field.setClearButtonEnabled(True)
        self.field.setMinimumHeight(30)
        self.field.textChanged.connect(self._filter)
        self.field.installEventFilter(self)
        self.nothing = QLabel("No preset has these words.", self)
        self.nothing.setProperty("role", "hint")
        self.nothing.hide()
        self.list = QListWidget(self)
        self.list.setItemDelegate(PresetDelegate(self.list))
        self.list.setMouseTracking(True)
        self.list.setAccessibleName("Presets")
        for preset in presets.presets():
            item = QListWidgetItem(preset.label)
            item.setData(Qt.ItemDataRole.UserRole, preset)
            experiment = _experiment(preset.name)
            item.setData(Qt.ItemDataRole.UserRole + 1, experiment)
            item.setData(WORDS, _words(preset, experiment))
            item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{preset.label}: {preset.summary}")
            self.list.addItem(item)
        self.list.setCurrentRow(0)
        self.list.itemActivated.connect(self._on_activated)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel, self)
        self.make = buttons.addButton("Create", QDialogButtonBox.ButtonRole.AcceptRole)
        set_role(self.make, "primary", "kind")
        self.make.setDefault(True)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 14)
        column.setSpacing(10)
        column.addWidget(head)
        column.addWidget(self.field)
        column.addWidget(self.nothing)
        column.addWidget(self.list, 1)
        column.addWidget(buttons)
        self.field.setFocus()

    def _filter(self, text: str) -> None:
        """Leave the presets that have every word that was typed; choose the first of them."""
        wanted = text.casefold().split()
        items = [self.list.item(row) for row in range(self.list.count())]
        for item in items:
            item.setHidden(not all(word in item.data(WORDS) for word in wanted))
        left = [item for item in items if not item.isHidden()]
        self.nothing.setVisible(not left)
        self.make.setEnabled(bool(left))
        if not left:
            self.list.setCurrentRow(-1)
        elif self.list.currentItem() not in left:
            self.list.setCurrentItem(left[0])
        if left:
            self.list.scrollToItem(self.list.currentItem())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The arrow keys walk through the list while words are typed."""
        keys = (Qt.Key.Key_Down, Qt.Key.Key_Up, Qt.Key.Key_PageDown, Qt.Key.Key_PageUp)
        if watched is self.field and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.key() in keys:
                QApplication.sendEvent(self.list, event)
                return True
        return super().eventFilter(watched, event)

    def _on_activated(self, item: QListWidgetItem) -> None:
        self.accept()

    @property
    def chosen(self) -> str:
        item = self.list.currentItem()
        return str(item.data(Qt.ItemDataRole.UserRole).name) if item is not None else ""


def _words(preset: presets.Preset, experiment: Experiment | None) -> str:
    """What a preset is found by, in lower case: its words, and the names of what it is made of."""
    parts = [preset.label, preset.summary, preset.group, preset.name]
    if experiment is not None:
        made_of: list[Any] = [experiment.data.source, experiment.training.optimizer, experiment.training.schedule]
        made_of += [node.component for node in experiment.network.nodes]
        parts += [info_of(part).label for part in made_of if not isinstance(part, Unknown)]
    return " ".join(parts).casefold()


def _experiment(name: str) -> Experiment | None:
    try:
        return presets.make(name)
    except Exception:  # a damaged preset is told when it is chosen; the list stands without its picture
        return None


class PresetDelegate(QStyledItemDelegate):
    """Paints a preset: its network in little, its name, its summary and its data."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(400, ROW)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        look = theme.current()
        preset = index.data(Qt.ItemDataRole.UserRole)
        experiment = index.data(Qt.ItemDataRole.UserRole + 1)
        state, rect = option.state, QRect(option.rect)  # type: ignore[attr-defined]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(rect).adjusted(3, 3, -3, -3)
        selected = bool(state & QStyle.StateFlag.State_Selected)
        hovered = bool(state & QStyle.StateFlag.State_MouseOver)
        painter.setPen(QPen(theme.color(look.accent if selected else look.border), 1.4 if selected else 1))
        painter.setBrush(theme.color(theme.mix(look.raised, look.accent, 0.12 if selected else 0.05 * hovered)))
        painter.drawRoundedRect(box, 6, 6)
        picture = QRectF(box.left() + 8, box.center().y() - PICTURE.height() / 2, PICTURE.width(), PICTURE.height())
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color(look.window))
        painter.drawRoundedRect(picture, 4, 4)
        if experiment is not None:
            _paint_network(painter, picture, experiment)
        left = picture.right() + 14
        words = QRectF(left, box.top() + 9, box.right() - left - 12, 18)
        painter.setPen(theme.color(look.text))
        painter.setFont(theme.ui_font(13, QFont.Weight.DemiBold))
        painter.drawText(words, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, preset.label)
        painter.setFont(theme.ui_font(12))
        painter.setPen(theme.color(look.text_dim))
        painter.drawText(words.translated(0, 19), Qt.AlignmentFlag.AlignLeft, preset.summary)
        if experiment is not None:
            painter.setFont(theme.mono_font(11))
            painter.setPen(theme.color(look.text_dim))
            painter.drawText(words.translated(0, 37), Qt.AlignmentFlag.AlignLeft, _facts(preset.group, experiment))
        painter.restore()


def _facts(group: str, experiment: Experiment) -> str:
    source = experiment.data.source
    data = info_of(source).label if isinstance(source, Source) and not isinstance(source, Unknown) else group
    optimizer = info_of(experiment.training.optimizer).label
    return f"{data} · {layers_text(experiment.network)} · {optimizer} · {experiment.training.epochs} epochs"


def _paint_network(painter: QPainter, area: QRectF, experiment: Experiment) -> None:
    """A bar for each node, in the colour of its group, as a miniature of the canvas."""
    nodes = experiment.network.nodes
    if not nodes:
        return
    gap, width = 2.0, min(9.0, (area.width() - 14) / len(nodes) - 2.0)
    total = len(nodes) * (width + gap) - gap
    x = area.center().x() - total / 2
    for node in nodes:
        component = node.component
        group = "unknown" if isinstance(component, Unknown) else (info_of(component).group or "unknown")
        if isinstance(component, Loss):
            group = "loss"
        tall = group.lower() in ("core", "convolution", "input", "data", "shape", "loss")
        height = area.height() * (0.62 if tall else 0.38)
        painter.setBrush(theme.color(theme.group_color(group)))
        painter.drawRoundedRect(QRectF(x, area.center().y() - height / 2, width, height), 1.5, 1.5)
        x += width + gap
