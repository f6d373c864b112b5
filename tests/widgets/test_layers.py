"""A plot in layers looks as the scene paints it; its pictures are drawn anew when something else than curves moved."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QGraphicsView

from widgets import theme
from widgets.layers import frame_of
from widgets.plot import Plot


@pytest.fixture
def plot(qtbot, qapp):
    plot = Plot(x_label="epoch", y_label="loss")
    qtbot.addWidget(plot)
    plot.resize(400, 260)
    plot.show()
    plot.set_limits("x", 0.0, 10.0)
    plot.curve("train", 0, width=1.6).set(np.linspace(0, 5, 40), np.linspace(1, 3, 40) ** 2)
    plot.curve("validation", 1).set(np.linspace(0, 5, 40), np.linspace(3, 1, 40))
    plot.guide(4.0, "here")
    for _ in range(3):
        qapp.processEvents()
    plot.arrange()
    qapp.processEvents()
    return plot


def pixels(image: QImage) -> np.ndarray:
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    memory = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return memory[:, : 4 * image.width()].reshape(image.height(), image.width(), 4)[..., :3].astype(int)


def test_it_looks_as_the_scene_paints_it(plot: Plot) -> None:
    layered = plot.viewport().grab().toImage()
    scene = QImage(layered.size(), QImage.Format.Format_RGB32)
    scene.fill(theme.color("panel"))
    painter = QPainter(scene)
    QGraphicsView.render(plot, painter)
    painter.end()
    far = np.abs(pixels(layered) - pixels(scene)).max(axis=2) > 60
    assert pixels(layered).std() > 3, "something is drawn"
    assert far.mean() < 0.01


def test_new_data_within_the_view_move_the_curves_alone(plot: Plot, qapp) -> None:
    before, renewed = plot.grab().toImage(), plot.layers.renewed
    plot.curves[0].set(np.linspace(0, 8, 40), np.linspace(1, 2.9, 40) ** 2)
    qapp.processEvents()
    assert plot.grab().toImage() != before
    assert plot.layers.renewed == renewed


def test_data_beyond_the_view_and_a_moved_guide_draw_the_pictures_anew(plot: Plot, qapp) -> None:
    renewed = plot.layers.renewed
    plot.guides[0].move(5.0)
    for _ in range(3):
        qapp.processEvents()
    assert plot.layers.renewed == renewed + 1
    plot.curves[0].set(np.linspace(0, 8, 40), np.linspace(1, 40, 40))
    for _ in range(3):
        qapp.processEvents()
    assert plot.layers.renewed > renewed + 1
    assert plot.getPlotItem().getViewBox().viewRange()[1][1] >= 40


def test_data_that_fill_little_of_the_view_make_it_smaller(plot: Plot) -> None:
    plot.curves[0].set(np.linspace(0, 8, 40), np.linspace(1, 2, 40))
    low, high = plot.getPlotItem().getViewBox().viewRange()[1]
    assert high < 3.2 and low > 0.8


def test_a_frame_maps_to_pixels_and_leaves_out_what_is_not_in_view(plot: Plot) -> None:
    plot.set_log(x=False, y=True)
    plot.setXRange(2.0, 4.0, padding=0)
    frame = frame_of(plot)
    x, y = frame.pixels(np.arange(11.0), np.array([0.0, *10.0 ** np.arange(10.0)]))
    assert x.tolist() == pytest.approx([-0.5 * frame.width, 0.0, 0.5 * frame.width, frame.width, 1.5 * frame.width])
    assert np.diff(y) == pytest.approx(-frame.height / (frame.y[1] - frame.y[0]))
    x, y = frame.pixels(np.array([3.0]), np.array([0.0]))
    assert np.isnan(y).all()


def test_an_enlarged_picture_is_painted_by_the_scene(plot: Plot) -> None:
    renewed = plot.layers.renewed
    assert QImage.fromData(plot.to_png(3.0)).width() == 1200
    assert plot.layers.renewed == renewed


def test_a_guide_that_is_put_where_it_is_changes_nothing(plot: Plot, qapp) -> None:
    for _ in range(3):
        plot.viewport().update()
        qapp.processEvents()
    renewed = plot.layers.renewed
    plot.guides[0].move(4.0, "here")
    plot.curves[0].set(np.linspace(0, 8, 40), np.linspace(1, 2.9, 40) ** 2)
    for _ in range(3):
        qapp.processEvents()
    assert plot.layers.renewed == renewed
