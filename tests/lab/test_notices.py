"""Notices: they stand until they are answered, and never more than a few."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QVBoxLayout, QWidget

from lab.notices import MOST, WIDTH, Notices
from widgets import theme


@pytest.fixture
def notices(qtbot: Any, qapp: Any) -> Iterator[Notices]:
    theme.apply(qapp, "dark")
    ground = QWidget()
    qtbot.addWidget(ground)
    made = Notices()
    QVBoxLayout(ground).addWidget(made)
    ground.resize(900, 300)
    ground.show()
    yield made
    ground.close()


def test_a_button_does_what_it_says_and_ends_the_notice(notices: Notices, qtbot: Any) -> None:
    done: list[str] = []
    notices.show_notice(
        "Lost?", "warning", [("Restore", lambda: done.append("r")), ("Discard", lambda: done.append("d"))]
    )
    assert notices.isVisible() and notices.texts == ["Lost?"]
    button = notices.items[0].buttons[1]
    qtbot.waitUntil(button.isVisible)
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert done == ["d"] and not notices.isVisible()


def test_it_is_dismissed(notices: Notices, qtbot: Any) -> None:
    notices.show_notice("One")
    notices.show_notice("Two", "error")
    qtbot.waitUntil(notices.items[0].dismiss.isVisible)
    QTest.mouseClick(notices.items[0].dismiss, Qt.MouseButton.LeftButton)
    assert notices.texts == ["Two"]


def test_one_of_a_kind_and_few_at_a_time(notices: Notices) -> None:
    notices.show_notice("First failure", "error", key="run")
    notices.show_notice("Second failure", "error", key="run")
    assert notices.texts == ["Second failure"]
    for i in range(10):
        notices.show_notice(f"Notice {i}")
    assert len(notices.items) == MOST and notices.texts[-1] == "Notice 9"
    notices.show_notice("Notice 9")
    assert notices.texts.count("Notice 9") == 1
    notices.show_notice("Done", key="run")
    notices.clear("run")
    assert "Done" not in notices.texts


def test_themes_are_followed(notices: Notices, qapp: Any) -> None:
    notices.show_notice("Light")
    before = notices.items[0].styleSheet()
    theme.apply(qapp, "light")
    assert notices.items[0].styleSheet() != before
    theme.apply(qapp, "dark")


def test_they_float_and_move_nothing(qtbot: Any, qapp: Any) -> None:
    ground = QWidget()
    qtbot.addWidget(ground)
    inner = QWidget()
    QVBoxLayout(ground).addWidget(inner)
    floating = Notices()
    floating.float_over(ground)
    ground.resize(1400, 600)
    with qtbot.waitExposed(ground):
        ground.show()
    before = inner.geometry()
    floating.show_notice("Words. " * 60, "warning", [("Do it", lambda: None)])
    qtbot.wait(5)

    def floats() -> None:
        assert inner.geometry() == before and floating.isVisible()
        assert floating.width() == WIDTH and floating.geometry().center().x() == ground.rect().center().x()
        assert floating.items[0].rect().height() >= floating.items[0].heightForWidth(WIDTH)

    qtbot.waitUntil(floats)
    wide = floating.height()
    ground.resize(500, 600)
    qtbot.waitUntil(lambda: ground.rect().contains(floating.geometry()) and floating.height() > wide)
    dismiss = floating.items[0].dismiss
    qtbot.waitUntil(dismiss.isVisible)
    assert ground.childAt(dismiss.mapTo(ground, QPoint(4, 4))) is dismiss, "it lies on top"
