"""Shapes in words."""

from __future__ import annotations

from engine.layers.words import describe


def test_shapes_in_words() -> None:
    assert describe((28, 28, 1)) == "images of 28 × 28 × 1"
    assert describe((10,)) == "vectors of 10"
    assert describe((4, 5)) == "sequences of 4 × 5"
    assert describe((2, 3, 4, 5)) == "arrays of 2 × 3 × 4 × 5"
