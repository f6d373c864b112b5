"""The menu bar, made from the table of actions; the menus inside that change are filled when they open."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QLabel, QMenu, QWidget

from lab.actions import MENUS, SUBMENUS
from widgets import theme

if TYPE_CHECKING:
    from lab.window import Window

__all__ = ["Menus"]


class Menus(QObject):
    """Builds the window's menu bar and keeps the changing parts of it up to date."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self._window = window
        self.brand = QLabel("Descent Lab", window)
        self.brand.setContentsMargins(14, 0, 8, 0)
        bar = window.menuBar()
        bar.setCornerWidget(self.brand, Qt.Corner.TopLeftCorner)
        self.submenus: dict[str, QMenu] = {}
        for title, names in MENUS:
            self._fill(bar.addMenu(title), names)
        self.submenus["recent"].aboutToShow.connect(self._show_recent)
        self.submenus["panels"].addActions(list(window.area.toggles()))
        theme.signals.changed.connect(self.restyle)
        self.restyle()

    def _fill(self, menu: QMenu, names: tuple[str, ...]) -> None:
        menu.setToolTipsVisible(True)
        for name in names:
            if name == "-":
                menu.addSeparator()
            elif name.startswith(">"):
                title, inside = SUBMENUS[name[1:]]
                submenu = self.submenus[name[1:]] = menu.addMenu(title)
                self._fill(submenu, inside)
            else:
                menu.addAction(self._window.actions_by_id[name])

    def pop_up(self, name: str, below: QWidget, *_: object) -> None:
        """Open a menu below a button."""
        self.submenus[name].popup(below.mapToGlobal(below.rect().bottomLeft()))

    def _show_recent(self) -> None:
        window, menu = self._window, self.submenus["recent"]
        menu.clear()
        for path in window.settings.recent:
            action = menu.addAction(path.name)
            action.setToolTip(str(path))
            action.triggered.connect(partial(window.filing.open, path))
        if not window.settings.recent:
            menu.addAction("No recent files").setEnabled(False)
        else:
            menu.addSeparator()
            menu.addAction("Forget these").triggered.connect(partial(window.settings.forget_recent, None))

    def restyle(self) -> None:
        self.brand.setFont(theme.ui_font(13, QFont.Weight.Bold))
        self.brand.setStyleSheet(f"color: {theme.current().text}")
