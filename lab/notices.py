"""Notices that do not stand in the way: cards that float above the canvas, with words and what can be done."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QEvent, QObject, QSize, Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from widgets import theme

__all__ = ["Notice", "Notices"]

MOST = 3
WIDTH, MARGIN = 860, 12
"""Greatest width of floating notices, and the room around them, pixels."""
_ICONS = {"error": ("error", "bad"), "warning": ("warning", "warn"), "info": ("info", "accent")}

Choice = tuple[str, Callable[[], None]]


class Notice(QFrame):
    """One notice. Pressing any of its buttons takes it away."""

    def __init__(self, notices: Notices, severity: str, text: str, choices: Sequence[Choice], key: str) -> None:
        super().__init__(notices)
        self._notices, self.severity, self.text, self.key = notices, severity, text, key
        self._choices = dict(choices)
        self._mark = QLabel(self)
        words = QLabel(text, self)
        words.setWordWrap(True)
        words.setTextFormat(Qt.TextFormat.PlainText)
        words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        words.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.buttons = []
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 6, 10, 6)
        row.setSpacing(10)
        row.addWidget(self._mark)
        row.addWidget(words, 1)
        for label, _ in choices:
            button = QPushButton(label, self)
            button.setProperty("kind", "accent")
            button.setObjectName(label)
            button.clicked.connect(self._on_button)
            self.buttons.append(button)
            row.addWidget(button)
        self.dismiss = QToolButton(self)
        self.dismiss.setAutoRaise(True)
        self.dismiss.setIconSize(QSize(14, 14))
        self.dismiss.setToolTip("Dismiss")
        self.dismiss.setAccessibleName("Dismiss this notice")
        self.dismiss.clicked.connect(self._on_dismiss)
        row.addWidget(self.dismiss)
        self.setAccessibleName(f"{severity}: {text}")
        self.restyle()

    def _on_button(self) -> None:
        sender = self.sender()
        action = self._choices.get(sender.objectName()) if sender is not None else None
        self._notices.remove(self)
        if action is not None:
            action()

    def _on_dismiss(self) -> None:
        self._notices.remove(self)

    def restyle(self) -> None:
        look = theme.current()
        icon, tint = _ICONS[self.severity]
        edge = getattr(look, tint)
        self._mark.setPixmap(theme.pixmap(icon, 16, tint, self.devicePixelRatioF()))
        self.dismiss.setIcon(theme.icon("close", "text_dim"))
        ground = theme.mix(look.panel, edge, 0.12)
        self.setStyleSheet(
            f"Notice {{ background: {ground}; border: 1px solid {theme.mix(look.border, edge, 0.4)};"
            f" border-left: 3px solid {edge}; border-radius: 6px; }}"
        )


class Notices(QWidget):
    """The notices that stand; the oldest goes when there are too many. They move nothing: `float_over` puts them on top
    of a widget, at its upper edge."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.items: list[Notice] = []
        self._ground: QWidget | None = None
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(6)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Maximum)
        self.hide()
        theme.signals.changed.connect(self._restyle)

    def float_over(self, ground: QWidget) -> None:
        """Stand on top of a widget, in the middle of its upper edge, as wide as there is room."""
        self.setParent(ground)
        self._ground = ground
        ground.installEventFilter(self)
        self._place()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._ground and event.type() == QEvent.Type.Resize:
            self._place()
        return super().eventFilter(watched, event)

    def _place(self) -> None:
        if self._ground is None:
            return
        width = max(1, min(WIDTH, self._ground.width() - 2 * MARGIN))
        self._column.invalidate()
        height = self._column.heightForWidth(width) if self._column.hasHeightForWidth() else self.sizeHint().height()
        self.setGeometry((self._ground.width() - width) // 2, MARGIN, width, height)
        self.raise_()

    def show_notice(self, text: str, severity: str = "info", choices: Sequence[Choice] = (), *, key: str = "") -> None:
        """Show a text with buttons; one with the same `key` goes for it."""
        for item in [item for item in self.items if (key and item.key == key) or item.text == text]:
            self.remove(item)
        notice = Notice(self, severity, text, choices, key)
        self._column.addWidget(notice)
        self.items.append(notice)
        for item in self.items[:-MOST]:
            self.remove(item)
        self.show()
        self._place()

    def clear(self, key: str) -> None:
        """Take away the notices of this key."""
        for item in [item for item in self.items if item.key == key]:
            self.remove(item)

    def remove(self, notice: Notice) -> None:
        if notice in self.items:
            self.items.remove(notice)
            self._column.removeWidget(notice)
            notice.hide()
            notice.deleteLater()
        self.setVisible(bool(self.items))
        self._place()

    @property
    def texts(self) -> list[str]:
        return [item.text for item in self.items]

    def _restyle(self) -> None:
        for item in self.items:
            item.restyle()
