"""Where one step's time went: each row of a bound program, on each thread, by the clock.

A row is what an executor runs in one piece: an operation, or a group of operations that is one kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Span", "Timeline"]


class Span(NamedTuple):
    """A thread's share of a row: seconds from the step's start."""

    row: int
    thread: int
    begin: float
    end: float


@dataclass(frozen=True, eq=False)
class Timeline:
    """One step. Equal to another when all names and all times are.

    rows            what each row is, as "matmul+add_bias+relu", in the order in which they run
    nodes           the node that each row belongs to, or "" (the update of all parameters)
    phases          each row's phase: "forward", "loss", "backward" or "update"
    begin, end      float64, of shape (threads, rows): seconds from the step's start; NaN where a thread had no part
    wait            float64, of the same shape: seconds that a thread then waited for the others; 0 where it did not
    flops           float64, of shape (rows,): floating-point operations of a row; NaN where they are not known
    """

    rows: tuple[str, ...]
    nodes: tuple[str, ...]
    phases: tuple[str, ...]
    begin: np.ndarray
    end: np.ndarray
    wait: np.ndarray
    flops: np.ndarray

    def __post_init__(self) -> None:
        shape = np.shape(self.begin)
        if len(shape) != 2 or shape != np.shape(self.end) or shape != np.shape(self.wait):
            shapes = ", ".join(str(np.shape(item)) for item in (self.begin, self.end, self.wait))
            raise ValueError(f"begin, end and wait are arrays of one shape (threads, rows), got {shapes}")
        counts = {len(self.rows), len(self.nodes), len(self.phases), np.shape(self.flops)[0], shape[1]}
        if len(counts) > 1:
            raise ValueError(f"names, nodes, phases, flops and times tell of different numbers of rows: {counts}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Timeline):
            return NotImplemented
        names = (self.rows, self.nodes, self.phases) == (other.rows, other.nodes, other.phases)
        return names and all(
            np.array_equal(a, b, equal_nan=True) for a, b in zip(self._times, other._times, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def _times(self) -> tuple[Any, ...]:
        return self.begin, self.end, self.wait, self.flops

    @property
    def threads(self) -> int:
        return int(self.begin.shape[0])

    @property
    def seconds(self) -> float:
        """From the first row's begin to the last one's end; 0 where nothing ran."""
        return float(np.nanmax(self.end) - np.nanmin(self.begin)) if np.isfinite(self.end).any() else 0.0

    def spans(self) -> tuple[Span, ...]:
        """Every thread's share of every row that it had a part in, thread by thread."""
        return tuple(
            Span(int(row), int(thread), float(self.begin[thread, row]), float(self.end[thread, row]))
            for thread, row in zip(*np.nonzero(np.isfinite(self.begin)), strict=True)
        )

    def busy(self) -> np.ndarray:
        """Seconds of processor time by row, all threads together, of shape (rows,)."""
        spent: np.ndarray = np.nansum(self.end - self.begin, axis=0)
        return spent

    def elapsed(self) -> np.ndarray:
        """Seconds by the clock from a row's first begin to its last end, of shape (rows,); 0 where none ran it."""
        ran = np.isfinite(self.begin)
        begun = np.where(ran, self.begin, np.inf).min(axis=0, initial=np.inf)
        ended = np.where(ran, self.end, -np.inf).max(axis=0, initial=-np.inf)
        return np.where(ran.any(axis=0), ended - begun, 0.0)
