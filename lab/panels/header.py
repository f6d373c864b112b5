"""A panel's header: its title, a notice that can be pressed, a caption that gives way, and tools under the mouse."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QFont, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QSizePolicy, QToolButton, QWidget

from widgets import theme
from widgets.steady import SteadyLabel

__all__ = ["Caption", "Chip", "PanelHeader", "Title", "look_words"]

EXPORTS = (("png", "PNG image…"), ("svg", "SVG drawing…"), ("csv", "CSV table…"))
"""Suffix and label of what a panel can be exported as."""

SHORTER = (("nearest kept:", "nearest:"), ("step ", ""), ("nearest:", "near"))
"""Words of captions that give way one after another, and what takes their place."""


def look_words(epoch: int, epochs: int | None) -> tuple[str, ...]:
    """That panels look back at an epoch, in ever fewer words."""
    whole = f"looking back: epoch {epoch} of {epochs}" if epochs else f"looking back: epoch {epoch}"
    return f"{whole} (click to return to now)", whole, f"looking back: epoch {epoch}", f"epoch {epoch}"


class Title(QLabel):
    """The panel's name; a double click asks for all the room."""

    doubleClicked = Signal()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.doubleClicked.emit()
        event.accept()


class Chip(QLabel):
    """A short notice in a frame that can be pressed."""

    pressed = Signal()

    def say(self, texts: tuple[str, ...], room: int) -> None:
        """Show the first text that fits into `room` pixels, or the last; the first is always in the tip."""
        frame = 12  # border and padding, as the style sheet has them
        wide = self.fontMetrics().horizontalAdvance
        self.setText(next((text for text in texts if wide(text) + frame <= room), texts[-1]))
        self.setToolTip(texts[0])

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.pressed.emit()
        event.accept()


class Caption(SteadyLabel):
    """A text that gives way, so that it never widens the panel: where there is no room its last parts (between dots)
    are left out, then the words about its number."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__("", parent, gives_way=True)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def wanted(self) -> QSize:
        """No width of its own, whatever the text: it takes what is left."""
        return QSize(0, super().wanted().height())

    def fitting(self, room: int) -> str:
        """As much of the text as fits into `room` pixels; where not even its number does, nothing, since a number cut
        short is another one."""
        parts = self.text().split(" · ")
        texts = [" · ".join(parts[:count]) for count in range(len(parts), 0, -1)]
        for long, short in SHORTER:
            texts.append(texts[-1].replace(long, short))
        spare = "" if texts[-1][-1:].isdigit() else texts[-1]
        # Asked of the eliding itself, which does not round: a text of exactly its advance may be cut.
        cut, right = self.fontMetrics().elidedText, Qt.TextElideMode.ElideRight
        return next((text for text in texts if cut(text, right, room) == text), spare)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        text = self.fontMetrics().elidedText(self.fitting(self.width()), Qt.TextElideMode.ElideRight, self.width())
        painter.setPen(theme.color("text_dim"))
        painter.setFont(self.font())
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
        painter.end()


class PanelHeader(QWidget):
    """The line over a panel. Its `tools` lie over the whole panel's right upper corner, and the panel says when."""

    maximizeRequested = Signal()
    returnRequested = Signal()
    """The notice that the panel looks back was pressed."""
    exportRequested = Signal(str)
    """Carries the suffix of what to write, without the point."""

    def __init__(self, title: str, menu: QMenu, panel: QWidget) -> None:
        super().__init__(panel)
        self._name, self._menu, self._panel = title, menu, panel
        row = self._row = QHBoxLayout(self)
        row.setContentsMargins(12, 8, 12, 2)
        row.setSpacing(8)
        self.title = Title(title, self)
        self.title.setToolTip("Double-click: give this panel all the room, and back")
        self.title.doubleClicked.connect(self.maximizeRequested)
        self.look = Chip(self)
        self.look.pressed.connect(self.returnRequested)
        self.look.hide()
        self.back = Chip(self)
        self.back.say(("back to the network (Esc)",), 10_000)
        self.back.setToolTip("Take the room back from this panel, and show everything else again")
        self.back.pressed.connect(self.maximizeRequested)
        self.back.hide()
        self.caption = Caption(self)
        row.addWidget(self.title)
        row.addWidget(self.back)
        row.addWidget(self.look)
        row.addWidget(self.caption, 1)
        self._build_tools()

    def _build_tools(self) -> None:
        self.tools = QWidget(self._panel)
        row = QHBoxLayout(self.tools)
        row.setContentsMargins(4, 2, 4, 2)
        row.setSpacing(2)
        self._buttons: list[tuple[QToolButton, str]] = []
        self._options = self._tool(row, "settings", "View options")
        self._options.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._options.setMenu(self._menu)
        self.export_menu = QMenu(self._panel)
        for suffix, label in EXPORTS:
            self.export_menu.addAction(label).setData(suffix)
        self.export_menu.triggered.connect(self._on_export)
        button = self._tool(row, "export", "Export this panel")
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        button.setMenu(self.export_menu)
        self._tool(row, "maximize", "Give this panel all the room").clicked.connect(self.maximizeRequested)
        self.tools.hide()

    def _tool(self, row: QHBoxLayout, icon: str, tip: str) -> QToolButton:
        button = QToolButton(self.tools)
        button.setToolTip(tip)
        button.setAccessibleName(f"{self._name}: {tip}")
        button.setAutoRaise(True)
        button.setIconSize(QSize(14, 14))
        row.addWidget(button)
        self._buttons.append((button, icon))
        return button

    def _on_export(self, action: QAction) -> None:
        self.exportRequested.emit(action.data())

    # -- what it says --------------------------------------------------------------------------------------------------

    def say(self, caption: str) -> None:
        """Show another caption."""
        self.caption.setText(caption)
        self.caption.setToolTip(caption)

    def show_look(self, texts: tuple[str, ...]) -> None:
        """Say in the first of `texts` that fits that the panel looks back; without any, that it does not."""
        self.look.setVisible(bool(texts))
        if texts:
            self.look.say(texts, self._room_to_look())

    def _room_to_look(self) -> int:
        """The width that title and caption leave."""
        back = 0 if self.back.isHidden() else self.back.sizeHint().width() + self._row.spacing()
        taken = back + self.title.sizeHint().width() + self.caption.fontMetrics().horizontalAdvance(self.caption.text())
        margins = self._row.contentsMargins()
        # The panel's width: while it is being resized, this one's may still be the old one.
        return self._panel.width() - taken - margins.left() - margins.right() - 3 * self._row.spacing()

    def restyle(self) -> None:
        """Take the fonts and colours of the current theme."""
        now = theme.current()
        self.title.setFont(theme.ui_font(13, QFont.Weight.DemiBold))
        self.title.setStyleSheet(f"color: {now.text}")
        self.caption.setFont(theme.mono_font(11))
        self.look.setFont(theme.mono_font(11))
        self.look.setStyleSheet(f"color: {now.warn}; border: 1px solid {now.warn}; border-radius: 4px; padding: 0 4px;")
        self.back.setFont(theme.ui_font(11))
        self.back.setStyleSheet(
            f"color: {now.accent}; border: 1px solid {now.accent}; border-radius: 4px; padding: 0 4px;"
        )
        self.tools.setStyleSheet(f"background: {now.panel}")
        for button, icon in self._buttons:
            button.setIcon(theme.icon(icon, "text_dim"))

    # -- the tools -----------------------------------------------------------------------------------------------------

    def hide_empty_menu(self) -> None:
        """Leave the button of the options out where there are none; once the panel has added its own."""
        self._options.setVisible(bool(self._menu.actions()))

    def show_tools(self) -> None:
        """Show the tools, over everything else in the panel."""
        self.tools.adjustSize()
        self.place_tools()
        self.tools.show()
        self.tools.raise_()

    def hide_tools(self) -> None:
        self.tools.hide()

    def place_tools(self) -> None:
        """Bring the tools to the panel's present right end."""
        self.tools.move(self._panel.width() - self.tools.width() - 6, 4)
