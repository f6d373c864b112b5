"""The live panels in docks: moved, floated, tabbed, closed, given all the room, and put back.

A panel's own header is the dock's handle: drag it to move the panel, double-click its title for all the room, press the
right button for the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from PySide6.QtCore import QByteArray, QEvent, QObject, QPointF, QSize, Qt, Signal
from PySide6.QtGui import QAction, QContextMenuEvent, QMouseEvent, QMoveEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QDockWidget, QMainWindow, QMenu, QTabBar, QTabWidget, QVBoxLayout, QWidget

from engine.data.signature import DataSignature
from engine.experiment import Experiment
from lab.document import Document, Selection
from lab.panels import PANELS, Panel
from lab.session import Session
from widgets import theme

__all__ = ["PanelArea", "PanelDock"]

GRID = (("loss", "metrics", "activations"), ("gradients", "updates", "learning_rate"))
"""What a new window shows, row by row."""
BEHIND = {panel.name: panel.behind for panel in PANELS if panel.behind}
"""Panels that stand behind others in tabs."""
WAITING = tuple(panel.name for panel in PANELS if panel.waits_behind)
"""Those of them that come to the front only when they are asked for."""
CLOSED = tuple(panel.name for panel in PANELS if panel.closed)
"""Those that a new window does not show."""


class Bar(QWidget):
    """A title bar of one pixel. Qt goes by its hint, not by a fixed height."""

    def sizeHint(self) -> QSize:
        return QSize(20, 1)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()


class PanelDock(QDockWidget):
    """A dock whose title bar is one pixel high: the header of its panel takes the mouse for it."""

    closeRequested = Signal(str)
    openRequested = Signal(str)
    wanted = Signal(str)
    """The dock is about to be seen."""

    def __init__(self, kind: type[Panel], parent: QWidget) -> None:
        super().__init__(kind.tab or kind.title, parent)
        self.kind = kind
        self.made: Panel | None = None
        """The panel, once anybody has wanted to see it."""
        self.setObjectName(f"dock-{kind.name}")
        holder = QWidget(self)
        self._column = QVBoxLayout(holder)
        self._column.setContentsMargins(0, 0, 0, 0)
        self.setWidget(holder)
        self.setTitleBarWidget(Bar(self))
        self._shift = QPointF()
        self.setMinimumSize(170, 110)
        self.toggleViewAction().triggered.connect(self._on_toggled)

    def fill(self, panel: Panel) -> None:
        """Take the panel in."""
        self.made = panel
        panel.header.installEventFilter(self)
        panel.header.setCursor(Qt.CursorShape.ArrowCursor)
        self._column.addWidget(panel)
        self._show_panel()

    def showEvent(self, event: QShowEvent) -> None:
        self.wanted.emit(self.kind.name)
        super().showEvent(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if self.made is not None and watched is self.made.header:
            if isinstance(event, QMouseEvent) and event.button() != Qt.MouseButton.RightButton:
                return self._forward(event)
            if isinstance(event, QContextMenuEvent):
                self._open_menu(event)
                return True
        return super().eventFilter(watched, event)

    def _forward(self, event: QMouseEvent) -> bool:
        """Let Qt believe that the press was on the title bar; once it drags, it has grabbed the mouse itself."""
        if event.type() not in (QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove, QEvent.Type.MouseButtonRelease):
            return False
        here = self.mapFromGlobal(event.globalPosition())
        if event.type() == QEvent.Type.MouseButtonPress:
            self._shift = QPointF(0.0, here.y())
        there = here - self._shift
        copy = QMouseEvent(
            event.type(), there, event.globalPosition(), event.button(), event.buttons(), event.modifiers()
        )
        self.event(copy)
        return True

    def _open_menu(self, event: QContextMenuEvent) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for text, method in (
            ("Give all the room, or take it back", self._on_maximize),
            ("Dock" if self.isFloating() else "Float", self._on_float),
            ("Close", self._on_close),
        ):
            menu.addAction(text).triggered.connect(method)
        menu.popup(event.globalPos())

    def moveEvent(self, event: QMoveEvent) -> None:
        super().moveEvent(event)
        self._show_panel()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._show_panel()

    def _show_panel(self) -> None:
        # Behind another tab a dock counts as visible and lies beyond the edge: its panel must not draw there.
        if self.made is not None:
            self.made.setVisible(self.isFloating() or self.geometry().right() >= 0)

    def _on_maximize(self) -> None:
        if self.made is not None:
            self.made.maximizeRequested.emit()

    def _on_toggled(self, on: bool) -> None:
        # Qt itself shows it behind the tab that is in front.
        if on:
            self.openRequested.emit(self.kind.name)

    def _on_float(self) -> None:
        self.setFloating(not self.isFloating())

    def _on_close(self) -> None:
        self.closeRequested.emit(self.kind.name)


class PanelArea(QMainWindow):
    """All panels by name; one that a new window does not show is made when it is first wanted. `maximizedChanged` says
    whether one panel has all the room (the window hides the rest), `refused` what a panel could not do, in words."""

    maximizedChanged = Signal(bool)
    refused = Signal(str)

    def __init__(
        self, document: Document, selection: Selection, session: Session, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowFlags(Qt.WindowType.Widget)
        self.setDockNestingEnabled(True)
        self.setAnimated(False)
        self.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.South)
        self.document, self._selection, self._session = document, selection, session
        self._views: dict[str, dict[str, Any]] = {}
        """How panels that are not made yet are to be looked at."""
        self._maximized: PanelDock | None = None
        self._before: QByteArray | None = None
        self._shape: tuple[bool, bool] | None = None
        self._stopped = False
        self.docks: dict[str, PanelDock] = {}
        for cls in PANELS:
            dock = PanelDock(cls, self)
            dock.closeRequested.connect(self.close_panel)
            dock.wanted.connect(self.panel)
            dock.openRequested.connect(self.open_panel)
            self.docks[cls.name] = dock
            if not cls.closed:
                self._make(dock)
        self.arrange()
        document.signatureChanged.connect(self._follow_data)
        document.changed.connect(self._follow_augmentation)
        theme.signals.changed.connect(self._restyle_tabs)

    # -- what there is -------------------------------------------------------------------------------------------------

    def panel(self, name: str) -> Panel:
        dock = self.docks[name]
        return dock.made or self._make(dock)

    @property
    def panels(self) -> tuple[Panel, ...]:
        """Every panel; makes those that nobody has wanted to see so far."""
        return tuple(map(self.panel, self.docks))

    @property
    def made(self) -> tuple[Panel, ...]:
        """The panels that there are by now."""
        return tuple(dock.made for dock in self.docks.values() if dock.made is not None)

    def _make(self, dock: PanelDock) -> Panel:
        panel = dock.kind()
        panel.set_document(self.document)
        panel.set_selection(self._selection)
        if not self._stopped:
            panel.set_session(self._session)
        panel.maximizeRequested.connect(self._on_maximize)
        panel.refused.connect(self.refused)
        panel.set_view_state(self._views.pop(panel.name, {}))
        dock.fill(panel)
        return panel

    @property
    def shown(self) -> tuple[str, ...]:
        """The names of the panels that are open, also behind a tab."""
        return tuple(name for name, dock in self.docks.items() if not dock.isHidden())

    def toggles(self) -> Iterable[QAction]:
        """The actions that open and close the panels."""
        for dock in self.docks.values():
            dock.toggleViewAction().setText(dock.kind.title)
        return [dock.toggleViewAction() for dock in self.docks.values()]

    # -- arranging -----------------------------------------------------------------------------------------------------

    def arrange(self) -> None:
        """The layout of a new window."""
        self._take_back()
        for dock in self.docks.values():
            dock.setFloating(False)
            self.removeDockWidget(dock)
        first = [self.docks[row[0]] for row in GRID]
        self.addDockWidget(Qt.DockWidgetArea.TopDockWidgetArea, first[0])
        self.splitDockWidget(first[0], first[1], Qt.Orientation.Vertical)
        for row in GRID:
            for left, right in pairwise(row):
                self.splitDockWidget(self.docks[left], self.docks[right], Qt.Orientation.Horizontal)
        for name, other in BEHIND.items():
            self.tabifyDockWidget(self.docks[other], self.docks[name])
        for row in GRID:
            for name in row:
                self.docks[name].show()
                self.docks[name].raise_()
        for name in CLOSED:
            self.docks[name].hide()
        self._shape = None
        self._follow_data()
        self.even_out()

    def even_out(self) -> None:
        """Give every column and row of the grid the same room."""
        width, height = max(self.width(), 300), max(self.height(), 200)
        for row in GRID:
            docks = [self._on_top(name) for name in row]
            self.resizeDocks(docks, [width // len(row)] * len(row), Qt.Orientation.Horizontal)
        self.resizeDocks([self.docks[row[0]] for row in GRID], [height // len(GRID)] * 2, Qt.Orientation.Vertical)
        self._raise_first()
        self._restyle_tabs()

    def _raise_first(self) -> None:
        for row in GRID:
            for name in row:
                self._on_top(name).raise_()
        self.docks["metrics"].raise_()

    def _on_top(self, name: str) -> PanelDock:
        behind = (self.docks[key] for key, other in BEHIND.items() if other == name and key not in WAITING)
        return next((dock for dock in behind if not dock.isHidden()), self.docks[name])

    def _follow_data(self) -> None:
        """A decision surface for two inputs, a confusion matrix for classes: open or closed with the kind of data."""
        signature = self.document.signature
        if signature is None:
            return
        shape = (_is_plane(signature), any(target.classes for target in signature.targets.values()))
        if shape == self._shape:
            return
        self._shape = shape
        if self._maximized is not None:
            return
        for name, wanted in (("surface", shape[0]), ("confusion", shape[1])):
            self.docks[name].setVisible(wanted)
        if shape[0]:
            self.docks["surface"].raise_()
        self.docks["metrics"].raise_()
        self._restyle_tabs()

    def _follow_augmentation(self, before: Experiment, after: Experiment) -> None:
        """Whoever begins to augment the data wants to see what becomes of them."""
        if after.data.augmentation and not before.data.augmentation and self._maximized is None:
            self.open_panel("batch")
            self._restyle_tabs()

    def open_panel(self, name: str) -> None:
        """Show a panel and bring it to the front."""
        if self._maximized is not None and self._maximized is not self.docks[name]:
            self.take_back()
        self.docks[name].show()
        self.docks[name].raise_()
        self._restyle_tabs()

    def close_panel(self, name: str) -> None:
        if self._maximized is self.docks[name]:
            self.take_back()
        self.docks[name].hide()

    # -- all the room --------------------------------------------------------------------------------------------------

    @property
    def maximized(self) -> str:
        """The name of the panel that has all the room, or an empty string."""
        return self._maximized.kind.name if self._maximized is not None else ""

    def _on_maximize(self) -> None:
        sender = self.sender()
        if isinstance(sender, Panel):
            self.toggle_maximized(sender.name)

    def toggle_maximized(self, name: str) -> None:
        """Give a panel all the room, or put everything back."""
        if self._maximized is not None:
            self.take_back()
            return
        dock = self.docks[name]
        if dock.isFloating():
            dock.setWindowState(dock.windowState() ^ Qt.WindowState.WindowMaximized)
            return
        self._before = self.saveState()
        self._maximized = dock
        for other in self.docks.values():
            other.setVisible(other is dock)
        self.panel(name).header.back.show()
        self.maximizedChanged.emit(True)

    def take_back(self) -> None:
        """Put everything back as it was before a panel got all the room."""
        if self._take_back():
            self.maximizedChanged.emit(False)

    def _take_back(self) -> bool:
        if self._maximized is None:
            return False
        self.panel(self._maximized.kind.name).header.back.hide()
        self._maximized = None
        if self._before is not None:
            self.restoreState(self._before)
        return True

    # -- remembering ---------------------------------------------------------------------------------------------------

    def layout_state(self) -> QByteArray:
        """The layout, as Qt packs it; that before a panel got all the room."""
        return self._before if self._maximized is not None and self._before is not None else self.saveState()

    def view_states(self) -> dict[str, Any]:
        """How each panel is looked at, as JSON types."""
        return self._views | {panel.name: panel.view_state() for panel in self.made}

    def set_view_states(self, states: Any) -> None:
        for name, dock in self.docks.items():
            state = states.get(name) if isinstance(states, dict) else None
            if not isinstance(state, dict):
                continue
            if dock.made is not None:
                dock.made.set_view_state(state)
            else:
                self._views[name] = state

    def stop(self) -> None:
        """Let go of the session, for the end of the window."""
        self._stopped = True
        for panel in self.made:
            panel.stop()

    # -- how it looks --------------------------------------------------------------------------------------------------

    def _restyle_tabs(self) -> None:
        for bar in self.findChildren(QTabBar):
            bar.setDrawBase(False)
            bar.setExpanding(False)
            bar.setFont(theme.ui_font(11))
            bar.setStyleSheet("QTabBar::tab { padding: 3px 11px 4px 11px; }")


def _is_plane(signature: DataSignature) -> bool:
    return [signature.source_shape(name) for name in signature.inputs] == [(2,)]
