"""What the window shows of a run, live or stored: curves, latest pictures, the moment looked back at, overlays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from engine.training.events import (
    Compiling,
    Confusion,
    DeviceFailed,
    Event,
    ExecutorChanged,
    Finished,
    FirstLayer,
    Frame,
    Progress,
    Started,
    Surface,
    Timeline,
)
from lab.live import PICTURES, LiveHistory, Moment
from lab.stored import StoredRun

if TYPE_CHECKING:
    from engine.experiment import Experiment

__all__ = ["ShownRun"]


class ShownRun(QObject):
    """A run as panels see it. `store` is the run store, or None."""

    stepsChanged = Signal()
    frameChanged = Signal()
    surfaceChanged = Signal()
    confusionChanged = Signal()
    filtersChanged = Signal()
    progressChanged = Signal()
    timelineChanged = Signal()
    epochEnded = Signal(object)
    """Epochs have ended since the last look; carries the latest. A tiny network ends hundreds a second."""
    eventArrived = Signal(object)
    """One of the rare events, ends of epochs aside."""
    runChanged = Signal()
    """Another run is shown from now on: everything is to be drawn anew."""
    overlaysChanged = Signal()
    lookChanged = Signal()
    """The panels look at another moment: see `looking`."""

    def __init__(self, parent: QObject | None = None, *, store: Any = None) -> None:
        super().__init__(parent)
        self.store = store
        self.overlays: dict[str, StoredRun] = {}
        self._series: dict[str, int] = {}
        self._clear()

    def _clear(self) -> None:
        self.experiment: Experiment | None = None
        self.run_id: str | None = None
        self.live = LiveHistory()
        self.frame: Frame | None = None
        self.surface: Surface | None = None
        self.confusion: Confusion | None = None
        self.filters: FirstLayer | None = None
        self.progress: Progress | None = None
        self.compiling: Compiling | None = None
        """How far the kernels are that a run waits for before it begins."""
        self.timeline: Timeline | None = None
        self.started: Started | None = None
        self.finished: Finished | None = None
        self.events: list[Event] = []
        """The rare events in order; epochs' ends are in `live.epochs`."""
        self.looking: int | None = None

    @property
    def steps_per_epoch(self) -> int | None:
        return self.started.steps_per_epoch if self.started else None

    @property
    def epochs(self) -> int | None:
        """Epochs that the run is to make."""
        return self.started.epochs if self.started else (self.experiment.training.epochs if self.experiment else None)

    @property
    def device_label(self) -> str:
        """What the run computes with, in words, as it said last; empty before it has begun."""
        for event in reversed(self.events):
            if isinstance(event, DeviceFailed | ExecutorChanged | Started):
                return event.device
        return ""

    # -- looking back --------------------------------------------------------------------------------------------------

    def look(self, epoch: int | None) -> None:
        """Let the panels show the end of an epoch; None: the present."""
        moment = self.live.moment(epoch) if epoch is not None else None
        looking = moment.epoch if moment else None
        if looking != self.looking:
            self.looking = looking
            self.lookChanged.emit()

    def moment(self) -> Moment:
        """What panels are to show: the moment that is looked back at, with the pictures kept nearest to it (their own
        `step` tells which), or the present."""
        if self.looking is not None:
            moment = self.live.moment(self.looking)
            if moment is not None:
                return self.live.pictured(moment)
        epochs = self.live.epochs
        return Moment(
            epoch=epochs[-1].epoch if epochs else 0,
            step=self.frame.step if self.frame else 0,
            frame=self.frame,
            filters=self.filters,
            surface=self.surface,
            confusion=self.confusion,
        )

    def train_loss(self) -> float | None:
        """The training loss to put beside `moment`: the mean over the epoch that is looked back at, or that the run has
        just come to the end of; within an epoch that of the last step."""
        steps, epochs = self.live.steps, self.live.epochs
        if self.looking is not None:
            return next((event.train_loss for event in reversed(epochs) if event.epoch <= self.looking), None)
        if not len(steps):
            return None
        if epochs and epochs[-1].step == steps["step"][-1]:
            return epochs[-1].train_loss
        return float(steps["mean"][-1])

    # -- stored runs ---------------------------------------------------------------------------------------------------

    def add_overlay(self, run: StoredRun) -> None:
        """Lay the curves of a run that was read from the store over this one's."""
        self.overlays[run.run] = run
        if run.run not in self._series:
            self._series[run.run] = next(i for i in range(2, 3 + len(self._series)) if i not in self._series.values())
        self.overlaysChanged.emit()

    def remove_overlay(self, run_id: str) -> None:
        """Take a run's curves away, if they are there."""
        self._series.pop(run_id, None)
        if self.overlays.pop(run_id, None) is not None:
            self.overlaysChanged.emit()

    def series_of(self, run_id: str) -> int | None:
        """Which of the theme's series a run's curves have: 0 for the run that is shown, from 2 on for those laid over
        it, each its own as long as it is there; None for a run that has no curves."""
        return self._series.get(run_id, 0 if run_id == self.run_id else None)

    def _open(self, run_id: str) -> Any:
        if self.store is None:
            raise RuntimeError("this session has no run store")
        return self.store.open(run_id)

    def _show(self, run: StoredRun) -> None:
        self.experiment, self.run_id, self.live = run.experiment, run.run, run.history
        self.started, self.finished, self.events = run.started, run.finished, list(run.events)
        last = run.last
        if last is not None:
            self.frame, self.filters, self.surface, self.confusion = (
                last.frame,
                last.filters,
                last.surface,
                last.confusion,
            )

    def _cut(self, step: int) -> None:
        """Forget what came after a step."""
        self.live.cut(step)
        self.looking, self.progress = None, None
        self.events = [event for event in self.events if event.step <= step]
        for name in PICTURES:
            picture = getattr(self, name)
            if picture is not None and picture.step > step:
                setattr(self, name, getattr(self.live.moments[-1], name) if self.live.moments else None)

    def _take_slot(self, event: Event) -> None:
        match event:
            case Frame():
                self.frame = event
                self.live.add_frame(event)
                self.frameChanged.emit()
            case Surface():
                self.surface = event
                self.surfaceChanged.emit()
            case Confusion():
                self.confusion = event
                self.confusionChanged.emit()
            case FirstLayer():
                self.filters = event
                self.filtersChanged.emit()
            case Progress():
                self.progress = event
                self.progressChanged.emit()
            case Compiling():
                self.compiling = event
                self.progressChanged.emit()
            case Timeline():
                self.timeline = event
                self.timelineChanged.emit()
