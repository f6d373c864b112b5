"""Training with the window open: what is left of the headless rate, and how late the window's heartbeat is.

    python benchmarks/live.py [PRESET ...] [--seconds 6] [--rounds 3] [--size 1600x1000]

Each round trains a preset twice, in turn: without a window, and in a window that shows all of its panels. "kept" is the
ratio of the two rates; the heartbeat is a 10 ms timer of the window's thread, and "late" how late its beats were. The
window is drawn offscreen, so what a graphics driver costs is not in it. Medians over the rounds; the worst of all.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

BEAT = 0.010
PRESETS = ("spiral-mlp", "mnist-mlp", "mnist-cnn")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", default=PRESETS)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", default="1600x1000")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["DESCENT_HOME"] = home
        from PySide6.QtWidgets import QApplication

        from lab.cores import leave_one_core
        from widgets import theme

        leave_one_core()

        app = QApplication(sys.argv[:1])
        theme.apply(app, "dark")
        size = tuple(map(int, options.size.split("x")))
        heads = ("headless", "window", "kept", "median", "p99", "worst")
        print(f"{'preset':<20} {heads[0]:>10} {heads[1]:>10} {heads[2]:>6}   late ms:", *(f"{h:>6}" for h in heads[3:]))
        for name in options.presets:
            plain: list[float] = []
            shown: list[float] = []
            late: list[float] = []
            for _ in range(options.rounds):
                plain.append(headless(name, options.seconds))
                rate, beats = in_window(name, options.seconds, size)
                shown.append(rate)
                late += beats
            kept = statistics.median(b / a for a, b in zip(plain, shown, strict=True))
            late.sort()
            print(
                f"{name:<20} {statistics.median(plain):>8.0f}/s {statistics.median(shown):>8.0f}/s {kept:>6.2f}"
                f"            {1e3 * statistics.median(late):>6.1f} {1e3 * late[int(0.99 * len(late))]:>6.1f} "
                f"{1e3 * late[-1]:>6.1f}",
                flush=True,
            )
    return 0


def experiment(name: str) -> Any:
    """The preset, to be trained for ever."""
    from engine.paths import set_path
    from engine.presets import make

    return set_path(make(name), "training.epochs", 100_000)


def headless(name: str, seconds: float) -> float:
    """Steps a second without a window."""
    from engine.training.control import Control
    from engine.training.events import Event, StepRows
    from engine.training.store import RunStore
    from engine.training.trainer import Trainer

    control, counted = Control(), [0]

    def report(event: Event) -> None:
        counted[0] += len(event.table) if isinstance(event, StepRows) else 0

    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(experiment(name), store=RunStore(folder), control=control, report=report)
        thread = threading.Thread(target=trainer.run)
        thread.start()
        while counted[0] < 20:
            time.sleep(0.01)
        first, begun = counted[0], time.perf_counter()
        time.sleep(seconds)
        rate = (counted[0] - first) / (time.perf_counter() - begun)
        control.stop()
        thread.join()
    return rate


def in_window(name: str, seconds: float, size: tuple[int, ...]) -> tuple[float, list[float]]:
    """(steps a second, lateness of each beat in seconds) with every panel on the screen."""
    from PySide6.QtCore import QEventLoop, Qt, QTimer

    from engine.training.store import RunStore
    from lab.settings import Settings
    from lab.window import Window

    late: list[float] = []
    due = [0.0]

    def beat() -> None:
        now = time.perf_counter()
        late.append(max(0.0, now - due[0]))
        due[0] = now + BEAT

    def wait(seconds: float) -> None:
        # QTest's own wait keeps the interpreter to itself while it sleeps.
        loop = QEventLoop()
        QTimer.singleShot(round(1000 * seconds), loop.quit)
        loop.exec()

    with tempfile.TemporaryDirectory() as folder:
        window = Window(experiment(name), None, settings=Settings(), store=RunStore(folder))
        window.resize(*size)
        window.show()
        wait(0.5)
        session = window.session
        window.flow.begin()
        while session.live.step_count < 20:
            wait(0.01)
        wait(1.5)  # the first drawing of each panel loads fonts and makes pens
        heart = QTimer(interval=round(BEAT * 1000), timerType=Qt.TimerType.PreciseTimer)
        heart.timeout.connect(beat)
        first, begun = session.live.step_count, time.perf_counter()
        due[0] = begun + BEAT
        heart.start()
        while time.perf_counter() - begun < seconds:
            wait(0.2)
        heart.stop()
        session.drain()
        rate = (session.live.step_count - first) / (time.perf_counter() - begun)
        window.discard()
        while not window.ended:
            wait(0.01)
        window.deleteLater()
        wait(0.01)
    return rate, late


if __name__ == "__main__":
    raise SystemExit(main())
