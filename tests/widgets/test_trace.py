"""Lines as pixels: no peak is lost, gaps stay gaps, the ends stay where they are."""

import numpy as np
import pytest
from PySide6.QtGui import QColor, QImage, QPainter, QPen

from widgets.trace import Stroke, columns_of, pieces, polygon


def test_of_a_crowded_line_each_column_keeps_its_lowest_and_highest_point() -> None:
    x = np.linspace(0.0, 99.99, 5000)
    y = np.random.default_rng(0).normal(size=5000)
    y[2345] = 50.0
    found = columns_of(x, y)
    assert found is not None
    middle, low, high = found
    assert len(middle) == 100 and high.max() == 50.0 and low.min() == y.min()
    assert (np.diff(middle) == 1.0).all()


def test_few_points_stay_as_they_are() -> None:
    x, y = np.linspace(0.0, 100.0, 50), np.zeros(50)
    assert columns_of(x, y) is None
    assert np.array_equal(Stroke(x, y).x, x)


def test_a_column_without_a_finite_point_is_a_gap() -> None:
    x = np.linspace(0.0, 9.99, 1000)
    y = np.where((x >= 4.0) & (x < 5.0), np.nan, 1.0)
    stroke = Stroke(x, y)
    assert np.isnan(stroke.y).sum() == 1 and [len(part) for part, _ in pieces(stroke.x, stroke.y)] == [4, 5]


def test_the_ends_of_a_quiet_crowded_line_stay_where_they_are() -> None:
    x = np.linspace(0.3, 9.7, 1000)
    stroke = Stroke(x, x.copy())
    assert stroke.x[0] == 0.3 and stroke.x[-1] == 9.7 and len(stroke.x) == 10


def test_gaps_split_a_line() -> None:
    y = np.array([np.nan, 1.0, 2.0, np.nan, 3.0, np.nan, 4.0, 5.0])
    found = pieces(np.arange(8.0), y)
    assert [part.tolist() for _, part in found] == [[1.0, 2.0], [4.0, 5.0]]
    assert pieces(np.zeros(1), np.zeros(1)) == []


def test_a_polygon_has_the_points() -> None:
    points = polygon(np.array([0.0, 1.5]), np.array([2.0, -3.0]))
    assert [(point.x(), point.y()) for point in points] == [(0.0, 2.0), (1.5, -3.0)]


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("rough", [False, True])
@pytest.mark.parametrize("width", [1.0, 1.6])
def test_every_way_of_painting_shows_the_peak(qapp: object, whole: bool, rough: bool, width: float) -> None:
    x = np.linspace(0.0, 199.9, 4000)
    y = 80.0 + (8.0 * np.random.default_rng(1).normal(size=4000) if rough else 0.0 * x)
    y[2000:2020] = 10.0
    image = QImage(200, 100, QImage.Format.Format_RGB32)
    image.fill(QColor("black"))
    painter = QPainter(image)
    pen = QPen(QColor("white"))
    pen.setWidthF(width)
    Stroke(x, y).paint(painter, pen, whole=whole)
    painter.end()
    column = [image.pixelColor(column, row).red() for column in (99, 100, 101) for row in range(9, 12)]
    assert max(column) > 100 and image.pixelColor(100, 2).red() == 0
