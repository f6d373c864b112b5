"""What the transport means: which order Train gives in which state, and what has to happen first.

Idle: begin. Running: pause. Paused: go on. Stopped, or finished with more epochs asked for since: continue the same
run from its last checkpoint. Finished: train anew. A network with errors is never started; the problems are shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from msgspec.structs import replace
from PySide6.QtCore import QObject, Qt, Signal

from engine.experiment import Experiment
from engine.training.result import words
from lab.document import Document
from lab.session import Session
from lab.substance import edited_since_run

if TYPE_CHECKING:
    from engine.training.replay import Replay

__all__ = ["PRIMARY", "WAITING", "Flow", "Primary"]

Primary = Literal["train", "pause", "resume", "continue", "again", "wait"]

PRIMARY = {
    "train": ("Train", "Train the network", "play"),
    "pause": ("Pause", "Wait before the next step", "pause"),
    "resume": ("Resume", "Go on", "play"),
    "continue": ("Continue", "Go on with this run from its last checkpoint", "play"),
    "again": ("Train", "Train anew, from the beginning", "play"),
    "wait": ("Wait", "Wait for the step that is under way", "pause"),
}
"""Text, help and icon of the main button for each thing that it can do (`Flow.primary`)."""

WAITING = {"pause": "Pausing…", "stop": "Stopping…"}
"""What it says instead of “Wait”, after what is waited for."""


class Flow(QObject):
    """Steers the session for the document. `changed` tells that buttons and labels may be different; `refused` says
    in words why nothing was started; `blocked` that the problems list has the reason."""

    changed = Signal()
    refused = Signal(str)
    blocked = Signal()
    _ended = Signal()

    def __init__(self, document: Document, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.document, self.session = document, session
        self.weights: dict[str, Any] | None = None
        """Arrays by layer path that new runs start from, or None: drawn ones."""
        self.weights_name = ""
        self._then: Literal["", "reset", "restart"] = ""
        session.stateChanged.connect(self._on_state)
        # The session is still busy with the last event when it tells of the end: another run begins after that.
        self._ended.connect(self._after_end, Qt.ConnectionType.QueuedConnection)
        session.runChanged.connect(self.changed)
        session.experimentChanged.connect(self.changed)
        document.changed.connect(self._on_document)

    # -- what can be done ----------------------------------------------------------------------------------------------

    @property
    def edited(self) -> bool:
        """Whether the document is no longer what the run trains with."""
        return edited_since_run(self.document.experiment, self.session)

    @property
    def more_epochs(self) -> int | None:
        """The document's number of epochs where it is the only thing that was edited, and was raised."""
        run, now = self.session.experiment, self.document.experiment
        if run is None or now.training.epochs <= max(run.training.epochs, self.session.epochs or 0):
            return None
        same = replace(now, training=replace(now.training, epochs=run.training.epochs))
        return now.training.epochs if not edited_since_run(same, self.session) else None

    @property
    def can_continue(self) -> bool:
        """Whether the run that is shown can go on from its last checkpoint."""
        session = self.session
        if session.active or session.run_id is None or session.store is None or not session.live.step_count:
            return False
        done = session.finished is not None and session.finished.reason == "done"
        return not done or self.more_epochs is not None

    @property
    def primary(self) -> Primary:
        """What the Train button does now."""
        match self.session.state:
            case "starting" | "running":
                return "pause" if not self.session.pausing else "wait"
            case "paused":
                return "resume"
            case "stopping":
                return "wait"
            case "idle":
                return "train"
        if self.can_continue and (not self.edited or self.more_epochs is not None):
            return "continue"
        return "again"

    @property
    def can_step(self) -> bool:
        """Whether single steps and epochs can be ordered."""
        return self.session.state in ("idle", "starting", "running", "paused") or self.primary == "continue"

    # -- orders --------------------------------------------------------------------------------------------------------

    def press(self) -> None:
        """The Train button."""
        match self.primary:
            case "pause":
                self.session.pause()
            case "resume":
                self.session.resume()
            case "continue":
                self.carry_on()
            case "train" | "again":
                self.begin()
        self.changed.emit()

    def begin(self, *, paused: bool = False) -> bool:
        """Train the document from its beginning; False when it was refused."""
        experiment = self.document.experiment
        if not self.document.report.ok:
            self.blocked.emit()
            return False
        arguments = self._initial(experiment)
        return arguments is not None and self._start(experiment, paused=paused, **arguments)

    def carry_on(self, *, paused: bool = False) -> bool:
        """Continue the run that is shown, to the document's number of epochs where that was raised."""
        session, run, epochs = self.session, self.session.experiment, self.more_epochs
        if not self.can_continue or run is None:
            return False
        arguments: dict[str, Any] = {}
        if epochs is not None:
            run = replace(run, training=replace(run.training, epochs=epochs))
            arguments["epochs"] = epochs
        return self._start(run, paused=paused, resume=session.run_id, **arguments)

    def replay(self, replay: Replay) -> bool:
        """Make a stored run anew, with what was done to it by hand; False when it was refused."""
        return self._start(replay.experiment, replay=replay)

    def _start(self, experiment: Experiment, **arguments: Any) -> bool:
        try:
            self.session.start(experiment, **arguments)
        except Exception as error:  # the store's words; nothing has been started
            self.refused.emit(words(error))
            return False
        return True

    def _initial(self, experiment: Experiment) -> dict[str, Any] | None:
        if self.weights is None:
            return {}
        from engine.export.weights import WeightsError, match

        try:
            return {"state": match(self.weights, experiment.network, self.document.report)}
        except WeightsError as error:
            self.refused.emit(f"{error} They were loaded from {self.weights_name}; reset to start without them.")
            return None

    def step(self) -> None:
        """One step, then a pause."""
        if self._ready():
            self.session.step()

    def epoch(self) -> None:
        """On to the end of the epoch, then a pause."""
        if self._ready():
            self.session.epoch()

    def _ready(self) -> bool:
        if self.session.state in ("starting", "running", "paused"):
            return True
        if self.primary == "continue":
            return self.carry_on(paused=True)
        return self.session.state == "idle" and self.begin(paused=True)

    def stop(self) -> None:
        """End the run at once; it can be continued."""
        self._then = ""
        self.session.stop()
        self.changed.emit()

    def reset(self) -> None:
        """Forget the run and the loaded weights: Train begins anew. The run stays in the list of runs."""
        self.weights, self.weights_name = None, ""
        self._after_stop("reset")

    def restart(self) -> None:
        """Train the document anew, stopping the run that goes on."""
        self._after_stop("restart")

    def _after_stop(self, then: Literal["reset", "restart"]) -> None:
        if self.session.active:
            self._then = then
            self.session.stop()
        else:
            self._do(then)
        self.changed.emit()

    def _do(self, then: str) -> None:
        self.session.reset()
        if then == "restart":
            self.begin()

    def _on_state(self, state: str) -> None:
        if self._then and state in ("finished", "failed"):
            self._ended.emit()
        self.changed.emit()

    def _after_end(self) -> None:
        if self._then and not self.session.active:
            then, self._then = self._then, ""
            self._do(then)
            self.changed.emit()

    def _on_document(self, before: Experiment, after: Experiment) -> None:
        self.changed.emit()

    def set_weights(self, arrays: dict[str, Any] | None, name: str = "") -> None:
        """Let the next run start from these arrays; None: from drawn ones."""
        self.weights, self.weights_name = arrays, name
        self.changed.emit()
