"""Spreads: the numbers under the mouse, what is drawn, and nothing where there is nothing."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF

from widgets import theme
from widgets.spreads import Spreads


def spreads(qtbot, count: int = 8) -> Spreads:
    widget = Spreads("channel", empty="nothing yet")
    qtbot.addWidget(widget)
    widget.resize(240, 100)
    mean = np.linspace(-1, 1, count)
    dead = np.zeros(count, bool)
    dead[2] = True
    widget.set_spreads(mean, np.full(count, 0.25), mean - 1, mean + 1, dead)
    return widget


def colours(widget: Spreads) -> set[str]:
    image = widget.grab().toImage()
    return {image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())}


def test_each_says_its_numbers_under_the_mouse(qtbot) -> None:
    widget = spreads(qtbot)
    assert widget.tip(QPointF(5, 40)) == "channel 0: mean -1.0, deviation 0.25, from -2.0 to 0.0"
    assert widget.tip(QPointF(75, 40)) == "channel 2: zero everywhere"
    assert widget.tip(QPointF(239, 40)).startswith("channel 7: mean 1.0")
    assert widget.tip(QPointF(240, 40)) == ""


def test_dead_ones_are_red_and_the_others_are_not(qtbot) -> None:
    theme_bad = theme.current().bad
    widget = spreads(qtbot)
    assert theme_bad in colours(widget) and theme.current().accent in colours(widget)
    zeros = np.zeros(3)
    widget.set_spreads(zeros + 1, zeros + 0.1, zeros, zeros + 2, np.zeros(3, bool))
    assert theme_bad not in colours(widget)
    assert widget.accessibleDescription() == "3 of channel, 0 dead"


def test_what_is_not_finite_is_left_out(qtbot) -> None:
    widget = spreads(qtbot)
    broken = np.array([np.nan, np.inf])
    widget.set_spreads(broken, broken, broken, broken, np.zeros(2, bool))
    assert theme.current().accent not in colours(widget)


def test_without_any_it_says_so(qtbot) -> None:
    widget = spreads(qtbot)
    widget.clear()
    assert widget.tip(QPointF(5, 40)) == ""
    assert theme.current().accent not in colours(widget)
