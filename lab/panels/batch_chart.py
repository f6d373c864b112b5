"""Drawings of a batch: images in a grid, points in a plane, rows of numbers, each beside what it was made of."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFontMetricsF, QImage, QPainter, QPen

from engine.data.augmentation.preview import BatchPreview
from lab.panels.chart import Axis, Chart, draw_text
from widgets import theme
from widgets.curve import series_color
from widgets.samples import to_image
from widgets.text import number, shortened

__all__ = ["BatchChart"]

IMAGE = 28.0
"""The smallest picture that can be judged, in pixels."""
LABEL = 16.0
ROW = 18.0
MOST = 1000
"""Samples of a batch that are drawn; the table that can be exported has all of them."""


class BatchChart(Chart):
    """Shows a `BatchPreview`; with `pairs`, every sample beside what it was before."""

    def __init__(self) -> None:
        super().__init__()
        self.preview: BatchPreview | None = None
        self.pairs = True
        self.shown = 0
        """How many samples there was room for."""
        self._cells: list[tuple[QRectF, int]] = []
        self._ends = (0.0, 1.0)
        """The values that are black and white: of both sides, and of all samples, so that what is brighter is seen."""
        self._images: dict[tuple[bool, int], QImage] = {}

    def set_preview(self, preview: BatchPreview | None) -> None:
        """Show this batch from now on."""
        self.preview = preview
        self._images = {}
        if preview is not None and preview.before.ndim == 4:
            self._ends = float(np.nanmin(preview.before)), float(np.nanmax(preview.before))
            self.setAccessibleName(f"A batch of {len(preview.before)} images")
        self.update()

    def _picture(self, preview: BatchPreview, index: int, *, after: bool) -> QImage:
        """A sample's picture, made when it is first drawn: of a large batch there is room for a small part."""
        key = after, index
        if key not in self._images:
            self._images[key] = to_image((preview.after if after else preview.before)[index], *self._ends)
        return self._images[key]

    @property
    def bottom(self) -> float:
        """Where the last drawing ended, in pixels."""
        return max((cell.bottom() for cell, _ in self._cells), default=0.0)

    def words(self) -> str:
        """What is drawn where."""
        if self.preview is None or not self.pairs:
            return ""
        return "hollow: before" if self._is_plane(self.preview) else "left: before, right: after"

    @staticmethod
    def _is_plane(preview: BatchPreview) -> bool:
        return preview.after.ndim == 2 and preview.after.shape[1] == 2

    def paint(self, painter: QPainter, area: QRectF) -> None:
        self._cells, self.shown = [], 0
        if self.preview is None or not len(self.preview.after):
            return
        area = area.adjusted(12, 2, -12, -6)
        if self.preview.after.ndim == 4:
            self._paint_images(painter, area, self.preview)
        elif self._is_plane(self.preview):
            self._paint_points(painter, area, self.preview)
        else:
            self._paint_rows(painter, area, self.preview)

    # -- images --------------------------------------------------------------------------------------------------------

    def _paint_images(self, painter: QPainter, area: QRectF, preview: BatchPreview) -> None:
        height, width = preview.after.shape[1:3]
        form = (2 if self.pairs else 1) * width / height
        painter.setFont(theme.ui_font(11))
        metrics = QFontMetricsF(painter.font())
        count = min(len(preview.after), MOST)
        words = max(metrics.horizontalAdvance(text) for text in preview.labels[:count])
        columns, size = grid(count, area.width(), area.height(), form, min(words, 92.0) + 6)
        cell = QRectF(0, 0, area.width() / columns, size + LABEL + 6)
        rows = max(1, int((area.height() + 6) // cell.height()))
        self.shown = min(count, rows * columns)
        # Pixels are what the network gets: few ones are not to be blurred.
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, max(height, width) > size)
        one = size * width / height
        for index in range(self.shown):
            spot = cell.translated(
                area.left() + index % columns * cell.width(), area.top() + index // columns * cell.height()
            )
            left = spot.left() + (spot.width() - (2 * one + 2 if self.pairs else one)) / 2
            sides = (False, True) if self.pairs else (True,)
            for place, image in enumerate(self._picture(preview, index, after=after) for after in sides):
                painter.setOpacity(0.55 if self.pairs and place == 0 else 1.0)
                painter.drawImage(QRectF(left + place * (one + 2), spot.top(), one, size), image)
            painter.setOpacity(1.0)
            painter.setPen(theme.color("text_dim"))
            text = metrics.elidedText(preview.labels[index], Qt.TextElideMode.ElideRight, cell.width() - 4)
            draw_text(painter, spot.center().x(), spot.top() + size + LABEL / 2 + 1, text, "center")
            self._cells.append((spot, index))

    # -- points --------------------------------------------------------------------------------------------------------

    def _paint_points(self, painter: QPainter, area: QRectF, preview: BatchPreview) -> None:
        self.shown = min(len(preview.after), MOST)
        both = np.concatenate((preview.before[: self.shown], preview.after[: self.shown])).astype(float)
        low, high = both.min(axis=0), both.max(axis=0)
        pad = np.where(high > low, 0.06 * (high - low), 1.0)
        plot = area.adjusted(30, 4, -4, -20)
        x = Axis(low[0] - pad[0], high[0] + pad[0], plot.left(), plot.right())
        y = Axis(low[1] - pad[1], high[1] + pad[1], plot.bottom(), plot.top())
        self.grid(painter, x, plot.top(), plot.bottom())
        self.horizontal_scale(painter, x, plot.bottom())
        for value, text in y.ticks(36):
            draw_text(painter, plot.left() - 6, y.pixel(value), text, "right")
        for index in range(self.shown):
            tint = series_color(int(preview.classes[index]) if preview.classes is not None else "accent")
            there = QPointF(x.pixel(float(preview.after[index, 0])), y.pixel(float(preview.after[index, 1])))
            if self.pairs:
                here = QPointF(x.pixel(float(preview.before[index, 0])), y.pixel(float(preview.before[index, 1])))
                painter.setPen(QPen(theme.color("text_faint"), 1))
                painter.drawLine(here, there)
                painter.setBrush(theme.color("panel"))
                painter.setPen(QPen(theme.color("text_dim"), 1))
                painter.drawEllipse(here, 2, 2)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(tint)
            painter.drawEllipse(there, 3.2, 3.2)
            self._cells.append((QRectF(there.x() - 5, there.y() - 5, 10, 10), index))

    # -- rows ----------------------------------------------------------------------------------------------------------

    def _paint_rows(self, painter: QPainter, area: QRectF, preview: BatchPreview) -> None:
        before, after = (array.reshape(len(array), -1) for array in (preview.before, preview.after))
        wide = 118.0 if self.pairs else 64.0
        target = min(150.0, area.width() / 3)
        columns = max(1, min(after.shape[1], int((area.width() - target) // wide)))
        self.shown = min(len(after), max(1, int((area.height() - 22) // ROW)))
        painter.setFont(theme.mono_font(11))
        metrics = QFontMetricsF(painter.font())
        painter.setPen(theme.color("text_dim"))
        draw_text(painter, area.left(), area.top() + 8, "target")
        for column in range(columns):
            last = column == columns - 1 and after.shape[1] > columns
            name = shortened(preview.names[column]) if column < len(preview.names) else f"x{column}"
            name = metrics.elidedText(name, Qt.TextElideMode.ElideRight, wide - 10)
            text = f"… {after.shape[1]} values" if last else name
            draw_text(painter, area.left() + target + (column + 1) * wide, area.top() + 8, text, "right")
        painter.fillRect(QRectF(area.left(), area.top() + 18, area.width(), 1), theme.color("border"))
        for index in range(self.shown):
            y = area.top() + 22 + (index + 0.5) * ROW
            painter.setPen(theme.color("text"))
            text = metrics.elidedText(preview.labels[index], Qt.TextElideMode.ElideRight, target - 8)
            draw_text(painter, area.left(), y, text)
            for column in range(columns):
                right = area.left() + target + (column + 1) * wide
                if column == columns - 1 and after.shape[1] > columns:
                    continue
                painter.setPen(theme.color("text"))
                value = number(float(after[index, column]), 3)
                draw_text(painter, right, y, value, "right")
                if self.pairs:
                    painter.setPen(theme.color("text_faint"))
                    draw_text(painter, right - 60, y, number(float(before[index, column]), 3), "right")
            self._cells.append((QRectF(area.left(), y - ROW / 2, area.width(), ROW), index))

    def tip(self, position: QPointF) -> str:
        preview = self.preview
        found = next((index for cell, index in self._cells if cell.contains(position)), None)
        if preview is None or found is None:
            return ""
        after = preview.after[found]
        return (
            f"{shortened(preview.labels[found], 200)}\nsample {int(preview.indices[found]):,} of the source\n"
            f"values {number(float(after.min()), 3)} to {number(float(after.max()), 3)}"
        )


def grid(count: int, width: float, height: float, form: float, least: float) -> tuple[int, float]:
    """Columns at least `least` wide, and the height of the pictures in them, `form` times as wide: as large as lets all
    be seen, but not smaller than can be judged."""
    best, size = 1, 0.0
    for columns in range(1, max(1, min(count, int(width // least))) + 1):
        rows = math.ceil(count / columns)
        here = min((width / columns - 8) / form, height / rows - LABEL - 6)
        if here > size:
            best, size = columns, here
    if size < IMAGE:
        best = max(1, int(width // max(least, IMAGE * form + 8)))
        size = min(IMAGE, (width / best - 8) / form)
    return best, max(8.0, size)
