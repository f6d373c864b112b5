"""A text that changes moves nothing, unless it needs more room than any before it."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from widgets import theme
from widgets.steady import SteadyLabel


class Requests(QObject):
    """Counts the layouts that a widget is asked for."""

    count = 0

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        self.count += event.type() == QEvent.Type.LayoutRequest
        return False


@pytest.fixture
def box(qtbot: Any) -> tuple[QWidget, SteadyLabel, Requests]:
    window, label = QWidget(), SteadyLabel("0.1234")
    row = QHBoxLayout(window)
    row.addWidget(label)
    row.addWidget(QLabel("beside"))
    qtbot.addWidget(window)
    requests = Requests(window)
    window.installEventFilter(requests)
    window.show()
    qtbot.wait(20)
    requests.count = 0
    return window, label, requests


def test_a_text_that_fits_asks_for_no_layout(box: tuple[QWidget, SteadyLabel, Requests], qtbot: Any) -> None:
    _window, label, requests = box
    hint = label.sizeHint()
    for text in ("0.1", "", "0.2345"):
        label.setText(text)
        qtbot.wait(5)
        assert (label.text(), label.accessibleName()) == (text, text)
    assert requests.count == 0 and label.sizeHint() == hint


def test_a_longer_text_gets_the_room_that_it_needs(box: tuple[QWidget, SteadyLabel, Requests], qtbot: Any) -> None:
    _window, label, requests = box
    label.setText("0.1234567890123")
    qtbot.waitUntil(lambda: requests.count > 0)
    qtbot.waitUntil(lambda: label.width() >= label.fontMetrics().horizontalAdvance("0.1234567890123"))


def test_another_font_gets_another_room(box: tuple[QWidget, SteadyLabel, Requests]) -> None:
    _window, label, _requests = box
    before = label.sizeHint()
    label.setFont(theme.mono_font(24))
    assert label.sizeHint().width() > before.width() and label.sizeHint().height() > before.height()


def test_what_it_says_is_painted(box: tuple[QWidget, SteadyLabel, Requests]) -> None:
    _window, label, _requests = box
    empty = label.grab().toImage()
    label.setText("")
    assert label.grab().toImage() != empty


def test_one_that_gives_way_ends_in_dots(qtbot: Any) -> None:
    label = SteadyLabel("epoch 150 / 150 · step 3,300", gives_way=True)
    qtbot.addWidget(label)
    label.resize(label.sizeHint())
    whole = label.grab().toImage()
    label.resize(60, label.sizeHint().height())
    cut = label.grab().toImage()
    assert label.minimumSizeHint().width() == 0 and cut != whole.copy(cut.rect())


def test_forgetting_gives_the_room_back(box: tuple[QWidget, SteadyLabel, Requests]) -> None:
    _window, label, _requests = box
    before = label.sizeHint()
    label.setText("0.1234567890123")
    label.setText("0.1234")
    assert label.sizeHint().width() > before.width()
    label.forget()
    assert label.sizeHint() == before
