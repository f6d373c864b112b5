"""The top bar: the transport's buttons, where the run stands, its numbers, the device and the seed."""

from __future__ import annotations

from msgspec.structs import replace
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QFont, QHideEvent, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from lab.devices import short
from lab.document import Document
from lab.flow import PRIMARY, WAITING
from lab.pacer import Turn
from lab.session import Session
from lab.transport_parts import ActionButton, Figure, Pill, SeedPopup, Standing
from widgets import theme
from widgets.text import number

__all__ = ["TopBar", "duration"]

PACE = 0.1
"""Seconds between two looks at the numbers while a run goes on."""
LEVELS = 8
"""In so many steps the bar gives way to a narrow window: see `TopBar._fit`."""


def duration(seconds: float) -> str:
    """A time for people: 0:42, 1:02:03."""
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class TopBar(QFrame):
    """`deviceRequested` asks for the menu of devices below the pill."""

    deviceRequested = Signal()

    def __init__(
        self, document: Document, session: Session, actions: dict[str, QAction], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.document, self.session = document, session
        self.setObjectName("topbar")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(52)
        self.train = ActionButton(actions["train"], "play", self)
        self.train.setProperty("kind", "primary")
        self.step = ActionButton(actions["step"], "step", self)
        self.epoch = ActionButton(actions["epoch"], "epoch", self)
        self.stop = ActionButton(actions["stop"], "stop", self)
        self.reset = ActionButton(actions["reset"], "reset", self)
        self.minor = (self.step, self.epoch, self.stop, self.reset)
        self.standing = Standing(self)
        self.loss = Figure("train loss", self)
        self.score = Figure("val loss", self)
        self.rate = Figure("learning rate", self)
        self.speed = Figure("samples / s", self)
        self.cost = Figure("instrument cost", self)
        self.cost.setToolTip("The share of the run’s last two seconds that looking inside took")
        self.figures = (self.loss, self.score, self.rate, self.speed, self.cost)
        self.edited = ActionButton(actions["restart"], "edit", self)
        self.edited.setProperty("kind", "accent")
        self.edited.setMinimumHeight(28)
        self.pill = Pill(self)
        self.pill.clicked.connect(self.deviceRequested)
        self.seed = QPushButton(self)
        self.seed.setMinimumHeight(32)
        self.seed.setToolTip("Change the seed")
        self.seed.clicked.connect(self._on_seed)
        self.popup = SeedPopup(self)
        self.popup.chosen.connect(self._on_seed_chosen)
        row = self._row = QHBoxLayout(self)
        row.setContentsMargins(14, 0, 14, 0)
        row.setSpacing(9)
        for button in (self.train, *self.minor):
            row.addWidget(button)
        row.addSpacing(10)
        middle = Qt.AlignmentFlag.AlignVCenter
        row.addWidget(self.standing, 0, middle)
        row.addSpacing(8)
        for figure in self.figures:
            row.addWidget(figure, 0, middle)
            row.addSpacing(8)
        row.addStretch(1)
        row.addWidget(self.edited)
        row.addWidget(self.pill)
        row.addWidget(self.seed)
        self._device = ""
        # Numbers that change thirty times a second cannot be read.
        self._turn = Turn(self, self.refresh, self.isVisible, PACE)
        for signal in (session.stateChanged, session.runChanged):
            signal.connect(self.refresh)
        for signal in (session.progressChanged, session.stepsChanged, session.epochEnded):
            signal.connect(self._turn.ask)
        document.changed.connect(self.refresh)
        document.signatureChanged.connect(self.refresh)
        theme.signals.changed.connect(self.restyle)
        self.restyle()
        self.refresh()

    # -- what it shows -------------------------------------------------------------------------------------------------

    def set_device(self, text: str) -> None:
        """The device that the next run will use."""
        self._device = text
        self.refresh()

    def set_edited(self, on: bool) -> None:
        """Whether the document differs from what the run trains with."""
        if on != self.edited.isVisibleTo(self):
            self.edited.setVisible(on)
            self._fit()

    def refresh(self, *_: object) -> None:
        """Bring every number up to date."""
        self._turn.forget()
        session = self.session
        self._show_standing()
        steps = session.live.steps
        filled = bool(len(steps))
        loss = session.train_loss()
        self.loss.show_value(number(loss, 3) if loss is not None else "–")
        rate = float(steps["learning_rate"][-1]) if filled else float("nan")
        self.rate.show_value(number(rate, 2) if filled else "–")
        self._show_metric()
        progress = session.progress
        self.speed.show_value(f"{progress.samples_per_second:,.0f}" if progress is not None else "–")
        self.cost.show_value(f"{100 * progress.instrument_share:.1f} %" if progress is not None else "–")
        device = (session.device_label if session.active else "") or self._device
        if self.pill.text() != short(device):
            self.pill.setText(short(device))
            self.pill.setToolTip(f"{device}. Click to choose the device and the executor of the next run.")
            self._fit()
        busy = session.state in ("starting", "running")
        if busy != self.pill.busy:
            self.pill.busy = busy
            self.pill.update()
        seed = f"seed {self.document.experiment.seed}"
        if self.seed.text() != seed:
            self.seed.setText(seed)

    def _show_metric(self) -> None:
        epochs = self.session.live.epochs
        last = epochs[-1] if epochs else None
        name, value = "val loss", last.validation_loss if last is not None else None
        metrics = last.validation_metrics if last is not None else {}
        planned = self.document.experiment.training.metrics
        if metrics:
            tag = next(iter(metrics))
            name, value = f"val {tag.replace('_', ' ')}", metrics[tag]
        elif last is None and planned:
            from engine.schema import info_of

            name = f"val {info_of(planned[0]).label.lower()}"
        self.score.show_value(number(value, 3) if value is not None else "–", name)

    def _show_standing(self) -> None:
        session = self.session
        where, left, share = self.describe()
        self.standing.setToolTip(where)
        self.standing.left.setText(left)
        if session.state not in ("running", "paused"):
            self.standing.left.forget()
        room = self.standing.minimumWidth() - 12 - self.standing.left.sizeHint().width()
        if self.standing.where.fontMetrics().horizontalAdvance(where) > room:
            where = where.partition(" · ")[0]
        self.standing.where.setText(where)
        self.standing.bar.show_share(share)

    def describe(self) -> tuple[str, str, float]:
        """Where the run stands in words, what is left, and the share that is done."""
        session = self.session
        training = self.document.experiment.training
        match session.state:
            case "idle":
                return "press Train or F5", f"{training.epochs:,} epochs", 0.0
            case "starting" if session.compiling is not None:
                news = session.compiling
                if not news.total:  # it has just begun, or another program compiles them
                    return "waiting for the kernels", "once", 0.0
                return f"compiling kernels {news.done} / {news.total}", "once", news.done / news.total
            case "starting" if not session.live.step_count:
                return "preparing…", "", 0.0
        steps = session.live.steps
        step = int(steps["step"][-1]) if len(steps) else 0
        done = float(steps["epoch"][-1]) if len(steps) else 0.0
        epochs = session.epochs or 0
        total = session.started.total_steps if session.started is not None else 0
        share = step / total if total else (done / epochs if epochs else 0.0)
        current = min(epochs, int(done) + (0 if done == int(done) and step else 1)) if epochs else 0
        return f"epoch {current:,} / {epochs:,} · step {step:,}", self._left(), min(1.0, share)

    def _left(self) -> str:
        session = self.session
        match session.state:
            case "paused":
                return "paused"
            case "stopping":
                return "stopping…"
            case "failed":
                return "failed"
            case "finished":
                reason = session.finished.reason if session.finished is not None else "interrupted"
                return {"done": "done", "stopped": "stopped"}.get(reason, reason)
        if session.pausing:
            return "pausing…"
        progress = session.progress
        if progress is None or progress.seconds_left is None:
            return ""
        return f"{duration(progress.seconds_left)} left"

    # -- the seed ------------------------------------------------------------------------------------------------------

    def _on_seed(self) -> None:
        self.popup.open_below(self.seed, self.document.experiment.seed)

    def _on_seed_chosen(self, seed: int) -> None:
        self.document.apply("Change seed", replace(self.document.experiment, seed=seed))

    # -- how it looks --------------------------------------------------------------------------------------------------

    def restyle(self) -> None:
        look = theme.current()
        self.setStyleSheet(
            f"#topbar {{ background: {look.panel}; border: none; border-bottom: 1px solid {look.border}; }}"
        )
        for part in (*self.figures, self.standing, self.pill):
            part.restyle()
        for button in (self.train, *self.minor, self.edited):
            button.sync()
        self.train.reserve((*(text for text, _, _ in PRIMARY.values()), *WAITING.values()))
        font = theme.ui_font(13, QFont.Weight.Medium)
        self.seed.setFont(font)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._turn.forget()

    def _fit(self) -> None:
        """Leave out what matters least until everything that is left is whole."""
        for level in range(LEVELS):
            for button in self.minor:
                button.set_bare(level >= 1)
            self.standing.setFixedWidth(240 if level < 1 else 232 if level < 2 else 200 if level < 4 else 170)
            self.cost.setVisible(level < 3)
            self.speed.setVisible(level < 5)
            self.pill.setVisible(level < 6 and bool(self.pill.text()))
            self.rate.setVisible(level < 7)
            self.edited.set_bare(level >= 7)
            self._row.invalidate()
            if self._row.minimumSize().width() <= self.width():
                break
        self._show_standing()
