"""The export dialog: a run's weights, the pictures of the panels, and its numbers as a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from PySide6.QtCore import QTimer, QUrl
from PySide6.QtGui import QCloseEvent, QDesktopServices
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from engine.training.database import StoreError
from engine.training.result import TrainingError, words
from lab.jobs import Jobs
from lab.panels import Panel
from widgets.text import shortened

if TYPE_CHECKING:
    from engine.training.store import RunStore

__all__ = ["Export", "ExportDialog", "write_history", "write_weights"]


PICTURE = (900, 560)
"""The size of a panel that is not on the screen."""


class Export(Struct, frozen=True, kw_only=True):
    """What to write where: suffixes, or "" for nothing."""

    folder: Path
    weights: str = ""
    best: bool = False
    averaged: bool = False
    pictures: str = ""
    tables: bool = False
    history: bool = False
    panels: tuple[str, ...] = ()


def write_weights(store: RunStore, run_id: str, path: Path, *, best: bool = False, averaged: bool = False) -> Path:
    """Write the weights, or their averages, of a run's last (or best) checkpoint. Raises TrainingError, StoreError,
    WeightsError."""
    from engine.export.weights import save_weights, weights_of

    reader = store.open(run_id)
    checkpoint = reader.best_checkpoint() if best else reader.last_checkpoint()
    if checkpoint is None:
        raise TrainingError("This run has no checkpoint yet, so there are no weights to export: let it end an epoch.")
    arrays, counters = checkpoint
    step = str(counters.get("step", ""))
    save_weights(path, weights_of(arrays, averaged=averaged), experiment=reader.experiment.name, run=run_id, step=step)
    return path


def keeps_average(store: RunStore, run_id: str) -> bool:
    """Whether the run keeps averaged weights; no when its experiment cannot be read."""
    try:
        return store.open(run_id).experiment.training.averaging.keeps
    except StoreError:
        return False


def write_history(store: RunStore, run_id: str, path: Path) -> Path:
    """Write every step's and epoch's numbers as CSV. Raises StoreError, TableError."""
    from engine.export.tables import write_csv
    from lab.cli.export import history_columns

    write_csv(path, history_columns(store.open(run_id)))
    return path


class ExportDialog(QDialog):
    """Writes files of one run. Weights and the history are written off the window's thread, pictures one at a time."""

    def __init__(
        self,
        store: RunStore | None,
        run_id: str,
        name: str,
        panels: tuple[Panel, ...],
        jobs: Jobs,
        folder: Path,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Export “{shortened(name)}”")
        self.setMinimumWidth(560)
        self._store, self._run, self._name, self._jobs = store, run_id, name, jobs
        self._panels = {panel.name: panel for panel in panels}
        self._waiting: list[Callable[[], None]] = []
        self._total = 0
        self.written: list[Path] = []
        self.problems: list[str] = []
        self.weights = QCheckBox("Weights", self)
        self.weights.setChecked(store is not None)
        self.weights.setEnabled(store is not None)
        self.weights_format = self._combo("Format of the weights", ".safetensors", ".npz")
        self.which = self._combo("Which checkpoint", "last checkpoint", "best checkpoint")
        if store is not None and keeps_average(store, run_id):
            self.which.addItems(("last checkpoint, averaged", "best checkpoint, averaged"))
        self.pictures = QCheckBox("Pictures of the panels", self)
        self.pictures.setChecked(bool(panels))
        self.pictures.setEnabled(bool(panels))
        self.pictures_format = self._combo("Format of the pictures", ".png", ".svg")
        self.tables = QCheckBox("Tables of the panels (.csv)", self)
        self.tables.setEnabled(bool(panels))
        self.history = QCheckBox("Every step and epoch of the run (.csv)", self)
        self.history.setChecked(store is not None)
        self.history.setEnabled(store is not None)
        self.folder = QLineEdit(str(folder), self)
        self.folder.setAccessibleName("Folder")
        browse = QPushButton("Browse…", self)
        browse.clicked.connect(self._on_browse)
        self.status = QLabel("", self)
        self.status.setWordWrap(True)
        self.bar = QProgressBar(self)
        self.bar.setTextVisible(False)
        self.bar.hide()
        self.go = QPushButton("Export", self)
        self.go.setProperty("kind", "primary")
        self.go.setDefault(True)
        self.go.clicked.connect(self._on_go)
        self.show_folder = QPushButton("Show the folder", self)
        self.show_folder.clicked.connect(self._on_show)
        self.show_folder.hide()
        close = QPushButton("Close", self)
        close.clicked.connect(self.close)
        grid = QGridLayout()
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(9)
        grid.setColumnStretch(0, 1)
        for row, parts in enumerate(
            (
                (self.weights, self.which, self.weights_format),
                (self.pictures, None, self.pictures_format),
                (self.tables, None, None),
                (self.history, None, None),
            )
        ):
            for column_number, part in enumerate(parts):
                if part is not None:
                    alone = parts[1:] == (None, None)
                    grid.addWidget(part, row, column_number, 1, 3 if alone else 1)
        place = QHBoxLayout()
        place.addWidget(QLabel("Folder", self))
        place.addWidget(self.folder, 1)
        place.addWidget(browse)
        feet = QHBoxLayout()
        feet.addWidget(self.show_folder)
        feet.addStretch(1)
        feet.addWidget(close)
        feet.addWidget(self.go)
        column = QVBoxLayout(self)
        column.setContentsMargins(18, 16, 18, 16)
        column.setSpacing(14)
        column.addLayout(grid)
        column.addLayout(place)
        column.addWidget(self.status)
        column.addWidget(self.bar)
        column.addLayout(feet)
        self._timer = QTimer(self, singleShot=True, interval=0)
        self._timer.timeout.connect(self._next)

    def _combo(self, name: str, *items: str) -> QComboBox:
        combo = QComboBox(self)
        combo.addItems(items)
        combo.setAccessibleName(name)
        return combo

    # -- what is asked for ---------------------------------------------------------------------------------------------

    def wanted(self) -> Export:
        """What the dialog says now."""
        return Export(
            folder=Path(self.folder.text()).expanduser(),
            weights=self.weights_format.currentText() if self.weights.isChecked() else "",
            best=self.which.currentIndex() % 2 == 1,
            averaged=self.which.currentIndex() > 1,
            pictures=self.pictures_format.currentText() if self.pictures.isChecked() else "",
            tables=self.tables.isChecked(),
            history=self.history.isChecked(),
        )

    def _on_browse(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Folder to export to", self.folder.text())
        if path:
            self.folder.setText(path)

    # -- writing -------------------------------------------------------------------------------------------------------

    def _on_go(self) -> None:
        self.export(self.wanted())

    def export(self, what: Export) -> None:
        """Write everything that is asked for; what fails is said, the rest is written."""
        self.written, self.problems = [], []
        try:
            what.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._finish(f"The folder cannot be made. {words(error)}")
            return
        self._waiting = self._tasks(what)
        if not self._waiting:
            self._finish("Nothing is chosen, or nothing has data yet.")
            return
        self._total = len(self._waiting)
        self.bar.setRange(0, self._total)
        self.bar.setValue(0)
        self.bar.show()
        self.go.setEnabled(False)
        self.status.setText("Writing…")
        self._timer.start()

    def _tasks(self, what: Export) -> list[Callable[[], None]]:
        tasks: list[Callable[[], None]] = []
        store, run, folder = self._store, self._run, what.folder
        if what.weights and store is not None:
            path = folder / f"weights{what.weights}"
            kind = {"best": what.best, "averaged": what.averaged}
            tasks.append(lambda: self._on_thread(lambda: write_weights(store, run, path, **kind)))
        if what.history and store is not None:
            tasks.append(lambda: self._on_thread(lambda: write_history(store, run, folder / "history.csv")))
        for suffix in ([what.pictures] if what.pictures else []) + ([".csv"] if what.tables else []):
            for panel in self._panels.values():
                if panel.session is not None and panel.has_data():
                    target = folder / f"{panel.name}{suffix}"
                    tasks.append(lambda panel=panel, target=target: self._draw(panel, target))  # type: ignore[misc]
        return tasks

    def _on_thread(self, work: Callable[[], Path]) -> None:
        self._jobs.run(work, self._done, self._failed)

    def _draw(self, panel: Panel, path: Path) -> None:
        try:
            if not panel.isVisible():
                panel.resize(*PICTURE)
            panel.refresh()
            panel.export(path)
        except (OSError, ValueError) as error:
            self._failed(words(error))
        else:
            self._done(path)

    def _done(self, path: Path) -> None:
        self.written.append(path)
        self._advance()

    def _failed(self, problem: str) -> None:
        self.problems.append(problem)
        self._advance()

    def _advance(self) -> None:
        self.bar.setValue(self._total - len(self._waiting))
        self._timer.start()

    def _next(self) -> None:
        if self._waiting:
            self._waiting.pop(0)()
            return
        count = len(self.written)
        text = f"{count} file{'' if count == 1 else 's'} written." if count else ""
        self._finish(" ".join((text, *self.problems)).strip())

    def _finish(self, text: str) -> None:
        self.status.setText(text)
        self.bar.hide()
        self.go.setEnabled(True)
        self.show_folder.setVisible(bool(self.written))

    def _on_show(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.wanted().folder)))

    def closeEvent(self, event: QCloseEvent) -> None:
        self._timer.stop()
        self._waiting.clear()
        super().closeEvent(event)
