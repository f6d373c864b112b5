"""An on-off switch: a check box that looks like one, for fields that take effect at once."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QCheckBox, QWidget

from widgets import theme

__all__ = ["Switch"]


class Switch(QCheckBox):
    """Used as a QCheckBox without text; its state is also in words beside it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setMinimumHeight(27)

    def sizeHint(self) -> QSize:
        return QSize(72, 27)

    def hitButton(self, _position: object) -> bool:
        """The whole widget can be clicked."""
        return True

    def paintEvent(self, _event: QPaintEvent) -> None:
        colors = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        on, enabled = self.isChecked(), self.isEnabled()
        track = QRectF(1, self.height() / 2 - 8, 30, 16)
        painter.setPen(QColor(colors.accent if self.hasFocus() or on else colors.border))
        fill = colors.accent if on else colors.raised
        painter.setBrush(QColor(fill if enabled else colors.border))
        painter.drawRoundedRect(track, 8, 8)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colors.on_accent if on else colors.text_dim))
        painter.drawEllipse(QRectF(track.right() - 14 if on else track.left() + 2, track.top() + 2, 12, 12))
        if self.hasFocus():
            painter.setPen(QColor(colors.text if on else colors.accent))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(track, 8, 8)
        painter.setPen(QColor(colors.text if enabled else colors.text_faint))
        painter.setFont(theme.ui_font(12))
        painter.drawText(QRectF(39, 0, 40, self.height()), Qt.AlignmentFlag.AlignVCenter, "on" if on else "off")
