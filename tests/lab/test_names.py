"""Names with line breaks, control characters or no end, wherever the window shows them: on one line, and short."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from PySide6.QtCore import Qt

from engine.experiment import Experiment
from engine.training.store import RunStore
from engine.training.trainer import Trainer
from lab.commands import entries_of
from lab.exporting import ExportDialog
from lab.jobs import Jobs
from lab.panels.layers import layers_of
from lab.run_row import run_facts
from lab.window import Window
from tests.support.examples import blobs
from widgets.elided import ElidedLabel

MakeWindow = Callable[..., Window]
NAMES = ("first\nsecond \x1b[31m\u202ethird", "endless " * 20_000)


def renamed(name: str) -> Experiment:
    value = blobs(epochs=1)
    nodes = tuple(replace(node, title=name) for node in value.network.nodes)
    return replace(value, name=name, network=replace(value.network, nodes=nodes))


def fits(text: str, most: int = 60) -> bool:
    return text.isprintable() and 0 < len(text) <= most


@pytest.mark.parametrize("name", NAMES, ids=["control", "endless"])
def test_cards_panels_rows_and_status(make_window: MakeWindow, qtbot: Any, tmp_path: Path, name: str) -> None:
    store = RunStore(tmp_path / "store")
    Trainer(renamed(name), store=store, device="cpu").run()
    window = make_window(renamed(name), fake=False, store=store)
    window.show_left("runs")
    qtbot.waitUntil(lambda: len(window.runs.summaries) == 1)
    (run,) = window.runs.summaries
    assert all(fits(item.face.title) for item in window.canvas.net().nodes.values())
    assert all(fits(item.title) for item in layers_of(window.document.experiment).values())
    item = window.runs.list.item(0)
    assert fits(item.text()) and fits(run_facts(run), 80) and fits(item.data(Qt.ItemDataRole.AccessibleTextRole), 120)
    assert all(fits(line, 200) for line in item.toolTip().splitlines() if line)
    assert all(fits(entry.text, 100) for entry in entries_of(window) if entry.kind == "Run")
    window.runs.open_run(run.id)
    qtbot.waitUntil(lambda: window.session.run_id == run.id)
    qtbot.waitUntil(lambda: bool(window.status.run.text()))
    assert fits(window.status.run.text(), 80)


def test_a_label_of_one_line_has_one_line(qtbot: Any) -> None:
    plain, label = ElidedLabel("one line"), ElidedLabel(NAMES[0])
    for made in (plain, label):
        qtbot.addWidget(made)
    assert label.text() == "first second [31mthird" and label.sizeHint().height() == plain.sizeHint().height()
    label.setText(NAMES[1])
    assert fits(label.text(), 500) and label.sizeHint().height() == plain.sizeHint().height()


def test_the_export_dialog_names_the_run(qtbot: Any, tmp_path: Path) -> None:
    jobs = Jobs()
    dialog = ExportDialog(None, "r", NAMES[0], (), jobs, tmp_path)
    qtbot.addWidget(dialog)
    assert dialog.windowTitle() == "Export “first second [31mthird”"
    jobs.close()
