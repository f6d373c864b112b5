"""Pairs: the numbers under the mouse, what is drawn, and nothing where there is nothing."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF

from widgets import theme
from widgets.beside import Beside


def beside(qtbot, count: int = 8) -> Beside:
    widget = Beside("feature", ("batch mean", "running mean"), empty="nothing yet")
    qtbot.addWidget(widget)
    widget.resize(240, 80)
    values = np.linspace(-1, 1, count)
    widget.set_pairs(values, values / 2)
    return widget


def lowest(widget: Beside, colour: str, left: int, right: int) -> int:
    image = widget.grab().toImage()
    rows = [
        y for y in range(image.height() - 16) for x in range(left, right) if image.pixelColor(x, y).name() == colour
    ]
    return max(rows, default=-1)


def test_each_says_its_numbers_under_the_mouse(qtbot) -> None:
    widget = beside(qtbot)
    assert widget.tip(QPointF(5, 40)) == "feature 0: batch mean -1.0, running mean -0.5"
    assert widget.tip(QPointF(239, 40)) == "feature 7: batch mean 1.0, running mean 0.5"
    assert widget.tip(QPointF(240, 40)) == ""


def test_larger_numbers_lie_higher_and_the_dot_is_the_number_itself(qtbot) -> None:
    widget = beside(qtbot)
    dot, mark = theme.current().accent, theme.current().text_dim
    assert lowest(widget, dot, 0, 30) > lowest(widget, dot, 210, 240) > 0
    assert lowest(widget, dot, 0, 30) > lowest(widget, mark, 0, 30), "-1 lies below -0.5"
    assert widget.accessibleDescription() == "8 of feature"


def test_what_is_small_beside_the_span_looks_small(qtbot) -> None:
    widget = beside(qtbot)
    dot = theme.current().accent
    values = np.array([0.0, 1.0])
    widget.set_pairs(values, values)
    apart = lowest(widget, dot, 0, 120) - lowest(widget, dot, 120, 240)
    widget.set_pairs(values, values, span=10.0)
    assert 0 < 5 * (lowest(widget, dot, 0, 120) - lowest(widget, dot, 120, 240)) < apart
    widget.set_pairs(values + 9, values + 9, from_zero=True)
    assert lowest(widget, dot, 0, 120) < 20, "9 of 10 lies near the top"


def test_what_is_not_finite_is_left_out(qtbot) -> None:
    widget = beside(qtbot)
    widget.set_pairs(np.array([np.nan, np.inf]), np.zeros(2))
    assert lowest(widget, theme.current().accent, 0, 240) == -1


def test_without_any_it_says_so(qtbot) -> None:
    widget = beside(qtbot)
    widget.clear()
    assert widget.tip(QPointF(5, 40)) == ""
    assert lowest(widget, theme.current().accent, 0, 240) == -1


def test_equal_pairs_lie_on_one_line(qtbot) -> None:
    widget = beside(qtbot)
    widget.set_pairs(np.ones(4), np.ones(4))
    assert lowest(widget, theme.current().accent, 0, 240) > 0
