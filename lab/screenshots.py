"""Pictures of the window, drawn without a screen, in the midst of a real run."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lab.offscreen import application

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication, QWidget

    from engine.experiment import Experiment
    from engine.training.events import Event
    from engine.training.trainer import Trainer
    from lab.window import Window

__all__ = ["take"]

SETTLE_SECONDS = 0.4
LOAD_SECONDS = 600.0


def take(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    size: tuple[int, int] = (1600, 1000),
    theme: Literal["dark", "light"] = "dark",
    train_steps: int = 0,
    panel: str | None = None,
) -> None:
    """Draw the window of an experiment file (or one of its panels) as a PNG of exactly `size` pixels.

    The run is held at its step `train_steps`, as if time stood still. Nothing is kept of it, and no settings are read
    or written. Raises UserError for a panel that there is none of or a size that is too small, FileError, TrainingError
    and OSError.
    """
    from lab.cli.common import UserError

    app = application(theme)
    _quieten()
    from engine import files
    from engine.training.store import RunStore
    from lab.panels import panel_names
    from lab.window import Window
    from widgets.export import png_of

    if panel is not None and panel not in panel_names():
        raise UserError(f"there is no panel “{panel}”; the panels are {', '.join(panel_names())}")
    experiment = files.load(path)
    with tempfile.TemporaryDirectory(prefix="descent-") as folder:
        held = Held(train_steps)
        window = Window(experiment, Path(path), store=RunStore(folder), trainer_factory=held.trainer)
        try:
            window.resize(*size)
            window.show()
            _settle(app)
            if panel is None and (window.width(), window.height()) != size:
                least = window.minimumSizeHint()
                raise UserError(f"the window needs at least {least.width()}x{least.height()} pixels")
            if panel is not None:
                window.area.open_panel(panel)
                _settle(app)
            _train(app, window, held)
            if panel is None:
                picture: QWidget = window
            else:
                picture = window.area.panel(panel)
                window.area.docks[panel].setFloating(True)
                window.area.docks[panel].resize(size[0], size[1] + 1)
                _settle(app)
                picture.resize(*size)
            _refresh(app, window)
            files.write_atomically(out, png_of(picture.grab()))
        finally:
            held.release.set()
            window.discard()
            while not window.ended:
                _settle(app, 0.02)
            window.deleteLater()
            _settle(app, 0.0)


def _quieten() -> None:
    """Drop the warnings that Qt has for windows of the platform that draws into memory: what it has no screen for."""
    from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

    def show(kind: QtMsgType, context: QMessageLogContext, text: str) -> None:
        if not text.startswith("This plugin does not support "):
            sys.stderr.write(f"{text}\n")

    qInstallMessageHandler(show)


class Held:
    """Makes trainers that stand still after their report of the step `at`, until they are released."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.reached, self.release = threading.Event(), threading.Event()

    def trainer(self, experiment: Experiment, *, report: Callable[[Event], None], **arguments: Any) -> Any:
        """A trainer whose reports pass through here."""
        from engine.training.events import Started, StepRows
        from engine.training.trainer import Trainer

        def tell(event: Event) -> None:
            if isinstance(event, Started) and trainer.loop is not None:
                trainer.loop.steps.milestone = self.at
            report(event)
            if isinstance(event, StepRows):
                self._on_step(trainer, event.step)

        trainer = Trainer(experiment, report=tell, **arguments)
        return trainer

    def _on_step(self, trainer: Trainer, step: int) -> None:
        from engine.training import present

        if step >= self.at and not self.release.is_set():
            if trainer.loop is not None:
                # What is watched is shown as of this very step, as in a pause; the run's time does not bear that.
                trainer.loop.progress()
                present.refresh(trainer.loop)
            self.reached.set()
            self.release.wait()


def _train(app: QApplication, window: Window, held: Held) -> None:
    """Train as far as the picture is to show. Raises TrainingError when the run ends before."""
    from engine.training.events import Diverged, Failed
    from engine.training.result import TrainingError

    deadline = time.monotonic() + LOAD_SECONDS
    while window.document.loading and time.monotonic() < deadline:
        _settle(app, 0.02)
    if not held.at:
        return
    session = window.session
    if not window.flow.begin():
        errors = [item.message for item in window.document.report.diagnostics if item.severity == "error"]
        raise TrainingError(" ".join(errors) or window.document.signature_error)
    while session.active and not held.reached.is_set():
        _settle(app, 0.02)
    session.drain()
    for event in session.events:
        if isinstance(event, Failed | Diverged):
            raise TrainingError(event.message)


def _refresh(app: QApplication, window: Window) -> None:
    """Bring everything up to date that draws itself only now and then."""
    from widgets.plot import Plot

    _settle(app)
    deadline = time.monotonic() + LOAD_SECONDS
    while any(panel.busy for panel in window.area.made) and time.monotonic() < deadline:
        _settle(app, 0.02)
    window.feed.refresh()
    window.canvas.live.refresh()
    window.top.refresh()
    window.timeline.refresh()
    window.layer_tab.refresh()
    for panel in window.area.made:
        if panel.isVisible():
            panel.refresh()
    for plot in window.findChildren(Plot):
        plot.arrange()
    _settle(app)


def _settle(app: QApplication, seconds: float = SETTLE_SECONDS) -> None:
    """Let the window do what it has to for a while."""
    from PySide6.QtCore import QEventLoop

    end = time.monotonic() + seconds
    while True:
        app.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
        if time.monotonic() >= end:
            return
        time.sleep(0.002)
