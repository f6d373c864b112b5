"""The listing: numbers as people read them."""

from __future__ import annotations

import pytest

from engine.listing import _bytes, _count


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 "), (999, "999 "), (999.6, "1 k"), (123_456, "123 k"), (999_600, "1 M"), (2.5e15, "2.5 P"),
        (4e18, "4000 P"),
    ],
)  # fmt: skip
def test_counts(number: float, text: str) -> None:
    assert _count(number) == text


def test_bytes() -> None:
    assert [_bytes(n) for n in (0, 1023, 1024, 1024**2 - 1, 3 * 2**30)] == ["0 B", "1023 B", "1 KiB", "1 MiB", "3 GiB"]
