"""The top bar: its numbers, its words, and how it gives way to a narrow window."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from lab.flow import PRIMARY, WAITING
from lab.transport import duration
from lab.window import Window
from tests.support.examples import blobs
from widgets import theme

MakeWindow = Callable[..., Window]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (42.4, "0:42"), (59.6, "1:00"), (3723, "1:02:03"), (-3, "0:00")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_before_a_run_it_says_what_to_press(make_window: MakeWindow) -> None:
    top = make_window().top
    assert top.describe() == ("press Train or F5", "2 epochs", 0.0)
    assert (top.loss.text, top.rate.text, top.speed.text, top.cost.text) == ("–",) * 4
    assert top.score.name == "val accuracy" and top.seed.text() == "seed 3"
    assert not top.stop.isEnabled() and not top.reset.isEnabled() and top.step.isEnabled()


def test_numbers_of_a_run(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window(blobs(epochs=4))
    window.flow.press()
    qtbot.waitUntil(lambda: window.session.state == "finished")
    top = window.top
    assert top.describe() == ("epoch 4 / 4 · step 80", "done", 1.0)
    assert top.standing.bar.share == 1.0
    assert top.speed.text == "41,200" and top.cost.text == "2.1 %" and top.rate.text == "0.001"
    accuracy = window.session.live.epochs[-1].validation_metrics["accuracy"]
    assert float(top.score.text) == pytest.approx(accuracy, abs=1e-3)
    assert not top.pill.busy
    window.flow.reset()
    assert top.loss.text == "–" and top.describe()[0] == "press Train or F5"


def test_in_a_pause_it_says_so(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window(blobs(epochs=50))
    window.flow.step()
    qtbot.waitUntil(lambda: window.session.state == "paused" and window.session.live.step_count == 1)
    where, left, share = window.top.describe()
    assert where == "epoch 1 / 50 · step 1" and left == "paused" and 0 < share < 0.01
    assert window.top.train.text() == "Resume"


@pytest.mark.parametrize("width", [1010, 1150, 1280, 1400, 1600, 1920])
def test_every_width_shows_whole_parts(make_window: MakeWindow, qtbot: Any, width: int) -> None:
    window = make_window(size=(max(width, 1020), 800))
    top = window.top
    top.set_edited(True)
    top.resize(width, top.height())
    top.layout().activate()
    shown = [top.train, *top.minor, top.standing, *top.figures, top.edited, top.pill, top.seed]
    shown = [part for part in shown if not part.isHidden()]
    for left, right in pairwise(shown):
        assert left.geometry().right() < right.geometry().left(), (left, right)
    assert shown[-1].geometry().right() < width
    for part in shown:
        assert part.width() >= part.minimumSizeHint().width()
    assert (top.step.text() == "Step") == (width >= 1600)
    assert top.loss.isVisible() and top.score.isVisible()


def test_nothing_moves_when_the_main_button_says_something_else(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window(size=(1600, 900))
    top, action = window.top, window.actions_by_id["train"]
    places = set()
    for text in (*(text for text, _, _ in PRIMARY.values()), *WAITING.values()):
        action.set_words(text, text)
        top.layout().activate()
        assert top.train.text() == text and top.train.width() >= top.train.sizeHint().width()
        places.add((top.train.width(), top.step.x(), top.standing.x()))
    assert len(places) == 1
    theme.apply(QApplication.instance(), "light")  # type: ignore[arg-type]
    assert top.train.minimumWidth() == places.pop()[0]


def test_the_seed_is_edited_in_place(make_window: MakeWindow) -> None:
    window = make_window()
    top = window.top
    QTest.mouseClick(top.seed, Qt.MouseButton.LeftButton)
    assert top.popup.isVisible() and top.popup.field.value() == 3
    QTest.keyClick(top.popup.field, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClicks(top.popup.field, "42")
    QTest.keyClick(top.popup.field, Qt.Key.Key_Return)
    assert window.document.experiment.seed == 42 and top.seed.text() == "seed 42" and not top.popup.isVisible()
    assert window.document.undo_label == "Change seed"
    QTest.mouseClick(top.seed, Qt.MouseButton.LeftButton)
    QTest.mouseClick(top.popup.draw, Qt.MouseButton.LeftButton)
    assert window.document.experiment.seed == top.popup.field.value()
    top.popup.close()


def test_where_a_run_stands_is_whole_or_short_but_never_cut(make_window: MakeWindow) -> None:
    top = make_window(blobs(epochs=900), size=(1280, 800)).top
    standing = top.standing
    for left in ("13:39 left", "0:42 left", ""):
        standing.left.setText(left)
        for where in ("epoch 260 / 900 · step 3,120", "epoch 9 / 900 · step 108"):
            top.describe = lambda where=where, left=left: (where, left, 0.5)  # type: ignore[method-assign]
            top.refresh()
            standing.layout().activate()
            shown = standing.where.text()
            assert shown in (where, where.partition(" · ")[0])
            assert standing.where.fontMetrics().horizontalAdvance(shown) <= standing.where.width()
