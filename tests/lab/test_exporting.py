"""The export dialog: what is asked for is written, and what cannot be written is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from engine.averaging import ExponentialAverage
from engine.export.weights import load_weights
from engine.training.result import TrainingError
from engine.training.store import RunStore
from engine.training.trainer import Trainer
from lab.exporting import ExportDialog, write_history, write_weights
from lab.jobs import Jobs
from lab.taking import documents
from lab.window import Window
from tests.support.examples import blobs

MakeWindow = Callable[..., Window]


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    store = RunStore(tmp_path / "store")
    Trainer(blobs(epochs=2), store=store, device="cpu").run()
    return store


def test_weights_and_history_are_written(store: RunStore, tmp_path: Path) -> None:
    (run,) = store.list()
    with np.load(write_weights(store, run.id, tmp_path / "weights.npz", best=True)) as arrays:
        assert arrays["dense_1/weight"].shape == (2, 8)
    lines = write_history(store, run.id, tmp_path / "history.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + run.steps and "loss" in lines[0]


def test_the_averages_of_a_run_that_keeps_them(qtbot: Any, tmp_path: Path) -> None:
    store = RunStore(tmp_path / "store")
    Trainer(blobs(epochs=2, averaging=ExponentialAverage(decay=0.9)), store=store, device="cpu").run()
    run, jobs = store.list()[0].id, Jobs()
    dialog = ExportDialog(store, run, "Blobs", (), jobs, tmp_path / "out")
    qtbot.addWidget(dialog)
    dialog.which.setCurrentText("last checkpoint, averaged")
    dialog.history.setChecked(False)
    QTest.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dialog.status.text() == "1 file written.")
    jobs.close()
    checkpoint = store.open(run).last_checkpoint()
    assert checkpoint is not None
    found = load_weights(tmp_path / "out" / "weights.safetensors")
    np.testing.assert_array_equal(found["dense_1/weight"], checkpoint[0]["average/dense_1/weight"])
    assert (found["dense_1/weight"] != checkpoint[0]["parameter/dense_1/weight"]).any()


def test_a_run_without_a_checkpoint_has_no_weights(store: RunStore, tmp_path: Path) -> None:
    writer = store.create(blobs(), "NumPy")
    writer.finish("stopped")
    with pytest.raises(TrainingError, match="no checkpoint yet"):
        write_weights(store, store.list()[0].id, tmp_path / "weights.npz")


@pytest.fixture
def dialog(qtbot: Any, store: RunStore, tmp_path: Path) -> Any:
    jobs = Jobs()
    made = ExportDialog(store, store.list()[0].id, "Blobs", (), jobs, tmp_path / "out")
    qtbot.addWidget(made)
    made.show()
    yield made
    made.close()
    jobs.close()


def test_the_button_writes_what_is_ticked(dialog: ExportDialog, qtbot: Any, tmp_path: Path) -> None:
    assert dialog.which.count() == 2, "nothing is averaged"
    assert not dialog.pictures.isEnabled() and not dialog.show_folder.isVisible()
    QTest.keyClick(dialog.history, Qt.Key.Key_Space)
    assert not dialog.history.isChecked()
    QTest.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dialog.status.text() == "1 file written.")
    assert [path.name for path in dialog.written] == ["weights.safetensors"] and dialog.show_folder.isVisible()
    assert (tmp_path / "out" / "weights.safetensors").stat().st_size > 0


def test_nothing_chosen_and_a_folder_that_cannot_be_made(dialog: ExportDialog, tmp_path: Path) -> None:
    dialog.weights.setChecked(False)
    dialog.history.setChecked(False)
    QTest.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    assert "Nothing is chosen" in dialog.status.text()
    (tmp_path / "file").write_text("in the way")
    dialog.folder.setText(str(tmp_path / "file" / "out"))
    QTest.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    assert "cannot be made" in dialog.status.text()


def test_the_folder_lies_beside_the_experiment_or_among_the_documents(
    make_window: MakeWindow, qtbot: Any, store: RunStore, tmp_path: Path
) -> None:
    window = make_window(fake=False, store=store)
    run = store.list()[0].id
    window.taking._open(run, "Spiral, MLP", ())
    assert window.taking.dialog is not None
    assert Path(window.taking.dialog.folder.text()) == documents() / "spiral-mlp-export"
    window.filing.save_to(tmp_path / "mine.dlab")
    window.taking._open(run, "Spiral, MLP", ())
    assert Path(window.taking.dialog.folder.text()) == tmp_path / "spiral-mlp-export"
