"""The area of panels: opened, closed, put in order, remembered, and one that takes all the room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab.panelarea import GRID
from lab.window import Window

MakeWindow = Callable[..., Window]


def test_the_grid_names_panels_that_exist(make_window: MakeWindow) -> None:
    area = make_window().area
    named = [name for row in GRID for name in row]
    assert len(named) == len(set(named)) and set(named) <= set(area.docks)
    assert {panel.name for panel in area.panels} == set(area.docks)


def test_the_layout_is_remembered(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window()
    window.area.close_panel("updates")
    state = window.area.layout_state()
    window.reset_layout()
    qtbot.waitUntil(lambda: "updates" in window.area.shown)
    assert window.area.restoreState(state) and "updates" not in window.area.shown


def test_settings_of_panels_are_remembered_and_damaged_ones_ignored(make_window: MakeWindow) -> None:
    area = make_window().area
    states = area.view_states()
    area.set_view_states(states)
    assert area.view_states() == states
    nonsense: list[Any] = [None, 7, {"loss": "no"}, {"nobody": {}}]
    for damaged in nonsense:
        area.set_view_states(damaged)
    assert area.view_states() == states


def test_one_panel_takes_all_the_room_and_gives_it_back(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window()
    qtbot.wait(20)
    area, before = window.area, window.area.shown
    area.toggle_maximized("loss")
    assert area.maximized == "loss" and not window.canvas.isVisible()
    area.toggle_maximized("loss")
    assert area.maximized == "" and area.shown == before and window.canvas.isVisible()
