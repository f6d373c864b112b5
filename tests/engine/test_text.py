"""Numbers and shapes in messages."""

from __future__ import annotations

import pytest

from engine.text import number_text, shape_text


@pytest.mark.parametrize(
    ("number", "text"),
    [(3, "3"), (1e6, "1000000"), (-1e7, "-10000000"), (0.1, "0.1"), (1e-8, "1e-08"), (1e300, "1e+300")],
)
def test_numbers(number: float, text: str) -> None:
    assert number_text(number) == text


def test_numbers_that_are_none() -> None:
    assert (number_text(float("nan")), number_text(float("-inf"))) == ("nan", "-inf")


def test_shapes() -> None:
    assert shape_text((28, 28, 1)) == "28 × 28 × 1"
    assert shape_text((128,)) == "128"
    assert shape_text(()) == "a single number"
