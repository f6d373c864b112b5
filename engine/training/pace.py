"""How fast a run goes: samples a second over the last moments, and the time that is left."""

from __future__ import annotations

from collections import deque

__all__ = ["Pace"]

WINDOW = 1.5  # seconds over which the throughput is taken


class Pace:
    """Fed with (seconds, samples, steps) now and then; tells rates over the last second and a half."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int, int]] = deque()

    def restart(self) -> None:
        """Time stood still (a pause): rates are taken from the next mark on."""
        self._marks.clear()

    def mark(self, now: float, samples: int, step: int, limit: int) -> tuple[float, float | None]:
        """Samples a second, and the seconds until step `limit` (None until that can be told)."""
        while len(self._marks) > 1 and self._marks[1][0] < now - WINDOW:
            self._marks.popleft()
        rate, left = 0.0, None
        if self._marks:
            then, samples_then, step_then = self._marks[0]
            if now > then and step > step_then:
                rate = (samples - samples_then) / (now - then)
                left = (limit - step) * (now - then) / (step - step_then)
        self._marks.append((now, samples, step))
        return rate, left
