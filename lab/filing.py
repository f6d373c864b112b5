"""Experiments and their files: new, open, save, recent, what is dropped on the window, what is asked before closing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QMimeData, QObject, Qt, Signal
from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget

from engine import files, presets
from engine.experiment import Experiment
from engine.training.result import words
from lab.document import Document
from lab.settings import Settings
from widgets.text import shortened

__all__ = ["FILTER", "Filing", "dropped_file", "file_name"]

FILTER = f"Experiments (*{files.SUFFIX});;All files (*)"


def dropped_file(data: QMimeData) -> Path | None:
    """The experiment file that is being dragged, if it is one file and one of ours."""
    urls = data.urls() if data.hasUrls() else []
    if len(urls) != 1 or not urls[0].isLocalFile():
        return None
    path = Path(urls[0].toLocalFile())
    return path if path.suffix.lower() == files.SUFFIX else None


class Filing(QObject):
    """Asks and does. `opened` follows every experiment that took the place of another, `saved` every save; `refused`
    carries the words of what could not be done."""

    opened = Signal(str)
    saved = Signal()
    refused = Signal(str)

    def __init__(self, document: Document, settings: Settings, window: QWidget) -> None:
        super().__init__(window)
        self.document, self.settings, self._window = document, settings, window
        self.before_open: Callable[[], None] = lambda: None
        """Called when another experiment is about to take the place of this one."""

    # -- new and open --------------------------------------------------------------------------------------------------

    def new(self) -> None:
        """Choose a preset and make a new experiment of it."""
        from lab.newdialog import NewDialog

        dialog = NewDialog(self._window)
        chosen = dialog.exec() == NewDialog.DialogCode.Accepted
        name = dialog.chosen
        dialog.deleteLater()
        if chosen and name:
            self.new_from(name)

    def new_from(self, preset: str) -> bool:
        """Make a new experiment of a preset."""
        if not self.may_leave():
            return False
        try:
            experiment = presets.make(preset)
        except (files.FileError, presets.PresetError) as error:
            self.refused.emit(str(error))
            return False
        self.put(experiment, None)
        return True

    def ask_open(self) -> None:
        """Choose a file and open it."""
        path, _ = QFileDialog.getOpenFileName(self._window, "Open an experiment", str(self._folder()), FILTER)
        if path:
            self.open(Path(path))

    def open(self, path: Path) -> bool:
        """Open a file; False when it was not to be."""
        if not self.may_leave():
            return False
        try:
            experiment = files.load(path)
        except files.FileError as error:
            if not path.exists():
                self.settings.forget_recent(path.absolute())
            self.refused.emit(str(error))
            return False
        self.settings.add_recent(path)
        self.put(experiment, path)
        return True

    def put(self, experiment: Experiment, path: Path | None, *, saved: bool = True) -> None:
        """Let an experiment take the place of this one, without a question."""
        self.before_open()
        self.document.replace(experiment, path, saved=saved)
        self.opened.emit(experiment.name)

    def _folder(self) -> Path:
        if self.document.path is not None:
            return self.document.path.parent
        recent = self.settings.recent
        return recent[0].parent if recent and recent[0].parent.is_dir() else Path.home()

    # -- save ----------------------------------------------------------------------------------------------------------

    def save(self) -> bool:
        """Save to the document's file, asking for one where there is none yet."""
        return self.save_to(self.document.path) if self.document.path is not None else self.save_as()

    def save_as(self) -> bool:
        """Ask for a file and save to it."""
        start = self.document.path or self._folder() / f"{file_name(self.document.experiment.name)}{files.SUFFIX}"
        path, _ = QFileDialog.getSaveFileName(self._window, "Save the experiment", str(start), FILTER)
        if not path:
            return False
        target = Path(path)
        return self.save_to(target if target.suffix else target.with_suffix(files.SUFFIX))

    def save_to(self, path: Path) -> bool:
        """Save to a file, which becomes the document's; False when it could not be written."""
        try:
            self.document.save_as(path)
        except (files.FileError, OSError) as error:
            self.refused.emit(f"Not saved. {error if isinstance(error, files.FileError) else words(error)}")
            return False
        self.settings.add_recent(path)
        self.saved.emit()
        return True

    # -- leaving -------------------------------------------------------------------------------------------------------

    def may_leave(self) -> bool:
        """Ask what becomes of unsaved changes; False when the person would rather stay."""
        if not self.document.dirty:
            return True
        box = QMessageBox(self._window)
        box.setIcon(QMessageBox.Icon.NoIcon)
        box.setWindowTitle("Unsaved changes")
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setText(f"“{shortened(self.document.experiment.name)}” has changes that are not saved.")
        buttons = QMessageBox.StandardButton
        box.setStandardButtons(buttons.Save | buttons.Discard | buttons.Cancel)
        box.setDefaultButton(buttons.Save)
        answer = box.exec()
        box.deleteLater()
        if answer == buttons.Save:
            return self.save()
        return answer == buttons.Discard


def file_name(name: str) -> str:
    """A name as a file can bear it anywhere: “Spiral, MLP” becomes spiral-mlp."""
    words = "".join(char if char.isalnum() or char in "_." else " " for char in name.lower()).split()
    return "-".join(words)[:80].strip(".-") or "experiment"
