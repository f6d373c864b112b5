"""Names of files, what may be dropped, and what becomes of files that cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from PySide6.QtCore import QMimeData, QUrl
from PySide6.QtWidgets import QFileDialog, QMessageBox

from engine import files
from lab.filing import dropped_file, file_name
from lab.window import Window
from tests.support.examples import blobs

MakeWindow = Callable[..., Window]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Spiral, MLP", "spiral-mlp"),
        ("MNIST, batch norm and dropout", "mnist-batch-norm-and-dropout"),
        ("Größe 2.5", "größe-2.5"),
        ("../../etc/passwd", "etc-passwd"),
        ("  …  ", "experiment"),
        ("", "experiment"),
    ],
)
def test_names_of_files(name: str, expected: str) -> None:
    assert file_name(name) == expected


def test_long_names_are_cut_off() -> None:
    assert len(file_name("word " * 100)) <= 80


def test_one_experiment_may_be_dropped_and_nothing_else(tmp_path: Path) -> None:
    def dropped(*urls: QUrl) -> Path | None:
        data = QMimeData()
        data.setUrls(list(urls))
        return dropped_file(data)

    one = QUrl.fromLocalFile(str(tmp_path / "a.dlab"))
    assert dropped(one) == tmp_path / "a.dlab"
    assert dropped(one, one) is None and dropped(QUrl.fromLocalFile(str(tmp_path / "a.png"))) is None
    assert dropped(QUrl("ftp://host/a.dlab")) is None and dropped_file(QMimeData()) is None


def test_save_as_proposes_a_name_and_adds_the_suffix(
    make_window: MakeWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = make_window(replace(blobs(), name="Spiral, MLP"))
    proposed: list[str] = []

    def choose(_parent: Any, _title: str, start: str, _filter: str) -> tuple[str, str]:
        proposed.append(Path(start).name)
        return str(tmp_path / "mine"), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    assert window.filing.save_as() and proposed == ["spiral-mlp.dlab"]
    assert window.document.path == tmp_path / "mine.dlab" and files.load(tmp_path / "mine.dlab").name == "Spiral, MLP"
    assert window.settings.recent[0] == tmp_path / "mine.dlab"


def test_leaving_with_changes_asks(make_window: MakeWindow, answers: list[Any], tmp_path: Path) -> None:
    window = make_window(path=tmp_path / "kept.dlab")
    window.document.apply("Change name", replace(window.document.experiment, name="Changed"))
    answers.append(QMessageBox.StandardButton.Cancel)
    assert not window.filing.new_from("moons-mlp") and window.document.experiment.name == "Changed"
    answers.append(QMessageBox.StandardButton.Save)
    assert window.filing.new_from("moons-mlp") and files.load(tmp_path / "kept.dlab").name == "Changed"


def test_a_file_that_is_gone_is_said_and_forgotten(make_window: MakeWindow, tmp_path: Path) -> None:
    window = make_window()
    window.settings.add_recent(tmp_path / "gone.dlab")
    before = window.document.experiment
    assert not window.filing.open(tmp_path / "gone.dlab")
    assert window.notices.texts and window.settings.recent == () and window.document.experiment is before
