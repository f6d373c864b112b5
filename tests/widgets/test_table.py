"""Tables to read: headings over their columns, numbers at the right, nothing to edit."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QTableWidgetItem

from widgets.table import Table


def side(item: QTableWidgetItem | None) -> Qt.AlignmentFlag:
    assert item is not None
    return Qt.AlignmentFlag(item.textAlignment()) & Qt.AlignmentFlag.AlignHorizontal_Mask


def test_numbers_stand_at_the_right_as_their_headings(qtbot: Any) -> None:
    table = Table()
    qtbot.addWidget(table)
    table.fill(("Layer", "Parameters", "Note"), [("dense_1", "1,234", "large"), ("dense_2", "5", "–")])
    assert (table.rowCount(), table.columnCount()) == (2, 3)
    assert [side(table.item(0, column)) for column in range(3)] == [
        Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight, Qt.AlignmentFlag.AlignLeft,
    ]  # fmt: skip
    assert [side(table.horizontalHeaderItem(column)) for column in range(3)] == [
        side(table.item(0, column)) for column in range(3)
    ]
    table.fill(("Layer",), [])
    assert (table.rowCount(), table.columnCount()) == (0, 1)
    assert table.editTriggers() == Table.EditTrigger.NoEditTriggers
