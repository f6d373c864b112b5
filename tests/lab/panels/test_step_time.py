"""Where a step's time goes: what is drawn is what was measured, and a bar or a row under the mouse says what it is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from msgspec.structs import replace
from PySide6.QtCore import QPointF

from lab.panels import Panel
from lab.panels.step_time import StepTimePanel, duration_text, operation_lines, phase_colour, slowest_first
from lab.session import Session
from tests.lab import fakes
from widgets import theme

Show = Callable[..., Panel]


@pytest.fixture
def panel(show: Show) -> StepTimePanel:
    shown = show(StepTimePanel)
    assert isinstance(shown, StepTimePanel)
    shown.grab()
    return shown


def test_the_slowest_comes_first_and_what_nothing_ran_is_left_out() -> None:
    seen = fakes.timeline("r", 1).timeline
    assert [seen.rows[row] for row in slowest_first(seen)][:2] == ["matmul", "matmul+add_bias+relu"]
    seen.begin[:, 2] = seen.end[:, 2] = np.nan
    assert 2 not in slowest_first(seen)


def test_a_row_in_words() -> None:
    seen = fakes.timeline("r", 1).timeline
    assert operation_lines(seen, 2) == ["matmul", "dense_1 · backward", "400 µs, 48.2% of the step · 40.0 GFLOP/s"]
    assert operation_lines(seen, 4, 1)[1:] == ["update", "100 µs, 12.0% of the step",
                                               "thread 2: 80.0 µs, then 20.0 µs of waiting"]  # fmt: skip


@pytest.mark.parametrize(("seconds", "text"), [(3.1e-6, "3.1 µs"), (1.25e-3, "1.25 ms")])
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_bars_lie_where_their_time_is_in_the_colour_of_their_phase(panel: StepTimePanel) -> None:
    chart = panel.chart
    picture = chart.grab().toImage()
    assert chart.seen is not None
    for row in (0, 2, 4):
        middle = 1e6 * float(chart.seen.begin[0, row] + chart.seen.end[0, row]) / 2
        x = round(chart._axis.pixel(middle))
        assert picture.pixelColor(x, 10) == phase_colour(chart.seen.phases[row])
        assert chart.row_at(QPointF(x, 10)) == (row, 0)


def test_the_table_tells_its_rows(panel: StepTimePanel) -> None:
    chart = panel.chart
    assert chart.row_at(QPointF(100, chart._table + 5)) == (2, None)
    assert chart.tip(QPointF(100, chart._table + 5)).startswith("matmul\n")
    assert chart.row_at(QPointF(100, chart.height() + 500)) is None
    assert chart.tip(QPointF(5, 40)) == ""


def test_a_thread_without_a_part_has_no_bar(panel: StepTimePanel) -> None:
    chart = panel.chart
    assert chart.seen is not None
    x = chart._axis.pixel(1e6 * float(chart.seen.begin[0, 1] + chart.seen.end[0, 1]) / 2)
    assert chart.row_at(QPointF(x, 10)) == (1, 0)
    assert chart.row_at(QPointF(x, 32)) != (1, 1)


def test_caption_and_table(panel: StepTimePanel) -> None:
    assert panel.caption() == "step 2,000 · 830 µs · batch 128"
    names, found = panel.table()
    rows = list(found)
    assert names[0] == "operation" and len(rows) == 9
    assert rows[0][:4] == ("matmul+add_bias+relu", "dense_1", "forward", 1)


def test_news_are_drawn(panel: StepTimePanel, session: Session) -> None:
    assert session.timeline is not None
    session._take_slot(replace(session.timeline, step=2500))
    panel.refresh()
    assert panel.caption().startswith("step 2,500")


def test_many_threads_and_a_small_panel(show: Show, session: Session) -> None:
    session.timeline = fakes.timeline("fake", 3, threads=32)
    panel = show(StepTimePanel)
    for size in ((170, 110), (900, 500)):
        panel.resize(*size)
        picture = panel.grab().toImage()
        assert picture.pixelColor(2, picture.height() - 2).name() == theme.current().panel


def test_before_a_run_the_panel_says_what_to_press(show: Show) -> None:
    session = Session()
    panel = show(StepTimePanel, session)
    assert "Press Train" in panel._empty.text()
    session.close()
