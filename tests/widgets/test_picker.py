"""The popup to choose a component from a long list."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from engine.schema import components_of, info_of
from widgets.matching import ranked
from widgets.picker import MANY, ComponentPicker, PickerCombo

LAYERS = [info_of(cls) for cls in components_of("layer").values()]


@pytest.fixture
def anchor(qtbot):
    anchor = QWidget()
    qtbot.addWidget(anchor)
    anchor.resize(240, 30)
    anchor.show()
    return anchor


@pytest.fixture
def picker(anchor):
    picker = ComponentPicker(anchor, LAYERS, "Layer")
    picker.open_at(anchor, "tanh")
    yield picker
    picker.close()


def test_it_shows_everything_in_groups_with_the_present_choice_selected(picker):
    assert sorted(picker.labels) == sorted(info.label for info in LAYERS)
    headings = [item for item in picker._items() if item.data(Qt.ItemDataRole.UserRole) is None]
    assert {item.text() for item in headings} == {info.group for info in LAYERS}
    assert picker.list.currentItem().text() == "Tanh"
    assert picker.hint.text() == next(info for info in LAYERS if info.tag == "tanh").summary


def test_a_synonym_finds_and_return_picks(picker, qtbot):
    QTest.keyClicks(picker.field, "logistic")
    assert picker.labels[0] == "Sigmoid"
    with qtbot.waitSignal(picker.chosen) as signal:
        QTest.keyClick(picker.field, Qt.Key.Key_Return)
    assert signal.args == ["sigmoid"] and not picker.isVisible()


def test_arrows_walk_past_headings_and_around(picker, qtbot):
    last = picker.labels[-1]
    for _ in range(picker.labels.index("Tanh") + 1):
        QTest.keyClick(picker.field, Qt.Key.Key_Up)
    assert picker.list.currentItem().text() == last
    QTest.keyClick(picker.field, Qt.Key.Key_Down)
    assert picker.list.currentItem().text() == picker.labels[0]


def test_a_click_picks_and_a_click_on_a_heading_does_not(picker, qtbot):
    heading = next(item for item in picker._items() if item.data(Qt.ItemDataRole.UserRole) is None)
    picker.list.scrollToItem(heading)
    with qtbot.assertNotEmitted(picker.chosen):
        at = picker.list.visualItemRect(heading).center()
        QTest.mouseClick(picker.list.viewport(), Qt.MouseButton.LeftButton, pos=at)
    item = next(item for item in picker._items() if item.text() == "Dense")
    picker.list.scrollToItem(item)
    with qtbot.waitSignal(picker.chosen) as signal:
        at = picker.list.visualItemRect(item).center()
        QTest.mouseClick(picker.list.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert signal.args == ["dense"]


def test_nothing_found_is_said_and_return_picks_nothing(picker, qtbot):
    QTest.keyClicks(picker.field, "zzzz")
    assert picker.labels == [] and picker.hint.text() == "Nothing has this name."
    with qtbot.assertNotEmitted(picker.chosen):
        QTest.keyClick(picker.field, Qt.Key.Key_Return)
    QTest.keyClick(picker.field, Qt.Key.Key_Escape)
    assert not picker.isVisible()


def test_a_combo_of_many_opens_the_picker_and_takes_what_was_picked(qtbot):
    combo = PickerCombo(LAYERS, "Layer")
    qtbot.addWidget(combo)
    combo.show()
    assert combo.count() > MANY
    combo.showPopup()
    picker = combo.picker
    assert picker is not None and picker.isVisible()
    QTest.keyClicks(picker.field, "relu")
    with qtbot.waitSignal(combo.activated):
        QTest.keyClick(picker.field, Qt.Key.Key_Return)
    assert combo.currentText() == "ReLU"


def test_a_combo_of_few_stays_a_plain_one(qtbot):
    combo = PickerCombo(LAYERS[:MANY], "Layer")
    qtbot.addWidget(combo)
    combo.show()
    combo.showPopup()
    assert combo.picker is None
    combo.hidePopup()


@pytest.mark.parametrize(
    ("kind", "text", "label"),
    [("initializer", "kaiming", "He / Kaiming"), ("layer", "logistic", "Sigmoid"), ("layer", "fully", "Dense")],
)
def test_people_find_things_by_the_names_that_they_know(kind, text, label):
    infos = [info_of(cls) for cls in components_of(kind).values()]
    assert ranked(text, infos)[0].label == label
