"""Whether two libraries train the same: the losses of their first steps beside one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["FIRST", "LIMIT", "Mismatch", "check", "difference"]

FIRST = 5
"""Steps whose losses are compared: later ones drift apart by rounding alone."""
LIMIT = 1e-4
"""The largest relative difference that is admitted."""


class Mismatch(AssertionError):
    """Two sides do not compute the same, so that their times must not be compared; the message says where."""


def difference(losses: Sequence[float], reference: Sequence[float]) -> float:
    """The largest relative difference; infinite where one of them is not a number."""
    worst = 0.0
    for a, b in zip(losses, reference, strict=True):
        away = abs(a - b) / max(abs(b), 1e-30)
        worst = max(worst, away if away == away else float("inf"))
    return worst


def check(
    workload: str, losses: Mapping[str, Sequence[float]], reference: str, limit: float = LIMIT
) -> dict[str, float]:
    """The `difference` of every other side from `reference`, by name. Raises Mismatch where one is above `limit`."""
    found = {name: difference(values, losses[reference]) for name, values in losses.items() if name != reference}
    for name, away in found.items():
        if not away <= limit:
            step, (a, b) = max(
                enumerate(zip(losses[name], losses[reference], strict=True), 1),
                key=lambda item: difference([item[1][0]], [item[1][1]]),
            )
            raise Mismatch(
                f"{workload}: “{name}” and “{reference}” do not train the same: at step {step} the losses are {a:.7g} "
                f"and {b:.7g}, {away:.1e} apart, where {limit:.0e} is admitted. Their times are not compared. Run the "
                "workload with fewer sides at a time to find the one that is wrong."
            )
    return found
