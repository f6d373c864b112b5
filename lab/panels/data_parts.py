"""What the data panel is made of: pieces with a title, each painted into a rectangle; here features and counts."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen

from engine.data.facts import DataFacts, StageFacts
from lab.panels.chart import Axis, Chart, draw_text
from widgets import theme
from widgets.curve import series_color
from widgets.text import number, shortened

__all__ = ["Counts", "Features", "Part", "condition_number", "condition_texts", "padded", "power_text", "stage_title"]

HEAD = 20.0
"""Pixels of a part's title."""


def stage_title(facts: DataFacts, stage: StageFacts) -> str:
    """What stage it is: "Source", "After 2: Normalize"."""
    return f"After {stage.step}: {facts.steps[stage.step - 1]}" if stage.step else "Source"


def condition_number(stage: StageFacts) -> str:
    """The condition number of the covariance, of a singular one that among the directions that vary."""
    return power_text(stage.condition if math.isfinite(stage.condition) else stage.condition_within)


def power_text(value: float) -> str:
    """A condition number in few characters: 1.0, 471, 7.5e4."""
    if not math.isfinite(value):
        return "infinite" if value == math.inf else "none"
    return number(value, 3) if value < 1e4 else f"{value:.2g}".replace("e+0", "e").replace("e+", "e")


def condition_texts(stage: StageFacts) -> tuple[str, ...]:
    """The condition number of the covariance, in ever fewer words; of a singular one also its rank."""
    found = condition_number(stage)
    if math.isfinite(stage.condition) or not stage.rank:
        return (f"κ {found}",)
    rank = f"rank {stage.rank:,} of {stage.measured:,}"
    return f"κ infinite; {found} within its {rank}", f"κ {found} in {rank}", f"{rank}"


class Part:
    """One piece: a title, a figure at its right, and a body. `tip` says what lies under the mouse."""

    def __init__(self, facts: DataFacts, stage: StageFacts) -> None:
        self.facts, self.stage = facts, stage
        self.area = QRectF()

    def titles(self) -> tuple[str, ...]:
        """The title, in ever fewer words."""
        title = stage_title(self.facts, self.stage)
        return title, title.partition(":")[0]

    def figures(self) -> tuple[str, ...]:
        """What stands at the right of the title, in ever fewer words."""
        return ()

    def paint(self, painter: QPainter, area: QRectF) -> None:
        """Draw title and body."""
        self.area = area
        painter.setFont(theme.mono_font(10))
        wide = QFontMetricsF(painter.font()).horizontalAdvance
        metrics = QFontMetricsF(theme.ui_font(11))
        title, figure = fitting(
            self.titles(), self.figures(), lambda a, b: metrics.horizontalAdvance(a) + 14 + wide(b) <= area.width()
        )
        painter.setPen(theme.color("text_dim"))
        draw_text(painter, area.right(), area.top() + 8, figure, "right")
        painter.setFont(theme.ui_font(11))
        painter.setPen(theme.color("text"))
        text = metrics.elidedText(title, Qt.TextElideMode.ElideRight, area.width())
        draw_text(painter, area.left(), area.top() + 8, text)
        painter.save()
        self.body(painter, area.adjusted(0, HEAD, 0, 0))
        painter.restore()

    def body(self, painter: QPainter, area: QRectF) -> None:
        raise NotImplementedError

    def tip(self, position: QPointF) -> str:
        """Called for places inside of the area."""
        return ""

    def say(self, painter: QPainter, area: QRectF, text: str) -> None:
        """Words in the place of a picture."""
        painter.setFont(theme.ui_font(11))
        painter.setPen(theme.color("text_dim"))
        painter.drawText(area, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, text)


class Features(Part):
    """Each feature from least to greatest, with one deviation about its mean."""

    def titles(self) -> tuple[str, ...]:
        stage = super().titles()
        return f"Features · {stage[0]}", *stage

    def figures(self) -> tuple[str, ...]:
        shown, size = len(self.stage.features), self.stage.size
        some = f"{shown} of {size:,}" if shown < size else ""
        return (f"{some}{', ' if some else ''}mean ± deviation, range", some or "mean ± deviation", some)

    def body(self, painter: QPainter, area: QRectF) -> None:
        chosen, stage = self.stage.features, self.stage
        low, high = stage.low[chosen], stage.high[chosen]
        room = area.adjusted(46, 4, -4, -18)
        self._room = room
        if room.width() < 20 or room.height() < 20 or not (np.isfinite(low).all() and np.isfinite(high).all()):
            self.say(painter, area, "There are no values to show")
            return
        mean, deviation = stage.mean[chosen], stage.deviation[chosen]
        bottom, top = padded(np.concatenate([low, high, mean - deviation, mean + deviation]))
        y = Axis(bottom, top, room.bottom(), room.top())
        painter.setFont(theme.mono_font(10))
        for value, text in y.ticks(22):
            Chart.line(painter, room.left(), y.pixel(value), room.right(), y.pixel(value), theme.color("grid"))
            painter.setPen(theme.color("text_dim"))
            draw_text(painter, room.left() - 5, y.pixel(value), text, "right")
        step = room.width() / len(chosen)
        metrics = QFontMetricsF(painter.font())
        for i, feature in enumerate(chosen):
            x = room.left() + (i + 0.5) * step
            Chart.line(painter, x, y.pixel(float(low[i])), x, y.pixel(float(high[i])), theme.color("wire"))
            if math.isfinite(deviation[i]):
                pen = QPen(theme.color("accent"), max(1.6, min(6.0, step * 0.4)))
                pen.setCapStyle(Qt.PenCapStyle.FlatCap)
                Chart.line(painter, x, y.pixel(mean[i] - deviation[i]), x, y.pixel(mean[i] + deviation[i]), pen)
            dot = max(2.0, min(3.5, step * 0.3))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("text"))
            painter.drawEllipse(QPointF(x, y.pixel(mean[i])), dot, dot)
            ends = {0: "left", len(chosen) - 1: "right"}
            if step >= 26 or i in ends:
                painter.setPen(theme.color("text_dim"))
                most = step - 4 if step >= 26 else room.width() / 3
                text = metrics.elidedText(shortened(stage.name(int(feature))), Qt.TextElideMode.ElideRight, most)
                shift, align = (0.0, "center") if step >= 26 else (-3.0 if i == 0 else 3.0, ends[i])
                draw_text(painter, x + shift, room.bottom() + 10, text, align)

    def tip(self, position: QPointF) -> str:
        chosen, room = self.stage.features, self._room
        if not room.contains(position) or not len(chosen):
            return ""
        i = int(chosen[min(len(chosen) - 1, int((position.x() - room.left()) / room.width() * len(chosen)))])
        stage = self.stage
        return (
            f"{stage.name(i)}\nmean {number(float(stage.mean[i]))}, deviation {number(float(stage.deviation[i]))}\n"
            f"from {number(float(stage.low[i]))} to {number(float(stage.high[i]))}"
        )


class Counts(Part):
    """Samples of each class and part: bars of the training part, then paler the validation and the test part."""

    def titles(self) -> tuple[str, ...]:
        return ("Samples of each class", "Samples") if self.facts.class_names else ("Samples and target", "Samples")

    def figures(self) -> tuple[str, ...]:
        return ("training, validation, test",) if self.facts.class_names else ()

    def rows(self) -> list[tuple[str, tuple[int, ...], QColor]]:
        """Label, counts by part and colour."""
        sizes = self.facts.sizes
        if not self.facts.class_names:
            parts = {"train": "training"}
            return [(parts.get(part, part), (count,), theme.color("accent")) for part, count in sizes.items()]
        return [
            (name, tuple(self.facts.class_counts[part][i] for part in sizes), series_color(i))
            for i, name in enumerate(self.facts.class_names)
        ]

    def body(self, painter: QPainter, area: QRectF) -> None:
        rows = self.rows()
        self._lines: list[tuple[QRectF, str]] = []
        if not self.facts.class_names and area.height() >= 150 and len(self.facts.targets):
            self._target(painter, area.adjusted(0, 24.0 * len(rows) + 10, 0, 0))
            area = QRectF(area.left(), area.top(), area.width(), 24.0 * len(rows))
        fits = max(1, int(area.height() // 15))
        shown = rows if len(rows) <= fits else rows[: fits - 1]
        height = min(24.0, area.height() / (len(shown) + (len(shown) < len(rows))))
        painter.setFont(theme.ui_font(11))
        names = QFontMetricsF(painter.font())
        digits = QFontMetricsF(theme.mono_font(10))
        columns = list(zip(*(counts for _, counts, _ in rows), strict=True))
        wide = [max(len(f"{count:,}") for count in column) for column in columns]
        numbers = [" ".join(f"{n:>{w},}" for n, w in zip(counts, wide, strict=True)) for _, counts, _ in rows]
        label = min(max(names.horizontalAdvance(shortened(row[0])) for row in rows) + 20, area.width() * 0.35)
        right = min(max(map(digits.horizontalAdvance, numbers)) + 8, area.width() * 0.45)
        most = max(1, *(sum(counts) for _, counts, _ in rows))
        for i, (name, counts, color) in enumerate(shown):
            line = QRectF(area.left(), area.top() + i * height, area.width(), height)
            middle = line.center().y()
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(color)
            painter.drawEllipse(QPointF(line.left() + 5, middle), 3.5, 3.5)
            painter.setFont(theme.ui_font(11))
            painter.setPen(theme.color("text"))
            text = names.elidedText(shortened(name), Qt.TextElideMode.ElideRight, label - 18)
            draw_text(painter, line.left() + 14, middle, text)
            x, room = line.left() + label, max(1.0, line.width() - label - right)
            for count, alpha in zip(counts, (1.0, 0.55, 0.25), strict=False):
                tint = QColor(color)
                tint.setAlphaF(alpha)
                painter.fillRect(QRectF(x, middle - height * 0.28, count / most * room, height * 0.56), tint)
                x += count / most * room
            painter.setFont(theme.mono_font(10))
            painter.setPen(theme.color("text_dim"))
            draw_text(
                painter,
                line.right(),
                middle,
                digits.elidedText(numbers[i], Qt.TextElideMode.ElideRight, right),
                "right",
            )
            parts = ", ".join(f"{part} {count:,}" for part, count in zip(self.facts.sizes, counts, strict=False))
            self._lines.append((line, f"{name}: {parts if self.facts.class_names else f'{counts[0]:,} samples'}"))
        if len(shown) < len(rows):
            painter.setFont(theme.ui_font(10))
            painter.setPen(theme.color("text_dim"))
            draw_text(
                painter,
                area.left() + 14,
                area.top() + (len(shown) + 0.5) * height,
                f"and {len(rows) - len(shown):,} more",
            )

    def _target(self, painter: QPainter, area: QRectF) -> None:
        """How the number to be predicted is distributed in the training part."""
        counts, edges = np.histogram(self.facts.targets, bins=max(8, min(40, int(area.width() // 10))))
        plot = area.adjusted(0, 4, 0, -18)
        Chart.bars(painter, counts, plot, theme.color("accent"), float(counts.max()))
        Chart.line(painter, plot.left(), plot.bottom(), plot.right(), plot.bottom(), theme.color("border"))
        painter.setFont(theme.mono_font(10))
        painter.setPen(theme.color("text_dim"))
        draw_text(painter, plot.left(), plot.bottom() + 10, number(float(edges[0]), 3))
        mean = f"target, mean {number(float(self.facts.targets.mean()), 3)}"
        draw_text(painter, plot.center().x(), plot.bottom() + 10, mean, "center")
        draw_text(painter, plot.right(), plot.bottom() + 10, number(float(edges[-1]), 3), "right")
        width = plot.width() / len(counts)
        for i, count in enumerate(counts.tolist()):
            bar = QRectF(plot.left() + i * width, plot.top(), width, plot.height())
            span = f"{number(float(edges[i]), 3)} to {number(float(edges[i + 1]), 3)}"
            self._lines.append((bar, f"target {span}: {count:,} training samples"))

    def tip(self, position: QPointF) -> str:
        return next((text for line, text in self._lines if line.contains(position)), "")


def fitting(titles: tuple[str, ...], figures: tuple[str, ...], fits: Callable[[str, str], bool]) -> tuple[str, str]:
    """The longest title that fits beside a figure, with the longest such figure; else the longest that fits alone."""
    pairs = [(title, figure) for title in titles for figure in figures]
    pairs += [(title, "") for title in titles]
    return next((pair for pair in pairs if fits(*pair)), (titles[-1], ""))


def padded(values: np.ndarray) -> tuple[float, float]:
    """The range of the finite values, a little wider."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    pad = (high - low) * 0.05 or abs(low) * 0.05 or 1.0
    return low - pad, high + pad
