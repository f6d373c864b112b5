"""How a run reads in the list of runs: its status and numbers in words, and its row painted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from msgspec import Struct
from PySide6.QtCore import (
    QAbstractItemModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QRectF,
    QSize,
    Qt,
)
from PySide6.QtGui import QFont, QKeyEvent, QMouseEvent, QPainter, QPen
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from engine.kinds import Metric
from engine.schema import lookup
from widgets import theme
from widgets.text import number, shortened

if TYPE_CHECKING:
    from engine.training.store import RunSummary

__all__ = ["LOOK", "SUMMARY", "RowLook", "RunDelegate", "run_facts", "run_heading", "status_words", "when_text"]

SUMMARY = Qt.ItemDataRole.UserRole
"""The role of an item's `RunSummary`."""
LOOK = Qt.ItemDataRole.UserRole + 1
"""The role of an item's `RowLook`."""
ROW, MARK = 50, 30
"""Height of a row and width of the part at its left that is clicked to tick it, pixels."""
STATUS = {
    "running": ("running", "accent"),
    "interrupted": ("interrupted", "warn"),
    "done": ("done", "good"),
    "stopped": ("stopped", "text_dim"),
    "failed": ("failed", "bad"),
    "diverged": ("diverged", "bad"),
}


class RowLook(Struct, frozen=True):
    """What a row shows beside the summary: which run of its name it is, what is different in it, and the colour (an
    index into the theme's series) that its curves have, or None."""

    position: int
    changes: str = ""
    series: int | None = None


def status_words(status: str) -> tuple[str, str]:
    """A run's status as a word, and the token of its colour."""
    return STATUS.get(status, (status, "text_dim"))


def when_text(created: float, now: float | None = None) -> str:
    """When a run began: the time for today's, else the date."""
    begun, today = time.localtime(created), time.localtime(now)
    if begun[:3] == today[:3]:
        return time.strftime("%H:%M", begun)
    # Not every system's strftime can leave the zero of a day out.
    return f"{begun[2]} {time.strftime('%b', begun)}" if begun[0] == today[0] else time.strftime("%Y-%m-%d", begun)


def score_text(run: RunSummary) -> str:
    """What the run came to, in few characters: "99.1 %" for a percentage, else the metric's or the loss's value."""
    if run.metrics:
        tag, value = next(iter(run.metrics.items()))
        metric = lookup("metric", tag) or Metric
        assert issubclass(metric, Metric)
        if metric.percent:
            return f"{100 * value:.1f} %"
        return f"{metric.short or tag.replace('_', ' ')} {number(value, 3)}"
    loss = run.validation_loss if run.validation_loss is not None else run.train_loss
    return f"loss {number(loss, 3)}" if loss is not None else ""


def run_heading(run: RunSummary, position: int) -> str:
    """Which run it is, when it began and what it came to: "#4 · 09:12 · 99.1 %"."""
    return " · ".join(part for part in (f"#{position}", when_text(run.created), score_text(run)) if part)


def run_facts(run: RunSummary, changes: str = "") -> str:
    """What the run has otherwise than the one before it of the same name, or how long it is; and that name."""
    return f"{changes or f'{run.epochs:,} epoch' + ('' if run.epochs == 1 else 's')} · {shortened(run.name)}"


class RunDelegate(QStyledItemDelegate):
    """Paints a run: a box to tick, its name, its status, its numbers."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(160, ROW)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        look = theme.current()
        run = index.data(SUMMARY)
        if run is None:
            return
        rect, state = QRect(option.rect), option.state  # type: ignore[attr-defined]
        ticked = Qt.CheckState(index.data(Qt.ItemDataRole.CheckStateRole) or 0) == Qt.CheckState.Checked
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if state & QStyle.StateFlag.State_Selected:
            painter.fillRect(rect, theme.color(theme.mix(look.panel, look.accent, 0.18)))
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(rect, theme.color(look.raised))
        painter.setPen(theme.color(look.border))
        painter.drawLine(rect.left() + 10, rect.bottom(), rect.right() - 10, rect.bottom())
        box = QRectF(rect.left() + 11, rect.top() + 10, 14, 14)
        row: RowLook = index.data(LOOK) or RowLook(0)
        series = look.series[row.series % len(look.series)] if row.series is not None else look.accent
        painter.setPen(QPen(theme.color(series if ticked else theme.mix(look.border, look.text, 0.25)), 1))
        painter.setBrush(theme.color(series if ticked else look.raised))
        painter.drawRoundedRect(box, 3, 3)
        if ticked:
            painter.setPen(QPen(theme.color(look.panel), 1.8))
            x, y = box.left(), box.top()
            painter.drawPolyline([QPoint(round(x + 3), round(y + 7)), QPoint(round(x + 6), round(y + 10)),
                                  QPoint(round(x + 11), round(y + 4))])  # fmt: skip
        words, tint = status_words(run.status)
        left, right = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
        line = rect.adjusted(MARK + 4, 8, -12, 0)
        painter.setFont(theme.ui_font(11))
        painter.setPen(theme.color(tint))
        painter.drawText(line, right, words)
        room = line.width() - painter.fontMetrics().horizontalAdvance(words) - 8
        if row.series == 0:
            # The run that is shown: a dot in the colour of its curve, in place of what could be ticked.
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color(look.series[0]))
            painter.drawEllipse(QRectF(rect.left() + 14, rect.top() + 31, 8, 8))
        painter.setFont(theme.ui_font(13, QFont.Weight.DemiBold))
        painter.setPen(theme.color(look.text))
        heading = run_heading(run, row.position)
        painter.drawText(line, left, painter.fontMetrics().elidedText(heading, Qt.TextElideMode.ElideRight, room))
        painter.setFont(theme.ui_font(11))
        painter.setPen(theme.color(look.text_dim))
        facts = run_facts(run, row.changes)
        facts = painter.fontMetrics().elidedText(facts, Qt.TextElideMode.ElideRight, line.width())
        painter.drawText(line.translated(0, 19), left, facts)
        if state & QStyle.StateFlag.State_HasFocus:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(theme.color(look.accent), 1.4))
            painter.drawRoundedRect(QRectF(rect).adjusted(1.5, 1.5, -1.5, -1.5), 4, 4)
        painter.restore()

    def editorEvent(
        self,
        event: QEvent,
        model: QAbstractItemModel,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> bool:
        pressed = isinstance(event, QMouseEvent) and event.type() == QEvent.Type.MouseButtonRelease
        spaced = isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Space
        if isinstance(event, QMouseEvent) and pressed:
            rect = QRect(option.rect)  # type: ignore[attr-defined]
            pressed = event.position().x() < rect.left() + MARK
        if not (pressed or spaced):
            return False
        ticked = Qt.CheckState(index.data(Qt.ItemDataRole.CheckStateRole) or 0) == Qt.CheckState.Checked
        value = Qt.CheckState.Unchecked if ticked else Qt.CheckState.Checked
        return model.setData(index, value.value, Qt.ItemDataRole.CheckStateRole)
