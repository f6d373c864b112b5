"""Lines as pixels: of many points those that can be told apart on the screen, in the form that Qt paints fastest."""

from __future__ import annotations

import numpy as np
from pyqtgraph.functions import create_qpolygonf, ndarray_from_qpolygonf
from pyqtgraph.Qt.internals import PrimitiveArray
from PySide6.QtCore import QLineF, Qt
from PySide6.QtGui import QPainter, QPen, QPolygonF

__all__ = ["Stroke", "columns_of", "paint_line", "pieces", "polygon"]

FAR = 1e5
"""Pixels beyond which nothing is drawn: painting engines count in 32 bits."""
CROWDED = 3
"""With more points than this to a column of pixels a line is drawn column by column."""
ROUGH = 2.0
"""A crowded line whose columns are taller than this, in pixels, on the average, is drawn as columns without smoothing
of edges; a quieter one as a line through them."""


def polygon(x: np.ndarray, y: np.ndarray) -> QPolygonF:
    """Points as Qt wants them."""
    result = create_qpolygonf(len(x))
    if len(x):
        # Written into Qt's own memory: a Python object for each point would take many times as long.
        memory = ndarray_from_qpolygonf(result)
        memory[:, 0], memory[:, 1] = x, y
    return result


def columns_of(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """(middle, lowest, highest) of each column of pixels that has points, x ascending; NaN for a column without a
    finite one. None where there are too few points for that to be worth while."""
    if len(x) < 8:
        return None
    whole = np.floor(x)
    starts = np.flatnonzero(np.diff(whole, prepend=whole[0] - 1.0))
    if len(x) <= CROWDED * len(starts):
        return None
    return whole[starts] + 0.5, np.fmin.reduceat(y, starts), np.fmax.reduceat(y, starts)


def pieces(x: np.ndarray, y: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The unbroken parts of a line, each of two points at least: NaN breaks it."""
    good = np.isfinite(x) & np.isfinite(y)
    if good.all():
        return [(x, y)] if len(x) > 1 else []
    edges = np.flatnonzero(np.diff(good.astype(np.int8), prepend=0, append=0)).tolist()
    spans = zip(edges[0::2], edges[1::2], strict=True)
    return [(x[first:last], y[first:last]) for first, last in spans if last - first > 1]


def _through(
    middle: np.ndarray, low: np.ndarray, high: np.ndarray, first: float, last: float
) -> tuple[np.ndarray, np.ndarray]:
    """A line through the middle of each column, and through both ends of one that is tall, so that a peak stays. It
    begins at `first` and ends at `last`, where a run stands."""
    middle = middle.copy()
    middle[0], middle[-1] = first, last
    centre = (low + high) / 2
    tall = high - low > ROUGH
    index = np.repeat(np.arange(len(middle)), np.where(tall, 2, 1))
    second = np.diff(index, prepend=-1) == 0
    before = np.concatenate(([centre[0]], centre[:-1]))
    falls = np.abs(before - high) < np.abs(before - low)
    y = np.where(tall[index], np.where(second ^ falls[index], high[index], low[index]), centre[index])
    return middle[index], y


def _lines(x1: np.ndarray, y1: np.ndarray, x2: np.ndarray, y2: np.ndarray) -> PrimitiveArray:
    array = PrimitiveArray(QLineF, 4)
    array.resize(len(x1))
    memory = array.ndarray()
    memory[:, 0], memory[:, 1], memory[:, 2], memory[:, 3] = x1, y1, x2, y2
    return array


def paint_line(painter: QPainter, x: np.ndarray, y: np.ndarray) -> None:
    """Draw a line through points with the painter's pen."""
    pen = painter.pen()
    if pen.widthF() > 1.0 and pen.style() == Qt.PenStyle.SolidLine:
        # Qt's joints of a wide line take ten times as long as its pieces.
        lines = _lines(x[:-1], y[:-1], x[1:], y[1:])  # held until it is drawn: Qt is handed its memory
        painter.drawLines(*lines.drawargs())
    else:
        painter.drawPolyline(polygon(x, y))


class Stroke:
    """A line through points in pixels (x ascending, NaN for gaps), ready to be painted.

    x, y        the points that are drawn, for who wants to know where the line runs.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        y = np.clip(y, -FAR, FAR)
        self._columns: PrimitiveArray | None = None
        found = columns_of(x, y)
        if found is not None:
            middle, low, high = found
            if float(np.nanmean(high - low)) > ROUGH if np.isfinite(low).any() else False:
                # Each column reaches to its neighbour's, as the line between them would.
                low[1:], high[1:] = np.fmin(low[1:], high[:-1]), np.fmax(high[1:], low[:-1])
                good = np.isfinite(low)
                self._columns = _lines(middle[good], low[good], middle[good], high[good] + 0.5)
                x, y = np.repeat(middle, 2), np.stack([low, high], axis=1).ravel()
            else:
                x, y = _through(middle, low, high, float(x[0]), float(x[-1]))
        self.x, self.y = x, y
        self._pieces = pieces(x, y)

    def paint(self, painter: QPainter, pen: QPen, *, whole: bool = False) -> None:
        """Draw it. `whole`: as one line for a picture that is enlarged or kept as vectors, however long that takes."""
        painter.setPen(pen)
        if whole:
            for x, y in self._pieces:
                painter.drawPolyline(polygon(x, y))
        elif self._columns is not None:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
            painter.drawLines(*self._columns.drawargs())
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        else:
            for x, y in self._pieces:
                paint_line(painter, x, y)
