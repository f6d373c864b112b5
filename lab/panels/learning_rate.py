"""The learning rate: its whole course, what has been, where the run stands, and points to draw the course by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from msgspec.structs import replace

from engine.schedules import Drop, PointsSchedule, as_points, curve, learning_rate_factors, opposed_momenta
from engine.schema import Unknown, info_of
from lab.panels.base import Panel, Rows
from lab.panels.loss import few
from lab.panels.marks import ChangeMarks
from lab.panels.rate_points import Point, PointHandles
from widgets.plot import Plot
from widgets.text import number

if TYPE_CHECKING:
    from engine.experiment import TrainingSpec

__all__ = ["LearningRatePanel", "course_name"]

POINTS = 600
TABLE_POINTS = 20_000
EMPTY = np.empty(0)
HINT = (
    "<p>Drag a point to change the course. A double-click adds one, a right-click or Delete takes one away; the arrow "
    "keys choose one, and with Shift they move it.</p>"
)
ROOM = 1.12
"""How much higher than the curve the axis reaches while points can be drawn upwards."""
BAND = (0.08, 0.92)
"""The shares of the panel's height between which momentum is drawn, whatever its numbers."""


class Plan(NamedTuple):
    """A course to show: of `total` steps, `per_epoch` to the epoch; `drops` are those that results have led to."""

    training: TrainingSpec
    total: int
    per_epoch: int
    drops: tuple[Drop, ...] = ()

    @property
    def known(self) -> bool:
        """Whether everything that the course is made of is known to this version."""
        parts = (self.training.optimizer, self.training.schedule, self.training.warmup)
        return not any(isinstance(part, Unknown) for part in parts)

    @property
    def start(self) -> float:
        """Where the schedule's own time begins on the axis of epochs: the update number s (from 0) ends at
        (s + 1) / steps per epoch, as rows are dated."""
        return (self.training.warmup.length(self.per_epoch) + 1) / self.per_epoch


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
    """The learning rate over epochs. A course of points is edited on its curve; any other can be turned into one."""

    name: ClassVar[str] = "learning_rate"
    title: ClassVar[str] = "Learning rate"
    listens: ClassVar[tuple[str, ...]] = ("stepsChanged", "eventArrived", "lookChanged", "experimentChanged")
    empty: ClassVar[str] = (
        "Shows the learning rate over the whole run, warm-up included, and where the run stands.\n"
        "It appears as soon as the data have been read; press Train to see it followed."
    )

    def build(self) -> None:
        self.plot = Plot(x_label="epoch", y_label="learning rate", legend=None)
        self.stack.addWidget(self.plot)
        self.log_y = self.toggle("log_y", "Logarithmic rate")
        self.log_y.toggled.connect(self._set_axes)
        self.convert = self.menu.addAction("Convert to points")
        self.convert.setToolTip("Turn the schedule into points, which are dragged on the curve")
        self.convert.triggered.connect(self.convert_to_points)
        self.whole = self.menu.addAction("Show the whole curve")
        self.whole.triggered.connect(self.plot.fit)
        self.menu.aboutToShow.connect(self._before_menu)
        self.momentum = self.plot.curve("momentum", 1, opacity=0.4)
        self.past = self.plot.curve("learning rate", 0, width=1.6)
        self.future = self.plot.curve("planned", 0, style="dash")
        self.next = self.plot.curve("next run", "accent", style="dot")
        self.marks = ChangeMarks(self.plot)
        self._planned: tuple[object, np.ndarray, np.ndarray] = (None, EMPTY, EMPTY)
        self.now = self.plot.guide(float("nan"), "", axis="x", tint="accent", style="solid")
        self.handles = PointHandles(self.plot)
        self.handles.edited.connect(self._on_points)
        self.handles.dragged.connect(self._on_dragged)
        self._draft: PointsSchedule | None = None

    def _set_axes(self, *_: object) -> None:
        self.plot.set_log(None, self.log_y.isChecked())

    # -- the courses ---------------------------------------------------------------------------------------------------

    def _running(self) -> Plan | None:
        """The course of the run that is shown."""
        session = self.session
        if session is None or session.experiment is None or session.started is None:
            return None
        drops = tuple(Drop(event.step, event.scale) for event in session.live.drops)
        started = session.started
        total = session.experiment.training.epochs * started.steps_per_epoch
        return Plan(session.experiment.training, max(total, started.total_steps), started.steps_per_epoch, drops)

    def _built(self) -> Plan | None:
        """The course that the document's next run would have, with a point where it is being dragged to."""
        document = self.document
        if document is None or document.signature is None or not document.signature.train_size:
            return None
        training = document.experiment.training
        if self._draft is not None and isinstance(training.schedule, PointsSchedule):
            training = replace(training, schedule=self._draft)
        size = document.signature.train_size
        per_epoch = max(1, size // training.batch_size if training.drop_last else -(-size // training.batch_size))
        return Plan(training, training.epochs * per_epoch, per_epoch)

    def _plan(self) -> Plan | None:
        """The course that is drawn: the run's own, or before a run that of the document."""
        found = self._running() or self._built()
        return found if found is not None and found.known else None

    def _next(self) -> Plan | None:
        """The course of the next run, where it is another than that of the run that is shown."""
        running, built = self._running(), self._built()
        if running is None or built is None or not built.known:
            return None
        parts = ("schedule", "warmup", "epochs", "batch_size")
        same = all(getattr(running.training, name) == getattr(built.training, name) for name in parts)
        rates = [plan.training.optimizer.learning_rate for plan in (running, built)]
        return None if same and rates[0] == rates[1] else built

    def has_data(self) -> bool:
        assert self.session is not None
        return self._plan() is not None or bool(len(self.session.live.steps))

    # -- drawing -------------------------------------------------------------------------------------------------------

    def draw(self) -> None:
        with self.plot.changing():
            self._draw()
        self._show_handles()

    def _draw(self) -> None:
        session = self.session
        assert session is not None
        live = session.live.steps
        plan, following = self._plan(), self._next()
        kept = few(live["step"])
        self.past.set(live["epoch"][kept], live["learning_rate"][kept])
        end = 0.0
        if plan is None:
            self.future.set(EMPTY, EMPTY)
        else:
            if self._planned[0] != plan:
                steps, rates = curve(plan.training, plan.total, plan.per_epoch, POINTS, plan.drops)
                self._planned = (plan, (steps + 1) / plan.per_epoch, rates)
            _, epochs, rates = self._planned
            done = float(live["epoch"][-1]) if len(live) else 0.0
            ahead = epochs > done
            self.future.set(epochs[ahead], rates[ahead])
            self.future.style = "dash" if len(live) else "solid"
            self.future.retheme()
            end = plan.total / plan.per_epoch
        if following is None:
            self.next.set(EMPTY, EMPTY)
        else:
            steps, rates = curve(following.training, following.total, following.per_epoch, POINTS)
            self.next.set((steps + 1) / following.per_epoch, rates)
            end = max(end, following.total / following.per_epoch)
        if end:
            self.plot.set_limits("x", 0.0, end)
        drawn = [item for item in (self.past, self.future, self.next) if len(item.y)]
        highest = max((float(item.y.max()) for item in drawn), default=1.0)
        top = ROOM * highest if isinstance(self._editable(), PointsSchedule) and not self.handles.dragging else None
        self.plot.set_limits("y", None if self.log_y.isChecked() else -0.03 * highest, top)
        self._draw_momentum(following or plan, highest)
        if len(live):
            looking = session.looking
            row = -1 if looking is None else min(int(np.searchsorted(live["epoch"], looking)), len(live) - 1)
            rate, at = float(live["learning_rate"][row]), float(live["epoch"][row])
            self.now.move(at, f"{'now' if looking is None else 'then'} {number(rate, 2)}")
        else:
            self.now.move(float("nan"))
        self.marks.show(session)

    def _momenta(self, plan: Plan | None) -> tuple[np.ndarray, np.ndarray]:
        """(epochs, momenta) where the schedule moves momentum against the rate; empty elsewhere."""
        if plan is None or not plan.known:
            return EMPTY, EMPTY
        steps = np.unique(np.linspace(0, max(plan.total - 1, 0), POINTS).round())
        found = opposed_momenta(plan.training, steps, plan.total, plan.per_epoch)
        return (EMPTY, EMPTY) if found is None else ((steps + 1) / plan.per_epoch, found)

    def _draw_momentum(self, plan: Plan | None, highest: float) -> None:
        """Momentum has an axis of its own, which is not drawn: it fills the panel's height, and the read-out tells its
        numbers."""
        epochs, momenta = self._momenta(plan)
        if not len(momenta):
            self.momentum.set(EMPTY, EMPTY)
            return
        low, high = float(momenta.min()), float(momenta.max())
        part = (momenta - low) / (high - low) if high > low else np.full_like(momenta, 0.5)
        share = BAND[0] + (BAND[1] - BAND[0]) * part
        rates = np.concatenate([item.y for item in (self.past, self.future, self.next)])
        positive = rates[rates > 0]
        if self.log_y.isChecked() and len(positive):
            least = float(positive.min())
            drawn = least * (highest / least) ** share
        else:
            drawn = highest * share
        self.momentum.set(epochs, drawn, values=momenta)

    # -- points --------------------------------------------------------------------------------------------------------

    def _editable(self) -> Any:
        """The document's schedule, where a course can be drawn for it."""
        built = self._built()
        return built.training.schedule if built is not None and built.known else None

    def _show_handles(self) -> None:
        schedule, built = self._editable(), self._built()
        if not isinstance(schedule, PointsSchedule) or built is None or not schedule.points():
            self.handles.set_points(None)
            self.plot.setToolTip("")
            return
        base = float(built.training.optimizer.learning_rate)
        points = [(epoch + built.start, share * base) for epoch, share in schedule.points()]
        self.handles.set_points(points, built.start)
        self.plot.setToolTip(HINT)

    def _schedule(self, points: list[Point]) -> PointsSchedule | None:
        """The document's schedule with its points there."""
        built, schedule = self._built(), self._editable()
        if built is None or not isinstance(schedule, PointsSchedule):
            return None
        base = float(built.training.optimizer.learning_rate)
        return replace(
            schedule,
            epochs=tuple(max(0.0, float(f"{x - built.start:.6g}")) for x, _ in points),
            shares=tuple(float(f"{y / base:.6g}") for _, y in points),
        )

    def _on_dragged(self, points: list[Point] | None) -> None:
        self._draft = None if points is None else self._schedule(points)
        self.draw()

    def _on_points(self, points: list[Point], words: str) -> None:
        schedule = self._schedule(points)
        self._draft = None
        if schedule is not None:
            self._apply(words, schedule)
        self.draw()

    def _apply(self, words: str, schedule: PointsSchedule) -> None:
        assert self.document is not None
        experiment = self.document.experiment
        training = replace(experiment.training, schedule=schedule)
        self.document.apply(words, replace(experiment, training=training))

    def _before_menu(self) -> None:
        schedule = self._editable()
        self.convert.setEnabled(schedule is not None and not isinstance(schedule, PointsSchedule))

    def convert_to_points(self) -> None:
        """Turn the document's schedule into points along its curve. Momentum that it moved stays at the optimizer's
        own; drops of a plateau that the run has come to become points."""
        built, schedule = self._built(), self._editable()
        if built is None or schedule is None or isinstance(schedule, PointsSchedule):
            return
        running = self._running()
        drops = running.drops if running is not None and running.training.schedule == schedule else ()
        steps = np.unique(np.linspace(0, max(built.total - 1, 0), 2 * POINTS).round())
        warm = built.training.warmup.length(built.per_epoch)
        steps = steps[steps >= warm] if (steps >= warm).any() else steps[-1:]
        shares = learning_rate_factors(built.training, steps, built.total, built.per_epoch, drops)
        self._apply("Convert the schedule to points", as_points(np.maximum(steps - warm, 0) / built.per_epoch, shares))

    # -- words and numbers ---------------------------------------------------------------------------------------------

    def caption(self) -> str:
        plan = self._next() or self._plan()
        if plan is None:
            return ""
        words = course_name(plan.training)
        if self.handles.active:
            return f"{words} · drag the points"
        _, momenta = self._momenta(plan)
        return f"{words} · momentum {momenta.min():g}–{momenta.max():g}" if len(momenta) else words

    def table(self) -> Rows:
        assert self.session is not None
        live = self.session.live.steps
        rows: list[tuple[Any, ...]] = [
            ("run", int(step), epoch, rate)
            for step, epoch, rate in zip(
                *(live[name].tolist() for name in ("step", "epoch", "learning_rate")), strict=True
            )
        ]
        for name, plan in (("planned", self._plan()), ("next run", self._next())):
            if plan is not None:
                steps, rates = curve(plan.training, plan.total, plan.per_epoch, TABLE_POINTS, plan.drops)
                rows += [
                    (name, int(s) + 1, (s + 1) / plan.per_epoch, rate)
                    for s, rate in zip(steps.tolist(), rates.tolist(), strict=True)
                ]
        return ("curve", "step", "epoch", "learning_rate"), rows
