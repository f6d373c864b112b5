"""A progress bar with the time left, on one line of a terminal; silent where there is no terminal."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import TextIO

from engine.training.events import Event, Progress, Started, StepRow, StepRows
from lab.cli.common import count_text, time_text

__all__ = ["ProgressBar"]

BAR_WIDTH = 24
INTERVAL = 0.1
"""Seconds between two drawings: a step may take microseconds."""


class ProgressBar:
    """Follows a run's events. `clear` takes the line away, so that something else can be printed."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._on = stream.isatty()
        self._drawn_at = -INTERVAL
        self._shown = False
        self._started: Started | None = None
        self._progress: Progress | None = None

    def follow(self, event: Event) -> None:
        """Take an event of the run, and draw if it is time to."""
        if not self._on:
            return
        if isinstance(event, Started):
            self._started = event
        elif isinstance(event, Progress):
            self._progress = event
        elif isinstance(event, StepRows):
            now = self._clock()
            if now - self._drawn_at >= INTERVAL:
                self._drawn_at = now
                self._draw(event.last)

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._shown = False

    def _draw(self, row: StepRow) -> None:
        if self._started is None:
            return
        width = shutil.get_terminal_size().columns - 1
        self._stream.write("\r" + self.line(row)[:width] + "\x1b[K")
        self._stream.flush()
        self._shown = True

    def line(self, row: StepRow) -> str:
        """The line's text at a step."""
        assert self._started is not None
        total = max(1, self._started.total_steps)
        share = min(1.0, row.step / total)
        filled = round(share * BAR_WIDTH)
        epoch = min(self._started.epochs, int(row.epoch) + 1)
        parts = [
            f"epoch {epoch}/{self._started.epochs}",
            f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {share:4.0%}",
            f"loss {row.loss:.4g}",
        ]
        if self._progress is not None:
            parts.append(f"{count_text(self._progress.samples_per_second)} samples/s")
            if self._progress.seconds_left is not None:
                parts.append(f"{time_text(self._progress.seconds_left)} left")
        return "  ".join(parts)
