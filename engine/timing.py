"""Timing things beside one another: in turn, round by round, so that what disturbs one side disturbs the others too."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

__all__ = ["ROUND", "Side", "Spread", "in_turn", "ratio", "spread"]

ROUND = 0.05
"""Seconds that one side is timed for in a round, at least: far above what the clock and a task switch cost."""
REST = 0.25
"""Seconds of silence before a side is timed. The threads of numerical libraries go on waiting in a loop for a while
after their last call (OpenBLAS for 2^26 cycles, others for longer), on the cores that the next side needs."""


@dataclass(frozen=True)
class Side:
    """Something to be timed: a call of `run` does `units` of the work that is counted, such as training steps."""

    run: Callable[[], object]
    units: int = 1


@dataclass(frozen=True)
class Spread:
    """Several measurements of one thing: their median, their quartiles and the least of them, in seconds."""

    median: float
    low: float
    high: float
    least: float


def spread(values: Sequence[float]) -> Spread:
    """The `Spread` of at least one measurement."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0], values[0])
    low, middle, high = quantiles(values, n=4, method="inclusive")
    return Spread(middle, low, high, min(values))


def ratio(a: Sequence[float], b: Sequence[float]) -> float:
    """The median over the rounds of a / b: steadier than the ratio of two medians where a machine changes its pace."""
    return median(x / y for x, y in zip(a, b, strict=True))


def in_turn(
    sides: Mapping[str, Side],
    rounds: int,
    *,
    least: float = ROUND,
    rest: float = REST,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, list[float]]:
    """Seconds a unit of every side in each of `rounds` rounds.

    A round times each side once, for about `least` seconds, after `rest` seconds of silence and some calls that do not
    count; who begins changes from round to round.
    """
    repeats = {}
    for name, side in sides.items():
        side.run()  # the first call may have things to set up
        sleep(rest)
        repeats[name] = max(1, round(least / max(_warm_up(side.run, least, clock), 1e-9)))
    order = list(sides)
    times: dict[str, list[float]] = {name: [] for name in order}
    for _ in range(rounds):
        for name in order:
            sleep(rest)
            _warm_up(sides[name].run, least / 10, clock)
            begun = clock()
            for _ in range(repeats[name]):
                sides[name].run()
            times[name].append((clock() - begun) / repeats[name] / sides[name].units)
        order.append(order.pop(0))
    return times


def _warm_up(run: Callable[[], object], seconds: float, clock: Callable[[], float]) -> float:
    """Call until `seconds` are over; returns what the shortest call took."""
    best, end = float("inf"), clock() + seconds
    while True:
        begun = clock()
        run()
        now = clock()
        best = min(best, now - begun)
        if now >= end:
            return best
