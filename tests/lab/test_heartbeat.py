"""The window's heartbeat: a 10 ms timer goes on beating while an engine reports 100,000 steps a second.

How late a beat is depends on the machine and on who else uses it, too. What others do comes and goes; a standstill that
this code is to blame for comes back every second. So several windows of time are measured, all are reported, and the
quietest must hold what is promised: by the clock, and in processor time that the event loop was kept busy at a stretch.
Time in which this process stood ready and got no processor, because others had them all, is not counted as late.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication, QGridLayout, QWidget
from pytestqt.qtbot import QtBot

from lab.panels import PANELS, Timeline
from lab.session import Session
from tests.lab import fakes
from tests.lab.test_session import Firehose
from widgets import theme

BEAT = 0.010
LIMIT = 0.050
WINDOWS = 6
SECONDS = 1.0


def stood_ready() -> float:
    """For how long, seconds, this process's threads have waited for a processor so far; 0 where Linux does not say.

    From the second number in /proc/PID/task/TID/schedstat (nanoseconds on the run queue).
    """
    waited = 0
    for file in Path("/proc/self/task").glob("*/schedstat"):
        try:
            waited += int(file.read_text().split()[1])
        except (OSError, IndexError):
            pass  # the thread has just ended, or this kernel does not count
    return waited / 1e9


class Heart(QTimer):
    """Beats every 10 ms; notes how late each beat is, and how much processor time this thread has spent between two."""

    def __init__(self) -> None:
        super().__init__(interval=int(BEAT * 1000), timerType=Qt.TimerType.PreciseTimer)
        self.late: list[float] = []
        self.busy: list[float] = []
        self._due = self._spent = self._stood = 0.0
        self.timeout.connect(self._beat)

    def begin(self) -> None:
        self.late, self.busy = [], []
        self._due, self._spent, self._stood = time.perf_counter() + BEAT, time.thread_time(), stood_ready()
        self.start()

    def worst(self) -> tuple[float, float]:
        """The latest beat and the longest work between two beats, seconds."""
        return max(self.late), max(self.busy)

    def report(self) -> str:
        late, busy = np.array(self.late) * 1000, np.array(self.busy) * 1000
        return (
            f"{len(late)} beats; late by median {np.median(late):.1f} ms, 99 % {np.quantile(late, 0.99):.1f} ms, "
            f"worst {late.max():.1f} ms; own work between two: "
            f"median {np.median(busy):.1f} ms, worst {busy.max():.1f} ms"
        )

    def _beat(self) -> None:
        now, spent, stood = time.perf_counter(), time.thread_time(), stood_ready()
        self.late.append(max(0.0, now - self._due - max(0.0, stood - self._stood)))
        self.busy.append(spent - self._spent)
        self._due, self._spent, self._stood = now + BEAT, spent, stood


class PicturedFirehose(Firehose):
    """The firehose, with a frame and pictures ten times a second."""

    def run(self) -> None:
        rng = np.random.default_rng(0)
        pictures = [
            (
                fakes.frame("hose", step, step / 1000, rng),
                fakes.surface("hose", step),
                fakes.confusion("hose", step, rng),
                fakes.timeline("hose", step),
            )
            for step in range(1, 8)
        ]
        report, begun, shown = self.report, time.perf_counter(), 0

        def with_pictures(event: Any) -> None:
            nonlocal shown
            report(event)
            if (time.perf_counter() - begun) * 10 > shown:
                for picture in pictures[shown % len(pictures)]:
                    report(picture)
                shown += 1

        self.report = with_pictures
        super().run()


@pytest.mark.slow
def test_the_heartbeat_under_a_hundred_thousand_steps_a_second(
    qtbot: QtBot, qapp: QApplication, record_property: Any
) -> None:
    theme.apply(qapp, "dark")
    session = Session(
        trainer_factory=lambda experiment, **arguments: PicturedFirehose(experiment, seconds=60.0, **arguments)
    )
    window = QWidget()
    qtbot.addWidget(window)
    layout = QGridLayout(window)
    # Those that follow a run; others show what is being built.
    panels = [kind() for kind in PANELS if kind.listens]
    timeline = Timeline()
    for i, panel in enumerate(panels):
        panel.set_session(session)
        layout.addWidget(panel, i // 3, i % 3)
    timeline.set_session(session)
    layout.addWidget(timeline, 3, 0, 1, 3)
    window.resize(1100, 900)
    window.show()
    heart = Heart()
    session.start(fakes.experiment())
    # The first drawings of each panel load fonts and make pens.
    qtbot.waitUntil(lambda: min(panel.drawings for panel in panels) > 2, timeout=60_000)
    before = {panel.name: panel.drawings for panel in panels}
    reports = []
    for _ in range(WINDOWS):
        heart.begin()
        qtbot.wait(int(SECONDS * 1000))
        heart.stop()
        reports.append(heart.report())
        idle = [panel.name for panel in panels if panel.drawings == before[panel.name]]
        if max(heart.worst()) <= LIMIT and not idle:
            break
    session.close()
    for panel in panels:
        panel.set_session(None)
    timeline.set_session(None)

    text = "\n".join(reports)
    print(text)
    record_property("heartbeat", text)
    assert session.live.step_count > 1000
    assert not idle, f"these panels drew nothing meanwhile: {idle}"
    assert max(heart.worst()) <= LIMIT, f"in every one of {len(reports)} windows a beat failed:\n{text}"
