"""A run in words, and its row under keys and mouse."""

from __future__ import annotations

import time
from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QListWidget, QListWidgetItem

from engine.training.store import RunSummary
from lab.run_row import LOOK, SUMMARY, RowLook, RunDelegate, run_facts, run_heading, status_words, when_text
from widgets import theme

DAY = 24 * 3600.0


def run(**values: Any) -> RunSummary:
    plain: dict[str, Any] = {
        "id": "r", "name": "Name", "status": "done", "device": "NumPy", "created": time.time(), "finished": None,
        "steps": 10, "epochs": 3, "seconds": 1.0, "train_loss": 0.5, "validation_loss": None,
        "best_validation_loss": None, "metrics": {}, "checkpoints": 1,
    }  # fmt: skip
    return RunSummary(**(plain | values))


def test_a_heading_says_which_run_when_and_how_good() -> None:
    now = when_text(time.time())
    assert run_heading(run(metrics={"accuracy": 0.9912}), 4) == f"#4 · {now} · 99.1 %"
    assert run_heading(run(metrics={"mean_absolute_error": 0.25}), 1) == f"#1 · {now} · MAE 0.25"
    assert run_heading(run(metrics={"of_another_version": 0.25}), 1) == f"#1 · {now} · of another version 0.25"
    assert run_heading(run(validation_loss=0.125), 2) == f"#2 · {now} · loss 0.125"
    assert run_heading(run(train_loss=None), 2) == f"#2 · {now}"


def test_facts_prefer_what_is_different() -> None:
    assert run_facts(run()) == "3 epochs · Name" and run_facts(run(epochs=1)) == "1 epoch · Name"
    assert run_facts(run(), "learning rate 0.3") == "learning rate 0.3 · Name"
    assert status_words("interrupted") == ("interrupted", "warn") and status_words("new") == ("new", "text_dim")


def test_dates_have_no_zero_in_front() -> None:
    noon = time.mktime((2026, 7, 4, 12, 0, 0, 0, 0, -1))
    assert when_text(noon, noon + 60) == time.strftime("%H:%M", time.localtime(noon))
    assert when_text(noon, noon + 40 * DAY).split()[0] == "4"
    assert when_text(noon, noon + 400 * DAY) == "2026-07-04"


@pytest.fixture
def rows(qtbot: Any, qapp: Any) -> QListWidget:
    theme.apply(qapp, "dark")
    made = QListWidget()
    made.setItemDelegate(RunDelegate(made))
    for position in (2, 1):
        item = QListWidgetItem(made)
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
        item.setCheckState(Qt.CheckState.Unchecked)
        item.setData(SUMMARY, run())
        item.setData(LOOK, RowLook(position))
    qtbot.addWidget(made)
    made.resize(236, 200)
    made.show()
    return made


def test_the_box_is_ticked_by_mouse_and_space(rows: QListWidget) -> None:
    item = rows.item(0)
    corner = rows.visualItemRect(item).topLeft()
    QTest.mouseClick(rows.viewport(), Qt.MouseButton.LeftButton, pos=corner + QPoint(18, 17))
    assert item.checkState() == Qt.CheckState.Checked
    QTest.mouseClick(rows.viewport(), Qt.MouseButton.LeftButton, pos=corner + QPoint(120, 17))
    assert item.checkState() == Qt.CheckState.Checked, "a click on the words selects"
    rows.setCurrentRow(0)
    QTest.keyClick(rows, Qt.Key.Key_Space)
    assert item.checkState() == Qt.CheckState.Unchecked


def test_a_ticked_row_has_the_colour_of_its_curve(rows: QListWidget) -> None:
    item = rows.item(0)
    item.setCheckState(Qt.CheckState.Checked)
    colors = []
    for series in (2, 3):
        item.setData(LOOK, RowLook(2, "", series))
        colors.append(rows.viewport().grab().toImage().pixelColor(13, 12).name())
    assert colors == [theme.color(theme.current().series[n]).name() for n in (2, 3)]
