"""How the data panel lays out its pieces: one view in little room, all of them on a page in much."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFontMetricsF, QPainter

from engine.data.facts import DataFacts
from lab.panels.chart import Chart, draw_text
from lab.panels.data_covariance import Covariance, Spectrum
from lab.panels.data_parts import Counts, Features, Part
from lab.panels.data_samples import SamplesOf, ramp
from widgets import theme
from widgets.curve import series_color
from widgets.text import shortened

__all__ = ["VIEWS", "DataChart"]

VIEWS = ("overview", "samples", "covariance", "eigenvalues", "features", "classes")
PAGE = (560.0, 300.0)
"""The least room in which the overview shows more than the samples."""
TALL = 520.0
"""The height from which on it shows the features too."""


class DataChart(Chart):
    """Lays the parts of a view out in the room that there is."""

    def __init__(self) -> None:
        super().__init__()
        self.facts: DataFacts | None = None
        self.view = "overview"
        self.correlations = False
        self.parts: list[Part] = []

    def paint(self, painter: QPainter, area: QRectF) -> None:
        self.parts = []
        if self.facts is None:
            return
        area = area.adjusted(12, 4, -12, -8)
        if self.view == "overview" and area.width() >= PAGE[0] and area.height() >= PAGE[1]:
            self._page(painter, area)
            return
        for part, place in self._single(area):
            self._show(painter, part, place)
        if self.view in ("overview", "samples") and any(stage.images is None for stage in self._stages()):
            self._legend(painter, QRectF(area.left(), area.bottom() - 12, area.width(), 14))

    def _show(self, painter: QPainter, part: Part, place: QRectF) -> None:
        self.parts.append(part)
        part.paint(painter, place)

    def _stages(self) -> tuple[Any, ...]:
        assert self.facts is not None
        return (self.facts.before, self.facts.after) if self.facts.after.step else (self.facts.before,)

    def _pair(self, make: Callable[[Any, Any], Part], area: QRectF) -> list[tuple[Part, QRectF]]:
        """A part for each stage, side by side."""
        stages = self._stages()
        width = (area.width() - 18 * (len(stages) - 1)) / len(stages)
        return [
            (make(self.facts, stage), QRectF(area.left() + i * (width + 18), area.top(), width, area.height()))
            for i, stage in enumerate(stages)
        ]

    def _covariance(self, facts: DataFacts, stage: Any) -> Part:
        return Covariance(facts, stage, self.correlations)

    def _single(self, area: QRectF) -> list[tuple[Part, QRectF]]:
        assert self.facts is not None
        match self.view:
            case "covariance":
                return self._pair(self._covariance, area)
            case "features":
                return self._pair(Features, area)
            case "eigenvalues":
                return [(Spectrum(self.facts, self.facts.after), area)]
            case "classes":
                return [(Counts(self.facts, self.facts.after), area)]
        points = any(stage.images is None for stage in self._stages())
        return self._pair(SamplesOf, area.adjusted(0, 0, 0, -16 if points else 0))

    def _page(self, painter: QPainter, area: QRectF) -> None:
        assert self.facts is not None
        gap = 20.0
        tall = area.height() >= TALL
        third = (area.width() - 2 * gap) / 3
        left = QRectF(area.left(), area.top(), 2 * third + gap, area.height())
        rows = (0.40, 0.32, 0.28) if tall else (0.52, 0.48)
        tops, total = [], area.top()
        for share in rows:
            height = share * (area.height() - gap * (len(rows) - 1))
            tops.append((total, height))
            total += height + gap
        side = [QRectF(left.right() + gap, top, third, height) for top, height in tops]
        kinds = (SamplesOf, self._covariance, Features)
        for make, (top, height) in zip(kinds, tops, strict=False):
            if make is SamplesOf and not self.facts.class_names and self.facts.after.images is None:
                # The bars at the right do not tell what the colours mean.
                height -= 16
                self._legend(painter, QRectF(left.left(), top + height + 2, left.width(), 14))
            for part, place in self._pair(make, QRectF(left.left(), top, left.width(), height)):
                self._show(painter, part, place)
        self._show(painter, Counts(self.facts, self.facts.after), side[0])
        lower = side[1].united(side[2]) if tall else side[1]
        self._show(painter, Spectrum(self.facts, self.facts.after), lower)
        painter.setPen(theme.color("grid"))
        x = left.right() + gap / 2
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))

    def _legend(self, painter: QPainter, line: QRectF) -> None:
        """The names of the classes in their colours, as many as fit; or what numbers the colours stand for."""
        assert self.facts is not None
        painter.setFont(theme.ui_font(10))
        metrics = QFontMetricsF(painter.font())
        names = self.facts.class_names
        if not names:
            ramp(painter, line, self.facts)
            return
        x = line.left()
        for i, name in enumerate(names):
            text = shortened(name, 24)
            width = 13 + metrics.horizontalAdvance(text) + 10
            more = f"+{len(names) - i}"
            if x + width > line.right() - (metrics.horizontalAdvance(more) + 4 if i < len(names) - 1 else -10):
                painter.setPen(theme.color("text_dim"))
                draw_text(painter, x, line.center().y(), more)
                return
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(series_color(i))
            painter.drawEllipse(QPointF(x + 4, line.center().y()), 3.2, 3.2)
            painter.setPen(theme.color("text_dim"))
            draw_text(painter, x + 11, line.center().y(), text)
            x += width

    def tip(self, position: QPointF) -> str:
        part = next((part for part in self.parts if part.area.contains(position)), None)
        return part.tip(position) if part is not None else ""
