"""The palette: every component, search, keys, drag."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from lab.catalog import DRAG_FORMAT, catalog
from lab.palette import Palette, tooltip
from tests.support.examples import make


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
    rects = []
    for item in palette.chips:
        rect = item.rect().translated(item.mapTo(palette, item.rect().topLeft()))
        assert palette.rect().contains(rect)
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
