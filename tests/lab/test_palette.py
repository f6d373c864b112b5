"""The palette: every component, search, keys, drag."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QScrollArea

from engine import edits
from engine.schema import info_of
from lab.catalog import DRAG_FORMAT, catalog, search
from lab.chip import tooltip
from lab.palette import Palette
from lab.settings import Settings
from lab.shelf import Shelf
from tests.support.examples import blobs, chain, make


@pytest.fixture
def palette(qtbot):
    palette = Palette()
    qtbot.addWidget(palette)
    palette.resize(236, 700)
    palette.show()
    return palette


def chip(palette: Palette, tag: str):
    return next(chip for chip in palette.chips if chip.info.tag == tag)


def test_the_search_field_names_the_shortcut_that_leads_to_it(palette):
    from lab.actions import ACTIONS

    keys = next(action.keys for action in ACTIONS if action.id == "tab_layers")
    assert palette.field.placeholderText().endswith(keys[0])


def test_every_component_has_a_chip(palette):
    assert {chip.info.cls for chip in palette.chips} == {info.cls for info in catalog()}
    assert all(chip.toolTip() and chip.accessibleName() for chip in palette.chips)


def test_chips_lie_in_lines_without_overlap(palette, qtbot):
    body, rects = palette.findChild(QScrollArea).widget(), []
    for item in palette.chips:
        rect = item.rect().translated(item.mapTo(body, item.rect().topLeft()))
        assert body.rect().contains(rect)
        assert not any(rect.intersects(other) for other in rects)
        rects.append(rect)


def test_search_by_synonym_and_enter(palette, qtbot):
    QTest.keyClicks(palette.field, "fully 32")
    assert palette.shown == ["Dense"]
    with qtbot.waitSignal(palette.addRequested) as signal:
        QTest.keyClick(palette.field, Qt.Key.Key_Return)
    assert signal.args == [make("layer", "dense", units=32)]
    QTest.keyClick(palette.field, Qt.Key.Key_Escape)
    assert len(palette.shown) == len(palette.chips)


def test_words_of_a_name_that_is_written_as_one_are_found(palette, qtbot):
    palette.field.setText("norm")
    with qtbot.waitSignal(palette.addRequested) as signal:
        QTest.keyClick(palette.field, Qt.Key.Key_Return)
    assert info_of(signal.args[0]).group == "Normalization"


def test_search_without_result_says_so(palette):
    QTest.keyClicks(palette.field, "zzzz")
    assert palette.shown == [] and palette._nothing.isVisible()


def test_enter_in_an_empty_field_adds_nothing(palette, qtbot):
    with qtbot.assertNotEmitted(palette.addRequested):
        QTest.keyClick(palette.field, Qt.Key.Key_Return)


@pytest.mark.parametrize("how", ["double click", "enter"])
def test_a_chip_is_added(palette, qtbot, how):
    with qtbot.waitSignal(palette.addRequested) as signal:
        if how == "enter":
            QTest.keyClick(chip(palette, "tanh"), Qt.Key.Key_Return)
        else:
            QTest.mouseDClick(chip(palette, "tanh"), Qt.MouseButton.LeftButton)
    assert signal.args == [make("layer", "tanh")]


def test_keys_go_from_the_field_through_the_chips(palette):
    palette.activateWindow()
    palette.focus_search()
    QTest.keyClicks(palette.field, "pool")
    QTest.keyClick(palette.field, Qt.Key.Key_Down)
    shown = [item for item in palette.chips if not item.isHidden()]
    assert len(shown) >= 3 and palette.focusWidget() is shown[0]
    QTest.keyClick(shown[0], Qt.Key.Key_Right)
    assert palette.focusWidget() is shown[1]
    QTest.keyClick(shown[1], Qt.Key.Key_Left)
    QTest.keyClick(shown[0], Qt.Key.Key_Up)
    assert palette.focusWidget() is palette.field


def test_a_drag_carries_the_component(palette):
    drag = chip(palette, "conv2d").drag()
    assert bytes(drag.mimeData().data(DRAG_FORMAT).data()) == b"layer/conv2d"
    assert not drag.pixmap().isNull()
    drag.deleteLater()


def test_the_tooltip_has_help_and_formula():
    info = next(info for info in catalog() if info.tag == "relu")
    text = tooltip(info)
    assert info.summary.split(".")[0].split("<")[0] in text and "max(x, 0)" in text and "<script" not in text


# -- at hand -----------------------------------------------------------------------------------------------------------


def labels(section) -> list[str]:
    return [item.info.label for item in section.chips if item.isVisibleTo(section.window())]


def test_favourites_stand_above_and_last(qtbot, tmp_path):
    settings = Settings(tmp_path / "window.ini")
    palette = Palette(Shelf(settings))
    qtbot.addWidget(palette)
    palette.show()
    assert not palette.favourites.isVisible()
    QTest.keyClick(chip(palette, "tanh"), Qt.Key.Key_F)
    menu = palette.menu_for(chip(palette, "dense").info, QPoint())
    next(entry for entry in menu.actions() if entry.text() == "Add to favourites").trigger()
    menu.close()
    assert labels(palette.favourites) == ["Tanh", "Dense"]
    with qtbot.waitSignal(palette.addRequested) as signal:
        QTest.mouseDClick(palette.favourites.chips[0], Qt.MouseButton.LeftButton)
    assert signal.args == [make("layer", "tanh")]
    settings.sync()
    again = Palette(Shelf(Settings(tmp_path / "window.ini")))
    qtbot.addWidget(again)
    again.show()
    assert labels(again.favourites) == ["Tanh", "Dense"]
    QTest.keyClick(again.favourites.chips[0], Qt.Key.Key_F)
    assert labels(again.favourites) == ["Dense"]


def test_what_was_used_last_comes_first_in_a_search_without_words(palette):
    infos = {info.tag: info for info in catalog()}
    for tag in ("tanh", "flatten", "dense", "tanh"):
        palette.shelf.use(infos[tag])
    palette.shelf.toggle(infos["dense"])
    assert labels(palette.recent) == ["Tanh", "Flatten"]
    assert labels(palette.favourites) == ["Dense"]
    found = search("", first=palette.shelf.offered())
    assert [match.info.tag for match in found[:3]] == ["dense", "tanh", "flatten"]
    QTest.keyClicks(palette.field, "pool")
    assert not palette.recent.isVisible() and not palette.favourites.isVisible()


def test_an_edit_that_adds_one_layer_counts_as_use_and_opening_a_file_does_not(palette):
    small = blobs()
    large = replace(small, network=chain(*(make("layer", "relu"),) * 8))
    palette.shelf.look(small, large)
    assert palette.shelf.recent == ()
    palette.shelf.look(small, edits.add_node(small, make("layer", "tanh"), after="dense_1"))
    assert [info.tag for info in palette.shelf.recent] == ["tanh"]


def test_a_folded_group_stays_folded_but_opens_for_a_search(palette, qtbot):
    section = next(item for item in palette.groups if item.name == "Activation")
    QTest.mouseClick(section.heading, Qt.MouseButton.LeftButton)
    assert not chip(palette, "relu").isVisible() and palette.shelf.is_folded("Activation")
    QTest.keyClicks(palette.field, "relu")
    assert chip(palette, "relu").isVisible()
    palette.field.clear()
    assert not chip(palette, "relu").isVisible()
    QTest.mouseClick(section.heading, Qt.MouseButton.LeftButton)
    assert chip(palette, "relu").isVisible() and not palette.shelf.is_folded("Activation")


def test_unknown_entries_of_the_settings_are_passed_over():
    settings = Settings()
    settings.set("favourites", ["layer/of_tomorrow", 3, "layer/dense"])
    settings.set("recent_layers", "nonsense")
    shelf = Shelf(settings)
    assert [info.tag for info in shelf.favourites] == ["dense"]
    assert shelf.recent == ()


def test_the_help_of_a_chip_is_shown_in_full(palette):
    menu = palette.menu_for(chip(palette, "dense").info, palette.mapToGlobal(QPoint(5, 5)))
    next(entry for entry in menu.actions() if entry.text() == "What is Dense?").trigger()
    menu.close()
    popover = palette._popover
    assert popover is not None and popover.isVisible() and "x W + b" in popover.text
    popover.close()
