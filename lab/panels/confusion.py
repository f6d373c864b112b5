"""The confusion matrix of the validation data: true classes down, predicted classes across, and at the
side the scores of each class."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QPainter

from engine.metrics import class_scores
from engine.training.events import Confusion
from lab.panels.base import Panel, Rows
from lab.panels.chart import Chart, draw_text
from lab.panels.waiting import EPOCH_END, waiting_text
from widgets import theme
from widgets.text import shortened

__all__ = ["ConfusionPanel"]

COLUMN = 54.0
ROOMY = (0.0, 420.0, 520.0)
"""From which width on there is room for recall, precision, and F1 beside the matrix."""


def count_font(largest: int, size: float) -> QFont | None:
    """The largest font in which the largest count fits into a cell, or None when it would be too small to read."""
    for pixels in (11, 10, 9, 8):
        font = theme.mono_font(pixels)
        if QFontMetricsF(font).horizontalAdvance(str(largest)) + 2 <= size and pixels + 2 <= size:
            return font
    return None


class MatrixChart(Chart):
    """Cells coloured by their share of the true class."""

    def __init__(self) -> None:
        super().__init__()
        self.data: Confusion | None = None

    def paint(self, painter: QPainter, area: QRectF) -> None:
        if self.data is None or not len(self.data.matrix):
            return
        matrix = self.data.matrix
        n = len(matrix)
        names = [*map(shortened, self.data.class_names), *(str(i) for i in range(len(self.data.class_names), n))]
        painter.setFont(theme.mono_font(10))
        metrics = QFontMetricsF(painter.font())
        label = min(max(metrics.horizontalAdvance(name) for name in names), area.width() * 0.22)
        scores = dict(list(class_scores(matrix).items())[: sum(area.width() >= width for width in ROOMY)])
        left, right = label + 34, COLUMN * len(scores)
        size = max(1.0, min((area.width() - left - right) / n, (area.height() - 6 - 36) / n))
        origin = QPointF(left + max(0.0, (area.width() - left - right - size * n) / 2), 6)
        self._origin, self._size, self._names = origin, size, names
        totals = matrix.sum(axis=1)
        counts = count_font(int(matrix.max()), size)
        every = max(1, int(np.ceil(11 / size)))
        for i in range(n):
            for j in range(n):
                cell = QRectF(origin.x() + j * size, origin.y() + i * size, size, size)
                share = float(matrix[i, j] / totals[i]) if totals[i] else 0.0
                self._cell(painter, cell, share, int(matrix[i, j]), i == j, counts)
            painter.setFont(theme.mono_font(10))
            middle = origin.y() + (i + 0.5) * size
            if i % every == 0:
                painter.setPen(theme.color("text_dim"))
                text = metrics.elidedText(names[i], Qt.TextElideMode.ElideRight, label)
                draw_text(painter, origin.x() - 6, middle, text, "right")
                painter.setPen(theme.color("text"))
                for place, shares in enumerate(scores.values()):
                    value = "–" if np.isnan(shares[i]) else f"{shares[i]:.1%}"
                    draw_text(painter, origin.x() + n * size + 8 + place * COLUMN, middle, value)
        painter.setPen(theme.color("text_dim"))
        widest = max(metrics.horizontalAdvance(name) for name in names)
        every = max(1, int(np.ceil((min(widest, 40) + 4) / size)))
        for j in range(0, n, every):
            text = metrics.elidedText(names[j], Qt.TextElideMode.ElideRight, size * every)
            draw_text(painter, origin.x() + (j + 0.5) * size, origin.y() + n * size + 9, text, "center")
        painter.setFont(theme.ui_font(10))
        painter.setPen(theme.color("text_faint"))
        draw_text(painter, origin.x() + n * size / 2, origin.y() + n * size + 23, "predicted", "center")
        for place, name in enumerate(scores):
            draw_text(painter, origin.x() + n * size + 8 + place * COLUMN, origin.y() + n * size + 9, name)
        if n * size < metrics.horizontalAdvance("true class") + 4:
            return
        painter.save()
        painter.translate(origin.x() - label - 18, origin.y() + n * size / 2)
        painter.rotate(-90)
        draw_text(painter, 0, 0, "true class", "center")
        painter.restore()

    @staticmethod
    def _cell(painter: QPainter, cell: QRectF, share: float, count: int, diagonal: bool, font: QFont | None) -> None:
        inner = cell.adjusted(0.5, 0.5, -0.5, -0.5) if cell.width() > 4 else cell
        painter.fillRect(inner, theme.color("raised"))
        if not count:
            return
        # The square root lets a few mistakes among many hits be seen.
        painter.fillRect(inner, theme.rgba("accent" if diagonal else "bad", 0.08 + 0.82 * share**0.5))
        if font is not None:
            painter.setFont(font)
            painter.setPen(theme.color("on_accent") if share > 0.35 else theme.color("text"))
            draw_text(painter, cell.center().x(), cell.center().y(), str(count), "center")

    def tip(self, position: QPointF) -> str:
        if self.data is None or not len(self.data.matrix):
            return ""
        column = int((position.x() - self._origin.x()) // self._size)
        row = int((position.y() - self._origin.y()) // self._size)
        matrix = self.data.matrix
        if not 0 <= row < len(matrix) or not 0 <= column < len(matrix):
            return ""
        total = int(matrix[row].sum())
        share = f", {matrix[row, column] / total:.1%}" if total else ""
        return f"true {self._names[row]}, predicted {self._names[column]}\n{matrix[row, column]} of {total}{share}"


class ConfusionPanel(Panel):
    """Which classes are taken for which."""

    name: ClassVar[str] = "confusion"
    title: ClassVar[str] = "Confusion matrix"
    tab: ClassVar[str] = "Confusion"
    behind: ClassVar[str] = "metrics"
    topics: ClassVar[frozenset[str]] = frozenset({"confusion"})
    listens: ClassVar[tuple[str, ...]] = ("confusionChanged", "stateChanged")
    empty: ClassVar[str] = (
        "Shows, for a classifier, which classes are taken for which on the validation data, and recall, precision and "
        "F1 of each.\n"
        "Press Train; it appears with the first epoch’s end."
    )
    interval_ms: ClassVar[int] = 500
    looks_back: ClassVar[bool] = True

    def build(self) -> None:
        self.chart = MatrixChart()
        self.stack.addWidget(self.chart)

    def _confusion(self) -> Confusion | None:
        assert self.session is not None
        return self.session.moment().confusion

    def has_data(self) -> bool:
        return self._confusion() is not None

    def draw(self) -> None:
        self.chart.data = self._confusion()

    def caption(self) -> str:
        confusion = self._confusion()
        if confusion is None or not confusion.matrix.sum():
            return ""
        total = int(confusion.matrix.sum())
        right = int(np.trace(confusion.matrix))
        return f"{self.when(confusion)} · {right / total:.1%} right · {right:,} of {total:,}"

    def empty_text(self) -> str:
        return waiting_text(self.session, self.empty, EPOCH_END)

    def table(self) -> Rows:
        confusion = self._confusion()
        assert confusion is not None
        names = [*confusion.class_names, *(str(i) for i in range(len(confusion.class_names), len(confusion.matrix)))]
        scores = {name: values.tolist() for name, values in class_scores(confusion.matrix).items()}
        rows = [
            (names[i], *(int(count) for count in row), *(values[i] for values in scores.values()))
            for i, row in enumerate(confusion.matrix.tolist())
        ]
        return ("true class", *(f"predicted {name}" for name in names), *scores), rows
