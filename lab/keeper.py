"""Keeps unsaved work: copies while it changes, an offer at the next start, and a notice when something went wrong."""

from __future__ import annotations

import time
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from engine.experiment import Experiment
from engine.files import FileError
from engine.training.result import words
from lab.document import Document
from lab.filing import Filing
from lab.jobs import Jobs
from lab.notices import Notices
from lab.recovery import Lost, Recovery, log, log_file
from widgets.text import shortened

__all__ = ["Keeper"]

AUTOSAVE_MS = 5000
OFFERS = 2


class Keeper(QObject):
    """Ties the recovery copies to a document. `tell` may be called from any thread."""

    _told = Signal(str)

    def __init__(
        self,
        document: Document,
        filing: Filing,
        jobs: Jobs,
        notices: Notices,
        recovery: Recovery | None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._document, self._filing, self._jobs, self._notices = document, filing, jobs, notices
        self.recovery = recovery
        self._left = False
        self._told.connect(self._on_told)
        document.dirtyChanged.connect(self._on_dirty)
        if recovery is not None:
            document.set_autosave(self._autosave, AUTOSAVE_MS)

    def _autosave(self, experiment: Experiment, path: Path | None) -> None:
        recovery = self.recovery
        if recovery is None:
            return
        if self._document.dirty:
            self._jobs.run(lambda: recovery.keep(experiment, path), key="recovery")
        else:
            self._jobs.run(recovery.forget, key="recovery")

    def _on_dirty(self) -> None:
        if not self._document.dirty and self.recovery is not None:
            self._jobs.run(self.recovery.forget, key="recovery")

    # -- what was lost -------------------------------------------------------------------------------------------------

    def offer(self) -> None:
        """Look for what windows that did not come to close have left, and offer it."""
        if self.recovery is not None:
            self._jobs.run(self.recovery.lost, self._on_lost)

    def _on_lost(self, found: list[Lost]) -> None:
        for lost in found[:OFFERS]:
            when = time.strftime("%d %b, %H:%M", time.localtime(lost.time))
            self._notices.show_notice(
                f"“{shortened(lost.name)}” had unsaved changes when the program ended ({when}).",
                "warning",
                [("Restore", lambda lost=lost: self.restore(lost)), ("Discard", lost.discard)],  # type: ignore[misc]
                key=f"lost-{lost.folder.name}",
            )

    def restore(self, lost: Lost) -> None:
        """Put a lost copy in place of the document, as unsaved work."""
        if not self._filing.may_leave():
            self._on_lost([lost])
            return
        try:
            experiment = lost.load()
        except Exception as error:  # a copy that was cut off: said in words, and kept
            self._notices.show_notice(words(error), "warning")
            return
        self._filing.put(experiment, lost.path, saved=False)
        if self.recovery is not None:
            recovery, path = self.recovery, lost.path
            self._jobs.run(lambda: recovery.keep(experiment, path), lambda _: lost.discard())

    # -- what went wrong -----------------------------------------------------------------------------------------------

    def tell(self, text: str) -> None:
        """Say that something went wrong; what is being built is kept at once."""
        self._told.emit(text)

    def _on_told(self, text: str) -> None:
        if self._document.dirty:
            self._document.flush_autosave()
        self._notices.show_notice(f"{text}. Your work is kept; details are in {log_file()}.", "error", key="error")

    def leave_behind(self) -> None:
        """Write a copy now, and leave it for the next start."""
        if self.recovery is not None:
            self._left = True
            try:
                self.recovery.keep(self._document.experiment, self._document.path)
            except (OSError, FileError):  # the program ends all the same; the copy made before is left
                log.exception("The copy of unsaved work could not be written.")

    def close(self) -> None:
        """The window ends: no copy is needed any more, unless it was to be left behind."""
        self._document.set_autosave(None)
        if self.recovery is not None:
            self.recovery.close(keep=self._left)
