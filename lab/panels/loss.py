"""The loss of training and validation, smoothed over the raw steps, beside that of past runs."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from PySide6.QtGui import QActionGroup

from lab.live import LiveHistory, smooth
from lab.panels.base import Panel, Rows
from lab.panels.marks import ChangeMarks
from lab.panels.waiting import NEXT_STEPS, waiting_text
from widgets import theme
from widgets.plot import Curve, Plot
from widgets.text import number, shortened

__all__ = ["LABEL", "LossPanel", "averaged", "few", "smoothing_span", "style_points"]

SMOOTHING = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98)
EMPTY = np.empty(0)
TEXT_HEIGHT = 24.0
LABEL = 22
"""Letters of a past run's name in a legend."""
POINTS = 800
"""A smoothed line is drawn through at most so many points."""


def smoothing_span(factor: float, total_steps: int) -> float:
    """The time constant, in steps, of smoothing with `factor`.

    Weights decay by `factor` over 1/250 of the run (over one step in short runs), so that a smoothed curve looks the
    same for a long run as for a short one: -1 / ln(factor) times that.
    """
    return -max(1.0, total_steps / 250) / np.log(factor) if 0 < factor < 1 else 0.0


def few(values: np.ndarray, limit: int = POINTS) -> np.ndarray:
    """Indices of evenly spaced points, first and last included."""
    n = len(values)
    return np.arange(n) if n <= limit else np.unique(np.linspace(0, n - 1, limit).astype(int))


def averaged(
    steps: np.ndarray, epochs: np.ndarray, values: np.ndarray, count: np.ndarray, limit: int = POINTS
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(step, epoch, value, count) of about `limit` groups of neighbouring rows: means in which each row weighs its
    `count`. The last row stands alone, so that the line ends where the run stands. Values that are not finite are left
    out."""
    n = len(values)
    if n <= limit:
        return steps, epochs, values, count
    starts = np.append(np.arange(0, n - 1, -(-n // limit)), n - 1)
    weight = np.where(np.isfinite(values), count, 0.0)

    def mean(column: np.ndarray, weight: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            found: np.ndarray = np.add.reduceat(column * weight, starts) / np.add.reduceat(weight, starts)
        return found

    means = mean(np.where(weight > 0, values, 0.0), weight)
    return mean(steps, count), mean(epochs, count), means, np.add.reduceat(weight, starts)


def style_points(curve: Curve) -> None:
    """Mark the points of a curve while they are too few for a line to be seen."""
    curve.mark(len(curve.x) <= 2)


def expected_text(expected: float | None) -> str:
    """What the guide at the loss of a network that knows nothing says: −log(1/C) where it is that of C classes."""
    if not expected:
        return ""
    classes = math.exp(min(expected, 30.0))
    if abs(classes - round(classes)) < 1e-6 * classes:
        return f"−log(1/{round(classes)}) = {expected:.3f}"
    return f"knows nothing: {expected:.3f}"


class LossPanel(Panel):
    """Loss over epochs."""

    name: ClassVar[str] = "loss"
    title: ClassVar[str] = "Loss"
    listens: ClassVar[tuple[str, ...]] = ("stepsChanged", "epochEnded", "overlaysChanged", "eventArrived")
    empty: ClassVar[str] = (
        "Shows the loss of every step, smoothed, and the validation loss of every epoch. The dashed line marks the "
        "loss of a network that has learned nothing.\nPress Train."
    )
    interval_ms: ClassVar[int] = 66

    def build(self) -> None:
        self.plot = Plot(x_label="epoch", y_label="loss", log_y=True)
        self.stack.addWidget(self.plot)
        self.log_y = self.toggle("log_y", "Logarithmic loss", True)
        self.log_x = self.toggle("log_x", "Logarithmic epochs")
        self.log_y.toggled.connect(self._set_axes)
        self.log_x.toggled.connect(self._set_axes)
        self._smoothing = QActionGroup(self)
        menu = self.menu.addMenu("Smoothing")
        for factor in SMOOTHING:
            action = menu.addAction(f"{factor:g}" if factor else "None")
            action.setCheckable(True)
            action.setData(factor)
            action.setChecked(factor == 0.8)
            self._smoothing.addAction(action)
        self._smoothing.triggered.connect(self._option_changed)
        self.raw = self.plot.curve("", 0, in_legend=False)
        self.train = self.plot.curve("train", 0, width=1.6)
        self.validation = self.plot.curve("validation", 1, width=1.6)
        self._overlays: dict[str, tuple[Curve, Curve]] = {}
        self._guide = self.plot.guide(float("nan"), "")
        self.marks = ChangeMarks(self.plot)
        # One invisible point above the guide: the range that the plot takes by itself then has room for its text.
        self._headroom = self.plot.curve("", 0, opacity=0.0, in_legend=False)

    def restyle(self) -> None:
        # A mixed colour, not a translucent one: where lines cross, translucent ones add up.
        now = theme.current()
        self.raw.tint = theme.mix(now.panel, now.series[0], 0.42)
        self.raw.retheme()

    @property
    def smoothing(self) -> float:
        """The factor of smoothing, 0 for none."""
        action = self._smoothing.checkedAction()
        return float(action.data()) if action is not None else 0.0

    def set_smoothing(self, factor: float) -> None:
        """Choose one of `SMOOTHING`."""
        for action in self._smoothing.actions():
            if action.data() == factor:
                action.setChecked(True)
        self._option_changed()

    def view_state(self) -> dict[str, Any]:
        return super().view_state() | {"smoothing": self.smoothing}

    def set_view_state(self, state: dict[str, Any]) -> None:
        super().set_view_state(state)
        if state.get("smoothing") in SMOOTHING:
            self.set_smoothing(state["smoothing"])

    def _set_axes(self, *_: object) -> None:
        self.plot.set_log(self.log_x.isChecked(), self.log_y.isChecked())
        self.request()

    def has_data(self) -> bool:
        assert self.session is not None
        return bool(len(self.session.live.steps) or self.session.overlays)

    def smoothed(self, live: LiveHistory, total_steps: int) -> tuple[np.ndarray, np.ndarray]:
        """(epoch, smoothed loss) of a run, in few points."""
        steps = live.steps
        if not len(steps):
            return EMPTY, EMPTY
        span = smoothing_span(self.smoothing, total_steps)
        # What is drawn on a logarithmic axis is averaged on it, or single high losses would pull the line up.
        log = self.log_y.isChecked()
        with np.errstate(invalid="ignore", divide="ignore"):
            losses = np.log(steps["mean"]) if log else steps["mean"]
        at, epochs, losses, count = averaged(steps["step"], steps["epoch"], losses, steps["count"])
        values = smooth(at, losses, count, span)
        return epochs, np.exp(values) if log else values

    def draw(self) -> None:
        with self.plot.changing():
            self._draw()

    def _draw(self) -> None:
        session = self.session
        assert session is not None
        live = session.live
        total = session.started.total_steps if session.started else live.step_count
        if self.smoothing:
            self.raw.set(live.steps["epoch"].copy(), live.steps["loss"].copy())
            self.train.set(*self.smoothed(live, total))
        else:
            self.raw.set(EMPTY, EMPTY)
            self.train.set(live.steps["epoch"].copy(), live.steps["loss"].copy())
        self.validation.set(*live.epoch_curve("validation/loss"))
        for curve in (self.train, self.validation):
            style_points(curve)
        self._draw_overlays()
        expected = session.started.expected_initial_loss if session.started else None
        self._guide.move(expected if expected else float("nan"), expected_text(expected))
        self._make_room(expected)
        self.marks.show(session)
        epochs = session.epochs
        self.plot.set_limits("x", None if self.log_x.isChecked() else 0.0, float(epochs) if epochs else None)

    def _make_room(self, expected: float | None) -> None:
        """Put the invisible point a text's height above the guide."""
        losses = np.concatenate([curve.y for curve in (self.raw, self.train, self.validation)])
        losses = losses[np.isfinite(losses) & (losses > 0)]
        if not expected or not len(losses):
            self._headroom.set(EMPTY, EMPTY)
            return
        lowest = min(float(losses.min()), expected)
        share = min(0.3, TEXT_HEIGHT / max(1.0, self.plot.getPlotItem().getViewBox().height()))
        room = share / (1.0 - share)
        top = expected * (expected / lowest) ** room if self.plot.log_y else expected + (expected - lowest) * room
        self._headroom.set(np.zeros(1), np.array([top]))

    def _draw_overlays(self) -> None:
        assert self.session is not None
        runs = self.session.overlays
        for gone in self._overlays.keys() - runs.keys():
            for curve in self._overlays.pop(gone):
                self.plot.remove(curve)
        for run_id, run in runs.items():
            if run_id not in self._overlays:
                tint = self.session.series_of(run_id) or 2
                name = shortened(run.label, LABEL)
                self._overlays[run_id] = (
                    self.plot.curve(name, tint),
                    self.plot.curve(f"{name}: validation", tint, style="dash", in_legend=False),
                )
            train, validation = self._overlays[run_id]
            train.set(*self.smoothed(run.history, run.history.step_count))
            validation.set(*run.history.epoch_curve("validation/loss"))

    def empty_text(self) -> str:
        return waiting_text(self.session, self.empty, NEXT_STEPS)

    def caption(self) -> str:
        parts = ["epoch" + (" (log)" if self.log_x.isChecked() else "")]
        if self.log_y.isChecked():
            parts.append("log y")
        if self.smoothing:
            parts.append(f"smooth {number(self.smoothing, 3)}")
        return " · ".join(parts)

    def table(self) -> Rows:
        assert self.session is not None
        runs = [(self.session.run_id or "", self.session.live)]
        runs += [(run.run, run.history) for run in self.session.overlays.values()]
        rows: list[tuple[Any, ...]] = []
        for run_id, live in runs:
            steps = live.steps
            columns = (steps["step"], steps["epoch"], steps["loss"], steps["mean"], steps["count"], steps["penalty"])
            for step, epoch, loss, mean, count, penalty in zip(*(column.tolist() for column in columns), strict=True):
                rows.append((run_id, "train", int(step), epoch, loss, mean, count, penalty))
            for event in live.epochs:
                if event.validation_loss is not None:
                    rows.append(
                        (run_id, "validation", event.step, float(event.epoch), event.validation_loss, "", "", "")
                    )
        return ("run", "curve", "step", "epoch", "loss", "mean_loss", "steps", "penalty"), rows
