"""The line at the window's foot: what is saved, which run this is, and what was just done."""

from __future__ import annotations

import time

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QStatusBar, QWidget

from lab.document import Document
from widgets import theme
from widgets.elided import ElidedLabel

__all__ = ["StatusBar"]

SAY_MS = 8000


class StatusBar(QStatusBar):
    """`say` shows a text for a while; the rest stays."""

    def __init__(self, document: Document, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.document = document
        self._saved_at: float | None = None
        self.saved, self.run, self.message = ElidedLabel(), ElidedLabel(), ElidedLabel()
        self.setSizeGripEnabled(False)
        for label in (self.saved, self.run):
            self.addWidget(label)
        self.addPermanentWidget(self.message)
        self._timer = QTimer(self, singleShot=True, interval=SAY_MS)
        self._timer.timeout.connect(self._clear)
        for signal in (document.dirtyChanged, document.pathChanged, document.changed):
            signal.connect(self.refresh)
        theme.signals.changed.connect(self.restyle)
        self.restyle()
        self.refresh()

    def say(self, text: str) -> None:
        """Show a text at the right for some seconds."""
        self.message.setText(text)
        self.message.setVisible(bool(text))
        self._timer.start()

    def _clear(self) -> None:
        self.message.clear()

    def mark_saved(self) -> None:
        """The document has just been saved."""
        self._saved_at = time.time()
        self.refresh()

    def forget_saved(self) -> None:
        """Another document was opened."""
        self._saved_at = None
        self.refresh()

    def set_run(self, text: str) -> None:
        self.run.setText(text)

    def refresh(self, *_: object) -> None:
        if self.document.dirty:
            text = "Not saved"
        elif self._saved_at is not None:
            text = f"Saved {time.strftime('%H:%M', time.localtime(self._saved_at))}"
        else:
            text = self.document.path.name if self.document.path is not None else "New experiment"
        self.saved.setText(text)
        self.saved.setToolTip(str(self.document.path or "This experiment has no file yet."))

    def restyle(self) -> None:
        look = theme.current()
        for label in (self.saved, self.run, self.message):
            label.setFont(theme.ui_font(12))
            label.setStyleSheet(f"color: {look.text_dim}; padding: 2px 10px 2px 4px")
        self.saved.setStyleSheet(f"color: {look.text_dim}; padding: 2px 10px 2px 10px")

    def stop(self) -> None:
        """End the timer, for the end of the window."""
        self._timer.stop()
