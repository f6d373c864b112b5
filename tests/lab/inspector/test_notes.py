"""Name and notes."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from lab.inspector import NotesInspector


@pytest.fixture
def inspector(document, shown):
    return shown(NotesInspector(document))


def test_typing_is_one_step_that_undo_takes_back(inspector, document):
    before = document.experiment
    inspector.notes.setFocus()
    inspector.notes.selectAll()
    QTest.keyClicks(inspector.notes, "tried 0.1")
    assert document.experiment.notes == "tried 0.1"
    document.undo()
    assert document.experiment == before
    assert inspector.notes.toPlainText() == before.notes
    document.redo()
    assert inspector.notes.toPlainText() == "tried 0.1"


def test_typing_in_the_middle_keeps_the_cursor(inspector, document):
    inspector.notes.setPlainText("ab")
    inspector.notes.setFocus()
    QTest.keyClick(inspector.notes, Qt.Key.Key_End)
    QTest.keyClick(inspector.notes, Qt.Key.Key_Left)
    QTest.keyClicks(inspector.notes, "xy")
    assert document.experiment.notes == "axyb"


def test_a_name_is_kept_when_it_would_be_empty(inspector, document):
    inspector.name.setFocus()
    inspector.name.selectAll()
    QTest.keyClicks(inspector.name, "my first")
    QTest.keyClick(inspector.name, Qt.Key.Key_Return)
    assert document.experiment.name == "my first"
    inspector.name.selectAll()
    QTest.keyClick(inspector.name, Qt.Key.Key_Delete)
    QTest.keyClick(inspector.name, Qt.Key.Key_Return)
    assert document.experiment.name == "my first" == inspector.name.text()


def test_the_texts_own_undo_leaves_the_key_to_the_document(inspector):
    assert not inspector.notes.isUndoRedoEnabled()
