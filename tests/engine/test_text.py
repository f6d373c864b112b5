"""Numbers, shapes and names in messages."""

from __future__ import annotations

import pytest

from engine.text import after_colon, bytes_text, count_text, folded, number_text, shape_text, shortened


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


def test_texts_on_one_line() -> None:
    assert folded("a\nb\r\n\tc\u2028d") == "a b c d"
    assert folded("\x1b[31mred\x07\x9b\u202eback") == "[31mredback"
    assert folded("naïve 👩‍🔬 – schön") == "naïve 👩‍🔬 – schön"


def test_sentences_behind_a_colon() -> None:
    assert after_colon("The driver is too old.") == "the driver is too old."
    assert after_colon("CuPy is not installed.") == "CuPy is not installed."
    assert after_colon("This") == "this"


def test_long_names_are_cut_off() -> None:
    assert shortened("MNIST CNN") == "MNIST CNN" and shortened("a\nb\x1bc") == "a bc"
    assert shortened("x" * 61) == "x" * 59 + "…" and len(shortened("x y" * 100_000)) <= 60
    assert shortened(" " * 300 + "x") == "…" and shortened("x" * 50, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (3 << 30, "3.0 GiB"), (2 << 40, "2.0 TiB")],
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert bytes_text(size) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (101_770, "101,770"), (12_345_678, "12.3 M"), (4.2e9, "4.2 G"), (1e12, "1.0 T")]
)
def test_counts_for_people(count: float, text: str) -> None:
    assert count_text(count) == text
