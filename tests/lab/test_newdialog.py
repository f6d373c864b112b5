"""The choice of a preset."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from engine import presets
from lab.newdialog import NewDialog
from widgets import theme


@pytest.fixture
def dialog(qtbot: Any, qapp: Any) -> NewDialog:
    theme.apply(qapp, "dark")
    made = NewDialog()
    qtbot.addWidget(made)
    made.show()
    return made


def test_it_lists_every_preset_and_offers_the_first(dialog: NewDialog) -> None:
    assert dialog.list.count() == len(presets.presets()) and dialog.chosen == presets.FIRST
    assert not dialog.grab().isNull()


def test_keys_and_mouse_choose(dialog: NewDialog) -> None:
    QTest.keyClick(dialog.list, Qt.Key.Key_Down)
    assert dialog.chosen == presets.presets()[1].name
    third = dialog.list.visualItemRect(dialog.list.item(2)).center()
    QTest.mouseClick(dialog.list.viewport(), Qt.MouseButton.LeftButton, pos=third)
    assert dialog.chosen == presets.presets()[2].name
    QTest.mouseClick(dialog.make, Qt.MouseButton.LeftButton)
    assert dialog.result() == NewDialog.DialogCode.Accepted


def test_words_find_presets_by_name_data_and_layers(dialog: NewDialog) -> None:
    QTest.keyClicks(dialog.field, "fashion batchnorm")
    left = [dialog.list.item(row) for row in range(dialog.list.count()) if not dialog.list.item(row).isHidden()]
    assert 0 < len(left) < len(presets.presets()) and dialog.list.currentItem() is left[0]
    for item in left:
        network = presets.make(item.data(Qt.ItemDataRole.UserRole).name).network
        assert "BatchNorm" in {type(node.component).__name__ for node in network.nodes}
    QTest.keyClick(dialog.field, Qt.Key.Key_Down)
    assert dialog.list.currentItem() is left[min(1, len(left) - 1)], "the arrows pass over what is hidden"
    QTest.keyClick(dialog.field, Qt.Key.Key_Return)
    assert dialog.result() == NewDialog.DialogCode.Accepted


def test_words_that_nothing_has_leave_nothing_to_create(dialog: NewDialog) -> None:
    QTest.keyClicks(dialog.field, "qqq")
    assert dialog.nothing.isVisible() and not dialog.make.isEnabled() and dialog.chosen == ""
    QTest.keyClick(dialog.field, Qt.Key.Key_Return)
    assert dialog.isVisible()
    dialog.field.clear()
    assert dialog.make.isEnabled() and dialog.chosen == presets.FIRST
