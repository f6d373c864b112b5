"""The experiment's name and the notes beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QPlainTextEdit, QVBoxLayout, QWidget

from engine.experiment import Experiment
from widgets.fields import Entry
from widgets.layout import label
from widgets.number import is_undo

if TYPE_CHECKING:
    from lab.document import Document

__all__ = ["NotesInspector"]


class NotesEdit(QPlainTextEdit):
    """A text whose undo is the document's."""

    def __init__(self) -> None:
        super().__init__()
        self.setUndoRedoEnabled(False)
        self.setTabChangesFocus(True)
        self.setAccessibleName("Notes")
        self.setPlaceholderText("What this experiment is for, what was tried, what came of it. Saved in the file.")

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and is_undo(event):
            event.ignore()
            return False
        return super().event(event)


class NotesInspector(QWidget):
    """Edits `experiment.name` and `experiment.notes`. Typing without a pause is one undo step."""

    def __init__(self, document: Document, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.document = document
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 10, 14, 14)
        column.setSpacing(6)
        column.addWidget(label("Name", "section"))
        self.name = Entry()
        self.name.setAccessibleName("Name of the experiment")
        self.name.committed.connect(self._on_name)
        column.addWidget(self.name)
        column.addSpacing(6)
        column.addWidget(label("Notes", "section"))
        self.notes = NotesEdit()
        self.notes.textChanged.connect(self._on_notes)
        column.addWidget(self.notes, 1)
        document.changed.connect(self._on_changed)
        self._show(document.experiment)

    def _on_changed(self, before: Experiment, after: Experiment) -> None:
        if before.name != after.name or before.notes != after.notes:
            self._show(after)

    def _show(self, experiment: Experiment) -> None:
        self.name.keep(experiment.name)
        if self.notes.toPlainText() != experiment.notes:
            self.notes.blockSignals(True)
            self.notes.setPlainText(experiment.notes)
            self.notes.blockSignals(False)

    def _on_name(self, text: str) -> None:
        name = text.strip() or self.document.experiment.name
        self.name.setText(name)
        self.name.keep(name)
        self.document.apply("Change name", replace(self.document.experiment, name=name))

    def _on_notes(self) -> None:
        text = self.notes.toPlainText()
        if text != self.document.experiment.notes:
            self.document.apply("Edit notes", replace(self.document.experiment, notes=text), "notes")
