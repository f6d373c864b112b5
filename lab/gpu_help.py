"""Why no GPU can be used, and what to do about it, in a window of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QDialog, QDialogButtonBox, QVBoxLayout

from widgets import theme
from widgets.layout import label

if TYPE_CHECKING:
    from lab.window import Window

__all__ = ["GpuHelp"]

ABOUT = (
    "Runs compute on the processor meanwhile. A GPU pays for networks whose steps are work for thousands of cores: "
    "convolutions, wide layers, large batches. Small networks are fast without one."
)


class GpuHelp(QDialog):
    """What was found, what to do, and a button to look again after it was done."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Training on an NVIDIA GPU")
        self.resize(580, 240)
        self._devices = window.devices
        self.reason, self.remedy = label("", "title", wrap=True), label("", wrap=True)
        self.about = label(ABOUT, "hint", wrap=True)
        for words in (self.reason, self.remedy):
            words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            words.setTextFormat(Qt.TextFormat.PlainText)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self.again = buttons.addButton("Look again", QDialogButtonBox.ButtonRole.ActionRole)
        self.copy = buttons.addButton("Copy", QDialogButtonBox.ButtonRole.ActionRole)
        buttons.button(QDialogButtonBox.StandardButton.Close).setDefault(True)
        self.again.clicked.connect(self._on_again)
        self.copy.clicked.connect(self._on_copy)
        buttons.rejected.connect(self.close)
        column = QVBoxLayout(self)
        column.setContentsMargins(18, 16, 18, 14)
        column.setSpacing(10)
        for widget in (self.reason, self.remedy, self.about):
            column.addWidget(widget)
        column.addStretch(1)
        column.addWidget(buttons)
        self._devices.changed.connect(self.refresh)
        theme.signals.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show what is known now."""
        found = self._devices.found
        self.again.setEnabled(not self._devices.busy)
        if self._devices.busy or found is None:
            self.reason.setText("Looking for NVIDIA GPUs…")
            self.remedy.setText("")
        elif found.trouble is not None:
            self.reason.setText(found.trouble.reason)
            self.remedy.setText(found.trouble.remedy)
        else:
            names = ", ".join(gpu.name for gpu in found.usable)
            self.reason.setText(f"Ready: {names}.")
            self.remedy.setText("The next run trains on it, unless another device is chosen.")
        self.copy.setVisible(bool(found is not None and found.trouble is not None))

    def _on_again(self) -> None:
        self._devices.look(anew=True)

    def _on_copy(self) -> None:
        QApplication.clipboard().setText(f"{self.reason.text()}\n{self.remedy.text()}")
