"""The timeline: a cell for each epoch, the best one marked, and looking back by mouse and keyboard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from pytestqt.qtbot import QtBot

from engine.training.events import Changed
from lab.panels.timeline import CELL, TOP, Timeline
from lab.session import Session


@pytest.fixture
def timeline(qtbot: QtBot, session: Session) -> Iterator[Timeline]:
    strip = Timeline()
    qtbot.addWidget(strip)
    strip.resize(1034, 90)
    strip.set_session(session)
    strip.show()
    yield strip
    strip.set_session(None)


def at(strip: Timeline, epoch: int) -> QPoint:
    """The middle of an epoch's cell."""
    return QPointF(strip._x(epoch - 0.5), TOP + CELL / 2).toPoint()


def test_every_epoch_has_its_place(timeline: Timeline) -> None:
    assert timeline.epochs == 50 and timeline.cells == 50
    assert timeline.position() == 12.0
    assert [timeline.epoch_at(at(timeline, epoch).x()) for epoch in (1, 7, 50)] == [1, 7, 50]
    assert timeline.epoch_at(-100) == 1 and timeline.epoch_at(5000) == 50


def test_hover_shows_the_epochs_numbers(timeline: Timeline, session: Session) -> None:
    text = timeline.tip(QPointF(at(timeline, 3)))
    assert text.startswith("epoch 3 · step 120") and "validation accuracy" in text
    assert timeline.tip(QPointF(at(timeline, 40))) == "epoch 40: not trained yet"
    assert timeline.tip(QPointF(10, 2)) == ""


def test_dragging_looks_back_and_the_line_returns(timeline: Timeline, session: Session, qtbot: QtBot) -> None:
    qtbot.mousePress(timeline, Qt.MouseButton.LeftButton, pos=at(timeline, 4))
    assert session.looking == 4
    assert "looking back: epoch 4 of 50" in timeline.hint()
    qtbot.mouseMove(timeline, at(timeline, 9))
    timeline._look_at(at(timeline, 9).x())
    assert session.looking == 9
    qtbot.mousePress(timeline, Qt.MouseButton.LeftButton, pos=at(timeline, 30))
    assert session.looking is None


def test_the_keyboard_looks_back_too(timeline: Timeline, session: Session, qtbot: QtBot) -> None:
    for key, expected in (
        (Qt.Key.Key_Left, 11),
        (Qt.Key.Key_Left, 10),
        (Qt.Key.Key_Right, 11),
        (Qt.Key.Key_Home, 1),
        (Qt.Key.Key_End, None),
        (Qt.Key.Key_Left, 11),
        (Qt.Key.Key_Escape, None),
    ):
        qtbot.keyClick(timeline, key)
        assert session.looking == expected


def test_live_changes_have_a_tick_with_their_words(timeline: Timeline, session: Session) -> None:
    path = "training.optimizer.learning_rate"
    session.live.changes.append(Changed(run="fake", step=100, path=path, before=1e-3, after=0.3))
    assert [(mark.epoch, mark.text) for mark in timeline.marks()] == [(2.5, "learning rate 0.3")]
    assert timeline.tip(QPointF(at(timeline, 3))).endswith("changed during epoch 3: learning rate 0.3")
    assert "changed" not in timeline.tip(QPointF(at(timeline, 5)))


def test_the_diamond_says_what_it_marks(timeline: Timeline, session: Session) -> None:
    best = session.live.best_epoch()
    assert best is not None
    words = f"lowest validation loss: epoch {best.epoch}"
    assert timeline.hint().endswith(f"◆ {words}")
    assert words in timeline.tip(QPointF(at(timeline, best.epoch)))


def test_many_epochs_share_cells(timeline: Timeline, session: Session) -> None:
    session.started = None
    assert session.experiment is not None
    from msgspec.structs import replace

    session.experiment = replace(session.experiment, training=replace(session.experiment.training, epochs=100_000))
    assert timeline.cells <= 400 and timeline.epochs == 100_000
    assert not timeline.grab().isNull()


def test_an_empty_timeline_explains_itself(qtbot: QtBot, qapp: object) -> None:
    session = Session()
    strip = Timeline()
    qtbot.addWidget(strip)
    strip.set_session(session)
    strip.resize(600, 90)
    assert not strip.grab().isNull()
    qtbot.keyClick(strip, Qt.Key.Key_Left)
    qtbot.mousePress(strip, Qt.MouseButton.LeftButton, pos=QPoint(100, 50))
    assert session.looking is None
    strip.set_session(None)
    session.close()
