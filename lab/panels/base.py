"""What every live panel has: a header, an empty state in words, a throttle, and export of what is shown.

A panel that is not on the screen asks for nothing and draws nothing. One that is draws at most every `interval_ms`,
when its turn comes (`lab.pacer`), and never more than about a tenth of the time, however slow the machine.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QAction, QEnterEvent, QHideEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QLabel, QMenu, QStackedWidget, QVBoxLayout, QWidget
from shiboken6 import isValid

from lab.pacer import pacer
from lab.panels.chart import Chart
from lab.panels.exporting import Rows, ask_and_write, write_panel
from lab.panels.header import PanelHeader, look_words
from widgets import theme

if TYPE_CHECKING:
    from engine.training.events import Event
    from lab.document import Document, Selection
    from lab.session import Session

__all__ = ["Panel", "Rows"]

LOAD_LIMIT = 10.0
"""A drawing that took t seconds is followed by at least this many times t without drawing."""


class Panel(QWidget):
    """Base of the live panels. Subclasses set the class attributes and write `has_data`, `draw` and `table`.

    `listens` names the session's signals after which the panel draws anew; `looks_back` panels show the moment that
    the timeline looks back at.
    """

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    tab: ClassVar[str] = ""
    """What its tab says among others, where the title is long."""
    topics: ClassVar[frozenset[str]] = frozenset()
    listens: ClassVar[tuple[str, ...]] = ("stepsChanged",)
    empty: ClassVar[str] = ""
    interval_ms: ClassVar[int] = 400
    priority: ClassVar[float] = 0.0
    """Seconds by which the panel goes before others that wait as long."""
    looks_back: ClassVar[bool] = False
    behind: ClassVar[str] = ""
    """The panel behind which this one stands in a new window, as a tab."""
    closed: ClassVar[bool] = False
    """Whether a new window does not show it."""
    waits_behind: ClassVar[bool] = False
    """Whether a panel that stands behind another comes to the front only when it is asked for."""

    maximizeRequested = Signal()
    refused = Signal(str)
    """Carries why what was asked for could not be done, in words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(f"panel-{self.name}")
        self.setAccessibleName(self.title)
        self.session: Session | None = None
        self.document: Document | None = None
        self.selection: Selection | None = None
        self.due = 0.0
        """When the panel may draw again (`time.monotonic`)."""
        self.lead, self.pace = self.priority, self.interval_ms / 1000
        self.drawings = 0
        self.menu = QMenu(self)
        self.header = PanelHeader(self.title, self.menu, self)
        self.header.maximizeRequested.connect(self.maximizeRequested)
        self.header.returnRequested.connect(self._return)
        self.header.exportRequested.connect(self._on_export)
        self._empty = QLabel(self.empty, self)
        self._empty.setWordWrap(True)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setMargin(18)
        self.stack = QStackedWidget(self)
        self.stack.addWidget(self._empty)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.header)
        layout.addWidget(self.stack, 1)
        self.build()
        self.header.hide_empty_menu()
        theme.signals.changed.connect(self._restyle)
        self._restyle()

    # -- for subclasses ------------------------------------------------------------------------------------------------

    def build(self) -> None:
        """Make the view and add it to `stack`; add own entries to `menu`."""
        raise NotImplementedError

    def has_data(self) -> bool:
        """Whether there is something to draw. Only called with a session."""
        raise NotImplementedError

    def draw(self) -> None:
        """Bring the view up to date."""
        raise NotImplementedError

    def table(self) -> Rows:
        """The data shown: the names of the columns, and the rows."""
        raise NotImplementedError

    def caption(self) -> str:
        """The dim text at the right of the header."""
        return ""

    def when(self, picture: Event) -> str:
        """Of which step a picture is; looking back, whether it is of the epoch that is looked at or only near it."""
        session = self.session
        assert session is not None
        step = f"step {picture.step:,}"
        if session.looking is None or not self.looks_back:
            return step
        at, length = session.moment().step, session.steps_per_epoch or 1
        return step if at - length < picture.step <= at else f"nearest kept: {step}"

    def empty_text(self) -> str:
        """What the panel will show, and what to press."""
        return self.empty

    def restyle(self) -> None:
        """Take the colours of the current theme."""

    def view_state(self) -> dict[str, Any]:
        """How the panel is looked at (log axes, smoothing), as JSON types, for the window's settings."""
        return {action.objectName(): action.isChecked() for action in self._toggles()}

    def set_view_state(self, state: dict[str, Any]) -> None:
        """Put back what `view_state` returned; unknown keys are ignored."""
        for action in self._toggles():
            if isinstance(state.get(action.objectName()), bool):
                action.setChecked(state[action.objectName()])

    # -- wiring --------------------------------------------------------------------------------------------------------

    def set_session(self, session: Session | None) -> None:
        """Show this session's run from now on."""
        if self.session is not None:
            self._unwatch()
            for signal in self._signals(self.session):
                signal.disconnect(self.request)
            if self.looks_back:
                self.session.lookChanged.disconnect(self.hasten)
        self.session = session
        if session is not None:
            for signal in self._signals(session):
                signal.connect(self.request)
            if self.looks_back:
                session.lookChanged.connect(self.hasten)
            if self.isVisible():
                session.watch(self, self.topics)
        self.request()

    def _signals(self, session: Session) -> list[Any]:
        return [getattr(session, name) for name in ("runChanged", *self.listens)]

    def set_document(self, document: Document | None) -> None:
        """The experiment being built, for panels that show something before a run."""
        self.document = document
        if document is not None:
            document.changed.connect(self.hasten)
        self.request()

    def set_selection(self, selection: Selection | None) -> None:
        """The nodes selected on the canvas, for panels that show them apart."""
        self.selection = selection
        if selection is not None:
            selection.changed.connect(self.hasten)
        self.request()

    @property
    def busy(self) -> bool:
        """Whether what it is to show is still being made."""
        return False

    def stop(self) -> None:
        """Let go of the session and of work under way, for the end of the window."""
        self.set_session(None)

    # -- drawing -------------------------------------------------------------------------------------------------------

    def request(self, *_: object) -> None:
        """Draw soon, if anybody can see it."""
        if self.isVisible():
            pacer().ask(self)

    def hasten(self, *_: object) -> None:
        """Draw now rather than soon: a person has asked for something else to be shown."""
        if self.isVisible():
            self.due = 0.0
            pacer().hasten()
            pacer().ask(self)

    def wants_drawing(self) -> bool:
        """Whether a request still stands."""
        return isValid(self) and self.isVisible()

    def refresh(self) -> None:
        """Draw now, also outside a window."""
        begun = time.monotonic()
        filled = self.session is not None and self.has_data()
        if filled:
            self.draw()
            view = self.stack.widget(1)
            self.stack.setCurrentIndex(1)
            if isinstance(view, Chart):
                view.update()  # a plot knows what of it has changed
        else:
            view = None
            self.header.title.setText(self.title)
            self._show_empty()
            self.stack.setCurrentIndex(0)
        self.header.say(self.caption() if filled else "")
        self._show_look()
        self.drawings += 1
        spent = time.monotonic() - begun + getattr(view, "paint_seconds", 0.0)
        self.due = begun + max(self.pace, LOAD_LIMIT * spent)

    def _show_empty(self) -> None:
        """The words of an empty panel; where there is no room for them, the last sentence: what to press."""
        text = self.empty_text()
        self._empty.setText(text)
        if self._empty.heightForWidth(self.stack.width()) > self.stack.height():
            self._empty.setText(text.rpartition("\n")[2])

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self.session is not None:
            self.session.watch(self, self.topics)
        self.hasten()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        pacer().forget(self)
        self._unwatch()

    def _unwatch(self) -> None:
        if self.session is not None:
            self.session.watch(self, frozenset())

    # -- options of the view -------------------------------------------------------------------------------------------

    def toggle(self, key: str, label: str, checked: bool = False) -> QAction:
        """An option of the view, kept under `key`."""
        action = self.menu.addAction(label)
        action.setObjectName(key)
        action.setCheckable(True)
        action.setChecked(checked)
        action.toggled.connect(self._option_changed)
        return action

    def _option_changed(self, *_: object) -> None:
        self.hasten()

    def _toggles(self) -> list[QAction]:
        return [action for action in self.menu.actions() if action.isCheckable() and action.objectName()]

    # -- looks ---------------------------------------------------------------------------------------------------------

    def _restyle(self) -> None:
        self._empty.setFont(theme.ui_font(12))
        self._empty.setStyleSheet(f"color: {theme.current().text_dim}")
        self.header.restyle()
        self.restyle()
        self._option_changed()

    def _show_look(self) -> None:
        looking = self.session.looking if self.session is not None and self.looks_back else None
        if looking is None or self.session is None:
            self.header.show_look(())
        else:
            self.header.show_look(look_words(looking, self.session.epochs))

    def _return(self) -> None:
        if self.session is not None:
            self.session.look(None)

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self.header.show_tools()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.header.hide_tools()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.header.place_tools()
        self._show_look()
        if self.stack.currentIndex() == 0:
            self._show_empty()

    # -- export --------------------------------------------------------------------------------------------------------

    def export(self, path: Path) -> None:
        """Write what the panel shows: .png and .svg the picture, .csv the data with all digits.

        Raises ValueError for another suffix, OSError when the file cannot be written.
        """
        write_panel(self, Path(path))

    def _on_export(self, suffix: str) -> None:
        refusal = ask_and_write(self, suffix)
        if refusal:
            self.refused.emit(refusal)
