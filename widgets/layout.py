"""Small pieces that side panels are made of: sections with a title and a figure, facts, cards with a remedy."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from widgets.elided import ElidedLabel
from widgets.form import LABEL_WIDTH
from widgets.steady import SteadyLabel

__all__ = ["Card", "Facts", "Section", "SidePanel", "label", "line", "set_role", "titled"]


def titled(rows: Sequence[tuple[str, QWidget]]) -> QGridLayout:
    """Widgets below one another, each with its title at the left, in the columns of a form."""
    grid = QGridLayout()
    grid.setHorizontalSpacing(0)
    grid.setVerticalSpacing(6)
    grid.setColumnMinimumWidth(0, LABEL_WIDTH)
    grid.setColumnStretch(1, 1)
    for row, (text, widget) in enumerate(rows):
        title = label(text, "dim")
        title.setBuddy(widget)
        grid.addWidget(title, row, 0)
        grid.addWidget(widget, row, 1)
    return grid


def label(text: str = "", role: str = "", *, wrap: bool = False) -> QLabel:
    """A label in one of the roles of the style sheet."""
    result = QLabel(text)
    if role:
        result.setProperty("role", role)
    result.setWordWrap(wrap)
    return result


def set_role(widget: QWidget, role: str, name: str = "role") -> None:
    """Give a widget another role, and have the style sheet notice."""
    if widget.property(name) != role:
        widget.setProperty(name, role)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def line() -> QFrame:
    """A faint line across."""
    result = QFrame()
    result.setProperty("role", "line")
    result.setFixedHeight(1)
    return result


class Section(QWidget):
    """A title at the left, a figure at the right, contents beneath, and a line above all."""

    def __init__(self, title: str, figure: str = "", *, ruled: bool = True) -> None:
        super().__init__()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(8)
        if ruled:
            outer.addWidget(line())
        head = QHBoxLayout()
        head.setContentsMargins(14, 6 if ruled else 10, 14, 0)
        self.title = ElidedLabel(title, "title", least=120)
        self.figure = ElidedLabel(figure, "mono")
        self.figure.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        head.addWidget(self.title)
        head.addStretch(1)
        head.addWidget(self.figure)
        self.head = head
        outer.addLayout(head)
        self.body = QVBoxLayout()
        self.body.setContentsMargins(14, 0, 14, 10)
        self.body.setSpacing(6)
        outer.addLayout(self.body)


class Facts(QWidget):
    """Names and values, one pair to a line. `steady`: values of one line that change many times a second and move
    nothing."""

    def __init__(self, *, steady: bool = False) -> None:
        super().__init__()
        self._steady = steady
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(0)
        self._grid.setVerticalSpacing(5)
        self._grid.setColumnMinimumWidth(0, LABEL_WIDTH)
        self._grid.setColumnStretch(1, 1)
        self._rows: list[tuple[QLabel, QLabel]] = []

    def set_facts(self, facts: Sequence[tuple[str, str]]) -> None:
        """Show these pairs."""
        while len(self._rows) < len(facts):
            name, value = label("", "dim"), self._value()
            index = len(self._rows)
            self._grid.addWidget(name, index, 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(value, index, 1)
            self._rows.append((name, value))
        for index, (name, value) in enumerate(self._rows):
            shown = index < len(facts)
            name.setVisible(shown)
            value.setVisible(shown)
            if shown:
                name.setText(facts[index][0])
                value.setText(facts[index][1])
        self.setVisible(bool(facts))

    def _value(self) -> QLabel:
        if self._steady:
            steady = SteadyLabel(gives_way=True)
            steady.setProperty("role", "value")
            return steady
        value = label("", "value", wrap=True)
        value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        return value

    def texts(self) -> list[tuple[str, str]]:
        """What is shown."""
        return [(name.text(), value.text()) for name, value in self._rows if not value.isHidden()]


class Card(QFrame):
    """A finding: a title, words, and a button that mends it. `severity` is "error", "warning", "info" or "good"."""

    pressed = Signal()

    def __init__(self, severity: str, title: str, text: str, button: str = "") -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.setProperty("severity", severity)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 9, 10, 9)
        column.setSpacing(5)
        if title:
            column.addWidget(label(title, "title", wrap=True))
        words = label(text, "dim", wrap=True)
        words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        column.addWidget(words)
        self.button: QPushButton | None = None
        if button:
            self.button = QPushButton(button)
            self.button.setProperty("kind", "accent")
            self.button.clicked.connect(self.pressed)
            column.addWidget(self.button, 0, Qt.AlignmentFlag.AlignLeft)
        self.setAccessibleName(f"{severity}: {title or text}")


class SidePanel(QScrollArea):
    """A column of sections that scrolls when it is too long, and never sideways."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        content = QWidget()
        content.setObjectName("scrolled")
        self.column = QVBoxLayout(content)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(6)
        self.column.addStretch(1)
        self.setWidget(content)

    def add(self, widget: QWidget) -> None:
        """Add a widget at the end."""
        self.column.insertWidget(self.column.count() - 1, widget)
