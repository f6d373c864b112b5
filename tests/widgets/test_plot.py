"""A plot's curves, ranges, read-out and exports."""

import csv

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QMouseEvent, QWheelEvent
from PySide6.QtTest import QTest

from widgets import theme
from widgets.export import png_of
from widgets.plot import Plot


@pytest.fixture
def plot(qtbot):
    plot = Plot(x_label="epoch", y_label="loss")
    qtbot.addWidget(plot)
    plot.resize(400, 260)
    plot.show()
    return plot


def view(plot):
    return plot.getPlotItem().getViewBox().viewRange()


def test_the_view_follows_the_data_until_it_is_touched(plot):
    curve = plot.curve("train")
    curve.set(np.arange(10.0), np.arange(10.0))
    assert view(plot)[0] == [0, 9]
    curve.set(np.arange(21.0), np.arange(21.0))
    assert view(plot)[0] == [0, 20]
    plot._on_touched()
    curve.set(np.arange(50.0), np.arange(50.0))
    assert view(plot)[0] == [0, 20]
    QTest.mouseDClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(200, 100))
    assert view(plot)[0] == [0, 49]


def test_the_wheel_zooms_and_stops_following(plot, qapp):
    plot.curve("train").set(np.arange(10.0), np.arange(10.0))
    qapp.processEvents()
    place = QPointF(200, 100)
    event = QWheelEvent(
        place,
        plot.viewport().mapToGlobal(place),
        QPoint(0, 0),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    qapp.sendEvent(plot.viewport(), event)
    low, high = view(plot)[0]
    assert high - low < 9
    assert not plot.follows


def test_fixed_ends(plot):
    plot.set_limits("x", 0, 50)
    plot.set_limits("y", 0, 1)
    plot.curve("train").set(np.array([0.0, 5.0]), np.array([0.2, 0.6]))
    assert view(plot) == [[0, 50], [0, 1]]


def test_a_log_axis_leaves_out_what_it_cannot_show(plot):
    plot.set_log(y=True)
    plot.curve("norm").set(np.arange(5.0), np.array([1.0, 0.0, -1.0, np.nan, 1e-4]))
    low, high = view(plot)[1]
    assert -4.5 < low < -4 + 1e-9 and 0 <= high < 0.5
    plot.set_log(y=False)
    low, high = view(plot)[1]
    assert low < -1 and high > 1


def test_a_guide_that_a_log_axis_cannot_show_is_hidden(plot):
    guide = plot.guide(2.303, "ln 10")
    plot.set_log(y=True)
    assert guide.item.isVisible() and guide.item.value() == pytest.approx(np.log10(2.303))
    guide.move(0.0)
    assert not guide.item.isVisible()


def test_arrays_of_two_lengths_are_refused(plot):
    with pytest.raises(ValueError, match="one length"):
        plot.curve("train").set(np.arange(3.0), np.arange(4.0))


def test_the_read_out_takes_the_nearest_points(plot, qapp):
    plot.curve("train").set(np.array([0.0, 1.0, 2.0]), np.array([5.0, 6.0, 7.0]))
    hidden = plot.curve("validation", 1)
    hidden.set(np.array([0.0, 2.0]), np.array([1.0, 2.0]))
    assert [(c.name, x, y) for c, x, y in plot.readout(1.4)] == [("train", 1, 6), ("validation", 2, 2)]
    hidden.show(False)
    assert len(plot.readout(1.4)) == 1
    qapp.processEvents()
    place = QPointF(200, 100)
    none = Qt.MouseButton.NoButton
    glob = plot.viewport().mapToGlobal(place)
    move = QMouseEvent(QEvent.Type.MouseMove, place, glob, none, none, Qt.KeyboardModifier.NoModifier)
    qapp.sendEvent(plot.viewport(), move)
    assert plot._readout.isVisible() and "train" in plot._readout.text()


def test_retheming_changes_what_is_drawn(plot, qapp):
    plot.curve("train", "accent").set(np.arange(10.0), np.arange(10.0))
    qapp.processEvents()
    dark = plot.grab().toImage()
    theme.apply(qapp, "light")
    qapp.processEvents()
    light = plot.grab().toImage()
    assert dark.pixelColor(2, 2).name() == theme.DARK.panel
    assert light.pixelColor(2, 2).name() == theme.LIGHT.panel


def test_removing_a_curve_takes_it_out_of_the_legend(plot):
    curve = plot.curve("train")
    plot.curve("validation", 1)
    plot.remove(curve)
    assert [label.text for _, label in plot.legend.items] == ["validation"]
    plot.clear_curves()
    assert plot.curves == [] and plot.columns() == []


def test_exports(plot, qapp):
    plot.curve("train").set(np.array([0.0, 1.0]), np.array([1 / 3, 0.1]))
    plot.curve("validation", 1).set(np.array([0.0, 1.0]), np.array([0.5, 0.25]))
    qapp.processEvents()
    rows = list(csv.reader(plot.to_csv().decode("utf-8").splitlines()))
    assert rows[0] == ["epoch", "train", "validation"]
    assert float(rows[1][1]) == 1 / 3
    image = QImage.fromData(plot.to_png())
    assert image.width() == 800
    assert len({image.pixelColor(x, y).name() for x in range(0, 800, 3) for y in range(0, 520, 3)}) > 3
    text = plot.to_svg().decode("utf-8")
    assert "<path" in text or "<polyline" in text
    assert "validation" in text


def test_curves_with_other_x_get_columns_of_their_own(plot):
    plot.curve("train").set(np.arange(3.0), np.arange(3.0))
    plot.curve("validation", 1).set(np.arange(2.0), np.arange(2.0))
    rows = list(csv.reader(plot.to_csv().decode("utf-8").splitlines()))
    assert rows[0] == ["train epoch", "train", "validation epoch", "validation"]
    assert rows[3] == ["2.0", "2.0", "", ""]


def test_a_picture_of_no_size_is_an_error():
    with pytest.raises(OSError, match="cannot be drawn in this size"):
        png_of(QImage())


def test_what_is_dragged_over_a_plot_is_for_the_window(plot):
    assert not plot.acceptDrops() and not plot.viewport().acceptDrops()


def test_marks_of_nothing_that_a_log_axis_can_show_are_drawn_without_a_warning(qtbot) -> None:
    plot = Plot(log_y=True)
    qtbot.addWidget(plot)
    curve = plot.curve("zero", 0, symbols=True)
    plot.show()
    for y in (0.0, np.nan, -1.0):
        curve.set(np.array([0.045]), np.array([y]))
        plot.grab()
    curve.set(np.array([0.045, 1.0]), np.array([0.0, 2.0]))
    plot.grab()
    assert curve.extent("y", True) == (2.0, 2.0)
