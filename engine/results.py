"""What an epoch came to, as those read it who follow the results: schedules, stop conditions, the best snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

__all__ = ["LOSS", "Memory", "Part", "Results", "improves"]

LOSS = "loss"
"""What the loss is called among the metrics."""

Part = Literal["validation", "training"]

Memory = dict[str, float]
"""What one who follows the results remembers from epoch to epoch: numbers by name, kept in checkpoints."""


class Results(Struct, frozen=True, kw_only=True):
    """An epoch's end. `validation` and `training` hold the loss and the metrics by name; `validation` is empty without
    such a part. `higher` names the metrics of which more is better."""

    epoch: int
    step: int
    training: Mapping[str, float]
    validation: Mapping[str, float]
    higher: frozenset[str] = frozenset()

    def value(self, part: Part, metric: str) -> float | None:
        """The loss or a metric of one part; None where there is no such number."""
        return (self.validation if part == "validation" else self.training).get(metric)

    def higher_is_better(self, metric: str) -> bool:
        """Whether more of it is better."""
        return metric in self.higher


def improves(value: float, best: float, higher: bool, least: float = 0.0, *, relative: bool = False) -> bool:
    """Whether a result is better than the best one so far by more than `least`, or by that share of the best one."""
    margin = least * abs(best) if relative else least
    return value > best + margin if higher else value < best - margin
