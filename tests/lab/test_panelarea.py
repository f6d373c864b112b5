"""The area of panels: opened, closed, put in order, remembered, and one that takes all the room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab.panelarea import GRID
from lab.panels import PANELS
from lab.window import Window

MakeWindow = Callable[..., Window]


def test_the_grid_names_panels_that_exist(make_window: MakeWindow) -> None:
    area = make_window().area
    named = [name for row in GRID for name in row]
    assert len(named) == len(set(named)) and set(named) <= set(area.docks)
    assert {panel.name for panel in area.panels} == set(area.docks)


def test_a_panel_that_is_not_shown_is_made_when_it_is_wanted(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window()
    area = window.area
    assert {panel.name for panel in area.made} == {panel.name for panel in PANELS if not panel.closed}
    kept = {"checks": {"nothing": True}}
    area.set_view_states(kept)
    assert area.view_states()["checks"] == kept["checks"], "kept for a panel that is not made"
    next(action for action in area.toggles() if action.text() == "Batch preview").trigger()
    qtbot.waitUntil(lambda: "batch" in {panel.name for panel in area.made})
    panel = area.panel("batch")
    qtbot.waitUntil(panel.isVisible)  # in front of the tab it stands behind at first
    assert panel.document is window.document and panel.session is window.session
    heard: list[str] = []
    area.refused.connect(heard.append)
    panel.refused.emit("no room")
    assert heard == ["no room"]


def test_tabs_are_short_and_the_menu_names_panels_in_full(make_window: MakeWindow) -> None:
    window = make_window()
    dock = window.area.docks["confusion"]
    assert dock.windowTitle() == "Confusion" and dock.toggleViewAction().text() == "Confusion matrix"
    assert window.area.panel("confusion").header.title.text() == "Confusion matrix"


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
