"""Training with the window open: what is left of the headless rate, and how late the window's heartbeat is.

    python benchmarks/live.py [NAME ...] [--executor auto|array|cpu] [--seconds 6] [--rounds 3] [--size 1600x1000]

NAME is a preset or one of the workloads W1 to W7 (`benchmarks/workloads.py`), whose random data are written to a file.
Each round trains it twice, in turn: without a window, and in a window that shows all of its panels. "kept" is the ratio
of the two rates, "core" the processor time that the window's thread took, as a share of one core, and "loss" how often
a second the curve of the loss was drawn. The heartbeat is a 10 ms timer of the window's thread, and "late" how late its
beats were. The window is drawn offscreen, so what a graphics driver costs is not in it. Medians over the rounds; the
worst of all.
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
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

BEAT = 0.010
LEAST_BYTES = 4 << 20
"""Random samples are repeated until they take so much: an epoch of eight steps would be all evaluation."""
PRESETS = ("spiral-mlp", "mnist-mlp", "mnist-cnn")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=PRESETS, metavar="NAME")
    parser.add_argument("--executor", choices=("auto", "array", "cpu"), default="auto")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", default="1600x1000")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["DESCENT_HOME"] = home
        from PySide6.QtWidgets import QApplication

        from lab.cores import leave_one_core
        from widgets import theme

        if options.executor == "array":
            leave_one_core()

        app = QApplication(sys.argv[:1])
        theme.apply(app, "dark")
        size = tuple(map(int, options.size.split("x")))
        print(
            f"{'':<12} {'headless':>10} {'window':>10} {'kept':>6} {'core':>6} {'loss':>6}"
            f"   late ms: {'median':>6} {'p99':>6} {'worst':>6}"
        )
        for name in options.names:
            what = experiment(name, Path(home))
            plain: list[float] = []
            shown: list[Shown] = []
            for _ in range(options.rounds):
                plain.append(headless(what, options.executor, options.seconds))
                shown.append(in_window(what, options.executor, options.seconds, size))
            kept = statistics.median(b.rate / a for a, b in zip(plain, shown, strict=True))
            late = sorted(1e3 * beat for item in shown for beat in item.late)
            rate, core, loss = (statistics.median(getattr(item, key) for item in shown) for key in Shown._fields[:3])
            print(
                f"{name:<12} {statistics.median(plain):>8.0f}/s {rate:>8.0f}/s {kept:>6.2f} {100 * core:>4.1f} % "
                f"{loss:>4.1f}/s            {statistics.median(late):>6.1f} {late[int(0.99 * len(late))]:>6.1f} "
                f"{late[-1]:>6.1f}",
                flush=True,
            )
    return 0


class Shown(NamedTuple):
    """A run in a window: steps a second, the window's share of a core, drawings of the loss a second, and how late each
    beat was, seconds."""

    rate: float
    core: float
    loss: float
    late: list[float]


def experiment(name: str, folder: Path) -> Any:
    """The preset or workload, to be trained for ever; a workload's data go into `folder`."""
    from benchmarks.workloads import WORKLOADS
    from engine.paths import set_path
    from engine.presets import make

    if name not in WORKLOADS:
        return set_path(make(name), "training.epochs", 100_000)
    import numpy as np
    from msgspec.structs import replace

    from engine.data.sources.npz_file import NpzFile
    from engine.experiment import DataSpec

    workload = WORKLOADS[name]()
    times = max(1, LEAST_BYTES // workload.arrays["x"].nbytes)
    path = folder / f"{name}.npz"
    np.savez(path, **{key: np.concatenate([values] * times) for key, values in workload.arrays.items()})
    task = "classification" if workload.classes else "regression"
    source = DataSpec(source=NpzFile(path=str(path), task=task))
    return set_path(replace(workload.experiment, data=source), "training.epochs", 100_000)


def headless(what: Any, executor: Any, seconds: float) -> float:
    """Steps a second without a window."""
    from engine.training.control import Control
    from engine.training.events import Event, StepRows
    from engine.training.store import RunStore
    from engine.training.trainer import Trainer

    control, counted = Control(), [0]

    def report(event: Event) -> None:
        counted[0] += len(event.table) if isinstance(event, StepRows) else 0

    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(what, store=RunStore(folder), control=control, report=report, executor=executor)
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


def in_window(what: Any, executor: Any, seconds: float, size: tuple[int, ...]) -> Shown:
    """With every panel on the screen."""
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
        settings = Settings()
        settings.executor = executor
        window = Window(what, None, settings=settings, store=RunStore(folder))
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
        loss = window.area.panel("loss")
        first, drawn, begun = session.live.step_count, loss.drawings, time.perf_counter()
        worked, due[0] = time.thread_time(), begun + BEAT
        heart.start()
        while time.perf_counter() - begun < seconds:
            wait(0.2)
        heart.stop()
        session.drain()
        took = time.perf_counter() - begun
        rate, core = (session.live.step_count - first) / took, (time.thread_time() - worked) / took
        drawings = (loss.drawings - drawn) / took
        window.discard()
        while not window.ended:
            wait(0.01)
        window.deleteLater()
        wait(0.01)
    return Shown(rate, core, drawings, late)


if __name__ == "__main__":
    raise SystemExit(main())
