"""The header of a panel: what gives way where there is no room, and the tools under the mouse."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QEnterEvent
from PySide6.QtWidgets import QApplication, QMenu, QWidget
from pytestqt.qtbot import QtBot

from lab.panels import PANELS, Panel
from lab.panels.header import PanelHeader, look_words

Show = Callable[..., Panel]


@pytest.fixture
def header(qtbot: QtBot) -> PanelHeader:
    panel = QWidget()
    qtbot.addWidget(panel)
    panel.resize(400, 300)
    made = PanelHeader("Loss", QMenu(panel), panel)
    made.restyle()
    return made


def test_looking_back_is_told_in_as_many_words_as_there_is_room_for(header: PanelHeader) -> None:
    texts = look_words(3, 50)
    assert texts[0] == "looking back: epoch 3 of 50 (click to return to now)" and texts[-1] == "epoch 3"
    assert look_words(3, None)[1] == "looking back: epoch 3"
    told = []
    for width in (100, 300, 400, 900):
        header.parentWidget().resize(width, 300)
        header.show_look(texts)
        told.append(header.look.text())
        assert header.look.toolTip() == texts[0]
    assert told[0] == texts[-1] and told[-1] == texts[0]
    assert [texts.index(text) for text in told] == sorted((texts.index(text) for text in told), reverse=True)
    assert not header.look.isHidden()
    header.show_look(())
    assert header.look.isHidden()


def test_a_caption_gives_way_from_its_end(show: Show) -> None:
    caption = show(PANELS[0]).header.caption
    metrics = caption.fontMetrics()

    def wide(text: str) -> int:
        """The least room in which nothing of the text is cut off."""
        rooms = range(metrics.horizontalAdvance(text) - 2, 1000)
        return next(room for room in rooms if metrics.elidedText(text, Qt.TextElideMode.ElideRight, room) == text)

    caption.setText("step 439 · target 1e-3")
    assert caption.fitting(1000) == "step 439 · target 1e-3"
    assert caption.fitting(wide("step 439 · target 1e-3") - 1) == "step 439"
    caption.setText("nearest kept: step 439")
    assert caption.fitting(wide("nearest: step 439")) == "nearest: step 439"
    assert caption.fitting(wide("nearest: step 439") - 1) == "nearest: 439"
    assert caption.fitting(wide("nearest: 439") - 1) == "near 439"
    caption.setText("step 3,300")
    assert caption.fitting(wide("step 3,300")) == "step 3,300"
    assert caption.fitting(wide("step 3,300") - 1) == "3,300"
    assert caption.fitting(wide("3,300") - 1) == ""
    caption.setText("cosine")
    assert caption.fitting(wide("cosine") - 1) == "cosine"


def test_a_double_click_on_the_title_asks_for_all_the_room(show: Show, qtbot: QtBot) -> None:
    panel = show(PANELS[0])
    with qtbot.waitSignal(panel.maximizeRequested):
        qtbot.mouseDClick(panel.header.title, Qt.MouseButton.LeftButton)


def test_the_tools_appear_under_the_mouse(show: Show, qapp: QApplication) -> None:
    panel = show(PANELS[0])
    panel.header.tools.hide()
    qapp.sendEvent(panel, QEnterEvent(QPointF(5, 5), QPointF(5, 5), QPointF(5, 5)))
    assert panel.header.tools.isVisible()
    qapp.sendEvent(panel, QEvent(QEvent.Type.Leave))
    assert not panel.header.tools.isVisible()


def test_the_tools_stay_at_the_right_end(header: PanelHeader) -> None:
    panel = header.parentWidget()
    header.show_tools()
    panel.resize(700, 300)
    header.place_tools()
    assert header.tools.geometry().right() == 700 - 6 - 1


def test_the_button_of_the_options_is_there_when_there_are_any(qtbot: QtBot) -> None:
    for labels in ((), ("Logarithmic",)):
        panel = QWidget()
        qtbot.addWidget(panel)
        menu = QMenu(panel)
        header = PanelHeader("Loss", menu, panel)
        for label in labels:
            menu.addAction(label)
        header.hide_empty_menu()
        button = next(b for b, icon in header._buttons if icon == "settings")
        assert button.isHidden() == (not labels) and button.accessibleName() == "Loss: View options"


def test_the_menu_of_exports_asks_for_a_suffix(header: PanelHeader) -> None:
    asked: list[str] = []
    header.exportRequested.connect(asked.append)
    for action in header.export_menu.actions():
        action.trigger()
    assert asked == ["png", "svg", "csv"]
