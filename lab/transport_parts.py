"""What the top bar is made of: buttons that are actions, named numbers, the run's progress, the device, the seed."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from PySide6.QtCore import QPoint, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QAction, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from widgets import theme
from widgets.steady import SteadyLabel

__all__ = ["ActionButton", "Figure", "Pill", "SeedPopup", "ShareBar", "Standing"]

SEED_LIMIT = 2**31 - 1
DRAWN_SEEDS = 10_000
"""Seeds that are drawn are below this: short enough to be read and typed again."""


class ActionButton(QPushButton):
    """A button that is an action: its short text, icon, state and tooltip follow the action."""

    def __init__(self, action: QAction, icon: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._action, self._icon, self._bare = action, icon, False
        self._texts: tuple[str, ...] = ()
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setMinimumHeight(32)
        self.setIconSize(QSize(14, 14))
        self.clicked.connect(self._on_clicked)
        action.changed.connect(self.sync)
        self.sync()

    def _on_clicked(self) -> None:
        self._action.trigger()

    def set_icon(self, name: str) -> None:
        self._icon = name
        self.sync()

    def reserve(self, texts: Iterable[str] = ()) -> None:
        """Be wide enough for each of these texts (of those said before), so that what stands beside it stays put."""
        self._texts = tuple(texts) or self._texts
        self.ensurePolished()
        words, widths = self.text(), []
        for text in self._texts:
            self.setText(text)
            widths.append(self.sizeHint().width())
        self.setText(words)
        self.setMinimumWidth(max(widths, default=0))

    def set_bare(self, bare: bool) -> None:
        """Show the icon alone."""
        if bare != self._bare:
            self._bare = bare
            self.sync()

    def sync(self) -> None:
        """Take over what the action says."""
        words = self._action.iconText()
        self.setText("" if self._bare else words)
        self.setAccessibleName(words)
        self.setToolTip(self._action.toolTip())
        self.setEnabled(self._action.isEnabled())
        tint = "on_accent" if self.property("kind") == "primary" else "text"
        self.setIcon(theme.icon(self._icon, tint))


class Figure(QWidget):
    """A number under its name."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name, self._value = QLabel(name, self), SteadyLabel("–", self)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(1)
        column.addWidget(self._name)
        column.addWidget(self._value)
        self.restyle()

    def restyle(self) -> None:
        look = theme.current()
        self._name.setFont(theme.ui_font(11))
        self._name.setStyleSheet(f"color: {look.text_dim}")
        self._value.setFont(theme.mono_font(13))
        self._value.setStyleSheet(f"color: {look.text}")
        self._value.setMinimumWidth(self._value.fontMetrics().horizontalAdvance("0000000"))

    def show_value(self, text: str, name: str = "") -> None:
        if name and name != self._name.text():
            self._name.setText(name)
        self._value.setText(text)

    @property
    def text(self) -> str:
        return self._value.text()

    @property
    def name(self) -> str:
        return self._name.text()


class ShareBar(QWidget):
    """A share of something, as a thin bar.

    A QProgressBar with a style sheet that was once without a range goes on moving, thirty times a second, unseen.
    """

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.share = 0.0
        self.setFixedHeight(5)
        self.setAccessibleName(name)

    def show_share(self, share: float) -> None:
        """Fill a share of it, from 0 to 1."""
        share = min(1.0, max(0.0, share))
        moved = round(share * self.width()) != round(self.share * self.width())
        self.share = share
        if moved:
            self.setAccessibleDescription(f"{100 * share:.0f} %")
            self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("border"))
        painter.drawRoundedRect(self.rect(), 2, 2)
        if self.share > 0:
            painter.setBrush(theme.color("accent"))
            painter.drawRoundedRect(QRectF(0, 0, self.share * self.width(), self.height()), 2, 2)
        painter.end()


class Standing(QWidget):
    """Where the run stands: epoch, step, time left and a bar."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.where, self.left = SteadyLabel("", self, gives_way=True), SteadyLabel("", self)
        self.bar = ShareBar("Progress of the run", self)
        words = QHBoxLayout()
        words.setContentsMargins(0, 0, 0, 0)
        words.setSpacing(12)
        words.addWidget(self.where, 1)
        words.addWidget(self.left)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(5)
        column.addLayout(words)
        column.addWidget(self.bar)
        self.restyle()

    def restyle(self) -> None:
        look = theme.current()
        for label in (self.where, self.left):
            label.setFont(theme.ui_font(12))
            label.setStyleSheet(f"color: {look.text_dim}")


class Pill(QPushButton):
    """The device, with a dot that says whether it is at work."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.busy = False
        self.setMinimumHeight(26)
        self.setAccessibleName("Device")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.restyle()

    def restyle(self) -> None:
        self.setFont(theme.mono_font(12))
        look = theme.current()
        self.setStyleSheet(
            f"QPushButton {{ border-radius: 13px; padding: 3px 13px 3px 26px; color: {look.text_dim};"
            f" background: {look.raised}; font-weight: 400; }}"
            f"QPushButton:focus {{ border-color: {look.accent}; }}"
        )

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("good" if self.busy else "text_faint"))
        painter.drawEllipse(QPoint(16, self.height() // 2), 4, 4)
        painter.end()


class SeedPopup(QFrame):
    """A small window to change the seed in."""

    chosen = Signal(int)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setProperty("role", "card")
        self.field = QSpinBox(self)
        self.field.setRange(0, SEED_LIMIT)
        self.field.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
        self.field.setMinimumWidth(120)
        self.field.setAccessibleName("Seed")
        self.draw = QPushButton("Random", self)
        self.draw.clicked.connect(self._on_draw)
        self.field.lineEdit().returnPressed.connect(self._on_entered)
        words = QLabel("Weights, order of samples and dropout follow from the seed. It counts from the next run.", self)
        words.setWordWrap(True)
        words.setProperty("role", "hint")
        words.setFixedWidth(240)
        row = QHBoxLayout()
        row.addWidget(self.field, 1)
        row.addWidget(self.draw)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 12, 12, 12)
        column.addLayout(row)
        column.addWidget(words)

    def open_below(self, button: QWidget, seed: int) -> None:
        self.field.setValue(seed)
        self.adjustSize()
        corner = button.mapToGlobal(QPoint(button.width() - self.sizeHint().width(), button.height() + 4))
        self.move(corner)
        self.show()
        self.field.setFocus()
        self.field.selectAll()

    def _on_draw(self) -> None:
        self.field.setValue(secrets.randbelow(DRAWN_SEEDS))
        self.chosen.emit(self.field.value())

    def _on_entered(self) -> None:
        self.chosen.emit(self.field.value())
        self.close()
