"""Pieces of memory, and whether others meet them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

__all__ = ["Spans"]


class Spans:
    """A set of addresses, kept as the pieces [start, stop) that it is made of, in order and apart."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []

    def meets(self, start: int, stop: int) -> bool:
        """Whether an address from `start` on and before `stop` is in the set."""
        before = bisect_left(self._starts, stop) - 1
        return start < stop and before >= 0 and self._stops[before] > start

    def add(self, start: int, stop: int) -> None:
        """Take all addresses from `start` on and before `stop` in."""
        if start >= stop:
            return
        first, last = bisect_left(self._stops, start), bisect_right(self._starts, stop)
        if first < last:
            start, stop = min(start, self._starts[first]), max(stop, self._stops[last - 1])
        self._starts[first:last], self._stops[first:last] = [start], [stop]
