"""Histograms and samples: what is painted is what was given."""

import numpy as np
import pytest
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QImage, QPainter

from widgets.histogram import Histogram, ends, paint_bars, rebin
from widgets.samples import Samples, to_image


def test_rebinning_keeps_the_sum():
    counts = np.arange(50)
    small = rebin(counts, 7)
    assert small.size <= 7 and small.sum() == counts.sum()
    assert rebin(counts, 50) is counts


def test_bars_stand_where_the_counts_are(qapp):
    image = QImage(100, 50, QImage.Format.Format_RGB32)
    image.fill(QColor("black"))
    painter = QPainter(image)
    paint_bars(painter, QRectF(0, 0, 100, 50), np.array([0, 10, 5, 0]), QColor("red"), gap=0)
    painter.end()

    def red(x, y):
        return image.pixelColor(x, y).red() > 200

    assert red(37, 2) and red(62, 40) and not red(62, 10) and not red(12, 48) and not red(87, 48)


def test_a_histogram_tells_the_count_under_the_mouse(qtbot):
    histogram = Histogram()
    qtbot.addWidget(histogram)
    histogram.resize(200, 100)
    histogram.set_counts(np.array([10, 30, 60, 0]), -1.0, 1.0)
    assert histogram.tip(QPointF(125, 20)) == "0.0 to 0.5: 60 (60.0 %)"
    assert histogram.tip(QPointF(125, 99)) == ""
    assert "100 values" in histogram.accessibleDescription()
    histogram.clear()
    assert histogram.tip(QPointF(125, 20)) == ""


def test_images_from_arrays(qapp):
    grey = to_image(np.array([[[0.0], [1.0]], [[0.5], [np.nan]]]), 0, 1)
    assert [grey.pixelColor(x, y).red() for y in (0, 1) for x in (0, 1)] == [0, 255, 128, 0]
    colour = to_image(np.array([[[1.0, 0.0, 0.0]]]), 0, 1)
    assert colour.pixelColor(0, 0).getRgb()[:3] == (255, 0, 0)
    assert to_image(np.full((2, 3, 5), 0.5), 0, 1).width() == 3


@pytest.mark.parametrize(
    ("values", "targets", "shown"),
    [
        (np.random.default_rng(0).random((7, 8, 8, 1)), None, "images"),
        (np.random.default_rng(0).random((30, 2)), None, "points"),
        (np.random.default_rng(0).random((30, 1)), np.arange(30.0), "points"),
        (np.random.default_rng(0).random((30, 1)), None, "rows"),
        (np.random.default_rng(0).random((30, 13)), None, "rows"),
        (np.random.default_rng(0).integers(0, 6, (30, 13)), None, "tokens"),
        (np.random.default_rng(0).integers(0, 600, (30, 60)).astype(np.float32), None, "tokens"),
        (np.random.default_rng(0).integers(-6, 6, (30, 13)), None, "rows"),
        (np.zeros((0, 4)), None, "nothing"),
    ],
)
def test_samples_are_shown_as_what_they_are(qtbot, values, targets, shown):
    samples = Samples()
    qtbot.addWidget(samples)
    labels = [str(i % 3) for i in range(len(values))]
    samples.set_samples(values, labels, classes=np.arange(len(values)) % 3, targets=targets)
    assert samples.shown_as == shown
    samples.resize(280, samples.heightForWidth(280))
    image = samples.grab().toImage()
    colors = {image.pixelColor(x, y).name() for x in range(0, 280, 2) for y in range(0, image.height(), 2)}
    assert (len(colors) > 4) == (shown != "nothing")


def test_tokens_are_written_out_and_measurements_with_names_are_not(qtbot):
    samples = Samples()
    qtbot.addWidget(samples)
    samples.set_samples(np.array([[0.0, 1.0, 1.0, 9.0]]), ["a"])
    assert samples._token_rows() == ("0119",)
    samples.set_samples(np.array([[0, 10, 1, 9]]), ["a"])
    assert samples._token_rows() == ("0 10 1 9",)
    samples.set_samples(np.array([[0.0, 1.0, 1.0, 9.0]]), ["a"], names=["rooms", "doors", "floors", "age"])
    assert samples.shown_as == "rows"


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0.9963, 1.0041, ("0.996", "1.0")),
        (-2.5, 1.8, ("-2.5", "1.8")),
        (1.0, 1.0, ("1.0", "1.0")),
    ],
)
def test_the_ends_of_a_range_are_told_apart(low: float, high: float, texts: tuple[str, str]) -> None:
    assert ends(low, high) == texts
