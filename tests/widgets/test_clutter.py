"""How much of the curves a place covers; few values make few bins."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QRectF

from widgets.clutter import clutter
from widgets.histogram import legible
from widgets.plot import Plot


def test_clutter_counts_the_pixels_that_a_curve_crosses(plot: Plot) -> None:
    plot.curve("flat", 0).set(np.array([0.0, 1.0]), np.array([0.5, 0.5]))
    box = plot.getPlotItem().getViewBox()
    middle = QRectF(box.width() / 2 - 20, box.height() / 2 - 5, 40, 10)
    assert clutter(plot, middle) == pytest.approx(40, abs=6)
    assert clutter(plot, middle.translated(0, -40)) == 0.0


def test_few_values_are_shown_in_few_bins() -> None:
    counts = np.zeros(64, dtype=np.int64)
    counts[::2] = 3
    assert legible(counts).tolist() == [6] * 16
    assert legible(np.full(64, 1000)).size == 64
    assert legible(np.eye(64, dtype=np.int64)[5]).size == 8
    assert legible(np.ones(7)).size == 7
