"""The learning rate: its whole course, what has been, and where the run stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from engine.schedules import curve
from engine.schema import info_of
from lab.panels.base import Panel, Rows
from lab.panels.loss import few
from lab.panels.marks import ChangeMarks
from widgets.plot import Plot
from widgets.text import number

if TYPE_CHECKING:
    from engine.experiment import TrainingSpec

__all__ = ["LearningRatePanel", "course_name"]

POINTS = 600
TABLE_POINTS = 20_000


def course_name(training: TrainingSpec) -> str:
    """The course in words: "warm-up 5 + cosine"."""
    schedule = info_of(training.schedule).label.lower()
    if training.warmup.length(1000) == 0:
        return schedule
    duration = getattr(training.warmup, "duration", None)
    unit = "" if getattr(training.warmup, "unit", "epochs") == "epochs" else " steps"
    warmup = "warm-up" if duration is None else f"warm-up {duration:g}{unit}"
    return f"{warmup} + {schedule}"


class LearningRatePanel(Panel):
    """The learning rate over epochs."""

    name: ClassVar[str] = "learning_rate"
    title: ClassVar[str] = "Learning rate"
    listens: ClassVar[tuple[str, ...]] = ("stepsChanged", "eventArrived", "lookChanged")
    empty: ClassVar[str] = (
        "Shows the learning rate over the whole run, warm-up included, and where the run stands.\n"
        "It appears as soon as the data have been read; press Train to see it followed."
    )

    def build(self) -> None:
        self.plot = Plot(x_label="epoch", y_label="learning rate", legend=None)
        self.stack.addWidget(self.plot)
        self.log_y = self.toggle("log_y", "Logarithmic rate")
        self.log_y.toggled.connect(self._set_axes)
        self.past = self.plot.curve("learning rate", 0, width=1.6)
        self.future = self.plot.curve("planned", 0, style="dash")
        self.marks = ChangeMarks(self.plot)
        self._planned: tuple[object, np.ndarray, np.ndarray] = (None, np.empty(0), np.empty(0))
        self.now = self.plot.guide(float("nan"), "", axis="x", tint="accent", style="solid")

    def _set_axes(self, *_: object) -> None:
        self.plot.set_log(None, self.log_y.isChecked())

    def _plan(self) -> tuple[TrainingSpec, int, int] | None:
        """(training, total steps, steps per epoch): the run's own, or before a run those of the document."""
        session, document = self.session, self.document
        if session is not None and session.experiment is not None and session.started is not None:
            return session.experiment.training, session.started.total_steps, session.started.steps_per_epoch
        if document is None or document.signature is None or not document.signature.train_size:
            return None
        training = document.experiment.training
        size = document.signature.train_size
        per_epoch = max(1, size // training.batch_size if training.drop_last else -(-size // training.batch_size))
        return training, training.epochs * per_epoch, per_epoch

    def has_data(self) -> bool:
        assert self.session is not None
        return self._plan() is not None or bool(len(self.session.live.steps))

    def draw(self) -> None:
        with self.plot.changing():
            self._draw()

    def _draw(self) -> None:
        session = self.session
        assert session is not None
        live = session.live.steps
        plan = self._plan()
        kept = few(live["step"])
        self.past.set(live["epoch"][kept], live["learning_rate"][kept])
        if plan is None:
            self.future.set(np.empty(0), np.empty(0))
        else:
            training, total, per_epoch = plan
            if self._planned[0] != plan:
                self._planned = (plan, *curve(training, total, per_epoch, POINTS))
            _, steps, rates = self._planned
            # The update number s (from 0) ends at (s + 1) / steps per epoch, as rows are dated.
            epochs = (steps + 1) / per_epoch
            done = float(live["epoch"][-1]) if len(live) else 0.0
            ahead = epochs > done
            self.future.set(epochs[ahead], rates[ahead])
            self.future.style = "dash" if len(live) else "solid"
            self.future.retheme()
            self.plot.set_limits("x", 0.0, float(total / per_epoch))
        highest = max((float(curve.y.max()) for curve in (self.past, self.future) if len(curve.y)), default=1.0)
        self.plot.set_limits("y", None if self.log_y.isChecked() else -0.03 * highest, None)
        if len(live):
            looking = session.looking
            row = -1 if looking is None else min(int(np.searchsorted(live["epoch"], looking)), len(live) - 1)
            rate, at = float(live["learning_rate"][row]), float(live["epoch"][row])
            self.now.move(at, f"{'now' if looking is None else 'then'} {number(rate, 2)}")
        else:
            self.now.move(float("nan"))
        self.marks.show(session)

    def caption(self) -> str:
        plan = self._plan()
        return course_name(plan[0]) if plan else ""

    def table(self) -> Rows:
        assert self.session is not None
        live = self.session.live.steps
        rows = [
            ("run", int(step), epoch, rate)
            for step, epoch, rate in zip(
                *(live[name].tolist() for name in ("step", "epoch", "learning_rate")), strict=True
            )
        ]
        plan = self._plan()
        if plan is not None:
            training, total, per_epoch = plan
            steps, rates = curve(training, total, per_epoch, TABLE_POINTS)
            rows += [
                ("planned", int(s) + 1, (s + 1) / per_epoch, rate)
                for s, rate in zip(steps.tolist(), rates.tolist(), strict=True)
            ]
        return ("curve", "step", "epoch", "learning_rate"), rows
