"""The editors of a form, one for each kind of field: all have `set_value`, and signals `edited(value, key)` and
`problem(words)`. `key` is "" for an edit that stands alone, else the path of the number that is being dragged."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import (
    QComboBox,
    QCompleter,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from engine.schema import FieldSpec, SchemaError, parse_field
from widgets import theme
from widgets.number import NumberField, is_undo
from widgets.switch import Switch
from widgets.text import full

__all__ = ["ChoiceEditor", "Combo", "Editor", "ListEditor", "NumberEditor", "PathEditor", "SwitchEditor", "TextEditor"]


class Editor(QWidget):
    """Base of the editors."""

    edited = Signal(object, str)
    problem = Signal(str)
    label_width = 112
    """How wide the label beside it is: forms inside line their fields up with it."""

    def __init__(self, spec: FieldSpec, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.spec = spec
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(4)

    def _adopt(self, widget: QWidget) -> None:
        """Put the widget in that does the work, reachable and named."""
        self._row.addWidget(widget, 1)
        self.setFocusProxy(widget)
        widget.setAccessibleName(self.spec.label)
        widget.setAccessibleDescription(" ".join(part for part in (self.spec.help, self.spec.bounds_text()) if part))

    def set_value(self, value: Any) -> None:
        """Show a value; emits nothing."""
        raise NotImplementedError


class NumberEditor(Editor):
    """A number."""

    def __init__(self, spec: FieldSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        self.number = NumberField(spec)
        self._adopt(self.number)
        self.number.edited.connect(self._on_edited)
        self.number.problem.connect(self.problem)

    def set_value(self, value: int | float) -> None:
        self.number.set_value(value)

    def _on_edited(self, value: int | float, merging: bool) -> None:
        self.edited.emit(value, self.spec.name if merging else "")


class SwitchEditor(Editor):
    """Yes or no."""

    def __init__(self, spec: FieldSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        self.switch = Switch()
        self._adopt(self.switch)
        self._row.addStretch(3)
        self.switch.clicked.connect(self._on_clicked)

    def set_value(self, value: bool) -> None:
        self.switch.setChecked(value)

    def _on_clicked(self, on: bool) -> None:
        self.edited.emit(on, "")


class Combo(QComboBox):
    """A combo box that the wheel changes only while it has the focus, and that gives way in a narrow panel."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFont(theme.mono_font())
        self.setMinimumHeight(27)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(4)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class ChoiceEditor(Editor):
    """One of a few values."""

    def __init__(self, spec: FieldSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        self.combo = Combo()
        for choice in spec.choices:
            self.combo.addItem(str(choice).replace("_", " "), choice)
        self._adopt(self.combo)
        self.combo.activated.connect(self._on_activated)

    def set_value(self, value: Any) -> None:
        self.combo.setCurrentIndex(self.spec.choices.index(value) if value in self.spec.choices else -1)

    def _on_activated(self, index: int) -> None:
        self.edited.emit(self.spec.choices[index], "")


class Entry(QLineEdit):
    """A line of text that counts when Return is pressed or the field is left; Escape puts the old text back."""

    committed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._kept = ""
        self._suggested: tuple[str, ...] = ()
        self.setMinimumHeight(27)

    def keep(self, text: str) -> None:
        """Show a text that was changed elsewhere."""
        if self.text() == self._kept or not self.hasFocus():
            self.setText(text)
            self.setCursorPosition(0)
        self._kept = text

    def suggest(self, texts: tuple[str, ...]) -> None:
        """Offer texts to choose from while typing, with the key Down, and at a click into the empty field."""
        if texts == self._suggested:
            return
        self._suggested = texts
        completer = QCompleter(list(texts), self) if texts else None
        if completer is not None:
            completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
            completer.setFilterMode(Qt.MatchFlag.MatchContains)
            completer.activated.connect(self._on_suggestion)
        self.setCompleter(completer)  # type: ignore[arg-type]

    def _on_suggestion(self, text: str) -> None:
        self.setText(text)
        self._commit()

    def _open_suggestions(self) -> None:
        completer = self.completer()
        if completer is not None:
            completer.setCompletionPrefix(self.text())
            completer.complete()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        if not self.text():
            self._open_suggestions()

    def revert(self) -> None:
        """Put the last text that counted back."""
        self.setText(self._kept)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and self.text() == self._kept and is_undo(event):
            event.ignore()
            return False
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.text() != self._kept:
            self.revert()
            self.textEdited.emit(self._kept)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._commit()
            event.accept()
        elif event.key() == Qt.Key.Key_Down:
            self._open_suggestions()
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        if event.reason() != Qt.FocusReason.PopupFocusReason:
            self._commit()
        super().focusOutEvent(event)

    def _commit(self) -> None:
        if self.text() != self._kept:
            self.committed.emit(self.text())


class TextEditor(Editor):
    """A line of text."""

    def __init__(self, spec: FieldSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        self.entry = Entry()
        self._adopt(self.entry)
        self.entry.committed.connect(self._on_committed)

    def set_value(self, value: str) -> None:
        self.entry.keep(value)

    def _on_committed(self, text: str) -> None:
        self.entry.keep(text)
        self.edited.emit(text, "")


class PathEditor(TextEditor):
    """The path of a file or a folder, typed or browsed for."""

    def __init__(self, spec: FieldSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        self.browse = QToolButton()
        self.browse.setText("…")
        self.browse.setMinimumSize(27, 27)
        self.browse.setToolTip(f"Choose a {'folder' if self.wants_folder else 'file'}")
        self.browse.setAccessibleName(f"Choose: {spec.label}")
        self.browse.clicked.connect(self._on_browse)
        self._row.addWidget(self.browse)

    @property
    def wants_folder(self) -> bool:
        """Whether the field is for a folder: its name says so."""
        return any(word in f"{self.spec.name} {self.spec.label}".lower() for word in ("folder", "directory"))

    def _on_browse(self) -> None:
        start = self.entry.text()
        if self.wants_folder:
            path = QFileDialog.getExistingDirectory(self, self.spec.label, start)
        else:
            path, _ = QFileDialog.getOpenFileName(self, self.spec.label, start)
        if path:
            self.entry.keep(path)
            self.edited.emit(path, "")


class ListEditor(Editor):
    """Several numbers or words, separated by commas."""

    def __init__(self, spec: FieldSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        self.entry = Entry()
        self.entry.setFont(theme.mono_font())
        if spec.kind == "strings":
            self.entry.setPlaceholderText("separated by commas")
        self._adopt(self.entry)
        self.entry.committed.connect(self._on_committed)
        self.entry.textEdited.connect(self._on_typed)

    def set_value(self, value: tuple[Any, ...]) -> None:
        self.entry.keep(", ".join(item if isinstance(item, str) else self._number(item) for item in value))

    def _number(self, value: float) -> str:
        return str(int(value)) if self.spec.integer else full(float(value))

    def _parse(self, text: str) -> tuple[Any, ...]:
        parts = [part.strip() for part in text.replace(";", ",").split(",") if part.strip()]
        if self.spec.kind == "strings":
            return parse_field(self.spec, parts)
        if len(parts) == 1:
            parts = parts[0].split()
        values: list[float] = []
        for part in parts:
            try:
                values.append(int(part) if self.spec.integer else float(part))
            except ValueError:
                what = "whole numbers" if self.spec.integer else "numbers"
                raise SchemaError(self.spec.name, f"expected {what} separated by commas, got “{part}”") from None
        return parse_field(self.spec, values)

    def _on_typed(self, text: str) -> None:
        try:
            self._parse(text)
        except SchemaError as error:
            self.problem.emit(str(error.message))
        else:
            self.problem.emit("")

    def _on_committed(self, text: str) -> None:
        try:
            value = self._parse(text)
        except SchemaError as error:
            if self.entry.hasFocus():
                self.problem.emit(error.message)
            else:
                self.entry.revert()
                self.problem.emit(f"{error.message}; the old value was kept")
            return
        self.problem.emit("")
        self.entry.keep(text)
        self.set_value(value)
        self.edited.emit(value, "")
