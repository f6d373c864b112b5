"""The checks before training, a page each: what is asked, what can be told, the verdict, and the numbers behind it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QTabBar,
    QVBoxLayout,
    QWidget,
)

from engine import edits
from engine.checks import CHECKS, Check, Overfit, RangeTest
from engine.schema import SchemaError, fields_of
from lab.checking import Checking, Outcome
from lab.panels.base import Panel, Rows
from lab.session import Session
from widgets import theme
from widgets.fields import NumberEditor
from widgets.flow import FlowLayout
from widgets.plot import Plot
from widgets.table import Table
from widgets.text import number

__all__ = ["CheckPage", "ChecksPanel"]

LOOKS = {"ok": ("ok", "good"), "info": ("info", "accent"), "warning": ("warning", "warn"), "error": ("error", "bad")}
"""Icon and colour of a verdict."""
FIELD = 96
"""How wide a number that can be told is."""


class CheckPage(QWidget):
    """One check. The panel starts it; the page shows what came of it."""

    def __init__(self, check: Check, panel: ChecksPanel) -> None:
        super().__init__(panel)
        self.check, self._panel = check, panel
        self.options: Struct = check.options()
        self.outcome: Outcome | None = None
        question = QLabel(check.question)
        question.setWordWrap(True)
        question.setProperty("role", "dim")
        self.run = QPushButton("Check")
        self.run.setProperty("kind", "accent")
        self.run.setAccessibleName(f"Check: {check.label}")
        self.run.clicked.connect(self._on_run)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedSize(90, 6)
        self.bar.hide()
        self.told = QLabel()
        self.told.setProperty("role", "hint")
        controls = QWidget()
        flow = FlowLayout(controls, gap=8)
        self.fields: dict[str, NumberEditor] = {}
        for spec in fields_of(check.options):
            flow.addWidget(self._field(spec))
        flow.addWidget(self.run)
        flow.addWidget(self.bar)
        flow.addWidget(self.told)
        self.verdict = QLabel()
        self.verdict.setWordWrap(True)
        self.verdict.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.mark = QLabel()
        self.take = QPushButton()
        self.take.hide()
        self.take.clicked.connect(self._on_take)
        said = QHBoxLayout()
        said.setSpacing(6)
        said.addWidget(self.mark, 0, Qt.AlignmentFlag.AlignTop)
        said.addWidget(self.verdict, 1, Qt.AlignmentFlag.AlignTop)
        said.addWidget(self.take, 0, Qt.AlignmentFlag.AlignTop)
        self.plot: Plot | None = None
        self.stack = QStackedWidget()
        self.rows = Table()
        self.stack.addWidget(self.rows)
        if check.tag in ("overfit", "lr-range"):
            self._add_plot()
        self.stack.setMinimumHeight(110)
        self.stack.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 12, 8)
        layout.setSpacing(6)
        layout.addWidget(question)
        layout.addWidget(controls)
        layout.addLayout(said)
        layout.addWidget(self.stack, 1)
        layout.addStretch(0)

    def _field(self, spec: Any) -> QWidget:
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(5)
        label = QLabel(spec.label.lower())
        label.setProperty("role", "dim")
        label.setToolTip(spec.help)
        editor = NumberEditor(spec)
        editor.setFixedWidth(FIELD)
        editor.setToolTip(spec.help)
        editor.set_value(getattr(self.options, spec.name))
        editor.edited.connect(self._on_edited)
        label.setBuddy(editor)
        row.addWidget(label)
        row.addWidget(editor)
        self.fields[spec.name] = editor
        return holder

    def _add_plot(self) -> None:
        rates = self.check.tag == "lr-range"
        self.plot = Plot(
            x_label="learning rate" if rates else "step", y_label="loss", log_x=rates, log_y=not rates,
            legend="top-left" if rates else "top-right",
        )  # fmt: skip
        self.course = self.plot.curve("each step", "text_faint", width=1.0)
        self.smooth = self.plot.curve("smoothed", 0, width=1.8) if rates else None
        self.guides = [self.plot.guide(float("nan"), "", axis="x", tint=tint) for tint in ("good", "warn")]
        self.wanted = self.plot.guide(float("nan"), "", axis="y", tint="good")
        self.stack.addWidget(self.plot)
        self.stack.setCurrentWidget(self.plot)

    # -- what a person does --------------------------------------------------------------------------------------------

    def _on_edited(self, value: object, _key: str) -> None:
        sender = self.sender()
        name = next(name for name, editor in self.fields.items() if editor is sender)
        self.options = replace(self.options, **{name: value})

    def _on_run(self) -> None:
        self._panel.press(self)

    def _on_take(self) -> None:
        rate = self.take.property("rate")
        if isinstance(rate, float):
            self._panel.take_rate(rate)

    # -- what is shown -------------------------------------------------------------------------------------------------

    def show_state(self, checking: Checking, current: bool) -> None:
        """Bring the page in line. `current` says whether its result is of the experiment as it is now."""
        mine = checking.running == self.check.tag
        self.run.setText("Cancel" if mine else "Check again" if self.check.tag in checking.outcomes else "Check")
        self.run.setEnabled(mine or not checking.running)
        self.run.setToolTip("" if mine or not checking.running else "Another check is under way")
        self.bar.setVisible(mine)
        if not mine:
            self.told.setText("")
        outcome = checking.outcomes.get(self.check.tag)
        if outcome is not self.outcome:
            self.outcome = outcome
            self._show_outcome()
        if outcome is not None and not mine:
            self.told.setText("" if current else "of an earlier version of the experiment")

    def show_progress(self, share: float, what: str) -> None:
        self.bar.setRange(0, 1000)
        self.bar.setValue(round(1000 * min(1.0, share)))
        self.told.setText(what)

    def _show_outcome(self) -> None:
        outcome = self.outcome
        self.stack.setVisible(outcome is not None and outcome.result is not None)
        self.verdict.setText("" if outcome is None else outcome.words)
        self.take.hide()
        self.restyle()
        if outcome is None or outcome.result is None:
            return
        header, rows = self.check.table(outcome.result)
        self.rows.fill(header, rows)
        if isinstance(outcome.result, RangeTest):
            self._show_rates(outcome.result)
        elif isinstance(outcome.result, Overfit):
            self._show_course(outcome.result)

    def _show_rates(self, found: RangeTest) -> None:
        assert self.plot is not None and self.smooth is not None
        with self.plot.changing():
            self.course.set(found.rates, found.losses)
            self.smooth.set(found.rates, found.smooth)
            low = float(np.nanmin(found.smooth)) if len(found.smooth) else 0.0
            self.plot.set_limits("y", 0.0, 1.8 * float(found.smooth[0]) if low < float(found.smooth[0]) else None)
            for guide, rate, what in zip(
                self.guides, (found.steepest, found.largest), ("steepest", "rises"), strict=True
            ):
                guide.move(float("nan") if rate is None else rate, "" if rate is None else f"{what} {number(rate, 2)}")
        if found.steepest is not None:
            rate = float(f"{found.steepest:.2g}")
            self.take.setProperty("rate", rate)
            self.take.setText(f"Use {number(rate, 2)}")
            self.take.setToolTip("Set the experiment’s learning rate; it can be undone")
            self.take.show()

    def _show_course(self, found: Overfit) -> None:
        assert self.plot is not None
        with self.plot.changing():
            self.course.set(np.arange(1.0, len(found.losses) + 1), found.losses)
            self.wanted.move(found.wanted, f"by heart below {number(found.wanted, 2)}")

    def restyle(self) -> None:
        severity = "error"
        if self.outcome is not None and self.outcome.result is not None:
            severity = self.outcome.result.severity
        icon, tint = LOOKS[severity]
        self.mark.setPixmap(theme.icon(icon, tint).pixmap(16, 16))
        self.mark.setVisible(self.outcome is not None)
        self.rows.restyle()


class ChecksPanel(Panel):
    """Is the network fit to be trained?"""

    name: ClassVar[str] = "checks"
    title: ClassVar[str] = "Checks before training"
    tab: ClassVar[str] = "Checks"
    behind: ClassVar[str] = "gradients"
    closed: ClassVar[bool] = True
    listens: ClassVar[tuple[str, ...]] = ()

    def build(self) -> None:
        self.checking = Checking(self)
        self.checking.changed.connect(self.hasten)
        self.checking.progressed.connect(self._on_progress)
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self.tabs = QTabBar()
        self.tabs.setDrawBase(False)
        self.tabs.setExpanding(False)
        self.tabs.setAccessibleName("Checks")
        self.pages = QStackedWidget()
        for check in CHECKS:
            self.tabs.addTab(check.label)
            holder = QScrollArea()
            holder.setWidgetResizable(True)
            holder.setFrameShape(QScrollArea.Shape.NoFrame)
            holder.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
            holder.setWidget(CheckPage(check, self))
            self.pages.addWidget(holder)
        self.tabs.currentChanged.connect(self.pages.setCurrentIndex)
        column.addWidget(self.tabs)
        column.addWidget(self.pages, 1)
        self.stack.addWidget(body)

    @property
    def page(self) -> CheckPage:
        """The page in front."""
        return self.all_pages[self.pages.currentIndex()]

    def _holder(self, index: int) -> QWidget:
        holder = self.pages.widget(index)
        assert holder is not None
        return holder

    @property
    def all_pages(self) -> list[CheckPage]:
        """Every page, in order."""
        return [page for i in range(self.pages.count()) for page in self._holder(i).findChildren(CheckPage)]

    def show_check(self, tag: str) -> CheckPage:
        """Bring a check's page to the front."""
        self.tabs.setCurrentIndex([check.tag for check in CHECKS].index(tag))
        return self.page

    def press(self, page: CheckPage) -> None:
        """Start a page's check, or cancel it."""
        if self.checking.running == page.check.tag:
            self.checking.cancel()
        elif self.document is not None:
            self.checking.start(page.check, self.document.experiment, page.options)

    def take_rate(self, rate: float) -> None:
        """Make a rate that was found the experiment's, as one edit."""
        document = self.document
        if document is None:
            return
        try:
            after = edits.set_path(document.experiment, "training.optimizer.learning_rate", rate)
        except SchemaError as error:
            self.refused.emit(str(error))
            return
        document.apply(f"Learning rate {number(rate, 2)}", after)

    def set_session(self, session: Session | None) -> None:
        super().set_session(session)
        if session is None:
            self.checking.close()

    def has_data(self) -> bool:
        return self.document is not None

    def empty_text(self) -> str:
        return "Shows whether the network is fit to be trained.\nOpen an experiment."

    def draw(self) -> None:
        assert self.document is not None
        for page in self.all_pages:
            page.show_state(self.checking, self.checking.is_of(page.check.tag, self.document.experiment))

    def _on_progress(self, share: float, what: str) -> None:
        for page in self.all_pages:
            if page.check.tag == self.checking.running:
                page.show_progress(share, what)

    def caption(self) -> str:
        return f"{self.page.check.label.lower()} under way" if self.checking.running == self.page.check.tag else ""

    def restyle(self) -> None:
        for page in self.all_pages:
            page.restyle()

    def table(self) -> Rows:
        outcome = self.page.outcome
        if outcome is None or outcome.result is None:
            return (), ()
        result = outcome.result
        if isinstance(result, RangeTest):
            columns = zip(result.rates.tolist(), result.losses.tolist(), result.smooth.tolist(), strict=True)
            return ("learning_rate", "loss", "smoothed"), list(columns)
        if isinstance(result, Overfit):
            return ("step", "loss"), list(enumerate(result.losses.tolist(), 1))
        return self.page.check.table(result)
