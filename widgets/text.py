"""Numbers as text, the same way everywhere: 0.213, 6.1e-4, 41,200, 18.5k, 3,136 × 128; and names that fit a line."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

__all__ = ["compact", "full", "number", "shape", "shortened"]

_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of what follows."""


def number(value: float, digits: int = 4) -> str:
    """A number with at most `digits` significant digits and nothing superfluous: 1e-4, 0.0625, 2.0, 128, 1.5e7.

    The text reads back as the same value to that many digits."""
    if isinstance(value, int) and abs(value) < 10_000_000:
        return str(value)
    value = float(value)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if value == 0:
        return "0.0"
    size = abs(value)
    if 1e-3 < size < 1e6 or (size == 1e-3 and digits < 3):
        text = f"{value:.{max(0, digits - 1 - math.floor(math.log10(size)))}f}"
        if "." in text:
            text = text.rstrip("0")
            text = text.removesuffix(".") + (".0" if text.endswith(".") and size < 100 else "")
        return text
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}"


def full(value: float) -> str:
    """A float with every digit it needs to read back as the same value, in the same manner as `number`."""
    for digits in (4, 6, 9, 12, 15, 16, 17):
        text = number(value, digits)
        if float(text) == value or not math.isfinite(value):
            return text
    return repr(value)


def compact(count: float) -> str:
    """A count in few characters: 320, 1.3k, 18.5k, 401k, 1.2M."""
    for limit, divisor, unit in ((1e3, 1.0, ""), (1e6, 1e3, "k"), (1e9, 1e6, "M"), (math.inf, 1e9, "G")):
        # 999,950 would round to 1000.0k: the next unit takes it.
        if abs(count) < limit - (0 if divisor == 1 else divisor / 2):
            scaled = count / divisor
            if divisor == 1:
                return f"{scaled:g}"
            return f"{scaled:.0f}{unit}" if abs(scaled) >= 99.95 else f"{scaled:.1f}".removesuffix(".0") + unit
    return str(count)


def shape(sizes: Iterable[int]) -> str:
    """The shape of an array: 28×28×1; a single number has none."""
    return "×".join(f"{size:,}" if size >= 10_000 else str(size) for size in sizes) or "1"


def shortened(name: str, most: int = 60) -> str:
    """A name as it fits into a sentence: on one line, cut off with “…” after `most` characters."""
    line = _UNSEEN.sub("", " ".join(name[: 4 * most].split()))
    return line if len(line) <= most and len(name) <= 4 * most else line[: most - 1] + "…"
