"""Editors for components inside components: a chooser with a form below it, and lists that can be sorted."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct
from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QPushButton, QToolButton, QVBoxLayout, QWidget

from engine.schema import Component, ComponentInfo, FieldSpec, Unknown, components_of, fields_of, info_of
from widgets import theme
from widgets.elided import ElidedLabel
from widgets.fields import Editor
from widgets.form import Form, Severity
from widgets.help import HelpPopover, component_html
from widgets.picker import MANY, ComponentPicker, PickerCombo

__all__ = ["ComponentEditor", "Inset", "ListOfComponentsEditor", "StructEditor", "successor"]

INDENT = 12

NOUNS = {"preprocessing": "a preprocessing step", "stopping": "a stop condition"}
"""What one of a kind is called where the kind's name is no noun."""

Notes = dict[str, tuple[Severity, str]]


def successor(cls: type[Struct], before: Struct | None) -> Struct | None:
    """A value of `cls` with its defaults, but with those fields of `before` that mean the same there: of the same name
    and the same default, and that it may keep. (A learning rate of 0.1 is SGD's usual one, and a hundred times Adam's.)
    None where a field has neither default nor such a value."""
    from engine.schema import SchemaError, parse_field

    kept: dict[str, Any] = {}
    names = {spec.name: spec for spec in fields_of(type(before))} if before is not None else {}
    for spec in fields_of(cls):
        if spec.name in names and names[spec.name].default == spec.default:
            try:
                kept[spec.name] = parse_field(spec, getattr(before, spec.name))
            except SchemaError:
                pass
        if spec.required and spec.name not in kept:
            return None
    return cls(**kept)


def noun_of(cls: type[Struct]) -> str:
    """What people call a value of a plain struct: "parameter group" for `ParameterGroup`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", cls.__name__).lower()


class Inset(QWidget):
    """A form set in from the left, with a line along it."""

    def __init__(self) -> None:
        super().__init__()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(INDENT, 2, 0, 4)
        self.form: Form | None = None

    def show_value(self, value: Struct | None, label_width: int) -> bool:
        """Show a form for the value, or nothing. Returns whether another form was made."""
        cls = type(value) if value is not None and fields_of(type(value)) else None
        made = False
        if self.form is not None and self.form.cls is not cls:
            self.form.hide()
            self.form.deleteLater()
            self.form = None
        if cls is not None and self.form is None:
            self.form = Form(cls, label_width=label_width - INDENT)
            self._layout.addWidget(self.form)
            made = True
        if self.form is not None and value is not None:
            self.form.set_value(value)
        self.setVisible(self.form is not None)
        return made

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(3, 2, 2, self.height() - 6, QColor(theme.current().border))


class ComponentEditor(Editor):
    """Chooses a component of a kind; its fields stand in a form below. What was set in one comes back with it."""

    def __init__(self, spec: FieldSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        self.below = Inset()
        infos = [info_of(cls) for cls in components_of(spec.component_kind).values()]
        self._tags = [info.tag for info in infos]
        self.combo = PickerCombo(infos, spec.label)
        self._adopt(self.combo)
        self.combo.activated.connect(self._on_activated)
        self._value: Any = None
        self._seen: dict[str, Any] = {}

    def current_info(self) -> ComponentInfo | None:
        """What is declared about the chosen component."""
        return info_of(self._value) if self._value is not None else None

    def set_value(self, value: Any) -> None:
        self._value = value
        if isinstance(value, Unknown):
            self.combo.setCurrentIndex(-1)
            self.combo.setPlaceholderText(f"unknown: {value.tag}")
            self.below.show_value(None, self.label_width)
            self.problem.emit(info_of(value).summary)
            return
        self.problem.emit("")
        info = info_of(value)
        self._seen[info.tag] = value
        self.combo.setCurrentIndex(self._tags.index(info.tag))
        self.combo.setToolTip(f"<p>{info.summary}</p>")
        if self.below.show_value(value, self.label_width) and self.below.form is not None:
            self.below.form.valueEdited.connect(self._on_nested)

    def set_notes(self, notes: Notes) -> None:
        """Words beneath the fields of the form below."""
        if self.below.form is not None:
            self.below.form.set_notes(notes)

    def _on_activated(self, index: int) -> None:
        tag = self._tags[index]
        if self._value is not None and not isinstance(self._value, Unknown) and info_of(self._value).tag == tag:
            return
        cls = components_of(self.spec.component_kind)[tag]
        value = self._seen.get(tag) or successor(cls, self._value)
        if value is None:
            self.set_value(self._value)
            self.problem.emit(f"“{info_of(cls).label}” needs values that have no default")
            return
        self.set_value(value)
        self.edited.emit(value, "")

    def _on_nested(self, value: Any, key: str) -> None:
        self._value = value
        self._seen[info_of(value).tag] = value
        self.edited.emit(value, f"{self.spec.name}.{key}" if key else "")


class StructEditor(Editor):
    """A plain struct: its fields in a form of their own under its name."""

    wide = True

    def __init__(self, spec: FieldSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        self.inset = Inset()
        self._row.addWidget(self.inset)

    def set_value(self, value: Any) -> None:
        if self.inset.show_value(value, self.label_width) and self.inset.form is not None:
            self.inset.form.valueEdited.connect(self._on_nested)
            self.setFocusProxy(self.inset.form)

    def set_notes(self, notes: Notes) -> None:
        """Words beneath the fields of the form."""
        if self.inset.form is not None:
            self.inset.form.set_notes(notes)

    def _on_nested(self, value: Any, key: str) -> None:
        self.edited.emit(value, f"{self.spec.name}.{key}" if key else "")


class _Item(QFrame):
    """One component of a list: its name, buttons to move, explain and remove it, and its form."""

    edited = Signal(object, str)
    action = Signal(object, str)

    def __init__(self, value: Struct, label_width: int) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.cls = type(value)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 5, 6, 7)
        layout.setSpacing(4)
        head = QHBoxLayout()
        head.setSpacing(1)
        self.info = info_of(value) if isinstance(value, Component) else None
        self.name = self.info.label if self.info else noun_of(self.cls).capitalize()
        self.title = ElidedLabel(self.name, "title")
        if self.info:
            self.title.setToolTip(f"<p>{self.info.summary}</p>")
        head.addWidget(self.title, 1)
        self.buttons: dict[str, QToolButton] = {}
        for action, icon, words in (
            ("help", "help", "What is"),
            ("up", "up", "Move up:"),
            ("down", "down", "Move down:"),
            ("remove", "close", "Remove"),
        ):
            if action == "help" and self.info is None:
                continue
            button = QToolButton()
            button.setProperty("icon_name", icon)
            button.setObjectName(action)
            button.setToolTip(f"{words} {self.name}".replace(":", ""))
            button.setAccessibleName(f"{words} {self.name}")
            button.clicked.connect(self._on_button)
            self.buttons[action] = button
            head.addWidget(button)
        layout.addLayout(head)
        self.form: Form | None = None
        if fields_of(self.cls):
            self.form = Form(self.cls, label_width=label_width - 11)
            self.form.valueEdited.connect(self._on_edited)
            layout.addWidget(self.form)
        self.set_value(value)
        self._retheme()
        theme.signals.changed.connect(self._retheme)

    def set_value(self, value: Struct) -> None:
        """Show a value of the same class."""
        if self.form is not None:
            self.form.set_value(value)

    def _on_edited(self, value: object, key: str) -> None:
        self.edited.emit(value, key)

    def _on_button(self) -> None:
        button = self.sender()
        action = button.objectName()
        if action == "help" and self.info is not None:
            HelpPopover(self).show_at(self.buttons["help"], component_html(self.info))
        else:
            self.action.emit(self, action)

    def _retheme(self) -> None:
        for button in self.buttons.values():
            button.setIcon(theme.icon(button.property("icon_name"), "text_dim"))


class ListOfComponentsEditor(Editor):
    """A list of components of one kind (or of structs): add, remove, move, and edit each in place."""

    wide = True

    def __init__(self, spec: FieldSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        self._values: list[Any] = []
        self._items: list[_Item] = []
        column = QVBoxLayout()
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(5)
        self._stack = QVBoxLayout()
        self._stack.setSpacing(5)
        column.addLayout(self._stack)
        self.add = QPushButton()
        noun = spec.component_kind or (noun_of(spec.struct) if spec.struct is not None else "item")
        article = "an" if noun[0] in "aeiou" else "a"
        self.add.setText(f"Add {NOUNS.get(noun, f'{article} {noun}')}")
        self.add.setProperty("kind", "fold")
        self.add.setAccessibleDescription(spec.help)
        self.add.clicked.connect(self._on_add)
        column.addWidget(self.add, 0, Qt.AlignmentFlag.AlignLeft)
        self._row.addLayout(column, 1)
        self.setFocusProxy(self.add)
        self.menu = QMenu(self)
        self.menu.setToolTipsVisible(True)
        self.picker: ComponentPicker | None = None
        if spec.component_kind:
            self._offer(spec.component_kind)
        self.menu.triggered.connect(self._on_chosen)
        self._retheme()
        theme.signals.changed.connect(self._retheme)

    def _offer(self, kind: str) -> None:
        """What can be added: in a menu, or where that would be long, in a popup with a search field."""
        infos = [info_of(cls) for cls in components_of(kind).values()]
        for info in infos:
            entry = self.menu.addAction(info.label)
            entry.setData(info.tag)
            entry.setToolTip(f"<p>{info.summary}</p>")
            entry.setEnabled(successor(info.cls, None) is not None)
        if len(infos) > MANY:
            usable = [info for info in infos if successor(info.cls, None) is not None]
            self.picker = ComponentPicker(self, usable, self.spec.label)
            self.picker.chosen.connect(self._append)

    def _retheme(self) -> None:
        self.add.setIcon(theme.icon("plus", "text_dim"))

    # -- showing -------------------------------------------------------------------------------------------------------

    def set_value(self, value: tuple[Any, ...]) -> None:
        self._values = list(value)
        for index, item in enumerate(self._values):
            if index < len(self._items) and self._items[index].cls is not type(item):
                self._drop(index)
                self._insert(index, item)
            elif index == len(self._items):
                self._insert(index, item)
            else:
                self._items[index].set_value(item)
        while len(self._items) > len(self._values):
            self._drop(len(self._items) - 1)
        for index, card in enumerate(self._items):
            card.buttons["up"].setEnabled(index > 0)
            card.buttons["down"].setEnabled(index < len(self._items) - 1)
            card.buttons["up"].setVisible(len(self._items) > 1)
            card.buttons["down"].setVisible(len(self._items) > 1)
            if card.info is None:
                card.title.setText(f"{card.name} {index + 1}")

    def _insert(self, index: int, value: Struct) -> None:
        card = _Item(value, self.label_width)
        card.edited.connect(self._on_item_edited)
        card.action.connect(self._on_item_action)
        self._items.insert(index, card)
        self._stack.insertWidget(index, card)

    def _drop(self, index: int) -> None:
        card = self._items.pop(index)
        self._stack.removeWidget(card)
        card.hide()
        card.deleteLater()

    def set_notes(self, notes: Notes) -> None:
        """Words beneath the fields of the items, by paths such as "0.strength"."""
        for index, card in enumerate(self._items):
            if card.form is not None:
                prefix = f"{index}."
                card.form.set_notes({p[len(prefix) :]: note for p, note in notes.items() if p.startswith(prefix)})

    # -- editing -------------------------------------------------------------------------------------------------------

    def _on_add(self) -> None:
        if self.picker is not None:
            self.picker.open_at(self.add)
        elif self.spec.component_kind:
            self.menu.popup(self.add.mapToGlobal(QPoint(0, self.add.height())))
        elif self.spec.struct is not None:
            value = successor(self.spec.struct, None)
            if value is not None:
                self._change([*self._values, value])

    def _on_chosen(self, entry: Any) -> None:
        self._append(entry.data())

    def _append(self, tag: str) -> None:
        value = successor(components_of(self.spec.component_kind)[tag], None)
        if value is not None:
            self._change([*self._values, value])

    def _on_item_edited(self, value: object, key: str) -> None:
        card = self.sender()
        index = self._items.index(card)  # type: ignore[arg-type]
        self._values[index] = value
        self.edited.emit(tuple(self._values), f"{self.spec.name}[{index}].{key}" if key else "")

    def _on_item_action(self, card: _Item, action: str) -> None:
        index = self._items.index(card)
        values = list(self._values)
        if action == "remove":
            del values[index]
        else:
            other = index + (-1 if action == "up" else 1)
            values[index], values[other] = values[other], values[index]
        self._change(values)

    def _change(self, values: list[Any]) -> None:
        self.set_value(tuple(values))
        self.edited.emit(tuple(values), "")
