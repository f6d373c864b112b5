"""The data before and after preprocessing, side by side: samples, covariance, spectrum, features, classes.

Works before any run: it shows the document's data, read and measured on a worker thread, and follows every edit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from PySide6.QtGui import QAction, QActionGroup, QHideEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from engine.data.facts import DataFacts
from engine.experiment import Experiment
from lab.loader import Loader
from lab.panels.base import Panel, Rows
from lab.panels.data_chart import VIEWS, DataChart
from lab.panels.data_parts import Counts, condition_number
from widgets.fields import Combo
from widgets.text import shortened

if TYPE_CHECKING:
    from engine.experiment import DataSpec
    from lab.document import Document

__all__ = ["DataPanel"]

COMBO = 190
QWIDGETSIZE_MAX = (1 << 24) - 1
"""Qt's word for no limit, which its Python does not have."""
"""Pixels that a choice may be wide."""
WIDE, LOW, HIGH = 820, 220, 330
"""The width from which on all choices stand in one line, and the heights from which on there is a line, and two."""
MOST_AXES = 200
"""Features that can be chosen from for the axes of a cloud."""

Facts = Callable[["DataSpec", int | None, tuple[str, str] | None], DataFacts]


class DataPanel(Panel):
    """The data before and after preprocessing."""

    name: ClassVar[str] = "data"
    title: ClassVar[str] = "Data"
    listens: ClassVar[tuple[str, ...]] = ()
    behind: ClassVar[str] = "loss"
    waits_behind: ClassVar[bool] = True
    empty: ClassVar[str] = (
        "Shows the data before and after preprocessing, side by side: samples, covariance and its condition number, "
        "eigenvalues, features and classes.\nChoose a source under Data; it appears when the data are read, before "
        "you press Train."
    )

    def build(self) -> None:
        self._facts: DataFacts | None = None
        self._problem = ""
        self._stale, self._waiting = True, False
        self._measure: Facts = _measure
        self._loader = Loader("data-facts", self)
        self._loader.loaded.connect(self.show_facts)
        self._loader.failed.connect(self._on_failed)
        self.page = QWidget()
        column = QVBoxLayout(self.page)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        self.view = self._combo("What is shown", self._on_view)
        for view in VIEWS:
            self.view.addItem(view.capitalize(), view)
        self.stage = self._combo("After which step", self._on_choice)
        self.across = self._combo("Horizontal axis", self._on_across)
        self.upward = self._combo("Vertical axis", self._on_choice)
        self.choices = bar = QWidget()
        bar.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self._bar = QBoxLayout(QBoxLayout.Direction.LeftToRight, bar)
        self._bar.setContentsMargins(12, 2, 12, 0)
        self._bar.setSpacing(6)
        self.axes_row = QWidget()
        for holder, widgets in ((QWidget(), (self.view, self.stage)), (self.axes_row, (self.across, self.upward))):
            row = QHBoxLayout(holder)
            row.setContentsMargins(0, 0, 0, 0)
            row.setSpacing(6)
            for widget in widgets:
                widget.setMaximumWidth(COMBO)
                row.addWidget(widget, 1)
            self._bar.addWidget(holder)
        self._bar.addStretch(1)
        column.addWidget(bar)
        self.axes_row.hide()
        self.chart = DataChart()
        column.addWidget(self.chart, 1)
        self.stack.addWidget(self.page)
        # In little room the choices are found in the menu alone.
        self._views = QActionGroup(self)
        for view in VIEWS:
            action = self.menu.addAction(view.capitalize())
            action.setCheckable(True)
            action.setChecked(view == VIEWS[0])
            action.setData(view)
            self._views.addAction(action)
        self._views.triggered.connect(self._on_action)
        self.menu.addSeparator()
        self.correlations = self.toggle("correlations", "Correlations instead of covariances")

    def _combo(self, name: str, changed: Callable[[int], None]) -> Combo:
        combo = Combo()
        combo.setAccessibleName(name)
        combo.setToolTip(name)
        combo.activated.connect(changed)
        return combo

    # -- what is to be shown -------------------------------------------------------------------------------------------

    def set_document(self, document: Document | None) -> None:
        super().set_document(document)
        if document is not None:
            document.changed.connect(self._on_changed)
            document.signatureChanged.connect(self._on_signature)
        self._mark_stale()

    def _on_changed(self, before: Experiment, after: Experiment) -> None:
        if before.data is not after.data:
            self._mark_stale()

    def _on_signature(self) -> None:
        if not self._waiting:  # what is being measured is of these data
            self._mark_stale()

    def _mark_stale(self) -> None:
        self._stale = True
        if self.isVisible():
            self._load()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._stale:
            self._load()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        if self._waiting:
            self._loader.cancel()
            self._stale, self._waiting = True, False

    @property
    def busy(self) -> bool:
        return self._waiting

    def stop(self) -> None:
        super().stop()
        self._loader.close()

    def _load(self) -> None:
        if self.document is None:
            return
        self._stale, self._waiting = False, True
        spec, measure = self.document.experiment.data, self._measure
        step, axes = self.stage.currentData(), self._axes()
        self._loader.submit(lambda: measure(spec, step, axes))
        self.header.say("reading…")

    def _axes(self) -> tuple[str, str] | None:
        across, upward = self.across.currentData(), self.upward.currentData()
        return (across, upward) if across and upward else None

    def show_facts(self, facts: DataFacts) -> None:
        """Show what was measured."""
        self._facts, self._problem, self._waiting = facts, "", False
        self._fill_stages(facts)
        self._fill_axes(facts)
        self.hasten()

    def _on_failed(self, error: Exception) -> None:
        self._facts, self._waiting = None, False
        self._problem = getattr(error, "message", "") or str(error) or type(error).__name__
        self.hasten()

    def _fill_stages(self, facts: DataFacts) -> None:
        """The steps that there are; where the one that was chosen is gone, all of them."""
        wanted: list[tuple[str, int | None]] = [("after all steps", None)]
        wanted += [(f"after {i + 1}: {label}", i + 1) for i, label in enumerate(facts.steps[:-1])]
        if [self.stage.itemText(i) for i in range(self.stage.count())] != [text for text, _ in wanted]:
            self.stage.clear()
            for text, step in wanted:
                self.stage.addItem(text, step)
            if facts.after.step != len(facts.steps):
                self._load()  # it was measured after a step that is another now
        self.stage.setEnabled(len(facts.steps) > 1)
        if not facts.steps:
            self.stage.setItemText(0, "no preprocessing")

    def _fill_axes(self, facts: DataFacts) -> None:
        before = facts.before
        names = [before.name(i) for i in range(before.size)] if len(before.shape) == 1 else []
        names = names if 2 < len(names) <= MOST_AXES else []
        if [self.across.itemData(i) for i in range(1, self.across.count())] != names:
            for combo, first in ((self.across, "principal components"), (self.upward, "")):
                combo.clear()
                combo.addItem(first, "")
                for name in names:
                    combo.addItem(shortened(name, 40), name)
        self._show_axes()

    def _show_axes(self) -> None:
        """The choice of axes, beside the others or below them, where there is something to choose and room for it."""
        wide = self.width() >= WIDE
        self.choices.setVisible(self.height() >= LOW)
        for combo in (self.view, self.stage, self.across, self.upward):
            combo.setMinimumWidth(COMBO if wide else 0)
            combo.setMaximumWidth(COMBO if wide else QWIDGETSIZE_MAX)
        across, down = QBoxLayout.Direction.LeftToRight, QBoxLayout.Direction.TopToBottom
        self._bar.setDirection(across if wide else down)
        samples = self.view.currentData() in ("overview", "samples")
        self.axes_row.setVisible(samples and self.across.count() > 1 and (wide or self.height() >= HIGH))
        self.upward.setVisible(self.across.currentIndex() > 0)

    # -- choices -------------------------------------------------------------------------------------------------------

    def _on_action(self, action: QAction) -> None:
        self.view.setCurrentIndex(VIEWS.index(action.data()))
        self._on_view(0)

    def _on_view(self, _index: int) -> None:
        self._views.actions()[self.view.currentIndex()].setChecked(True)
        self._show_axes()
        self.hasten()

    def _on_choice(self, _index: int) -> None:
        self._load()

    def _on_across(self, index: int) -> None:
        """A feature across wants one upwards; the components come as a pair."""
        if index == 0:
            self.upward.setCurrentIndex(0)
        elif self.upward.currentIndex() == 0:
            self.upward.setCurrentIndex(1 if index != 1 else 2)
        self._load()

    def view_state(self) -> dict[str, Any]:
        return super().view_state() | {"view": self.view.currentData()}

    def set_view_state(self, state: dict[str, Any]) -> None:
        super().set_view_state(state)
        if state.get("view") in VIEWS:
            self.view.setCurrentIndex(VIEWS.index(state["view"]))
            self._on_view(0)

    # -- drawing -------------------------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._show_axes()

    def has_data(self) -> bool:
        return self._facts is not None

    def draw(self) -> None:
        self.chart.facts = self._facts
        self.chart.view = self.view.currentData()
        self.chart.correlations = self.correlations.isChecked()
        self.chart.update()

    def caption(self) -> str:
        facts = self._facts
        assert facts is not None
        if self._waiting:
            return "reading…"
        change = f"κ {condition_number(facts.before)}"
        if facts.after.step:
            change += f" → {condition_number(facts.after)}"
        if not math.isfinite(facts.after.condition):
            change += f" · rank {facts.after.rank:,} of {facts.after.measured:,}"
        many = f"{facts.used:,} of {facts.total:,}" if facts.used < facts.total else f"{facts.total:,}"
        return f"{change} · {many} training samples"

    def empty_text(self) -> str:
        if self._problem:
            words = self._problem[:1].upper() + self._problem[1:]
            return f"The data cannot be shown. {words.rstrip('.')}.\nMend it under Data, and they appear here."
        if self._waiting:
            return f"{self.empty.partition(chr(10))[0]}\nReading the data…"
        return self.empty

    def table(self) -> Rows:
        facts = self._facts
        assert facts is not None
        stages = [("source", facts.before)] + ([("preprocessed", facts.after)] if facts.after.step else [])
        match self.view.currentData():
            case "covariance":
                rows: list[tuple[Any, ...]] = [
                    (label, stage.name(int(i)), stage.name(int(j)), float(stage.covariance[a, b]))
                    for label, stage in stages
                    for a, i in enumerate(stage.features)
                    for b, j in enumerate(stage.features)
                ]
                return ("stage", "feature", "other feature", "covariance"), rows
            case "eigenvalues":
                rows = [(label, i + 1, float(v)) for label, stage in stages for i, v in enumerate(stage.spectrum)]
                return ("stage", "place", "eigenvalue"), rows
            case "classes":
                counted = Counts(facts, facts.after)
                parts = tuple(facts.sizes) if facts.class_names else ("samples",)
                return ("class" if facts.class_names else "part", *parts), [(n, *c) for n, c, _ in counted.rows()]
            case "samples":
                rows = []
                for label, stage in stages:
                    if stage.cloud is not None:
                        values = facts.targets[stage.cloud.chosen]
                        names = [facts.class_names[int(v)] for v in values] if facts.class_names else values.tolist()
                        rows += [(label, *map(float, p), n) for p, n in zip(stage.cloud.points, names, strict=True)]
                return ("stage", "x", "y", "target"), rows
        rows = [
            (label, stage.name(i), *(float(v[i]) for v in (stage.mean, stage.deviation, stage.low, stage.high)))
            for label, stage in stages
            for i in range(stage.size)
        ]
        return ("stage", "feature", "mean", "deviation", "least", "greatest"), rows


def _measure(spec: DataSpec, step: int | None, axes: tuple[str, str] | None) -> DataFacts:
    from engine.data import load
    from engine.data.facts import data_facts

    return data_facts(load(spec), step, axes)
