"""Measuring devices from the window: progress, figures, cancelling and failing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PySide6.QtCore import QProcess, Qt

from engine import devices
from engine.device_benchmark import Failure, Measured, Product, Progress
from lab import device_benchmark
from lab.device_benchmark import BenchmarkDialog
from lab.window import Window
from tests.lab.test_devices import CARD, TWO

MakeWindow = Callable[..., Window]

FIGURES = Measured(
    device="cuda:1", label="CuPy · X", bandwidth=9.1e11,
    products=(Product(math="float32", size=4096, flops=6.1e13, error=2.9e-7),
              Product(math="tf32", size=4096, flops=1.2e14, error=2.1e-4)),
)  # fmt: skip


@pytest.fixture
def dialog(make_window: MakeWindow, monkeypatch: pytest.MonkeyPatch) -> BenchmarkDialog:
    monkeypatch.setattr(devices, "_found", TWO)
    window = make_window()
    window.actions_by_id["benchmark"].trigger()
    found = window.findChild(BenchmarkDialog)
    assert found is not None
    return found


def program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *lines: Any, then: str = "") -> None:
    """Let the process that measures print these and do what follows."""
    texts = [item if isinstance(item, str) else msgspec.json.encode(item).decode() for item in lines]
    script = tmp_path / "measure"
    script.write_text(f"#!{sys.executable}\nfor text in {texts!r}: print(text, flush=True)\n{then}\n")
    script.chmod(0o755)
    monkeypatch.setattr(device_benchmark.sys, "executable", str(script))


def press(dialog: BenchmarkDialog, qtbot: Any) -> None:
    qtbot.mouseClick(dialog.button, Qt.MouseButton.LeftButton)


def cells(dialog: BenchmarkDialog) -> list[list[str]]:
    table = dialog.table
    return [
        [item.text() if (item := table.item(row, column)) is not None else "" for column in range(table.columnCount())]
        for row in range(table.rowCount())
    ]


pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its programs are scripts")


def test_a_device_is_measured(
    dialog: BenchmarkDialog, qtbot: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert dialog.choice.currentText() == f"RTX 4090 ({CARD.id})", "the one that the next run takes"
    assert not dialog.table.isVisible() and not dialog.bar.isVisible()
    program(monkeypatch, tmp_path, "noise", Progress(0, 4, "matrix products in float32"), Progress(1, 4, "memory"),
            FIGURES)  # fmt: skip
    press(dialog, qtbot)
    assert dialog.active and dialog.button.text() == "Cancel" and not dialog.choice.isEnabled()
    qtbot.waitUntil(lambda: not dialog.active)
    assert (dialog.bar.value(), dialog.bar.maximum()) == (1, 4)
    assert cells(dialog) == [
        ["RTX 4090 (cuda:1)", "float32", "61,000", "2.9e-07", "910"],
        ["", "tf32", "120,000", "2.1e-04", ""],
    ]
    assert dialog.button.text() == "Measure" and dialog.choice.isEnabled() and dialog.table.isVisible()


def test_progress_is_shown_and_it_can_be_cancelled(
    dialog: BenchmarkDialog, qtbot: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program(monkeypatch, tmp_path, Progress(2, 4, "matrix products in bf16"), then="import time; time.sleep(60)")
    press(dialog, qtbot)
    qtbot.waitUntil(lambda: dialog.words.text() == "Measuring matrix products in bf16…")
    assert dialog.bar.value() == 2 and dialog.bar.isVisible()
    press(dialog, qtbot)
    assert not dialog.active and dialog.words.text() == "Cancelled." and cells(dialog) == []


@pytest.mark.parametrize("how", ["close", "escape", "with the window"])
@pytest.mark.parametrize("measured", [False, True])
def test_closing_ends_it(
    dialog: BenchmarkDialog, qtbot: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str, measured: bool
) -> None:
    """The process ends with the dialog, also one that has its figures told and takes its time to end."""
    program(monkeypatch, tmp_path, *((FIGURES,) if measured else ()), then="import time; time.sleep(60)")
    press(dialog, qtbot)
    process = dialog._process
    assert process is not None
    qtbot.waitUntil(lambda: process.processId() > 0 and dialog.active is not measured)
    if how == "close":
        dialog.close()
    elif how == "escape":
        qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    else:
        dialog._window.discard()
    assert not dialog.active and process.state() is QProcess.ProcessState.NotRunning


@pytest.mark.parametrize(
    ("lines", "then", "words"),
    [
        ([Failure("The GPU's memory is full.")], "raise SystemExit(1)", "The GPU's memory is full."),
        ([], "raise SystemExit(3)", "The measurement ended without figures (status 3)."),
    ],
)
def test_what_fails_is_said(
    dialog: BenchmarkDialog, qtbot: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lines: list[Any], then: str,
    words: str,
) -> None:  # fmt: skip
    program(monkeypatch, tmp_path, *lines, then=then)
    press(dialog, qtbot)
    qtbot.waitUntil(lambda: not dialog.active)
    assert dialog.words.text() == words


def test_a_program_that_is_not_there(dialog: BenchmarkDialog, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_benchmark.sys, "executable", "/nowhere/python")
    press(dialog, qtbot)
    qtbot.waitUntil(lambda: not dialog.active)
    assert dialog.words.text().startswith("The measurement could not begin: ")


def test_beside_a_run_it_says_that_figures_are_lower(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window(rate=100.0)
    window.flow.press()
    qtbot.waitUntil(lambda: window.session.state == "running")
    window.actions_by_id["benchmark"].trigger()
    found = window.findChild(BenchmarkDialog)
    assert found is not None and "A run is going on" in found.words.text()
    window.flow.stop()


def test_devices_that_are_found_meanwhile_are_offered(
    make_window: MakeWindow, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = make_window()
    monkeypatch.setattr(window.devices, "found", None)
    monkeypatch.setattr(window.devices, "_look", lambda anew: TWO)
    window.actions_by_id["benchmark"].trigger()
    found = window.findChild(BenchmarkDialog)
    assert found is not None and found.choice.currentData() == "cpu"
    qtbot.waitUntil(lambda: found.choice.count() == 2)
    assert found.choice.currentData() == CARD.id
