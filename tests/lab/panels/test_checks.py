"""The panel of checks: started and cancelled by hand, with a verdict, numbers, and a rate to take over."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from engine import edits, presets
from engine.experiment import Experiment
from lab import checking
from lab.document import Document
from lab.panels.checks import ChecksPanel
from lab.session import Session
from widgets import theme


@pytest.fixture
def panel(qtbot: QtBot, session: Session) -> Iterator[ChecksPanel]:
    yield from made(qtbot, session, presets.make("digits-baseline"))


def made(qtbot: QtBot, session: Session, experiment: Experiment) -> Iterator[ChecksPanel]:
    document = Document(experiment)
    panel = ChecksPanel()
    qtbot.addWidget(panel)
    panel.set_document(document)
    panel.set_session(session)
    panel.resize(560, 420)
    panel.show()
    panel.refresh()
    yield panel
    panel.set_session(None)
    document.close()


def run(qtbot: QtBot, panel: ChecksPanel, tag: str) -> None:
    page = panel.show_check(tag)
    QTest.mouseClick(page.run, Qt.MouseButton.LeftButton)
    assert panel.checking.running == tag
    qtbot.waitUntil(lambda: not panel.checking.running, timeout=20_000)
    panel.refresh()


@pytest.mark.parametrize(
    ("tag", "words", "columns"),
    [
        ("summary", "7,510 parameters", 8),
        ("initial-loss", "2.303", 5),
        ("overfit", "known by heart", 3),
        ("lr-range", "falls fastest", 3),
        ("gradient-check", "agree", 6),
    ],
)
def test_every_check_ends_with_a_verdict(
    panel: ChecksPanel, qtbot: QtBot, tag: str, words: str, columns: int, tmp_path: Path
) -> None:
    run(qtbot, panel, tag)
    page = panel.page
    assert words in page.verdict.text() and page.mark.isVisible() and page.run.text() == "Check again"
    assert page.rows.columnCount() == columns and page.rows.rowCount() > 0
    assert (page.plot is not None) == (tag in ("overfit", "lr-range"))
    assert not panel.grab().isNull()
    panel.export(tmp_path / "x.csv")
    table = list(csv.reader((tmp_path / "x.csv").read_text(encoding="utf-8").splitlines()))
    assert len(table) > 1 and len(table[0]) == len(table[1])


def test_options_are_told_by_hand(panel: ChecksPanel, qtbot: QtBot) -> None:
    page = panel.show_check("overfit")
    field = page.fields["samples"].number
    field.setFocus()
    QTest.keyClick(field, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClicks(field, "7")
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert page.options == type(page.options)(samples=7)
    run(qtbot, panel, "overfit")
    assert page.outcome is not None and page.outcome.result.samples == 7


def test_a_check_can_be_cancelled_and_leaves_what_was_there(panel: ChecksPanel, qtbot: QtBot) -> None:
    page = panel.show_check("gradient-check")
    page.options = type(page.options)(entries=10_000, samples=1000)
    QTest.mouseClick(page.run, Qt.MouseButton.LeftButton)
    panel.refresh()
    assert page.run.text() == "Cancel" and page.bar.isVisible()
    other = panel.show_check("summary")
    assert not other.run.isEnabled() and other.run.toolTip()
    panel.show_check("gradient-check")
    QTest.mouseClick(page.run, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not panel.checking.running, timeout=20_000)
    panel.refresh()
    assert page.run.text() == "Check" and page.outcome is None and not page.verdict.text()


def test_a_rate_that_was_found_is_taken_over_as_one_edit(panel: ChecksPanel, qtbot: QtBot) -> None:
    document = panel.document
    assert document is not None
    before = document.experiment
    run(qtbot, panel, "lr-range")
    page = panel.page
    assert document.experiment is before, "the test itself changes nothing"
    assert page.take.isVisible() and page.take.text().startswith("Use 0.0")
    QTest.mouseClick(page.take, Qt.MouseButton.LeftButton)
    rate = document.experiment.training.optimizer.learning_rate
    assert rate == pytest.approx(page.outcome.result.steepest, rel=0.06)  # type: ignore[union-attr]
    document.undo()
    assert document.experiment is before


def test_a_result_of_another_network_says_so(panel: ChecksPanel, qtbot: QtBot) -> None:
    run(qtbot, panel, "initial-loss")
    assert panel.document is not None and not panel.page.told.text()
    moved = edits.move(panel.document.experiment, {"dense_1": (500.0, 500.0)})
    panel.document.apply("Move", moved)
    panel.refresh()
    assert not panel.page.told.text()
    panel.document.apply("Units", edits.set_field(moved, "dense_1", "units", 50))
    panel.refresh()
    assert "earlier version" in panel.page.told.text()


def test_what_keeps_a_check_from_a_result_is_said(qtbot: QtBot, session: Session) -> None:
    experiment = edits.remove_nodes(presets.make("digits-baseline"), ["softmax_cross_entropy_1"])
    for panel in made(qtbot, session, experiment):
        run(qtbot, panel, "overfit")
        assert "no loss" in panel.page.verdict.text() and panel.page.mark.isVisible()
        assert not panel.page.stack.isVisible()
        run(qtbot, panel, "lr-range")
        page = panel.page
        page.options = type(page.options)(low=1.0, high=0.1)
        panel.document.apply("back", presets.make("digits-baseline"))  # type: ignore[union-attr]
        run(qtbot, panel, "lr-range")
        assert "0 < low < high" in page.verdict.text()


def test_closing_ends_a_check_under_way(qtbot: QtBot, session: Session) -> None:
    for panel in made(qtbot, session, presets.make("digits-baseline")):
        page = panel.show_check("gradient-check")
        page.options = type(page.options)(entries=10_000)
        QTest.mouseClick(page.run, Qt.MouseButton.LeftButton)
    assert not panel.checking.running


def test_both_themes(panel: ChecksPanel, qtbot: QtBot, qapp: object) -> None:
    run(qtbot, panel, "lr-range")
    pictures = []
    for mode in ("dark", "light"):
        theme.apply(qapp, mode)  # type: ignore[arg-type]
        image = panel.grab().toImage()
        pictures.append(np.array([image.pixel(x, 5) for x in range(0, image.width(), 7)]))
    assert not np.array_equal(*pictures)


def test_progress_is_told_at_a_pace_however_often_a_check_looks_up(
    panel: ChecksPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter(np.arange(100.0, 101.0, 0.001).tolist())
    monkeypatch.setattr(checking, "monotonic", lambda: next(now))
    told: list[float] = []
    panel.checking.progressed.connect(lambda share, _: told.append(share))
    assert all(panel.checking._watch(k / 1000, "") for k in range(1000))
    assert told[0] == 0.0 and 18 <= len(told) <= 20


def test_headings_stand_over_their_columns(panel: ChecksPanel, qtbot: QtBot) -> None:
    run(qtbot, panel, "summary")
    table = panel.page.rows
    sides = {Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight}
    for column in range(table.columnCount()):
        heading, first = table.horizontalHeaderItem(column), table.item(0, column)
        assert heading is not None and first is not None and heading.textAlignment() == first.textAlignment()
    assert {Qt.AlignmentFlag(table.item(0, j).textAlignment()) & side for j in (0, 3) for side in sides} >= sides
