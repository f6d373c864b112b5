"""A number as a field reads, writes and moves it: text to number and back, the bounds in words, steps and drags.

Functions of a field's declaration alone. Whatever they return is allowed by it, so that no gesture leads to a refusal.
"""

from __future__ import annotations

import math
import re

from engine.schema import FieldSpec, SchemaError, parse_field
from widgets.text import full

__all__ = ["bounds_hint", "dragged", "example", "number_text", "parse_number", "stepped"]

DECADE = 120.0
"""Pixels of a drag over which a number on a log scale grows tenfold."""


def parse_number(spec: FieldSpec, text: str) -> int | float:
    """The number that a text stands for. Raises SchemaError with words when it is none or is not allowed."""
    plain = text.strip().replace("−", "-").replace("\N{NO-BREAK SPACE}", "").replace(" ", "").replace("_", "")
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+", plain) and spec.integer:
        plain = plain.replace(",", "")
    if not plain:
        raise SchemaError(spec.name, "type a number")
    if "," in plain:
        raise SchemaError(spec.name, "write a point before the decimals, as in 0.5")
    try:
        value: int | float = int(plain)
    except ValueError:
        try:
            value = float(plain)
        except ValueError:
            what = "a whole number" if spec.integer else "a number"
            raise SchemaError(spec.name, f"expected {what}, such as {example(spec)}") from None
    return parse_field(spec, value)


def example(spec: FieldSpec) -> str:
    """A number that the field takes, as one would type it."""
    return number_text(spec, spec.default if isinstance(spec.default, int | float) else (spec.minimum or 1))


def number_text(spec: FieldSpec, value: float) -> str:
    """How the field writes a number: every digit that matters, none that does not."""
    return str(int(value)) if spec.integer else full(float(value))


def bounds_hint(spec: FieldSpec) -> str:
    """The bounds in few characters: "1–65,536", "≥ 0", "> 0", or nothing."""

    def text(value: float) -> str:
        return f"{int(value):,}" if float(value).is_integer() and abs(value) < 1e6 else full(float(value))

    low, high = spec.minimum, spec.maximum
    # Far-away ends are there to catch slips; showing them would tell nobody anything.
    if high is not None and abs(high) >= 1e6:
        high = None
    if low is not None and abs(low) >= 1e6:
        low = None
    unit = f" {spec.unit}" if spec.unit else ""
    if low is not None and high is not None:
        return f"{text(low)}–{text(high)}{unit}"
    if low is not None:
        return f"{'>' if spec.exclusive_minimum else '≥'} {text(low)}{unit}"
    if high is not None:
        return f"{'<' if spec.exclusive_maximum else '≤'} {text(high)}{unit}"
    return spec.unit


def stepped(spec: FieldSpec, value: float, direction: int, *, far: bool = False, fine: bool = False) -> int | float:
    """The number one step up (1) or down (-1) from `value`; `value` itself at the end of what is allowed."""
    if spec.integer:
        if spec.scale == "log" and not fine and value >= 1:
            power = math.log2(value)
            power = math.floor(power + 1 + 1e-9) if direction > 0 else math.ceil(power - 1 - 1e-9)
            return _inside(spec, 2.0 ** max(0.0, power + (3 * direction if far else 0)), value)
        return _inside(spec, int(value) + direction * (10 if far else 1), value)
    if spec.scale == "log":
        if value == 0:
            return _inside(spec, 1e-6 if direction > 0 else 0.0, value)
        factor = 10.0 ** (direction * (1.0 if far else 0.01 if fine else 0.1))
        if value * factor < 1e-12 and spec.minimum == 0 and not spec.exclusive_minimum:
            return 0.0
        return _inside(spec, _round(value * factor, 4 if fine else 2 if far else 3), value)
    size = abs(value) or (spec.maximum if spec.maximum is not None and spec.maximum < 10 else 1.0)
    unit: float = 10.0 ** (math.floor(math.log10(size) + 1e-9) - 1) * (10 if far else 0.1 if fine else 1)
    for _ in range(5):
        target = round((value + direction * unit) / unit) * unit
        inside = _inside(spec, _round(target, 12), value)
        if inside != value:
            return inside
        unit /= 10
    return value


def dragged(spec: FieldSpec, start: float, distance: float) -> int | float:
    """The number that a drag over `distance` pixels makes of `start`."""
    if spec.scale == "log":
        base = start if start > 0 else (1.0 if spec.integer else 1e-6)
        target = base * 10.0 ** min(200.0, max(-200.0, distance / DECADE))  # across several screens, and still a float
        return _inside(spec, round(target) if spec.integer else _round(target, 2), start)
    if spec.minimum is not None and spec.maximum is not None and spec.maximum - spec.minimum <= 10:
        unit = (spec.maximum - spec.minimum) / 200
    else:
        unit = 10.0 ** math.floor(math.log10(abs(start) or 1.0) + 1e-9) / 50
    if spec.integer:
        unit = max(unit, 0.125)
        return _inside(spec, round(start + distance * unit), start)
    place = 10.0 ** math.floor(math.log10(unit) + 0.5)
    return _inside(spec, _round(round((start + distance * unit) / place) * place, 12), start)


def _inside(spec: FieldSpec, target: float, otherwise: float) -> int | float:
    """`target`, or the bound that it passes; `otherwise` where the bound itself is not allowed."""
    for bound, beyond in ((spec.minimum, -1), (spec.maximum, 1)):
        if bound is not None and (target - bound) * beyond > 0:
            target = float(bound)
    try:
        return parse_field(spec, int(target) if spec.integer else float(target))
    except SchemaError:
        return otherwise  # type: ignore[return-value]


def _round(value: float, digits: int) -> float:
    """`value` to that many significant digits."""
    return float(f"{value:.{digits}g}")
