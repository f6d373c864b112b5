"""Legends give way to curves."""

from __future__ import annotations

import numpy as np
import pytest

from widgets.clutter import clutter, legend_area
from widgets.plot import Plot


@pytest.mark.parametrize(
    ("y", "corners"),
    [
        ([0.0, 1.0], {(0, 0), (1, 1)}),
        ([1.0, 0.0], {(1, 0), (0, 1)}),
        ([1.0, 1.0, 1.0, 0.0], {(0, 1), (1, 0)}),
        ([0.0, 0.0, 0.0, 1.0], {(0, 0), (1, 1)}),
    ],
)
def test_the_legend_takes_a_corner_without_curves(plot: Plot, y: list[float], corners: set[tuple[int, int]]) -> None:
    plot.curve("a curve", 0).set(np.linspace(0, 1, len(y)), np.array(y))
    plot.arrange()
    area, box = legend_area(plot), plot.getPlotItem().getViewBox()
    assert clutter(plot, area) == 0.0
    assert (int(area.center().x() > box.width() / 2), int(area.center().y() > box.height() / 2)) in corners


def test_where_every_corner_is_taken_the_legend_goes_between_them(plot: Plot) -> None:
    # Two curves that cross: every corner and the middle column are taken, the middle of the right side is free.
    plot.curve("up", 0).set(np.array([0.0, 1.0, 2.0]), np.array([0.0, 2.0, 2.0]))
    plot.curve("down", 1).set(np.array([0.0, 1.0, 2.0]), np.array([2.0, 0.0, 0.0]))
    plot.arrange()
    area, box = legend_area(plot), plot.getPlotItem().getViewBox()
    assert clutter(plot, area) == 0.0
    assert area.center().x() > box.width() / 2 and area.center().y() == pytest.approx(box.height() / 2, abs=40)


def test_names_stand_side_by_side_where_a_column_covers_curves(plot: Plot) -> None:
    first, second = (plot.curve(name, 0) for name in ("train", "validation"))
    first.set(np.array([0.0, 1.0]), np.array([0.0, 1.0]))

    def shape() -> tuple[float, float]:
        plot.arrange()
        area = legend_area(plot)
        return area.width(), area.height()

    column = shape()
    assert plot.legend is not None and plot.legend.columnCount == 1
    plot.resize(400, 120)
    x = np.linspace(0, 1, 41)
    first.set(x, np.full(41, 0.45))
    second.set(x, np.where(np.arange(41) % 40 == 0, [0.0], [0.5]))
    plot.set_limits("y", 0.0, 1.0)
    row = shape()
    assert row[0] > 1.3 * column[0] and row[1] < 0.7 * column[1]
    assert clutter(plot, legend_area(plot)) == 0.0
    plot.resize(190, 200)
    assert shape() == column  # there is no room for both in one row
    plot.resize(130, 90)
    plot.arrange()
    assert not plot.legend.isVisible()  # it would be the whole picture
    plot.resize(400, 240)
    assert shape() == column and plot.legend.isVisible()
