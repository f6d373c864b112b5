"""Samples of a data set as a person can judge them: images in a grid, points in a plane, rows of a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from widgets import theme
from widgets.axis import linear_labels, linear_ticks
from widgets.curve import series_color
from widgets.text import number, shortened

__all__ = ["Samples", "to_image"]

MOST_TOKENS = 100_000
"""Whole numbers from here on are rather measurements than tokens."""


def to_image(values: np.ndarray, low: float, high: float) -> QImage:
    """A picture of an array (height, width, channels): one channel as grey, three as colours, more as their mean;
    `low` becomes black, `high` white."""
    values = np.asarray(values, dtype=np.float64)
    if values.shape[2] not in (1, 3):
        values = values.mean(axis=2, keepdims=True)
    scaled = np.clip((values - low) / (high - low if high > low else 1.0), 0, 1)
    pixels = np.ascontiguousarray(np.round(np.nan_to_num(scaled) * 255).astype(np.uint8))
    height, width, channels = pixels.shape
    form = QImage.Format.Format_Grayscale8 if channels == 1 else QImage.Format.Format_RGB888
    return QImage(pixels.tobytes(), width, height, width * channels, form).copy()


class Samples(QWidget):
    """Shows samples (N, ...) of one input: a grid of images where they are (h, w, c), a scatter plot where there are
    two features, or one feature and a number to predict; rows of token numbers where all are whole, counted from 0 and
    without names; else the rows as numbers."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._values = np.zeros((0, 1))
        self._labels: tuple[str, ...] = ()
        self._classes: np.ndarray | None = None
        self._targets: np.ndarray | None = None
        self._names: tuple[str, ...] = ()
        self._images: list[QImage] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme.signals.changed.connect(self.update)

    def set_samples(
        self,
        values: np.ndarray,
        labels: Sequence[str] = (),
        *,
        classes: np.ndarray | None = None,
        targets: np.ndarray | None = None,
        names: Sequence[str] = (),
    ) -> None:
        """Show samples. `classes` (N,) colours points; `targets` (N,) are drawn upwards over a single feature."""
        self._values, self._labels, self._classes = np.asarray(values), tuple(labels), classes
        self._targets, self._names = targets, tuple(names)
        self._images = []
        if self._values.ndim == 4 and self._values.size:
            finite = self._values[np.isfinite(self._values)]
            low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
            self._images = [to_image(value, low, high) for value in self._values]
        self.setAccessibleName(f"{len(self._values)} samples")
        self.updateGeometry()
        self.update()

    @property
    def shown_as(self) -> str:
        """ "images", "points", "tokens", "rows" or "nothing"."""
        if not len(self._values):
            return "nothing"
        if self._images:
            return "images"
        if self._values.ndim == 2 and (self._values.shape[1] == 2 or self._is_curve()):
            return "points"
        return "tokens" if self._are_tokens() else "rows"

    def _are_tokens(self) -> bool:
        values = self._values
        if values.ndim != 2 or values.shape[1] < 3 or self._names or values.dtype.kind not in "iuf":
            return False
        return bool((values == np.rint(values)).all() and values.min() >= 0 and values.max() < MOST_TOKENS)

    def _is_curve(self) -> bool:
        return self._values.shape[1] == 1 and self._targets is not None and self._targets.ndim == 1

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        match self.shown_as:
            case "images":
                columns, cell = self._grid(width)
                return -(-len(self._images) // columns) * (cell + 17)
            case "points":
                return min(width, 280)
            case "rows" | "tokens":
                return 20 + 17 * min(len(self._values), 14)
        return 20

    def sizeHint(self) -> QSize:
        return QSize(280, self.heightForWidth(280))

    def minimumSizeHint(self) -> QSize:
        return QSize(120, 40)

    def _grid(self, width: int) -> tuple[int, int]:
        """Columns and the size of a cell: five columns, or as many as give whole pixels room."""
        columns = max(3, min(5, width // 48))
        return columns, max(8, (width - 4 * (columns - 1)) // columns)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        match self.shown_as:
            case "images":
                self._paint_images(painter)
            case "points":
                self._paint_points(painter)
            case "rows" | "tokens":
                self._paint_rows(painter)

    def _paint_images(self, painter: QPainter) -> None:
        columns, cell = self._grid(self.width())
        painter.setFont(theme.ui_font(11))
        painter.setPen(QColor(theme.current().text_dim))
        metrics = QFontMetricsF(theme.ui_font(11))
        for index, image in enumerate(self._images):
            x, y = index % columns * (cell + 4), index // columns * (cell + 17)
            longest = max(image.width(), image.height())
            width, height = cell * image.width() / longest, cell * image.height() / longest
            area = QRectF(x + (cell - width) / 2, y + (cell - height) / 2, width, height)
            painter.drawImage(area, image)
            if index < len(self._labels):
                text = metrics.elidedText(shortened(self._labels[index]), Qt.TextElideMode.ElideRight, cell)
                painter.drawText(QRectF(x, y + cell + 1, cell, 15), Qt.AlignmentFlag.AlignHCenter, text)

    def _paint_points(self, painter: QPainter) -> None:
        colors = theme.current()
        x = self._values[:, 0].astype(float)
        y = (self._values[:, 1] if self._values.shape[1] == 2 else np.asarray(self._targets)).astype(float)
        area = QRectF(34, 6, self.width() - 42, self.height() - 26)
        low_x, high_x = _padded(x)
        low_y, high_y = _padded(y)
        painter.setFont(theme.mono_font(10))
        for values, across in ((linear_ticks(low_x, high_x, 5), True), (linear_ticks(low_y, high_y, 5), False)):
            for value, text in zip(values, linear_labels(values), strict=True):
                painter.setPen(QColor(colors.text_dim))
                if across:
                    place = area.left() + (value - low_x) / (high_x - low_x) * area.width()
                    box = QRectF(place - 25, area.bottom() + 4, 50, 14)
                    painter.drawText(box, Qt.AlignmentFlag.AlignHCenter, text)
                else:
                    place = area.bottom() - (value - low_y) / (high_y - low_y) * area.height()
                    box = QRectF(0, place - 7, area.left() - 5, 14)
                    painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
                    painter.fillRect(QRectF(area.left(), round(place), area.width(), 1), QColor(colors.grid))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        for index in np.flatnonzero(np.isfinite(x) & np.isfinite(y)):  # a point with a missing value has no place
            tint = series_color(int(self._classes[index]) if self._classes is not None else "accent")
            tint.setAlphaF(0.8)
            painter.setBrush(tint)
            place_x = area.left() + (x[index] - low_x) / (high_x - low_x) * area.width()
            place_y = area.bottom() - (y[index] - low_y) / (high_y - low_y) * area.height()
            painter.drawEllipse(QPointF(place_x, place_y), 2.2, 2.2)

    def _paint_rows(self, painter: QPainter) -> None:
        colors = theme.current()
        flat = self._values.reshape(len(self._values), -1)
        columns = max(1, min(flat.shape[1], int((self.width() - 64) // 62)))
        names = [shortened(name) for name in self._names] or [f"x{i}" for i in range(flat.shape[1])]
        metrics = QFontMetricsF(theme.mono_font(11))
        tokens = self._token_rows() if self.shown_as == "tokens" else ()
        if tokens:
            columns = 0
        painter.setFont(theme.mono_font(11))
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.setPen(QColor(colors.text_dim))
        painter.drawText(QRectF(0, 0, 58, 16), Qt.AlignmentFlag.AlignVCenter, "target")
        if tokens:
            painter.drawText(
                QRectF(62, 0, self.width() - 62, 16), Qt.AlignmentFlag.AlignVCenter, f"{flat.shape[1]} tokens"
            )
        for column in range(columns):
            last = column == columns - 1 and flat.shape[1] > columns
            text = f"… {flat.shape[1]}" if last else metrics.elidedText(names[column], Qt.TextElideMode.ElideRight, 58)
            painter.drawText(QRectF(62 + column * 62, 0, 60, 16), right, text)
        painter.fillRect(QRectF(0, 18, self.width(), 1), QColor(colors.border))
        painter.setPen(QColor(colors.text))
        for row in range(min(len(flat), 14)):
            y = 20 + row * 17
            label = self._labels[row] if row < len(self._labels) else ""
            painter.drawText(
                QRectF(0, y, 58, 16),
                Qt.AlignmentFlag.AlignVCenter,
                metrics.elidedText(shortened(label), Qt.TextElideMode.ElideRight, 56),
            )
            if tokens:
                width = self.width() - 62.0
                text = metrics.elidedText(tokens[row], Qt.TextElideMode.ElideRight, width)
                painter.drawText(QRectF(62, y, width, 16), Qt.AlignmentFlag.AlignVCenter, text)
            for column in range(columns):
                last = column == columns - 1 and flat.shape[1] > columns
                text = "…" if last else number(float(flat[row, column]), 3)
                painter.drawText(QRectF(62 + column * 62, y, 60, 16), right, text)

    def _token_rows(self) -> tuple[str, ...]:
        """Each sample's tokens as a text; digits stand close together."""
        between = "" if self._values.max() < 10 else " "
        return tuple(between.join(str(int(token)) for token in row) for row in self._values[:14])


def _padded(values: np.ndarray) -> tuple[float, float]:
    """The range of finite values, a little wider."""
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    pad = (high - low) * 0.05 or 1.0
    return low - pad, high + pad
