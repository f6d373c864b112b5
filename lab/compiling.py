"""The compiled executor's kernels in a window: compiled once in the background, while runs go on with NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QWidget

from engine import executors
from engine.compilation import Compilation
from lab.notices import Notices
from widgets import theme
from widgets.steady import SteadyLabel

__all__ = ["CompilingBar", "Kernels"]

MEANWHILE = "runs use NumPy meanwhile"


class Kernels(QObject):
    """Makes the kernels ready. `changed` tells that `words` are others, `ready` that the next run may use them."""

    changed = Signal()
    ready = Signal()
    _reported = Signal(object)

    def __init__(
        self,
        notices: Notices,
        parent: QObject | None = None,
        *,
        make: Callable[..., Any] = Compilation,
    ) -> None:
        super().__init__(parent)
        self._notices, self._make = notices, make
        self._compilation: Any = None
        self._reported.connect(self._take)  # from the compilation's thread to the window's
        self.words = ""
        """How far it is, for people; empty when nothing is compiled."""
        self.unavailable = executors.unavailable()
        """Why the compiled executor cannot be used on this machine; empty when it can."""

    @property
    def active(self) -> bool:
        """Whether kernels are being compiled, or waited for."""
        return bool(self.words)

    def start(self) -> None:
        """Compile what is not compiled yet, unless that goes on or cannot be done here."""
        if self.active or self.unavailable or executors.compiled():
            return
        self._compilation = self._make(self._reported.emit)
        self._compilation.start()

    def cancel(self) -> None:
        """Let it be; what is compiled by then is kept."""
        if self._compilation is not None:
            self._compilation.cancel()
            self._compilation = None
        self._say("")

    def close(self) -> None:
        """End it, for the end of the window."""
        self._reported.disconnect(self._take)
        self.cancel()

    def _take(self, compilation: Any) -> None:
        if compilation is not self._compilation:
            return
        match compilation.state:
            case "waiting":
                self._say(f"Another program compiles the kernels · {MEANWHILE}")
            case "compiling":
                done, total = compilation.progress
                self._say(f"Compiling kernels {f'{done} / {total}' if total else ''} · {MEANWHILE}".replace("  ", " "))
            case "done":
                self._say("")
                self._notices.show_notice("The kernels are compiled: runs are faster from now on.", key="kernels")
                self.ready.emit()
            case "failed":
                self._say("")
                choices = [("Try again", self.start)]
                self._notices.show_notice(f"{compilation.message} Runs use NumPy.", "warning", choices, key="kernels")
            case "cancelled":
                self._say("")

    def _say(self, words: str) -> None:
        if words != self.words:
            self.words = words
            self.changed.emit()


class CompilingBar(QWidget):
    """How far compiling is, and a button to cancel it; for a status bar. Hidden while there is nothing to tell."""

    def __init__(self, kernels: Kernels, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._kernels = kernels
        self.label = SteadyLabel("", self, gives_way=True)
        self.stop = QToolButton(self)
        self.stop.setText("Cancel")
        self.stop.setAutoRaise(True)
        self.stop.setToolTip("Compile the kernels another time; until then runs use NumPy")
        self.stop.clicked.connect(kernels.cancel)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 8, 0)
        row.setSpacing(6)
        row.addWidget(self.label)
        row.addWidget(self.stop)
        kernels.changed.connect(self.refresh)
        theme.signals.changed.connect(self.restyle)
        self.restyle()
        self.refresh()

    def refresh(self) -> None:
        self.label.setText(self._kernels.words)
        self.setVisible(self._kernels.active)

    def restyle(self) -> None:
        look = theme.current()
        self.label.setFont(theme.ui_font(12))
        self.label.setStyleSheet(f"color: {look.text_dim}")
        self.stop.setFont(theme.ui_font(12))
