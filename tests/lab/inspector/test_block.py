"""The group of the selected layer: its number and name by hand, and the way out."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from engine import block_edits
from lab.document import Document, Selection
from lab.inspector.layer import LayerInspector
from tests.support.examples import blobs


@pytest.fixture
def inspector(qtbot):
    document = Document(block_edits.group(blobs(), ["relu_1"], 2))
    selection = Selection(document)
    inspector = LayerInspector(document, selection)
    qtbot.addWidget(inspector)
    inspector.resize(320, 900)
    inspector.show()
    selection.set(["relu_1"])
    yield inspector
    document.close()


def blocks(inspector):
    return inspector.document.experiment.network.blocks


def test_only_layers_of_a_group_have_the_section(inspector):
    assert inspector.block.isVisible() and inspector.block.figure.text() == "1 layer"
    inspector.selection.set(["dense_1"])
    assert not inspector.block.isVisible()
    inspector.selection.set(["dense_1", "relu_1"])
    assert not inspector.block.isVisible()


def test_the_number_is_typed(inspector):
    field = inspector.block.times.number
    field.setFocus()
    QTest.keyClick(field, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClicks(field, "7")
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert blocks(inspector)[0].repeat == 7
    assert inspector.document.undo_label == "Repeat ×7"


def test_a_name_and_the_way_out(inspector):
    QTest.keyClicks(inspector.block.name, "Tower")
    QTest.keyClick(inspector.block.name, Qt.Key.Key_Return)
    assert blocks(inspector)[0].title == "Tower"
    QTest.mouseClick(inspector.block.unroll, Qt.MouseButton.LeftButton)
    assert not blocks(inspector) and len(inspector.document.experiment.network.nodes) == 6
    inspector.document.undo()
    QTest.mouseClick(inspector.block.ungroup, Qt.MouseButton.LeftButton)
    assert not blocks(inspector) and len(inspector.document.experiment.network.nodes) == 5
