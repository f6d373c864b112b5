"""Ticks: few, round, inside the range, each with its own label."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from widgets.axis import linear_labels, linear_ticks, log_labels, log_ticks


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 50, ["0", "10", "20", "30", "40", "50"]),
        (0.5, 1.0, ["0.5", "0.6", "0.7", "0.8", "0.9", "1.0"]),
        (0, 1e-3, ["0", "2e-4", "4e-4", "6e-4", "8e-4", "1e-3"]),
        (0, 100_000, ["0", "20k", "40k", "60k", "80k", "100k"]),
        (-1, 1, ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
    ],
)
def test_linear(low, high, labels):
    assert linear_labels(linear_ticks(low, high, 5)) == labels


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (1e-5, 1, ["1e-5", "1e-4", "1e-3", "1e-2", "1e-1", "1"]),
        (0.03, 3.0, ["0.05", "0.1", "0.2", "0.5", "1.0", "2.0"]),
        (1e-5, 1e-1, ["1e-5", "1e-4", "1e-3", "1e-2", "1e-1"]),
    ],
)
def test_log(low, high, labels):
    assert log_labels(log_ticks(math.log10(low), math.log10(high), 6)) == labels


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 12))
def test_linear_ticks_are_inside_and_few(low, span, most):
    high = low + span
    ticks = linear_ticks(low, high, most)
    assert len(ticks) <= most + 2
    assert all(low - span * 1e-6 <= tick <= high + span * 1e-6 for tick in ticks)


@given(st.floats(-12, 6), st.floats(0.05, 14), st.integers(3, 12))
def test_log_ticks_are_inside_few_and_told_apart(low, span, most):
    ticks = log_ticks(low, low + span, most)
    assert len(ticks) <= most + 3
    assert all(low - 1e-6 <= tick <= low + span + 1e-6 for tick in ticks)
    labels = log_labels(ticks)
    assert len(set(labels)) == len(labels)


def test_nothing_to_show():
    assert linear_ticks(1, 1, 5) == [] == log_ticks(0, math.nan, 5)
