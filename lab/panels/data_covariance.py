"""The covariance at a stage of preprocessing as a heat map, and its eigenvalues before and after."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFontMetricsF, QImage, QPainter, QPen

from engine.data.facts import DataFacts, StageFacts
from engine.data.preprocessing.directions import tolerance
from lab.panels.chart import Axis, Chart, draw_text
from lab.panels.data_parts import Part, condition_texts, power_text, stage_title
from widgets import theme
from widgets.curve import series_color
from widgets.text import number, shortened
from widgets.trace import polygon

__all__ = ["Covariance", "Spectrum"]


class Covariance(Part):
    """The covariance (or the correlations) as a heat map, with its condition number."""

    def __init__(self, facts: DataFacts, stage: StageFacts, correlations: bool = False) -> None:
        super().__init__(facts, stage)
        self.correlations = correlations
        self.values = correlation(stage.covariance) if correlations else stage.covariance

    def titles(self) -> tuple[str, ...]:
        stage, shown = super().titles(), len(self.stage.features)
        some = f", {shown} of {self.stage.size:,} features" if shown < self.stage.size else ""
        what = "Correlations" if self.correlations else "Covariance"
        return f"{what}{some} · {stage[0]}", f"{what} · {stage[0]}", *stage

    def figures(self) -> tuple[str, ...]:
        return condition_texts(self.stage)

    def body(self, painter: QPainter, area: QRectF) -> None:
        count = len(self.values)
        self._grid: tuple[QPointF, float] | None = None
        if not count or not np.isfinite(self.values).all():
            self.say(painter, area, "There is no covariance to show: the values are too large, or all are missing")
            return
        painter.setFont(theme.mono_font(10))
        metrics = QFontMetricsF(painter.font())
        names = [shortened(self.stage.name(int(i))) for i in self.stage.features]
        longest = min(max(map(metrics.horizontalAdvance, names)) + 6, 74.0, area.width() / 4)
        named = count <= 12 and min(area.width() - longest, area.height() - 22) / count >= 12
        left = longest if named else 0.0
        side = max(8.0, min(area.width() - left, area.height() - 22))
        cell = side / count
        origin = QPointF(area.left() + left + max(0.0, (area.width() - left - side) / 2), area.top())
        self._grid = (origin, cell)
        most = float(np.abs(self.values).max()) or 1.0
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
        painter.drawImage(QRectF(origin.x(), origin.y(), side, side), diverging(self.values, most))
        if named:
            painter.setPen(theme.color("text_dim"))
            for i, name in enumerate(names):
                text = metrics.elidedText(name, Qt.TextElideMode.ElideRight, left - 5)
                draw_text(painter, origin.x() - 5, origin.y() + (i + 0.5) * cell, text, "right")
        self._scale(painter, QRectF(origin.x(), origin.y() + side + 6, side, 6), most)

    def _scale(self, painter: QPainter, bar: QRectF, most: float) -> None:
        """What the colours mean."""
        metrics = QFontMetricsF(painter.font())
        ends = (number(-most, 2), number(most, 2))
        widths = [metrics.horizontalAdvance(text) for text in ends]
        inner = bar.adjusted(widths[0] + 6, 0, -widths[1] - 6, 0)
        painter.setPen(theme.color("text_dim"))
        if inner.width() < 20:
            draw_text(painter, bar.center().x(), bar.center().y() + 2, f"up to {ends[1]}", "center")
            return
        draw_text(painter, bar.left(), bar.center().y() + 1, ends[0])
        draw_text(painter, bar.right(), bar.center().y() + 1, ends[1], "right")
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(inner, diverging(np.linspace(-most, most, 33)[None, :], most))

    def tip(self, position: QPointF) -> str:
        if self._grid is None:
            return ""
        origin, cell = self._grid
        column, row = int((position.x() - origin.x()) // cell), int((position.y() - origin.y()) // cell)
        if not (0 <= row < len(self.values) and 0 <= column < len(self.values)):
            return ""
        pair = f"{self.stage.name(int(self.stage.features[row]))}, {self.stage.name(int(self.stage.features[column]))}"
        r = correlation(self.stage.covariance)[row, column]
        return (
            f"{pair}\ncovariance {number(float(self.stage.covariance[row, column]))}\ncorrelation {number(float(r), 3)}"
        )


class Spectrum(Part):
    """The eigenvalues of the covariance before and after, the largest first."""

    def titles(self) -> tuple[str, ...]:
        return ("Eigenvalues",)

    def figures(self) -> tuple[str, ...]:
        stage, before = self.stage, self.facts.before
        some = f"of {stage.measured:,} of {stage.size:,} features" if stage.measured < stage.size else ""
        numbers = [power_text(before.second_moment_condition)]
        if stage.step:
            numbers.append(power_text(stage.second_moment_condition))
        moment = f"κ of second moment {' → '.join(numbers)}" if "infinite" not in numbers else ""
        return tuple(text for text in (f"{some}{', ' if some and moment else ''}{moment}", moment, some) if text)

    def body(self, painter: QPainter, area: QRectF) -> None:
        self._curves: list[tuple[str, np.ndarray, str]] = []
        for stage, color in ((self.facts.before, "text_dim"), (self.stage, "accent")):
            values = stage.spectrum
            if (stage.step or not self._curves) and len(values) and np.isfinite(values).all():
                kept = values[values > tolerance(values)]
                if len(kept):
                    zeros = f", {len(values) - len(kept):,} are 0" if len(kept) < len(values) else ""
                    self._curves.append((stage_title(self.facts, stage) + zeros, kept, color))
        room = area.adjusted(46, 4, -8, -18)
        if not self._curves or room.width() < 20 or room.height() < 20:
            self.say(painter, area, "All samples are equal: no direction has any variance")
            return
        low, high = min(c[1][-1] for c in self._curves), max(c[1][0] for c in self._curves)
        y = Axis(low / 1.5, high * 1.5, room.bottom(), room.top(), log=True)
        longest = max(len(values) for _, values, _ in self._curves)
        x = Axis(1 - 0.02 * longest, longest * 1.02, room.left(), room.right())
        self._x = x
        painter.setFont(theme.mono_font(10))
        for value, text in y.ticks(26):
            Chart.line(painter, room.left(), y.pixel(value), room.right(), y.pixel(value), theme.color("grid"))
            painter.setPen(theme.color("text_dim"))
            draw_text(painter, room.left() - 5, y.pixel(value), text, "right")
        painter.setPen(theme.color("text_dim"))
        for place in sorted({1, longest, *_whole_ticks(longest, room.width())}):
            draw_text(painter, x.pixel(place), room.bottom() + 10, f"{place:,}", "center")
        for _, values, color in self._curves:
            points = polygon(x.pixels(np.arange(1, len(values) + 1.0)), y.pixels(values))
            painter.setPen(QPen(theme.color(color), 1.8))
            painter.drawPolyline(points)
            if len(values) <= 40:
                pen = QPen(theme.color(color), 5)
                pen.setCapStyle(Qt.PenCapStyle.RoundCap)
                painter.setPen(pen)
                painter.drawPoints(points)
        self._legend(painter, room)

    def _legend(self, painter: QPainter, room: QRectF) -> None:
        painter.setFont(theme.ui_font(10))
        metrics = QFontMetricsF(painter.font())
        wide = min(room.width() - 22, max(metrics.horizontalAdvance(text) for text, _, _ in self._curves))
        left = room.right() - wide - 20
        back = QRectF(left - 4, room.top(), wide + 24, 15.0 * len(self._curves) + 3)
        painter.fillRect(back, theme.rgba("panel", 0.8))
        for i, (text, _, color) in enumerate(self._curves):
            middle = room.top() + 9 + 15 * i
            Chart.line(painter, left, middle, left + 12, middle, QPen(theme.color(color), 2.5))
            painter.setPen(theme.color("text_dim"))
            draw_text(painter, left + 17, middle, metrics.elidedText(text, Qt.TextElideMode.ElideRight, wide))

    def tip(self, position: QPointF) -> str:
        if not self._curves:
            return ""
        axis = self._x
        place = round(axis.low + (position.x() - axis.start) / (axis.end - axis.start) * (axis.high - axis.low))
        lines = [f"{t}: {number(float(v[place - 1]))}" for t, v, _ in self._curves if 1 <= place <= len(v)]
        return "\n".join((f"eigenvalue {place}", *lines)) if lines else ""


def correlation(covariance: np.ndarray) -> np.ndarray:
    """Correlations of a covariance (n, n); 0 with a feature that does not vary."""
    deviations = np.sqrt(np.diag(covariance))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(covariance / np.outer(deviations, deviations), posinf=0.0, neginf=0.0)


def diverging(values: np.ndarray, most: float) -> QImage:
    """A picture of a matrix: nothing at 0, the accent at `most`, the second colour of the series at its negative."""
    back, up, down = (
        np.array([color.red(), color.green(), color.blue()], dtype=float)
        for color in (theme.color("raised"), theme.color("accent"), series_color(1))
    )
    share = np.clip(values / most, -1, 1)[..., None]
    mixed = back + np.abs(share) * (np.where(share > 0, up, down) - back)
    pixels = np.ascontiguousarray(mixed.round().clip(0, 255).astype(np.uint8))
    height, width = pixels.shape[:2]
    return QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()


def _whole_ticks(count: int, width: float) -> list[int]:
    """Round numbers from 1 to `count` that keep clear of both ends."""
    most = int(width // 60)
    if count < 3 or most < 2:
        return []
    size = 10 ** math.floor(math.log10(count / most)) if count > most else 1
    step = next(factor * size for factor in (1, 2, 5, 10, 20) if count / (factor * size) <= most)
    clear = count * 34 / max(width, 1.0)
    return [tick for tick in range(step, count, step) if 1 + clear <= tick <= count - clear]
