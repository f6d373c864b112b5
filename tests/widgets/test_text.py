"""How numbers are written."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from widgets.text import compact, full, number, shape, shortened


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.213, "0.213"),
        (6.1e-4, "6.1e-4"),
        (1e-3, "1e-3"),
        (1e-4, "1e-4"),
        (2.0, "2.0"),
        (0.0, "0.0"),
        (-0.0003, "-3e-4"),
        (1000.0, "1000"),
        (128, "128"),
        (1.5e7, "1.5e7"),
        (1 / 3, "0.3333"),
        (float("nan"), "NaN"),
        (float("-inf"), "-inf"),
    ],
)
def test_numbers(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(320, "320"), (1300, "1.3k"), (18500, "18.5k"), (401408, "401k"), (999_960, "1M"), (1.2e6, "1.2M"), (0, "0")],
)
def test_counts(value, text):
    assert compact(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_digit_reads_back(value):
    assert float(full(value)) == value


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_four_digits_are_close(value):
    assert math.isclose(float(number(value)), value, rel_tol=6e-4)


def test_shapes():
    assert shape((28, 28, 1)) == "28×28×1"
    assert shape(()) == "1"


def test_long_names_are_cut_off_and_stay_on_a_line():
    assert shortened("MNIST CNN") == "MNIST CNN"
    assert shortened("a\nb\t c") == "a b c" and shortened("a\x1b[31m\u202eb") == "a[31mb"
    assert shortened("x" * 61) == "x" * 59 + "…" and len(shortened("x y" * 100_000)) <= 60
    assert shortened(" " * 300 + "x") == "…"
