"""A table to read: rows of text that can be selected and copied."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHeaderView, QTableWidget, QTableWidgetItem

from widgets import theme

__all__ = ["Table"]


class Table(QTableWidget):
    """Rows of text that can be selected and copied, nothing more."""

    def __init__(self) -> None:
        super().__init__()
        self.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.setShowGrid(False)
        self.setFrameShape(QTableWidget.Shape.NoFrame)
        self.setWordWrap(False)
        self.setAccessibleName("What was measured")
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(22)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.horizontalHeader().setHighlightSections(False)

    def fill(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show rows; what begins with a digit is aligned to the right."""
        self.setColumnCount(len(header))
        self.setRowCount(len(rows))
        self.setHorizontalHeaderLabels([f" {name} " for name in header])
        for i, row in enumerate(rows):
            for j, text in enumerate(row):
                item = QTableWidgetItem(text)
                words = j == 0 or not text[:1].isdigit()
                side = Qt.AlignmentFlag.AlignLeft if words else Qt.AlignmentFlag.AlignRight
                item.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
                self.setItem(i, j, item)
                if i == 0:  # a heading stands over its column as the column itself
                    heading = QTableWidgetItem(f"{header[j]}    " if words else f"    {header[j]}")
                    heading.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
                    self.setHorizontalHeaderItem(j, heading)
        self.restyle()

    def restyle(self) -> None:
        self.setFont(theme.mono_font(11))
        self.horizontalHeader().setFont(theme.ui_font(11))
