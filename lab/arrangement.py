"""Where the window's parts lie: three columns, the middle one of canvas, panels and timeline; kept between starts."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QSplitter, QTabWidget, QVBoxLayout, QWidget

from lab.notices import Notices
from lab.panelarea import PanelArea
from lab.settings import Settings
from widgets.layout import line

__all__ = ["Arrangement"]

LEFT, RIGHT = 236, 320
LEFT_LEAST, RIGHT_LEAST = 196, 290
TIMELINE = 88
AROUND = 104
"""Height of menu bar, top bar and status bar together."""

Pages = Mapping[str, QWidget]


class Arrangement(QWidget):
    """`top` above, then the columns; `notices` float over the middle one. Parts that can be moved against each other
    stand in splitters."""

    def __init__(
        self,
        *,
        top: QWidget,
        notices: Notices,
        left: Pages,
        canvas: QWidget,
        area: PanelArea,
        timeline: QWidget,
        right: Pages,
        problems: QWidget,
    ) -> None:
        super().__init__()
        self._canvas, self._area, self._timeline = canvas, area, timeline
        self.left = _tabs("Layers and runs", left, LEFT_LEAST)
        self.right = _tabs("Inspector", right, RIGHT_LEAST)
        canvas.setMinimumSize(320, 150)
        area.setMinimumSize(520, 230)
        problems.setMinimumHeight(84)
        timeline.setFixedHeight(TIMELINE)
        self.centre = QSplitter(Qt.Orientation.Vertical)
        self.side = QSplitter(Qt.Orientation.Vertical)
        self.across = QSplitter(Qt.Orientation.Horizontal)
        middle = QWidget()
        _stack(middle, self.centre, line(), timeline)
        for splitter, parts, grows in (
            (self.centre, (canvas, area), 1),
            (self.side, (self.right, problems), 0),
            (self.across, (self.left, middle, self.side), 1),
        ):
            splitter.setHandleWidth(1)
            splitter.setChildrenCollapsible(False)
            for part in parts:
                splitter.addWidget(part)
            splitter.setStretchFactor(grows, 1)
        self.centre.setStretchFactor(0, 42)
        self.centre.setStretchFactor(1, 58)
        _stack(self, top, self.across)
        notices.float_over(middle)
        self.restored = False
        """Whether the panels lie as they did when the last window was closed."""

    def _splitters(self) -> dict[str, QSplitter]:
        return {"across": self.across, "centre": self.centre, "side": self.side}

    def reset(self, size: QSize) -> None:
        """Give the columns and rows the room that a new window of that size has."""
        width, height = max(size.width(), 1200), max(size.height(), 700)
        self.across.setSizes([LEFT, width - LEFT - RIGHT, RIGHT])
        inner = height - AROUND - TIMELINE
        upper = round(inner * (0.42 if height >= 900 else 0.39))
        self.centre.setSizes([upper, inner - upper])
        self.side.setSizes([round(inner * 0.74), round(inner * 0.26)])

    def restore(self, settings: Settings) -> None:
        """Put everything where it was."""
        for name, splitter in self._splitters().items():
            state = settings.bytes(name)
            if state is not None:
                splitter.restoreState(state)
        state = settings.bytes("panels")
        self.restored = state is not None and self._area.restoreState(state)
        self._area.set_view_states(settings.get("views"))

    def save(self, settings: Settings) -> None:
        """Remember where everything is."""
        self._area.take_back()
        for name, splitter in self._splitters().items():
            settings.set_bytes(name, splitter.saveState())
        settings.set_bytes("panels", self._area.layout_state())
        settings.set("views", self._area.view_states())

    def set_maximized(self, on: bool) -> None:
        """Leave the room to the panels alone, or show everything again."""
        for part in (self._canvas, self._timeline, self.left, self.side):
            part.setVisible(not on)


def _stack(parent: QWidget, *parts: QWidget) -> None:
    column = QVBoxLayout(parent)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(0)
    for part in parts:
        column.addWidget(part, 1 if isinstance(part, QSplitter) else 0)


def _tabs(name: str, pages: Pages, width: int) -> QTabWidget:
    tabs = QTabWidget()
    tabs.setDocumentMode(True)
    tabs.setAccessibleName(name)
    tabs.setMinimumWidth(width)
    tabs.tabBar().setExpanding(False)
    tabs.tabBar().setDrawBase(False)
    for title, page in pages.items():
        tabs.addTab(page, title)
    return tabs
