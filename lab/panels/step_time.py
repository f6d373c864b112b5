"""Where the time of a step goes: a lane for each thread with what ran on it and when, and the longest operations."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter

from engine.timeline import Timeline
from lab.panels.base import Panel, Rows
from lab.panels.chart import Axis, Chart, draw_text
from lab.panels.waiting import waiting_text
from widgets import theme
from widgets.text import number

__all__ = ["StepChart", "StepTimePanel", "duration_text", "operation_lines", "slowest_first"]

PHASES = {"forward": 0, "loss": 1, "backward": 2, "update": 4}
"""The colour of each phase, as an index into the theme's series; others are grey."""
LEFT, RIGHT = 66.0, 14.0
LANE, GAP = 16.0, 4.0
LANES = 8
"""Of more threads only so many have a lane."""
ROW = 17.0
WHEN = "It comes with the next steps."


def duration_text(seconds: float) -> str:
    """A time within a step: 3.1 µs, 1.25 ms."""
    return f"{number(1e6 * seconds, 3)} µs" if seconds < 1e-3 else f"{number(1e3 * seconds, 3)} ms"


def phase_colour(phase: str) -> QColor:
    """The colour of a phase in the current theme."""
    index = PHASES.get(phase)
    return QColor(theme.current().series[index]) if index is not None else theme.color("text_faint")


def slowest_first(seen: Timeline) -> list[int]:
    """The rows by the time that they took by the clock, those that nothing ran left out."""
    elapsed = seen.elapsed()
    return [int(row) for row in np.argsort(-elapsed, kind="stable") if elapsed[row] > 0]


def speed_text(seen: Timeline, row: int, seconds: float) -> str:
    """Operations a second, where they are known: "85 GFLOP/s"."""
    flops = float(seen.flops[row])
    if not (math.isfinite(flops) and flops > 0 and seconds > 0):
        return ""
    return f"{number(flops / seconds / 1e9, 3)} GFLOP/s"


def operation_lines(seen: Timeline, row: int, thread: int | None = None) -> list[str]:
    """A row in words; with `thread`, that thread's part of it, too."""
    seconds = float(seen.elapsed()[row])
    share = seconds / seen.seconds if seen.seconds > 0 else 0.0
    lines = [seen.rows[row], " · ".join(filter(None, (seen.nodes[row], seen.phases[row])))]
    lines.append(" · ".join(filter(None, (f"{duration_text(seconds)}, {share:.1%} of the step",
                                          speed_text(seen, row, seconds)))))  # fmt: skip
    if thread is not None:
        own, wait = float(seen.end[thread, row] - seen.begin[thread, row]), float(seen.wait[thread, row])
        waited = f", then {duration_text(wait)} of waiting" if wait > 0 else ""
        lines.append(f"thread {thread + 1}: {duration_text(own)}{waited}")
    return [line for line in lines if line]


class StepChart(Chart):
    """Lanes over a table."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Timeline | None = None
        self._axis = Axis(0.0, 1.0, 0.0, 1.0)
        self._unit = 1e6
        self._table = 0.0
        self._order: list[int] = []

    def show_timeline(self, seen: Timeline) -> None:
        """Show where the time of a step went."""
        self.seen = seen
        self._order = slowest_first(seen)

    @property
    def _lanes(self) -> int:
        return min(LANES, self.seen.threads) if self.seen is not None else 0

    def paint(self, painter: QPainter, area: QRectF) -> None:
        seen = self.seen
        if seen is None or not self._order:
            return
        last = float(np.nanmax(seen.end + seen.wait))
        self._unit, name = (1e6, "µs") if last < 2e-3 else (1e3, "ms")
        self._axis = Axis(0.0, last * self._unit, LEFT, area.width() - RIGHT)
        bottom = 6.0 + self._lanes * (LANE + GAP)
        self.grid(painter, self._axis, 4.0, bottom, spacing=70)
        for thread in range(self._lanes):
            self._paint_lane(painter, seen, thread, 6.0 + thread * (LANE + GAP))
        self.horizontal_scale(painter, self._axis, bottom, spacing=70)
        draw_text(painter, LEFT - 8, bottom + 10, name, "right")
        self._table = bottom + 26.0
        self._paint_table(painter, seen, area)

    def _paint_lane(self, painter: QPainter, seen: Timeline, thread: int, top: float) -> None:
        painter.setFont(theme.ui_font(11))
        painter.setPen(theme.color("text_dim"))
        draw_text(painter, 12, top + LANE / 2, f"thread {thread + 1}")
        ran = np.isfinite(seen.begin[thread])
        left = self._axis.pixels(self._unit * np.where(ran, seen.begin[thread], 0.0))
        right = self._axis.pixels(self._unit * np.where(ran, seen.end[thread], 0.0))
        waited = self._axis.pixels(self._unit * np.where(ran, seen.end[thread] + seen.wait[thread], 0.0))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setBrush(theme.color("grid"))
        painter.drawRects(
            [QRectF(right[row], top + LANE - 4, waited[row] - right[row], 4) for row in np.flatnonzero(waited > right)]
        )
        for phase in dict.fromkeys(seen.phases):
            rows = [row for row in np.flatnonzero(ran) if seen.phases[row] == phase]
            # What took time is seen, and what lies side by side can be told apart.
            bars = [QRectF(left[row], top, max(1.0, right[row] - left[row] - 0.6), LANE) for row in rows]
            painter.setBrush(phase_colour(phase))
            painter.drawRects(bars)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)

    def _paint_table(self, painter: QPainter, seen: Timeline, area: QRectF) -> None:
        elapsed, whole = seen.elapsed(), seen.seconds
        room = int((area.height() - self._table) // ROW)
        shown = self._order if len(self._order) <= room else self._order[: max(0, room - 1)]
        mono, words = theme.mono_font(11), theme.ui_font(11)
        names = QFontMetricsF(words)
        right = area.width() - RIGHT
        speeds = area.width() > 380
        for place, row in enumerate(shown):
            y = self._table + (place + 0.5) * ROW
            seconds = float(elapsed[row])
            share = seconds / whole if whole > 0 else 0.0
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(phase_colour(seen.phases[row]))
            painter.drawRoundedRect(QRectF(12, y - 4, 8, 8), 2, 2)
            painter.setFont(mono)
            painter.setPen(theme.color("text"))
            draw_text(painter, right, y, f"{share:.1%}", "right")
            draw_text(painter, right - 52, y, duration_text(seconds), "right")
            end = right - 130
            if speeds:
                painter.setPen(theme.color("text_dim"))
                draw_text(painter, end, y, speed_text(seen, row, seconds), "right")
                end -= 110
            painter.setFont(words)
            title = " · ".join(filter(None, (seen.nodes[row], seen.rows[row])))
            painter.setPen(theme.color("text"))
            draw_text(painter, 28, y, names.elidedText(title, Qt.TextElideMode.ElideRight, max(20.0, end - 32)))
        rest = self._order[len(shown) :]
        if rest and room > 0:
            painter.setFont(words)
            painter.setPen(theme.color("text_dim"))
            left = f"{len(rest)} more: {duration_text(float(elapsed[rest].sum()))}"
            draw_text(painter, 28, self._table + (len(shown) + 0.5) * ROW, left)

    def row_at(self, position: QPointF) -> tuple[int, int | None] | None:
        """(row, thread) under a place in a lane, (row, None) in the table, or None."""
        seen = self.seen
        if seen is None:
            return None
        if position.y() >= self._table > 0:
            place = int((position.y() - self._table) // ROW)
            room = int((self.height() - self._table) // ROW)
            shown = len(self._order) if len(self._order) <= room else max(0, room - 1)
            return (self._order[place], None) if place < shown else None
        lane, within = divmod(position.y() - 6.0, LANE + GAP)
        if not (0 <= lane < self._lanes and within <= LANE):
            return None
        thread, slack = int(lane), 1.0
        with np.errstate(invalid="ignore"):
            left, right = (self._axis.pixels(self._unit * item[thread]) for item in (seen.begin, seen.end))
            distance = np.maximum(np.maximum(left - position.x(), position.x() - right), 0.0)
        if not np.isfinite(distance).any() or np.nanmin(distance) > slack:
            return None
        return int(np.nanargmin(distance)), thread

    def tip(self, position: QPointF) -> str:
        found = self.row_at(position)
        return "\n".join(operation_lines(self.seen, *found)) if found is not None and self.seen is not None else ""


class StepTimePanel(Panel):
    """The timeline of a step."""

    name: ClassVar[str] = "step_time"
    title: ClassVar[str] = "Where does the step go"
    tab: ClassVar[str] = "Step time"
    behind: ClassVar[str] = "learning_rate"
    closed: ClassVar[bool] = True
    topics: ClassVar[frozenset[str]] = frozenset({"timeline"})
    listens: ClassVar[tuple[str, ...]] = ("timelineChanged", "stateChanged")
    empty: ClassVar[str] = (
        "Shows where the time of one step goes: what each thread works on and when it waits, and the operations that "
        "take longest.\n"
        "Press Train."
    )
    interval_ms: ClassVar[int] = 1000

    def build(self) -> None:
        self.chart = StepChart()
        self.stack.addWidget(self.chart)

    def has_data(self) -> bool:
        assert self.session is not None
        return self.session.timeline is not None

    def draw(self) -> None:
        assert self.session is not None and self.session.timeline is not None
        self.chart.show_timeline(self.session.timeline.timeline)

    def caption(self) -> str:
        assert self.session is not None
        event = self.session.timeline
        if event is None:
            return ""
        return f"step {event.step:,} · {duration_text(event.timeline.seconds)} · batch {event.batch:,}"

    def empty_text(self) -> str:
        return waiting_text(self.session, self.empty, WHEN)

    def table(self) -> Rows:
        assert self.session is not None
        event = self.session.timeline
        rows: list[tuple[Any, ...]] = []
        if event is not None:
            seen = event.timeline
            for span in seen.spans():
                names = (seen.rows[span.row], seen.nodes[span.row], seen.phases[span.row])
                times = (span.begin, span.end, float(seen.wait[span.thread, span.row]))
                rows.append((*names, span.thread + 1, *times, float(seen.flops[span.row])))
        return ("operation", "node", "phase", "thread", "begin_s", "end_s", "wait_s", "flops"), rows
