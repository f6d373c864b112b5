"""Measuring devices from the window: a process of its own for each, with its progress, and figures side by side."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import QProcess, QProcessEnvironment, Qt
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
)

from engine import device_benchmark
from engine.device_benchmark import Failure, Line, Measured, Progress
from engine.devices import processor_name
from lab.devices import gpu_of, short
from widgets import theme
from widgets.layout import label, set_role
from widgets.table import Table

if TYPE_CHECKING:
    from lab.window import Window

__all__ = ["BenchmarkDialog"]

HEADER = ("Device", "Products", "GFLOP/s", "Error", "Memory GB/s")
ABOUT = (
    "Large matrix products as training has them, and how much they round: ‖C − AB‖ / ‖AB‖ against float64. Memory: "
    "bytes read and written while arrays are copied or added."
)
READY = "Press Measure; it takes a few seconds."
BUSY = "A run is going on: what is measured beside it is lower, and the run slower."


class BenchmarkDialog(QDialog):
    """Measures one device after another; what was measured stays in the table."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Benchmark of the devices")
        self.resize(680, 420)
        self._window = window
        self.measured: dict[str, Measured] = {}
        self.names: dict[str, str] = {}
        self._process: QProcess | None = None
        self._device, self._unread = "", b""
        self.choice = QComboBox(self)
        self.choice.setAccessibleName("Device to measure")
        self.button = QPushButton("Measure", self)
        set_role(self.button, "primary", "kind")
        self.button.setMinimumWidth(96)
        self.button.clicked.connect(self._on_button)
        self.words = label("", "dim", wrap=True)
        self.bar = QProgressBar(self)
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress of the benchmark")
        self.table = Table()
        self.table.setMinimumHeight(196)
        self.about = label(ABOUT, "hint", wrap=True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.rejected.connect(self.close)
        row = QHBoxLayout()
        row.addWidget(self.choice, 1)
        row.addWidget(self.button)
        column = QVBoxLayout(self)
        column.setContentsMargins(18, 16, 18, 14)
        column.setSpacing(10)
        column.addLayout(row)
        column.addWidget(self.words)
        column.addWidget(self.bar)
        column.addWidget(self.table, 1)
        column.addWidget(self.about)
        column.addWidget(buttons)
        window.devices.changed.connect(self._list)
        window.closed.connect(self.close)
        self.finished.connect(self._let_go)  # the Escape key closes without an event
        theme.signals.changed.connect(self.table.restyle)
        self._list()
        self._fill()
        self._show_idle("")

    def _list(self) -> None:
        """Offer the devices that are known by now; the one that the next run takes is chosen."""
        devices, before = self._window.devices, tuple(self.names)
        self.names = {"cpu": f"Processor · {processor_name()}"}
        self.names |= {gpu.id: f"{short(gpu.name)} ({gpu.id})" for gpu in devices.usable}
        if tuple(self.names) == before:
            return
        self.choice.clear()
        for device, name in self.names.items():
            self.choice.addItem(name, device)
        gpu = gpu_of(self._window.session.device, devices.found)
        self.choice.setCurrentIndex(max(0, self.choice.findData(gpu.id if gpu is not None else "cpu")))
        self.choice.setEnabled(len(self.names) > 1 and not self.active)

    @property
    def active(self) -> bool:
        """Whether a device is being measured."""
        return self._process is not None

    # -- orders --------------------------------------------------------------------------------------------------------

    def _on_button(self) -> None:
        if self.active:
            self.cancel()
        else:
            self.start(self.choice.currentData())

    def start(self, device: str) -> None:
        """Measure a device."""
        self._device, self._unread = device, b""
        process = self._process = QProcess(self)
        root = str(Path(device_benchmark.__file__).resolve().parents[1])
        environment = QProcessEnvironment.systemEnvironment()
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment.insert("PYTHONPATH", os.pathsep.join(paths))
        process.setProcessEnvironment(environment)
        process.setWorkingDirectory(root)  # a folder “engine” where the program was started is another one
        process.readyReadStandardOutput.connect(self._on_output)
        process.finished.connect(self._on_finished)
        process.errorOccurred.connect(self._on_error)
        self.choice.setEnabled(False)
        self.button.setText("Cancel")
        self.bar.setRange(0, len(device_benchmark.planned(device)))
        self.bar.setValue(0)
        self.bar.setVisible(True)
        self._say("Starting…")
        process.start(sys.executable, ["-m", "engine.device_benchmark", device])

    def cancel(self) -> None:
        """End the measurement; nothing of it is left."""
        if self._process is not None:
            self._let_go()
            self._show_idle("Cancelled.")

    def _let_go(self) -> None:
        """End all processes, those too that have said everything: what is destroyed with one of them waits for it."""
        self._process = None
        for process in self.findChildren(QProcess):
            process.blockSignals(True)
            process.kill()
            process.waitForFinished(2000)
            process.deleteLater()

    def closeEvent(self, event: QCloseEvent) -> None:
        self._let_go()
        super().closeEvent(event)

    # -- what the process says -----------------------------------------------------------------------------------------

    def _on_output(self) -> None:
        if self._process is None:
            return
        self._unread += bytes(self._process.readAllStandardOutput().data())
        *lines, self._unread = self._unread.split(b"\n")
        for text in lines:
            try:
                line = msgspec.json.decode(text, type=Line)
            except msgspec.DecodeError:
                continue  # a library's own words
            self._take(line)

    def _take(self, line: Measured | Progress | Failure) -> None:
        match line:
            case Progress():
                self.bar.setRange(0, line.total)
                self.bar.setValue(line.done)
                self._say(f"Measuring {line.what}…")
            case Measured():
                self.measured[line.device] = line
                self._fill()
                self._end("")
            case Failure():
                self._end(line.message)

    def _on_finished(self, status: int, _how: object) -> None:
        self._on_output()
        if self.active:
            self._end(f"The measurement ended without figures (status {status}).")

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if self._process is not None and error is QProcess.ProcessError.FailedToStart:
            self._end(f"The measurement could not begin: {self._process.errorString()}.")

    def _end(self, words: str) -> None:
        if self._process is not None:
            self._process.finished.disconnect()
            self._process.finished.connect(self._process.deleteLater)
            self._process = None
        self._show_idle(words)

    # -- what it shows -------------------------------------------------------------------------------------------------

    def _show_idle(self, words: str) -> None:
        self.choice.setEnabled(len(self.names) > 1)
        self.button.setText("Measure")
        self.bar.setVisible(False)
        self._say(words or (BUSY if self._window.session.active else "" if self.measured else READY))

    def _say(self, words: str) -> None:
        self.words.setText(words)
        self.words.setVisible(bool(words))

    def _fill(self) -> None:
        rows = []
        for device, name in self.names.items():
            found = self.measured.get(device)
            for place, product in enumerate(found.products if found is not None else ()):
                first = not place
                rows.append(
                    (
                        name if first else "",
                        product.math,
                        f"{product.flops / 1e9:,.0f}",
                        f"{product.error:.1e}",
                        f"{found.bandwidth / 1e9:,.0f}" if first and found is not None else "",
                    )
                )
        self.table.fill(HEADER, rows)
        self.table.setVisible(bool(rows))
