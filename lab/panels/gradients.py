"""The L2 norm of each layer's gradient over the run."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from lab.panels.base import Panel, Rows
from lab.panels.marks import ChangeMarks
from lab.panels.waiting import NEXT_STEPS, waiting_text
from widgets.plot import Curve, Plot
from widgets.text import number

__all__ = ["GradientsPanel"]

LEGEND_ROWS = 10
SPACING = 9.0
"""Pixels between two points from which on they are marked."""


class GradientsPanel(Panel):
    """Gradient norms over epochs, one line for each layer with parameters."""

    name: ClassVar[str] = "gradients"
    title: ClassVar[str] = "Gradient norm by layer"
    tab: ClassVar[str] = "Gradients"
    topics: ClassVar[frozenset[str]] = frozenset({"gradients"})
    listens: ClassVar[tuple[str, ...]] = ("frameChanged", "epochEnded", "overlaysChanged", "eventArrived")
    empty: ClassVar[str] = (
        "Shows how large the gradient is in each layer: lines that lie orders of magnitude apart, or fall towards "
        "nothing, mean that some layers do not learn.\nPress Train, or Step for a single step."
    )
    interval_ms: ClassVar[int] = 400

    def build(self) -> None:
        self.plot = Plot(x_label="epoch", y_label="gradient norm", log_y=True, legend="top-right")
        self.stack.addWidget(self.plot)
        self.log_y = self.toggle("log_y", "Logarithmic norm", True)
        self.log_x = self.toggle("log_x", "Logarithmic epochs")
        self.log_y.toggled.connect(self._set_axes)
        self.log_x.toggled.connect(self._set_axes)
        self.curves: dict[str, Curve] = {}
        self.marks = ChangeMarks(self.plot)

    def _set_axes(self, *_: object) -> None:
        self.plot.set_log(self.log_x.isChecked(), self.log_y.isChecked())

    def has_data(self) -> bool:
        assert self.session is not None
        return bool(self.session.live.gradients)

    def draw(self) -> None:
        with self.plot.changing():
            self._draw()

    def _draw(self) -> None:
        session = self.session
        assert session is not None
        series = session.live.gradients
        if list(series) != list(self.curves):
            self.plot.clear_curves()
            legend = len(series) <= LEGEND_ROWS
            self.curves = {node: self.plot.curve(node, i, in_legend=legend) for i, node in enumerate(series)}
        self.plot.set_limits("x", None if self.log_x.isChecked() else 0.0, float(session.epochs or 0) or None)
        for node, values in series.items():
            self.curves[node].set(values["epoch"].copy(), values["value"].copy())
            self._show_points(self.curves[node])
        self.marks.show(session)

    def _show_points(self, curve: Curve) -> None:
        """Mark the steps that were looked at, while they lie far enough apart to be told from one another."""
        box = self.plot.getPlotItem().getViewBox()
        curve.mark(0 < len(curve.x) <= max(2.0, box.width() / SPACING))

    def caption(self) -> str:
        assert self.session is not None
        steps = max(self.session.live.gradients.values(), key=len)["step"]
        parts = [f"step {int(steps[-1]):,}"]
        if len(steps) > 1:
            gap = round((steps[-1] - steps[0]) / (len(steps) - 1))
            parts.append(f"a point every {gap} steps" if gap > 1 else "every step")
        clipped = self._clipped()
        parts += [clipped] if clipped else []
        return " · ".join([*parts, "L2 · log y" if self.log_y.isChecked() else "L2"])

    def _clipped(self) -> str:
        """How many of the norms lie above the clipping's bound, in words; nothing where no norm is clipped."""
        assert self.session is not None
        experiment = self.session.experiment
        training = experiment.training if experiment is not None else None
        bound = training.clipping.scalars().get("max_norm") if training is not None else None
        if training is None or bound is None:
            return ""
        frozen = {node for group in training.groups if group.frozen for node in group.nodes}
        norms = [series["value"] for node, series in self.session.live.gradients.items() if node not in frozen]
        if training.clipping.reach == "network":
            length = min(len(values) for values in norms) if norms else 0
            norms = [np.sqrt(sum(values[-length:] ** 2 for values in norms))] if length else []
        total = sum(len(values) for values in norms)
        above = sum(int(np.count_nonzero(values > bound)) for values in norms)
        return f"{above} of {total} clipped to {number(bound, 3)}" if total else ""

    def empty_text(self) -> str:
        return waiting_text(self.session, self.empty, NEXT_STEPS)

    def table(self) -> Rows:
        assert self.session is not None
        rows = [
            (node, int(step), epoch, value)
            for node, series in self.session.live.gradients.items()
            for step, epoch, value in zip(*(series[name].tolist() for name in ("step", "epoch", "value")), strict=True)
        ]
        return ("layer", "step", "epoch", "gradient_norm"), rows
