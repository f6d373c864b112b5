"""`descent activations`: what each activation does to values and gradients, in numbers."""

from __future__ import annotations

import argparse
import difflib
import math
from typing import TYPE_CHECKING, Any

from lab.cli.common import Parser, UserError, print_json

if TYPE_CHECKING:
    from engine.activation_facts import ActivationFacts
    from engine.layers.activation import Activation

__all__ = ["add_activations_arguments", "run_activations"]

COLUMNS = (
    ("f(1)", "at_one"),
    ("f(−1)", "at_minus_one"),
    ("f'(0)", "slope_at_zero"),
    ("max f'", "max_slope"),
    ("lowest", "low"),
    ("highest", "high"),
    ("E f", "mean"),
    ("sd f", "std"),
    ("E f'²", "mean_square_slope"),
    ("flat", "flat_share"),
    ("gain", "gain"),
)


def add_activations_arguments(parser: Parser) -> None:
    """[TAG ...] [--mean MEAN] [--std STD] [--json]"""
    parser.add_argument("tags", metavar="TAG", nargs="*", help="only these activations: relu, gelu, ...")
    parser.add_argument("--mean", type=float, default=0.0, help="mean of the normal input (default 0)")
    parser.add_argument("--std", type=float, default=1.0, help="standard deviation of the normal input (default 1)")
    parser.add_argument("--json", action="store_true", help="print a JSON list instead of a table")


def run_activations(options: argparse.Namespace) -> int:
    """Print one line for each activation."""
    from engine.activation_facts import facts

    if not (math.isfinite(options.mean) and math.isfinite(options.std) and options.std > 0):
        raise UserError("mean and deviation must be finite numbers, the deviation more than 0")
    found = {name: (layer, facts(layer, options.mean, options.std)) for name, layer in _wanted(options.tags).items()}
    if options.json:
        print_json([_json(name, layer, numbers) for name, (layer, numbers) in found.items()], indent=1)
        return 0
    width = max(map(len, found))
    print(" ".join([" " * width, *(f"{title:>8}" for title, _ in COLUMNS)]))
    for name, (_, numbers) in found.items():
        print(" ".join([f"{name:<{width}}", *(f"{_text(getattr(numbers, key)):>8}" for _, key in COLUMNS)]))
    inputs = f"z ~ N({options.mean:g}, {options.std:g}²)"
    print(f"\nE f, sd f, E f'² and the gain 1/sqrt(E f²) for {inputs}; flat: how often |f'| < 0.05 for z ~ N(0, 5²).")
    return 0


def _wanted(tags: list[str]) -> dict[str, Activation]:
    """The activations to print, by name. Raises UserError for a tag that is none."""
    from engine.activation_facts import gallery
    from engine.schema import info_of

    layers = gallery()
    known = {info_of(layer).tag for layer in layers.values()}
    for tag in tags:
        if tag not in known:
            close = difflib.get_close_matches(tag, known, n=1)
            hint = f"did you mean “{close[0]}”?" if close else f"there are {', '.join(sorted(known))}"
            raise UserError(f"there is no activation “{tag}” with a curve; {hint}")
    return {name: layer for name, layer in layers.items() if not tags or info_of(layer).tag in tags}


def _text(value: float) -> str:
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value + 0.0:.4f}".replace("-0.0000", "0.0000").replace("-", "−")


def _json(name: str, layer: Activation, numbers: ActivationFacts) -> dict[str, Any]:
    """Infinite ends become null: JSON has no infinity."""
    from engine.schema import to_plain

    plain = {key: getattr(numbers, key) for key in numbers.__struct_fields__}
    finite = {key: None if value is None or math.isinf(value) else value for key, value in plain.items()}
    return {"name": name, "layer": to_plain(layer), **finite}
