"""A form built from a declaration: a row for each field, forms in forms for nested components, help, errors in words.

    form = Form(Dense)
    form.set_value(Dense(units=64))
    form.valueEdited.connect(...)      # (the whole new value, a key for merging or "")
    form.set_notes({"units": ("error", "expected at least 1, got 0")})

A form changes nothing itself: it shows the value it was given last and tells what the person wants instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QApplication, QFrame, QGridLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from engine.schema import FieldSpec, fields_of
from widgets.fields import ChoiceEditor, Editor, ListEditor, NumberEditor, PathEditor, SwitchEditor, TextEditor
from widgets.fold import Fold
from widgets.help import HelpPopover, component_html, field_html, info_for, tooltip

__all__ = ["LABEL_WIDTH", "FieldRow", "Form", "Severity", "make_editor"]

Severity = Literal["error", "warning", "info"]

LABEL_WIDTH = 112
_ROLES = {"error": "error", "warning": "warn", "info": "hint"}


def make_editor(spec: FieldSpec, label_width: int = LABEL_WIDTH) -> Editor:
    """The editor for a field's kind. `label_width` is that of the form around it, so that nested fields line up."""
    from widgets.nested import ComponentEditor, ListOfComponentsEditor, StructEditor

    editors: dict[str, type[Editor]] = {
        "int": NumberEditor,
        "float": NumberEditor,
        "bool": SwitchEditor,
        "choice": ChoiceEditor,
        "text": TextEditor,
        "path": PathEditor,
        "numbers": ListEditor,
        "strings": ListEditor,
        "component": ComponentEditor,
        "components": ListOfComponentsEditor,
        "struct": StructEditor,
        "structs": ListOfComponentsEditor,
    }
    editor = editors[spec.kind](spec)
    editor.label_width = label_width
    return editor


class _Label(QLabel):
    """A field's name; a click explains the field."""

    clicked = Signal()

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.setProperty("role", "dim")
        self.setWordWrap(True)
        self.setCursor(Qt.CursorShape.WhatsThisCursor)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self.clicked.emit()


class FieldRow(QWidget):
    """A field's name, its editor, words beneath it, and, for nested components, a form below."""

    edited = Signal(str, object, str)
    """The field's name, its new value, and the key for merging."""
    helpRequested = Signal(object)

    def __init__(self, spec: FieldSpec, label_width: int) -> None:
        super().__init__()
        self.spec = spec
        self.editor = make_editor(spec, label_width)
        self.label = _Label(spec.label)
        self.label.setFixedWidth(label_width)
        self.label.setMinimumHeight(27)
        self.label.setBuddy(self.editor)
        self.label.setToolTip(tooltip(spec))
        self.label.clicked.connect(self._on_help)
        self.editor.setToolTip(tooltip(spec))
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.note.hide()
        self._problem = ""
        self._outside: tuple[Severity, str] | None = None
        self.editor.problem.connect(self._on_problem)
        self.editor.edited.connect(self._on_edited)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(0)
        grid.setVerticalSpacing(3)
        grid.setColumnStretch(1, 1)
        below = getattr(self.editor, "below", None)
        wide = getattr(self.editor, "wide", False)
        top = Qt.AlignmentFlag.AlignTop
        if wide:
            self.label.setProperty("role", "section")
            self.label.setFixedWidth(LABEL_WIDTH * 2)
        grid.addWidget(self.label, 0, 0, top)
        if wide:
            grid.addWidget(self.editor, 1, 0, 1, 2)
        else:
            grid.addWidget(self.editor, 0, 1, top)
        grid.addWidget(self.note, 2, 0 if wide else 1, 1, 2 if wide else 1)
        if below is not None:
            grid.addWidget(below, 3, 0, 1, 2)

    def set_note(self, severity: Severity | None, text: str = "") -> None:
        """Words beneath the field from elsewhere: a diagnostic, a remark. None takes them away."""
        self._outside = (severity, text) if severity and text else None
        self._show_note()

    def _on_edited(self, value: object, key: str) -> None:
        self.edited.emit(self.spec.name, value, key)

    def _on_problem(self, words: str) -> None:
        self._problem = words
        self._show_note()

    def _show_note(self) -> None:
        severity, text = ("error", self._problem) if self._problem else (self._outside or (None, ""))
        self.note.setVisible(bool(text))
        if severity is None:
            return
        start = text[0].upper() if text[0].isascii() else text[0]
        self.note.setText(start + text[1:] + ("" if text[-1:] in ".!?" else "."))
        if self.note.property("role") != _ROLES[severity]:
            self.note.setProperty("role", _ROLES[severity])
            self.note.style().unpolish(self.note)
            self.note.style().polish(self.note)

    def _on_help(self) -> None:
        self.helpRequested.emit(self)


class Form(QWidget):
    """See the module. `hidden` names fields that have no row; `sections` puts a long form in order: a heading
    (or "" for a mere line) with the names of the fields beneath it, section by section."""

    valueEdited = Signal(object, str)

    def __init__(
        self,
        cls: type[Struct],
        parent: QWidget | None = None,
        *,
        hidden: frozenset[str] = frozenset(),
        label_width: int = LABEL_WIDTH,
        sections: Sequence[tuple[str, tuple[str, ...]]] = (),
    ) -> None:
        super().__init__(parent)
        self.cls = cls
        self._value: Struct | None = None
        self.rows: dict[str, FieldRow] = {}
        self._popover: HelpPopover | None = None
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(6)
        self.folds: list[Fold] = []
        """Where the advanced fields are: one for each section that has any."""
        specs = {spec.name: spec for spec in fields_of(cls) if spec.name not in hidden}
        named = {name for _, names in sections for name in names}
        rest = tuple(name for name in specs if name not in named)
        if not sections:
            self._add_fields([specs[name] for name in rest], label_width)
        for place, (title, names) in enumerate(sections):
            if title or place:
                self._add_heading(title)
            # A field that no section names stands in the last one.
            names = (*names, *rest) if place == len(sections) - 1 else names
            self._add_fields([specs[name] for name in names if name in specs], label_width)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)

    def _add_heading(self, title: str) -> None:
        rule = QFrame()
        rule.setProperty("role", "line")
        rule.setFixedHeight(1)
        self._layout.addSpacing(4)
        self._layout.addWidget(rule)
        self._layout.addSpacing(4)
        if title:
            heading = QLabel(title)
            heading.setProperty("role", "title")
            self._layout.addWidget(heading)

    def _add_fields(self, specs: list[FieldSpec], label_width: int) -> None:
        fold = Fold("Advanced") if any(spec.advanced for spec in specs) else None
        for spec in specs:
            row = FieldRow(spec, label_width)
            self.rows[spec.name] = row
            row.edited.connect(self._on_field)
            row.helpRequested.connect(self.show_help)
            (fold.body if spec.advanced and fold is not None else self._layout).addWidget(row)
        if fold is not None:
            self.folds.append(fold)
            self._layout.addWidget(fold)

    def _fold_of(self, name: str) -> Fold | None:
        """Where a field is folded away."""
        return next((fold for fold in self.folds if fold.isAncestorOf(self.rows[name])), None)

    def insert_below(self, name: str, widget: QWidget) -> None:
        """Put a widget beneath the row of a field."""
        fold = self._fold_of(name)
        layout = fold.body if fold is not None else self._layout
        layout.insertWidget(layout.indexOf(self.rows[name]) + 1, widget)

    # -- the value -----------------------------------------------------------------------------------------------------

    @property
    def value(self) -> Struct | None:
        """What is shown."""
        return self._value

    def set_value(self, value: Struct) -> None:
        """Show a value of the form's class. Emits nothing. Raises TypeError for another class."""
        if type(value) is not self.cls:
            raise TypeError(f"this form is for {self.cls.__name__}, not for {type(value).__name__}")
        before = self._value
        if value is before:
            return
        self._value = value
        for name, row in self.rows.items():
            item = getattr(value, name)
            if before is None or getattr(before, name) is not item:
                row.editor.set_value(item)
        self._count_set()

    def _on_field(self, name: str, item: Any, key: str) -> None:
        if self._value is None:
            return
        value = msgspec.structs.replace(self._value, **{name: item})
        self._value = value
        self._count_set()
        self.valueEdited.emit(value, key)

    def set_notes(self, notes: dict[str, tuple[Severity, str]]) -> None:
        """Words beneath fields, by the field's name or path ("optimizer.learning_rate" goes to the nested field);
        fields that are not named lose theirs."""
        for name, row in self.rows.items():
            row.set_note(*notes.get(name, (None, "")))
            inner = getattr(row.editor, "set_notes", None)
            if inner is not None:
                prefix = f"{name}."
                inner({path[len(prefix) :]: note for path, note in notes.items() if path.startswith(prefix)})
        for path in notes:
            fold = self._fold_of(path.split(".")[0]) if path.split(".")[0] in self.rows else None
            if fold is not None:
                fold.open()

    def reveal(self, name: str) -> FieldRow:
        """The row of a field, unfolded where it was folded away. Raises KeyError for a name that there is not."""
        row, fold = self.rows[name], self._fold_of(name)
        if fold is not None:
            fold.open()
        return row

    def _count_set(self) -> None:
        """Beside each fold how many of its fields are not as they are by default: nobody has to look for them."""
        for fold in self.folds:
            inside = [row.spec for row in self.rows.values() if fold.isAncestorOf(row)]
            count = sum(not spec.required and getattr(self._value, spec.name) != spec.default for spec in inside)
            fold.say(f"{count} set" if count else "")

    # -- help ----------------------------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """F1 explains the field that has the focus."""
        if event.key() == Qt.Key.Key_F1:
            focus = QApplication.focusWidget()
            for row in self.rows.values():
                if focus is not None and (focus is row or row.isAncestorOf(focus)):
                    self.show_help(row)
                    return
        super().keyPressEvent(event)

    def show_help(self, row: FieldRow) -> HelpPopover:
        """Open the help of a field."""
        text = field_html(row.spec, info_for(self.cls))
        nested = getattr(row.editor, "current_info", None)
        if callable(nested) and nested() is not None:
            text += "<hr>" + component_html(nested())
        if self._popover is None:
            self._popover = HelpPopover(self)
        self._popover.show_at(row.label, text)
        return self._popover
