"""What is seldom needed, folded away under a word that can be pressed."""

from __future__ import annotations

from PySide6.QtWidgets import QPushButton, QSizePolicy, QVBoxLayout, QWidget

from widgets import theme

__all__ = ["Fold"]


class Fold(QWidget):
    """A button, and what it opens: widgets put into `body`."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text = text
        self.button = QPushButton(text, self)
        self.button.setProperty("kind", "fold")
        self.button.setCheckable(True)
        self.button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.button.toggled.connect(self._on_toggled)
        holder = self._holder = QWidget(self)
        self.body = QVBoxLayout(holder)
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.setSpacing(6)
        holder.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.button)
        layout.addWidget(holder)
        self._retheme()
        theme.signals.changed.connect(self._retheme)

    def open(self) -> None:
        """Show what is in it."""
        self.button.setChecked(True)

    def say(self, words: str) -> None:
        """A remark beside the name: what a person would miss while it is closed."""
        self.button.setText(f"{self._text} · {words}" if words else self._text)

    def _on_toggled(self, on: bool) -> None:
        self._holder.setVisible(on)
        self._retheme()

    def _retheme(self) -> None:
        name = "chevron-down" if self.button.isChecked() else "chevron-right"
        self.button.setIcon(theme.icon(name, "text_dim"))
