"""Samples at a stage of preprocessing: a grid of images, or a cloud of points in the colours of their classes."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen

from engine.data.facts import DataFacts
from lab.panels.chart import Axis, Chart, draw_text
from lab.panels.data_parts import Part, padded
from widgets import theme
from widgets.curve import series_color
from widgets.samples import to_image
from widgets.text import number, shape, shortened
from widgets.tokens import mix
from widgets.trace import polygon

__all__ = ["SamplesOf", "ramp"]

BARE = 120.0
"""Pixels below which a cloud has no room for scales."""
STEEP = 6.0
"""Axes whose ranges differ by no more than this factor are drawn to one scale, so that a round cloud is seen to be."""
SHADES = 8


def sample_colors(facts: DataFacts, chosen: np.ndarray) -> tuple[np.ndarray, list[QColor]]:
    """For each of the samples the place of its colour, and the colours: of the classes, or a ramp for numbers."""
    values = facts.targets[chosen]
    if facts.class_names:
        return values.astype(int) % 10, [series_color(i) for i in range(10)]
    now = theme.current()
    low, span = float(facts.targets.min(initial=0.0)), float(np.ptp(facts.targets)) or 1.0
    ramp = [QColor(mix(now.series[0], now.series[1], i / (SHADES - 1))) for i in range(SHADES)]
    return np.clip((values - low) / span * SHADES, 0, SHADES - 1).astype(int), ramp


def ramp(painter: QPainter, line: QRectF, facts: DataFacts) -> None:
    """What target each colour of a cloud stands for."""
    if not len(facts.targets):
        return
    ends = (f"target {number(float(facts.targets.min()), 3)}", number(float(facts.targets.max()), 3))
    metrics = QFontMetricsF(painter.font())
    _, colors = sample_colors(facts, np.zeros(0, dtype=np.int64))
    x, middle = line.left() + metrics.horizontalAdvance(ends[0]) + 6, line.center().y()
    painter.setPen(theme.color("text_dim"))
    draw_text(painter, line.left(), middle, ends[0])
    for i, color in enumerate(colors):
        painter.fillRect(QRectF(round(x) + 8 * i, round(middle) - 4, 8, 8), color)
    draw_text(painter, x + 8 * len(colors) + 6, middle, ends[1])


class SamplesOf(Part):
    """Samples of a stage: a grid of images, or a cloud of points."""

    def figures(self) -> tuple[str, ...]:
        sizes = self.stage.shape
        one = shape(sizes) if len(sizes) > 1 else f"{sizes[0]:,} feature{'s' if sizes[0] > 1 else ''}"
        shown = len(self.stage.images) if self.stage.images is not None else 0
        if self.stage.images is None and self.stage.cloud is not None:
            shown = len(self.stage.cloud.points)
        some = (f"{one}, {shown:,} of {self.facts.total:,} samples",) if 0 < shown < self.facts.total else ()
        return (*some, one)

    def body(self, painter: QPainter, area: QRectF) -> None:
        self._spots: list[tuple[QRectF, str]] = []
        self._places: tuple[np.ndarray, np.ndarray] | None = None
        if self.stage.images is not None:
            self._images(painter, area, self.stage.images)
        elif self.stage.cloud is None:
            empty = "Every sample has a missing value" if not self.stage.samples else "The values are too large to draw"
            self.say(painter, area, empty)
        else:
            self._cloud(painter, area)

    def _images(self, painter: QPainter, area: QRectF, images: np.ndarray) -> None:
        finite = images[np.isfinite(images)]
        # A few extreme pixels would make grey of all others.
        low, high = np.percentile(finite, (0.5, 99.5)) if finite.size else (0.0, 1.0)
        count, ratio = len(images), images.shape[2] / images.shape[1]

        def fitting(columns: int) -> float:
            """The width of a picture in so many columns."""
            return min(area.width() / columns, area.height() / math.ceil(count / columns) * ratio)

        columns = max(range(1, count + 1), key=fitting)
        width = fitting(columns)
        height = width / ratio
        left = area.left() + (area.width() - width * columns) / 2
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, width > 3 * images.shape[2])
        for i, values in enumerate(images):
            spot = QRectF(left + i % columns * width, area.top() + i // columns * height, width, height)
            spot = spot.adjusted(1.5, 1.5, -1.5, -1.5)
            painter.drawImage(spot, to_image(values, float(low), float(high)))
            known = values[np.isfinite(values)]
            ends = (float(known.min()), float(known.max())) if known.size else None
            span = f"from {number(ends[0], 3)} to {number(ends[1], 3)}" if ends else "all values are missing"
            self._spots.append((spot, f"{self._label(i)}\n{span}"))

    def _label(self, sample: int) -> str:
        value = self.facts.targets[sample]
        names = self.facts.class_names
        return shortened(names[int(value)]) if names else f"target {number(float(value))}"

    def _cloud(self, painter: QPainter, area: QRectF) -> None:
        cloud = self.stage.cloud
        assert cloud is not None
        bare = area.width() < BARE or area.height() < BARE
        room = area.adjusted(3, 3, -3, -3) if bare else area.adjusted(46, 4, -6, -32)
        (low_x, high_x), (low_y, high_y) = padded(cloud.points[:, 0]), padded(cloud.points[:, 1])
        if room.width() < 20 or room.height() < 20:
            return
        wide, tall = high_x - low_x, high_y - low_y
        if cloud.axes[1] != "target" and max(wide / tall, tall / wide) <= STEEP:
            per_pixel = max(wide / room.width(), tall / room.height())
            low_x, high_x = _widened(low_x, high_x, per_pixel * room.width())
            low_y, high_y = _widened(low_y, high_y, per_pixel * room.height())
        x = Axis(low_x, high_x, room.left(), room.right())
        y = Axis(low_y, high_y, room.bottom(), room.top())
        if not bare:
            self._scales(painter, area, room, x, y, cloud.axes)
        else:
            Chart.line(painter, room.left(), room.bottom(), room.right(), room.bottom(), theme.color("grid"))
            Chart.line(painter, room.left(), room.top(), room.left(), room.bottom(), theme.color("grid"))
        px, py = x.pixels(cloud.points[:, 0]), y.pixels(cloud.points[:, 1])
        self._places = (px, py)
        tints, colors = sample_colors(self.facts, cloud.chosen)
        size = 4.4 if len(px) < 400 else 3.2
        painter.setClipRect(room.adjusted(-3, -3, 3, 3))
        for tint in np.unique(tints):
            color = QColor(colors[int(tint)])
            color.setAlphaF(0.75)
            pen = QPen(color, size)
            pen.setCapStyle(Qt.PenCapStyle.RoundCap)
            painter.setPen(pen)
            chosen = tints == tint
            painter.drawPoints(polygon(px[chosen], py[chosen]))

    @staticmethod
    def _scales(painter: QPainter, area: QRectF, room: QRectF, x: Axis, y: Axis, axes: tuple[str, str]) -> None:
        Chart.grid(painter, x, room.top(), room.bottom(), spacing=46)
        painter.setFont(theme.mono_font(10))
        for value, text in y.ticks(28):
            Chart.line(painter, room.left(), y.pixel(value), room.right(), y.pixel(value), theme.color("grid"))
            painter.setPen(theme.color("text_dim"))
            draw_text(painter, room.left() - 5, y.pixel(value), text, "right")
        Chart.horizontal_scale(painter, x, room.bottom(), spacing=46)
        painter.setFont(theme.ui_font(10))
        painter.setPen(theme.color("text_dim"))
        metrics = QFontMetricsF(painter.font())
        across = metrics.elidedText(shortened(axes[0]), Qt.TextElideMode.ElideRight, room.width())
        draw_text(painter, room.center().x(), room.bottom() + 24, across, "center")
        painter.save()
        painter.translate(area.left() + 6, room.center().y())
        painter.rotate(-90)
        upward = metrics.elidedText(shortened(axes[1]), Qt.TextElideMode.ElideRight, room.height())
        draw_text(painter, 0, 0, upward, "center")
        painter.restore()

    def tip(self, position: QPointF) -> str:
        spot = next((text for area, text in self._spots if area.contains(position)), "")
        if spot or self._places is None or self.stage.cloud is None:
            return spot
        far = (self._places[0] - position.x()) ** 2 + (self._places[1] - position.y()) ** 2
        nearest = int(far.argmin())
        if far[nearest] > 64:
            return ""
        cloud = self.stage.cloud
        values = (
            f"{shortened(axis)}: {number(float(v))}" for axis, v in zip(cloud.axes, cloud.points[nearest], strict=True)
        )
        return "\n".join((self._label(int(cloud.chosen[nearest])), *values))


def _widened(low: float, high: float, span: float) -> tuple[float, float]:
    middle = (low + high) / 2
    return middle - span / 2, middle + span / 2
