"""Where in a plot there is room: what the curves and guides leave free for a legend or a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from PySide6.QtCore import QRectF, QSizeF

from widgets.layers import frame_of

if TYPE_CHECKING:
    from widgets.plot import Plot

__all__ = ["PLACES", "Place", "clutter", "legend_area", "quiet_place"]

Place = Literal[
    "top-right", "top-left", "bottom-right", "bottom-left",
    "right", "left", "upper-right", "lower-right", "upper-left", "lower-left", "top", "bottom",
]  # fmt: skip

PLACES: dict[Place, tuple[tuple[float, float], tuple[int, int]]] = {
    "top-right": ((1, 0), (-8, 6)),
    "top-left": ((0, 0), (8, 6)),
    "bottom-right": ((1, 1), (-8, -6)),
    "bottom-left": ((0, 1), (8, -6)),
    "right": ((1, 0.5), (-8, 0)),
    "left": ((0, 0.5), (8, 0)),
    "upper-right": ((1, 0.25), (-8, 3)),
    "lower-right": ((1, 0.75), (-8, -3)),
    "upper-left": ((0, 0.25), (8, 3)),
    "lower-left": ((0, 0.75), (8, -3)),
    "top": ((0.5, 0), (0, 6)),
    "bottom": ((0.5, 1), (0, -6)),
}
"""(share of the width and height, offset in pixels) of a legend in each place; the first are preferred."""

CORNERS = 4
"""So many of the places are corners: where one of them is free the others are not looked at."""
STAY = 3.0
"""Another place has to be better by so much for the legend to move there."""


def quiet_place(plot: Plot, size: QSizeF, now: Place) -> tuple[Place, float]:
    """The place in which a legend of that size covers least, and how much; `now` is where it is."""
    box = plot.getPlotItem().getViewBox()
    texts = [guide.item.label for guide in plot.guides if guide.item.label is not None and guide.item.isVisible()]
    marks = [box.mapRectFromScene(i.sceneBoundingRect()) for i in (*plot.kept_clear, *texts) if i.isVisible()]

    def covered(place: Place) -> float:
        (right, bottom), (dx, dy) = PLACES[place]
        left, top = right * (box.width() - size.width()) + dx, bottom * (box.height() - size.height()) + dy
        rect = QRectF(left, top, size.width(), size.height())
        found = 150.0 * sum(rect.intersects(mark) for mark in marks) + clutter(plot, rect)
        return found + 0.1 * places.index(place) - (STAY if place == now else 0.0)

    places = list(PLACES)
    tried = {place: covered(place) for place in (now, *places[:CORNERS])}
    if min(tried.values()) > 1.0:
        tried |= {place: covered(place) for place in places[CORNERS:]}
    best = min(tried, key=tried.__getitem__)
    return best, tried[best]


def clutter(plot: Plot, rect: QRectF) -> float:
    """How much of the curves lies within a rectangle of the view box, in pixels across; guides count less."""
    box = plot.getPlotItem().getViewBox()
    (left, right), (low, high) = box.viewRange()
    if not (box.width() > 0 and box.height() > 0 and right > left and high > low):
        return 0.0
    places = np.arange(rect.left() - 2, rect.right() + 3)
    total = 0.0
    frame = frame_of(plot)
    for curve in plot.curves:
        if not curve.isVisible() or not curve.x.size or curve.opacity == 0:
            continue
        stroke = curve.stroke(frame)
        good = np.isfinite(stroke.y)
        if good.any():
            down = np.interp(places, stroke.x[good], stroke.y[good], left=np.nan, right=np.nan)
            total += float(np.count_nonzero((down > rect.top() - 3) & (down < rect.bottom() + 3)))
    for guide in plot.guides:
        if guide.item.isVisible():
            level = guide.item.value()
            if guide.axis == "y":
                at, ends, length = (
                    (high - level) / (high - low) * box.height(),
                    (rect.top(), rect.bottom()),
                    rect.width(),
                )
            else:
                at, ends, length = (
                    (level - left) / (right - left) * box.width(),
                    (rect.left(), rect.right()),
                    rect.height(),
                )
            total += 0.3 * length * float(ends[0] - 2 < at < ends[1] + 2)
    return total


def legend_area(plot: Plot) -> QRectF:
    """Where the legend lies in the view box; empty without one."""
    legend = plot.legend
    return QRectF(legend.pos(), legend.boundingRect().size()) if legend is not None and legend.items else QRectF()
