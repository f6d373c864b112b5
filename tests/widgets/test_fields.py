"""Editors of texts, paths and lists."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog

from engine.schema import FieldSpec
from widgets.fields import ListEditor, PathEditor, TextEditor

NUMBERS = FieldSpec("size", "numbers", "Size", "Pixels.", (3, 3), minimum=1, maximum=9, length=2, integer=True)
WORDS = FieldSpec("columns", "strings", "Columns", "Names.", ())
TEXT = FieldSpec("target", "text", "Target", "A column.", "")
FILE = FieldSpec("path", "path", "File", "A file.", "")
FOLDER = FieldSpec("path", "path", "Folder", "A folder.", "")


@pytest.fixture
def shown(qtbot):
    def make(cls, spec, value):
        editor = cls(spec)
        qtbot.addWidget(editor)
        editor.set_value(value)
        editor.show()
        editor.activateWindow()
        qtbot.waitUntil(editor.isActiveWindow)
        edits, problems = [], []
        editor.edited.connect(lambda item, key: edits.append((item, key)))
        editor.problem.connect(problems.append)
        editor.entry.setFocus()
        return editor, edits, problems

    return make


def retype(entry, text, then=Qt.Key.Key_Return):
    entry.selectAll()
    QTest.keyClicks(entry, text)
    QTest.keyClick(entry, then)


def test_text_counts_on_return_and_escape_reverts(shown):
    editor, edits, _ = shown(TextEditor, TEXT, "price")
    retype(editor.entry, "weight", Qt.Key.Key_Escape)
    assert editor.entry.text() == "price" and edits == []
    retype(editor.entry, "weight")
    assert edits == [("weight", "")]


def test_a_text_from_elsewhere_does_not_disturb_typing(shown):
    editor, edits, _ = shown(TextEditor, TEXT, "price")
    QTest.keyClicks(editor.entry, "s")
    editor.set_value("price")
    assert editor.entry.text() != "price"
    assert edits == []


@pytest.mark.parametrize(("text", "value"), [("5, 7", (5, 7)), ("5 7", (5, 7)), ("5;7", (5, 7))])
def test_lists_of_numbers(shown, text, value):
    editor, edits, _ = shown(ListEditor, NUMBERS, (3, 3))
    assert editor.entry.text() == "3, 3"
    retype(editor.entry, text)
    assert edits == [(value, "")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("5", "expected 2 values, got 1"),
        ("5, x", "expected whole numbers separated by commas, got “x”"),
        ("5, 99", "expected at least 1 and at most 9, got 99"),
    ],
)
def test_wrong_lists_are_refused_in_words(shown, text, words):
    editor, edits, problems = shown(ListEditor, NUMBERS, (3, 3))
    retype(editor.entry, text)
    assert edits == []
    assert problems[-1] == words


def test_lists_of_words(shown):
    editor, edits, _ = shown(ListEditor, WORDS, ("a", "b"))
    assert editor.entry.text() == "a, b"
    retype(editor.entry, "height of tree, age")
    assert edits == [(("height of tree", "age"), "")]
    retype(editor.entry, " ")
    assert edits[-1] == ((), "")


def test_browsing_asks_for_a_file_or_a_folder(shown, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("/data/a.csv", ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: "/data")
    editor, edits, _ = shown(PathEditor, FILE, "")
    QTest.mouseClick(editor.browse, Qt.MouseButton.LeftButton)
    assert edits == [("/data/a.csv", "")] and editor.entry.text() == "/data/a.csv"
    editor, edits, _ = shown(PathEditor, FOLDER, "")
    QTest.mouseClick(editor.browse, Qt.MouseButton.LeftButton)
    assert edits == [("/data", "")]


def test_a_cancelled_dialog_changes_nothing(shown, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("", ""))
    editor, edits, _ = shown(PathEditor, FILE, "old.csv")
    QTest.mouseClick(editor.browse, Qt.MouseButton.LeftButton)
    assert edits == [] and editor.entry.text() == "old.csv"
