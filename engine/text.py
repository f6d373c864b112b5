"""Numbers and shapes as people write them, for messages."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["number_text", "shape_text"]


def number_text(value: float) -> str:
    """A number, exact, without the “.0” of a whole one."""
    whole = isinstance(value, float) and math.isfinite(value) and abs(value) < 1e15 and value == int(value)
    return str(int(value) if whole else value)


def shape_text(shape: Sequence[int]) -> str:
    """A shape: "28 × 28 × 1", "128"."""
    return " × ".join(map(str, shape)) if shape else "a single number"
