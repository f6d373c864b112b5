"""The table of actions: whole, without clashes, in the menus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtGui import QKeySequence

from lab.about import about_dialog, keys_dialog, keys_html
from lab.actions import ACTIONS, MENUS, SUBMENUS
from lab.canvas.keys import KEYS
from lab.window import Window
from widgets import theme


def test_ids_and_keys_are_unique() -> None:
    ids = [action.id for action in ACTIONS]
    assert len(ids) == len(set(ids))
    keys = [QKeySequence(key).toString() for action in ACTIONS for key in action.keys]
    assert all(keys) and len(keys) == len(set(keys))


def test_menus_name_known_actions_and_hold_all_of_them() -> None:
    named = [name for _, names in MENUS for name in names] + [name for _, names in SUBMENUS.values() for name in names]
    ids = {action.id for action in ACTIONS}
    assert {name for name in named if not name.startswith((">", "-"))} == ids
    assert {name[1:] for name in named if name.startswith(">")} == set(SUBMENUS)


def test_icons_exist() -> None:
    assert {action.icon for action in ACTIONS if action.icon} <= set(theme.icon_names())


def test_keys_shown_for_the_canvas_are_the_canvas_keys() -> None:
    known = {QKeySequence(key.sequence).toString() for key in KEYS}
    assert {QKeySequence(action.shown).toString() for action in ACTIONS if action.shown} <= known


def test_tooltips_tell_the_keys(make_window: Callable[..., Window]) -> None:
    window = make_window()
    assert window.top.train.toolTip() == "Train the network (F5)"
    assert window.top.step.toolTip() == "Make one step, then pause (F10)"
    assert window.actions_by_id["delete"].text() == "Delete\tDel"


def test_nothing_can_be_stopped_before_it_began(make_window: Callable[..., Window]) -> None:
    window = make_window()
    for name in ("stop", "reset", "continue", "restart", "export", "undo", "redo", "present", "restore_panels"):
        assert not window.actions_by_id[name].isEnabled(), name
    for name in ("train", "step", "epoch", "load_weights", "save", "palette"):
        assert window.actions_by_id[name].isEnabled(), name


def test_undo_says_what(make_window: Callable[..., Window]) -> None:
    window = make_window()
    window.selection.set(["relu_1"])
    window.actions_by_id["delete"].trigger()
    assert window.actions_by_id["undo"].text() == "Undo Delete ReLU"


def test_every_key_is_listed(make_window: Callable[..., Window], qtbot: Any) -> None:
    window = make_window()
    text = keys_html(window)
    assert "Ctrl+K" in text and "F10" in text and "Export" in text
    for dialog in (keys_dialog(window), about_dialog(window)):
        dialog.open()
        dialog.close()
