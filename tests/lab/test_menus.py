"""The menu bar: every entry is an action of the window, and what changes in it is filled when it opens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu

from engine import files
from lab.actions import MENUS
from lab.window import Window
from tests.support.examples import blobs
from widgets import theme

MakeWindow = Callable[..., Window]


def entries(menu: QMenu) -> list[QAction]:
    return [action for action in menu.actions() if not action.isSeparator()]


def test_the_bar_has_every_menu_and_its_entries_do_something(make_window: MakeWindow) -> None:
    window = make_window()
    bar = [action.menu() for action in window.menuBar().actions() if action.menu() is not None]
    assert [menu.title() for menu in bar if isinstance(menu, QMenu)] == [title for title, _ in MENUS]
    step = window.actions_by_id["step"]
    assert any(step in menu.actions() for menu in bar if isinstance(menu, QMenu))
    step.trigger()
    assert window.session.active
    window.flow.stop()


def test_recent_files_are_listed_when_the_menu_opens(make_window: MakeWindow, tmp_path: Path) -> None:
    window = make_window()
    recent = window.menus.submenus["recent"]
    recent.aboutToShow.emit()
    assert [action.text() for action in entries(recent)] == ["No recent files"]
    files.save(blobs(), tmp_path / "one.dlab")
    window.settings.add_recent(tmp_path / "one.dlab")
    recent.aboutToShow.emit()
    assert [action.text() for action in entries(recent)] == ["one.dlab", "Forget these"]
    entries(recent)[0].trigger()
    assert window.document.path == tmp_path / "one.dlab"
    entries(recent)[-1].trigger()
    assert window.settings.recent == ()


def test_panels_are_switched_from_the_menu(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window()
    toggles = entries(window.menus.submenus["panels"])
    assert len(toggles) == len(window.area.docks)
    shown = next(action for action in toggles if action.isChecked())
    before = len(window.area.shown)
    shown.trigger()
    qtbot.waitUntil(lambda: len(window.area.shown) == before - 1)


def test_the_name_follows_the_theme(make_window: MakeWindow, qapp: Any) -> None:
    window = make_window()
    before = window.menus.brand.styleSheet()
    theme.apply(qapp, "light")
    assert window.menus.brand.styleSheet() != before
    theme.apply(qapp, "dark")
