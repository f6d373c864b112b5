"""A metric of training and validation over epochs, with its best value and the gap between the two."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF
from PySide6.QtGui import QActionGroup

from engine.schema import info_of, lookup
from lab.live import LiveHistory
from lab.panels.base import Panel, Rows
from lab.panels.loss import LABEL, style_points
from lab.panels.marks import ChangeMarks
from lab.panels.waiting import FIRST_EPOCH, waiting_text
from widgets import theme
from widgets.clutter import clutter, legend_area
from widgets.layers import frame_of
from widgets.plot import Curve, Plot
from widgets.text import number, shortened

__all__ = ["MetricsPanel"]

WIDEST = 0.5
PLACED = 8
"""After so many more points the text beside the mark looks for room anew."""
"""The share of the plot's width that the words at the best value may take."""
SIDES = ((0.5, -0.3), (0.5, 1.3), (-0.1, -0.3), (1.1, -0.3), (-0.1, 1.3), (1.1, 1.3), (-0.12, 0.5), (1.12, 0.5))
"""Where the mark may lie from its text, in the text's sizes."""


def metric_tags(live: LiveHistory) -> list[str]:
    """The metrics that were taken, in the order of the experiment."""
    if not live.epochs:
        return []
    last = live.epochs[-1]
    return list(dict.fromkeys([*last.train_metrics, *last.validation_metrics]))


class MetricsPanel(Panel):
    """Accuracy, or another metric."""

    name: ClassVar[str] = "metrics"
    title: ClassVar[str] = "Metrics"
    listens: ClassVar[tuple[str, ...]] = ("epochEnded", "overlaysChanged", "eventArrived")
    empty: ClassVar[str] = (
        "Shows accuracy and other metrics on training and validation data, the best epoch, and the gap between the "
        "two: a growing gap is overfitting.\nPress Train; the first values come with the first epoch’s end."
    )

    def build(self) -> None:
        self.plot = Plot(x_label="epoch", y_label="metric", legend="bottom-right")
        self.stack.addWidget(self.plot)
        self.log_y = self.toggle("log_y", "Logarithmic values")
        self.log_y.toggled.connect(self._set_axes)
        self._choice = self.menu.addMenu("Metric")
        self._group = QActionGroup(self)
        self._group.triggered.connect(self._option_changed)
        self._tags: list[str] = []
        self.train = self.plot.curve("train", 0, width=1.6)
        self.validation = self.plot.curve("validation", 1, width=1.6)
        self._overlays: dict[str, Curve] = {}
        self.marks = ChangeMarks(self.plot)
        self.marker = pg.ScatterPlotItem(size=10)
        self.marker_text = pg.TextItem(anchor=(0.5, -0.25))
        self._marked: object = None
        for item in (self.marker, self.marker_text):
            item.setZValue(8)
            self.plot.addItem(item, ignoreBounds=True)
        self.plot.kept_clear = [self.marker_text]

    def restyle(self) -> None:
        self.marker.setPen(pg.mkPen(theme.current().series[1], width=1.6))
        self.marker.setBrush(pg.mkBrush(None))
        self.marker_text.setColor(theme.color("text_dim"))
        self.marker_text.setFont(theme.ui_font(11))

    def _set_axes(self, *_: object) -> None:
        self.plot.set_log(None, self.log_y.isChecked())

    @property
    def tag(self) -> str:
        """The metric shown, or an empty string."""
        action = self._group.checkedAction()
        return str(action.data()) if action is not None else ""

    def choose(self, tag: str) -> None:
        """Show another metric."""
        for action in self._group.actions():
            action.setChecked(action.data() == tag)
        self._option_changed()

    def _offer(self, tags: list[str]) -> None:
        if tags == self._tags:
            return
        before, self._tags = self.tag, tags
        for action in self._group.actions():
            self._group.removeAction(action)
        self._choice.clear()
        for tag in tags:
            action = self._choice.addAction(metric_label(tag))
            action.setCheckable(True)
            action.setData(tag)
            self._group.addAction(action)
            action.setChecked(tag == before or (before not in tags and tag == tags[0]))

    def has_data(self) -> bool:
        assert self.session is not None
        histories = [self.session.live, *(run.history for run in self.session.overlays.values())]
        return any(metric_tags(live) for live in histories)

    def draw(self) -> None:
        with self.plot.changing():
            self._draw()

    def _draw(self) -> None:
        session = self.session
        assert session is not None
        histories = [session.live, *(run.history for run in session.overlays.values())]
        self._offer(next(tags for live in histories if (tags := metric_tags(live))))
        tag = self.tag
        self.header.title.setText(metric_label(tag))
        self.plot.y_label = metric_label(tag).lower()
        self.train.set(*session.live.epoch_curve(f"train/{tag}"))
        self.validation.set(*session.live.epoch_curve(f"validation/{tag}"))
        for curve in (self.train, self.validation):
            style_points(curve)
        self._draw_overlays(tag)
        self.plot.set_limits("x", 0.0, float(session.epochs) if session.epochs else None)
        self.plot.set_limits("y", None, self._ceiling(tag))
        self._mark_best()
        self.marks.show(session)

    def _ceiling(self, tag: str) -> float | None:
        """The upper end of the values where the metric has one, and a little room for its label."""
        highest: float | None = getattr(lookup("metric", tag), "highest", None)
        if highest is None or self.log_y.isChecked():
            return None
        values = np.concatenate([self.train.y, self.validation.y])
        values = values[np.isfinite(values)]
        return highest + 0.04 * (highest - float(values.min())) if len(values) else highest

    def _draw_overlays(self, tag: str) -> None:
        assert self.session is not None
        runs = self.session.overlays
        for gone in self._overlays.keys() - runs.keys():
            self.plot.remove(self._overlays.pop(gone))
        for run_id, run in runs.items():
            if run_id not in self._overlays:
                self._overlays[run_id] = self.plot.curve(
                    shortened(run.label, LABEL), self.session.series_of(run_id) or 2, style="dash"
                )
            self._overlays[run_id].set(*run.history.epoch_curve(f"validation/{tag}"))

    def best(self) -> tuple[float, float] | None:
        """(epoch, value) of the best validation value (training value without validation data)."""
        assert self.session is not None
        for part in ("validation", "train"):
            epochs, values = self.session.live.epoch_curve(f"{part}/{self.tag}")
            if np.isfinite(values).any():
                index = int(np.nanargmax(values) if higher_is_better(self.tag) else np.nanargmin(values))
                return float(epochs[index]), float(values[index])
        return None

    def _mark_best(self) -> None:
        best = self.best()
        log = self.plot.log_y
        # Finding room for the text takes longer than all curves: only where something has moved.
        key = (best, self.plot.y_label, frame_of(self.plot), legend_area(self.plot), len(self.train.x) // PLACED)
        if key == self._marked:
            return
        self._marked = key
        shown = best is not None and (best[1] > 0 or not log)
        self.marker.setVisible(shown)
        self.marker_text.setVisible(shown)
        if best is not None and shown:
            y = np.log10(best[1]) if log else best[1]
            self.marker.setData([best[0]], [y])
            value = f"{number(best[1], 3)}, epoch {best[0]:g}"
            self.marker_text.setText(f"best {self.plot.y_label} {value}")
            if self.marker_text.boundingRect().width() > WIDEST * self.plot.getPlotItem().getViewBox().width():
                self.marker_text.setText(f"best {value}")  # of what stands in the title
            self._place_text(best[0], y)

    def _place_text(self, x: float, y: float) -> None:
        """Beside the mark, inside the plot, on the side where it covers least of the curves."""
        box = self.plot.getPlotItem().getViewBox()
        (left, right), (low, high) = box.viewRange()
        if not (right > left and high > low):
            return
        size = self.marker_text.boundingRect()
        at = (x - left) / (right - left) * box.width(), (high - y) / (high - low) * box.height()

        def cost(anchor: tuple[float, float]) -> float:
            rect = QRectF(at[0] - anchor[0] * size.width(), at[1] - anchor[1] * size.height(), *size.size().toTuple())
            outside = rect.width() * rect.height() - _area(rect.intersected(box.rect()))
            behind = rect.intersected(legend)
            return clutter(self.plot, rect) + outside + behind.width() * behind.height() / 2

        legend = legend_area(self.plot)

        self.marker_text.setAnchor(min(SIDES, key=cost))
        self.marker_text.setPos(x, y)

    def caption(self) -> str:
        assert self.session is not None
        last = self.session.live.epochs[-1] if self.session.live.epochs else None
        if last is None or self.tag not in last.train_metrics or self.tag not in last.validation_metrics:
            return ""
        gap = abs(last.train_metrics[self.tag] - last.validation_metrics[self.tag])
        return f"gap {gap:.3f}" if gap < 100 else f"gap {number(gap, 3)}"

    def empty_text(self) -> str:
        session = self.session
        if session is not None and (session.live.epochs or self._takes_none()):
            return "This experiment takes no metrics. Add one under Training, then press Train."
        return waiting_text(session, self.empty, FIRST_EPOCH)

    def _takes_none(self) -> bool:
        """Whether the run that goes on takes no metrics."""
        session = self.session
        run = session.experiment if session is not None and session.active else None
        return run is not None and not run.training.metrics

    def table(self) -> Rows:
        assert self.session is not None
        runs = [(self.session.run_id or "", self.session.live)]
        runs += [(run.run, run.history) for run in self.session.overlays.values()]
        rows: list[tuple[Any, ...]] = []
        for run_id, live in runs:
            for event in live.epochs:
                for part, values in (("train", event.train_metrics), ("validation", event.validation_metrics)):
                    rows += [(run_id, tag, part, event.epoch, event.step, value) for tag, value in values.items()]
        return ("run", "metric", "part", "epoch", "step", "value"), rows


def _area(rect: QRectF) -> float:
    return max(0.0, rect.width()) * max(0.0, rect.height())


def metric_label(tag: str) -> str:
    cls = lookup("metric", tag)
    return info_of(cls).label if cls is not None else tag.replace("_", " ").capitalize()


def higher_is_better(tag: str) -> bool:
    return bool(getattr(lookup("metric", tag), "higher_is_better", True))
