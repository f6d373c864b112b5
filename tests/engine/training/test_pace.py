"""Throughput over the last moments."""

import pytest

from engine.training.pace import Pace


def test_rates_are_over_the_last_moments() -> None:
    pace = Pace()
    assert pace.mark(0.0, 0, 0, 100) == (0.0, None)
    assert pace.mark(1.0, 320, 10, 100) == (320.0, 9.0)
    # Faster from here on: the slow second fades out.
    for i in range(1, 41):
        rate, left = pace.mark(1.0 + i / 10, 320 + 64 * i, 10 + 2 * i, 100)
    assert rate == pytest.approx(640.0)
    assert left == pytest.approx((100 - 90) / 20)


def test_a_pause_does_not_count() -> None:
    pace = Pace()
    pace.mark(0.0, 0, 0, 100)
    pace.mark(1.0, 320, 10, 100)
    pace.restart()
    assert pace.mark(500.0, 320, 10, 100) == (0.0, None)
    assert pace.mark(501.0, 640, 20, 100) == (320.0, 8.0)


def test_nothing_done_nothing_told() -> None:
    pace = Pace()
    pace.mark(0.0, 0, 0, 100)
    assert pace.mark(1.0, 0, 0, 100) == (0.0, None)
