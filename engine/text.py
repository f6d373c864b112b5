"""Numbers, shapes and names as people write them, for messages."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

__all__ = ["after_colon", "bytes_text", "count_text", "folded", "number_text", "shape_text", "shortened"]

_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters that a terminal obeys, and those that turn the direction of what follows."""


def number_text(value: float) -> str:
    """A number, exact, without the “.0” of a whole one."""
    whole = isinstance(value, float) and math.isfinite(value) and abs(value) < 1e15 and value == int(value)
    return str(int(value) if whole else value)


def shape_text(shape: Sequence[int]) -> str:
    """A shape: "28 × 28 × 1", "128"."""
    return " × ".join(map(str, shape)) if shape else "a single number"


def bytes_text(size: float) -> str:
    """A number of bytes for people: "3.1 GiB"."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def count_text(value: float) -> str:
    """A count for people: "812", "101,770", "12.3 M"."""
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e7, "M")):
        if value >= limit:
            return f"{value / (1e6 if unit == 'M' else limit):.1f} {unit}"
    return f"{value:,.0f}"


def folded(text: str) -> str:
    """A text on one line, without control characters."""
    return _UNSEEN.sub("", " ".join(text.split()))


def after_colon(sentence: str) -> str:
    """A sentence as it stands behind a colon: in lower case where it begins with an article or the like."""
    first, space, rest = sentence.partition(" ")
    return f"{first.lower()}{space}{rest}" if first in ("The", "There", "This") else sentence


def shortened(name: str, most: int = 60) -> str:
    """A name as it fits into a sentence: on one line, cut off with “…” after `most` characters."""
    line = folded(name[: 4 * most])
    return line if len(line) <= most and len(name) <= 4 * most else line[: most - 1] + "…"
