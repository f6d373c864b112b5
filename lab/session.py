"""What is running: one training run on its own thread, and everything of it that the window shows.

The engine knows no Qt. It posts events into a mailbox; a 50 ms timer, alive only during a run, drains it and turns the
mail into a few signals. Orders go the other way through the engine's `Control`. Each run has its own mailbox and every
event its run's id, so that nothing late from an earlier run is ever shown.
"""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from engine.devices import known
from engine.training.control import Control
from engine.training.events import (
    Changed,
    DeviceFailed,
    EpochEnd,
    Event,
    Finished,
    Paused,
    RateDropped,
    Resumed,
    Started,
)
from lab.devices import math_for
from lab.mailbox import Mail, Mailbox
from lab.run_thread import TrainerFactory, default_trainer, run_trainer
from lab.shown import ShownRun
from lab.stored import StoredRun, moment_of, stored_history
from lab.substance import changed

if TYPE_CHECKING:
    from engine.backend import MathMode
    from engine.executors import ExecutorKind
    from engine.experiment import Experiment

__all__ = ["ACTIVE", "STATES", "Session", "TrainerFactory"]

DRAIN_MS = 50
JOIN_SECONDS = 10.0
STATES = ("idle", "starting", "running", "paused", "stopping", "finished", "failed")
ACTIVE = frozenset({"starting", "running", "paused", "stopping"})


class Session(ShownRun):
    """The run that goes on, or the last one. Lives on the window's thread; the run's calls only `Mailbox.post`.

    `store` is the run store (None: the trainer's runs are not kept); `device` is "auto", "cpu", "cuda" or "cuda:N".
    """

    stateChanged = Signal(str)
    experimentChanged = Signal()
    """The run has taken a live change: `experiment` is another."""

    def __init__(
        self,
        parent: QObject | None = None,
        *,
        trainer_factory: TrainerFactory = default_trainer,
        store: Any = None,
        device: str = "auto",
    ) -> None:
        super().__init__(parent, store=store)
        self._factory = trainer_factory
        self.device = device
        self.executor: ExecutorKind = "auto"
        """What runs the next run's programs; see `engine.executors`."""
        self.math: MathMode = "float32"
        """How a GPU multiplies the next run's matrices."""
        self._state = "idle"
        self._owners: dict[object, frozenset[str]] = {}
        self._thread: threading.Thread | None = None
        self._control: Control | None = None
        self._mailbox: Mailbox | None = None
        self._holder: list[Any] = []
        self._runs = 0
        self._timer = QTimer(self, interval=DRAIN_MS)
        self._timer.timeout.connect(self.drain)

    def _clear(self) -> None:
        super()._clear()
        self._resumed_at: int | None = None
        self._ordered: dict[str, Any] = {}
        self.pausing = False
        """Whether a pause was ordered that the trainer has not come to yet."""

    # -- what there is -------------------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """One of `STATES`."""
        return self._state

    @property
    def active(self) -> bool:
        """Whether a run is going on, paused ones included."""
        return self._state in ACTIVE

    @property
    def effective(self) -> Experiment | None:
        """What the run trains, live changes included that were ordered and that it has not come to yet."""
        experiment = self.experiment
        if experiment is not None:
            for path, value in self._ordered.items():
                experiment = changed(experiment, path, value)
        return experiment

    @property
    def control(self) -> Control | None:
        return self._control

    @property
    def problems(self) -> tuple[str, ...]:
        """What the trainer passed over, or does otherwise, when it goes on with a run, in words."""
        return tuple(getattr(self._holder[0], "problems", ())) if self._holder else ()

    @property
    def dataset(self) -> Any:
        """The data set of the run once the trainer has loaded it, else None."""
        return getattr(self._holder[0], "dataset", None) if self._holder else None

    # -- orders --------------------------------------------------------------------------------------------------------

    def start(
        self, experiment: Experiment, *, paused: bool = False, resume: str | None = None, **arguments: Any
    ) -> None:
        """Train an experiment from its beginning, or go on with the stored run `resume`.

        With `paused` the run waits before its first step, for `step` and `epoch`. More keyword arguments (`epochs`,
        `steps`) go to the trainer. Raises RuntimeError while another run goes on.
        """
        if self.active:
            raise RuntimeError("a run is going on: stop it first")
        self._join()
        if resume is not None and self.store is not None:
            self._show_resumed(resume)
        else:
            self._clear()
            self.run_id = resume
        self._runs += 1
        # A run that goes on has the live changes that it took before.
        for taken in self.live.changes if resume is not None else ():
            experiment = changed(experiment, taken.path, taken.after)
        self.experiment = experiment
        control, mailbox = Control(), Mailbox()
        control.watch(self.watched)
        if paused:
            control.pause()
        self._control, self._mailbox, self._holder = control, mailbox, []
        arguments = {
            "report": mailbox.post,
            "control": control,
            "resume": resume,
            "device": self.device,
            "executor": self.executor,
            # A run that goes on keeps its own.
            "math": math_for(self.device, self.executor, self.math, known()) if resume is None else None,
            "store": self.store,
            **arguments,
        }
        self._thread = threading.Thread(
            target=run_trainer,
            args=(self._factory, experiment, arguments, self._holder),
            name=f"training-{self._runs}",
            daemon=True,  # a run that hangs in a driver must not keep the process alive after `close` gave up on it
        )
        # A full collection of garbage walks over all that the program has loaded, and the window would stand still for
        # that long: during a run only what is made from now on is walked over.
        gc.freeze()
        self._set_state("starting")
        self.runChanged.emit()
        self._thread.start()
        self._timer.start()

    def _show_resumed(self, run_id: str) -> None:
        """Show of a stored run what counts: all up to the last checkpoint, from which it goes on."""
        reader = self.store.open(run_id)
        checkpoints = reader.checkpoints()
        step = checkpoints[-1].step if checkpoints else 0
        self._ordered.clear()
        rows = self.live.steps
        if self.run_id == run_id and len(rows) and rows["step"][-1] >= step:
            # It is on the screen already, and reading a long run takes a second.
            self._cut(step)
        else:
            self._clear()
            self._show(stored_history(reader, up_to=step))
        self._resumed_at = step

    def pause(self) -> None:
        """Wait before the next step. The state becomes "paused" when the trainer has come to it."""
        if self._can_steer():
            assert self._control is not None
            self._control.pause()
            if self._state != "paused":
                self.pausing = True
                self.stateChanged.emit(self._state)

    def resume(self) -> None:
        """Go on after a pause. The state becomes "running" when the trainer says so: told to pause again at once, it
        may never have moved."""
        if self._can_steer():
            assert self._control is not None
            self.pausing = False
            self._control.resume()

    def step(self, n: int = 1) -> None:
        """Make `n` steps and pause; also during a run."""
        if self._can_steer():
            assert self._control is not None
            self._drop_pause()
            self._control.step(n)

    def epoch(self) -> None:
        """Go on to the end of the epoch and pause."""
        if self._can_steer():
            assert self._control is not None
            self._drop_pause()
            self._control.step_epoch()

    def _drop_pause(self) -> None:
        """Another order takes the place of a pause that the trainer has not come to yet."""
        if self.pausing:
            self.pausing = False
            self.stateChanged.emit(self._state)

    def _can_steer(self) -> bool:
        return self._control is not None and self._state in ("starting", "running", "paused")

    def stop(self) -> None:
        """End the run. The state is "stopping" at once and "finished" when the trainer has ended."""
        if self._control is not None and self.active and self._state != "stopping":
            self.pausing = False
            self._control.stop()
            self._set_state("stopping")

    def reset(self) -> None:
        """Stop, wait for the thread, and forget the run. (The run store keeps it.)"""
        self._end()
        self._clear()
        self._set_state("idle")
        self.runChanged.emit()

    def close(self) -> None:
        """Stop the run and wait for its thread. The session must not be used afterwards."""
        self._end()
        if self.active:
            self._set_state("finished")

    def set_live(self, path: str, value: Any) -> None:
        """Change a live field, such as "training.optimizer.learning_rate", from the next step on.

        Raises SchemaError, in words, for a field that cannot change during a run or a value it does not allow.
        """
        if self._control is None or not self.active or self.experiment is None:
            return
        changed(self.experiment, path, value)
        self._ordered[path] = value
        self._control.set(path, value)

    def watch(self, owner: object, topics: frozenset[str] | set[str]) -> None:
        """Say what `owner` (a panel, the canvas) is showing; an empty set when it shows nothing."""
        before = self.watched
        if topics:
            self._owners[owner] = frozenset(topics)
        else:
            self._owners.pop(owner, None)
        if self._control is not None and self.watched != before:
            self._control.watch(self.watched)

    @property
    def watched(self) -> frozenset[str]:
        """What anybody watches."""
        return frozenset().union(*self._owners.values())

    # -- stored runs ---------------------------------------------------------------------------------------------------

    def open_run(self, run_id: str) -> StoredRun:
        """Show a stored run in place of the last one. Raises RuntimeError while a run goes on."""
        if self.active:
            raise RuntimeError("a run is going on: stop it first")
        run = stored_history(self._open(run_id))
        self._join()
        self.show_run(run)
        return run

    def show_run(self, run: StoredRun) -> None:
        """Show a run that was read from the store, and nothing of the one before it."""
        self._clear()
        self._control, self._mailbox, self._holder = None, None, []
        self._show(run)
        self._set_state("finished")
        self.runChanged.emit()

    def resume_run(self, run_id: str) -> None:
        """Go on with a stored run from its last checkpoint."""
        self.start(self._open(run_id).experiment, resume=run_id)

    # -- mail ----------------------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Take what has arrived and tell the panels. Called by the timer; tests and `close` call it too."""
        mailbox, thread = self._mailbox, self._thread
        if mailbox is None:
            return
        ended = thread is None or not thread.is_alive()  # asked before the drain: nothing can be posted after it
        mail = mailbox.drain()
        for event in mail.events:
            if isinstance(event, Started) and self._is_mine(event.run):
                self._check_resume(event)
            elif isinstance(event, DeviceFailed) and self._is_mine(event.run):
                # The steps since the last checkpoint are made again; of those that wait the mailbox has let go.
                self._cut(event.step)
                self.runChanged.emit()
        news = mail.rows.size > 0 and self._is_mine(mail.run)
        if news:
            self.live.add_table(mail.rows)
        ends, seen = self._ends(mail)
        self.live.add_ends(ends, lambda i: moment_of(ends[i], {type(item): item for item in seen[i]}))
        if news:
            self.stepsChanged.emit()
        for event in mail.slots:
            if self._is_mine(event.run):
                self._take_slot(event)
        for event in mail.events:
            if not isinstance(event, EpochEnd) and self._is_mine(event.run):
                self._take_event(event)
        if ends:
            self.epochEnded.emit(ends[-1])
        if ended:
            self._timer.stop()
            self._join()
            if self.active:
                self._set_state("finished")

    def _ends(self, mail: Mail) -> tuple[list[EpochEnd], list[tuple[Event, ...]]]:
        """The epochs' ends of this run, and what was seen at each."""
        found = [
            (event, seen)
            for event, seen in zip(mail.events, mail.seen, strict=True)
            if isinstance(event, EpochEnd) and self._is_mine(event.run)
        ]
        return [event for event, _ in found], [seen for _, seen in found]

    def _check_resume(self, event: Started) -> None:
        # A damaged checkpoint makes the trainer begin further back than was shown; another program may have gone on.
        if self._resumed_at is not None and event.step != self._resumed_at and self.run_id is not None:
            if event.step < self._resumed_at:
                self._cut(event.step)
            else:
                self._show(stored_history(self.store.open(self.run_id), up_to=event.step))
            self._resumed_at = event.step
            self.runChanged.emit()

    def _is_mine(self, run: str) -> bool:
        if self.run_id is None and run:
            self.run_id = run
        return not run or run == self.run_id

    def _take_event(self, event: Event) -> None:
        self.events.append(event)
        match event:
            case Started():
                self.started, self.compiling = event, None
                if self._state == "starting":
                    self._set_state("running")
            case Paused():
                self.pausing = False
                if self._state in ("starting", "running"):
                    self._set_state("paused")
            case Resumed():
                if self._state == "paused":
                    self._set_state("running")
            case Changed():
                self.live.changes.append(event)
                self._follow(event)
            case RateDropped():
                self.live.drops.append(event)
            case Finished():
                self.finished = event
                self.pausing = False
                self._ordered.clear()  # what the run has not come to, it will not come to
                self._set_state("failed" if event.reason in ("failed", "diverged") else "finished")
        self.eventArrived.emit(event)

    def _follow(self, event: Changed) -> None:
        if self._ordered.get(event.path) == event.after:
            del self._ordered[event.path]
        if self.experiment is not None:
            self.experiment = changed(self.experiment, event.path, event.after)
            self.experimentChanged.emit()

    def _set_state(self, state: str) -> None:
        if state != self._state:
            self._state = state
            self.stateChanged.emit(state)

    # -- the thread ----------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        if self._control is not None:
            self._control.stop()
        self._timer.stop()
        self._join()
        self.drain()
        self._control = self._mailbox = None
        self._holder = []

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join(JOIN_SECONDS)
            self._thread = None
            gc.unfreeze()
