"""What becomes of a run in words: notices where something went wrong, a line in the status bar where all is well."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from engine.training.events import (
    Checkpointed,
    ConditionMet,
    DeviceFailed,
    Diverged,
    Event,
    ExecutorChanged,
    Failed,
    Finished,
    RateDropped,
    Restored,
    Rounded,
    Started,
    Unsaved,
    WeightsScaled,
)
from lab.flow import Flow
from lab.notices import Notices
from lab.runs import RunsTab
from lab.statusbar import StatusBar
from widgets.text import number

__all__ = ["Announcer"]


class Announcer(QObject):
    """`nodeWanted` carries the node that a person wants to see; `problemsWanted` asks for the list of problems."""

    nodeWanted = Signal(str)
    problemsWanted = Signal()

    def __init__(
        self, flow: Flow, notices: Notices, status: StatusBar, runs: RunsTab, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._flow, self._notices, self._status, self._runs = flow, notices, status, runs
        self._ended = ""
        """Why a stop condition ended the run, and what was put back."""
        session = flow.session
        session.eventArrived.connect(self._on_event)
        session.stateChanged.connect(self._on_state)
        session.runChanged.connect(self._show_run)
        runs.listed.connect(self._show_run)
        flow.blocked.connect(self._on_blocked)
        flow.document.reportChanged.connect(self._on_report)
        flow.refused.connect(self.refuse)
        runs.said.connect(self.refuse)

    def refuse(self, text: str) -> None:
        """Say why something was not done."""
        self._notices.show_notice(text, "warning")

    def _on_state(self, state: str) -> None:
        if state == "starting":
            self._ended = ""
            for key in ("run", "blocked", "device", "resumed"):
                self._notices.clear(key)

    def _show_run(self) -> None:
        run_id = self._flow.session.run_id
        found = self._runs.number_of(run_id) if run_id is not None else None
        self._status.set_run(f"Run {found[0]} of {found[1]}" if found is not None else "")

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Finished):
            self._notices.clear("unsaved")
        match event:
            case Failed() | Diverged():
                node = event.node
                choices = [("Show the layer", lambda: self.nodeWanted.emit(node))] if node else []
                verb = "diverged" if isinstance(event, Diverged) else "failed"
                self._notices.show_notice(f"Training {verb}. {event.message}", "error", choices, key="run")
            case Unsaved():
                text = f"{event.message} Training goes on, and saving is tried again."
                self._notices.show_notice(text, "warning", key="unsaved")
            case WeightsScaled() | Rounded():
                self._status.say(event.text())
            case ExecutorChanged():
                self._status.say(f"From step {event.step:,} on: {event.device}.")
            case DeviceFailed():
                self._notices.show_notice(event.text(), "warning", key="device")
            case Started():
                self._notices.clear("unsaved")
                if self._flow.session.problems:
                    self._notices.show_notice(" ".join(self._flow.session.problems), "warning", key="resumed")
            case Checkpointed():
                self._notices.clear("unsaved")
            case RateDropped():
                self._status.say(f"Step {event.step:,}: the learning rate drops to {number(event.after, 3)}.")
            case ConditionMet():
                self._ended = event.message
            case Restored():
                self._ended = f"{self._ended} The state of step {event.best_step:,}, the best one, is back.".strip()
            case Finished(reason="done"):
                words = self._ended or f"{self._flow.session.live.step_count:,} steps."
                self._status.say(f"Training is done: {words}")
            case Finished(reason="stopped"):
                kept = self._flow.session.store is not None
                self._status.say("Stopped. Continue goes on from here." if kept else "Stopped.")

    def _on_blocked(self) -> None:
        errors = sum(item.severity == "error" for item in self._flow.document.report.diagnostics)
        what = f"{errors} error{'s' if errors != 1 else ''}"
        self._notices.show_notice(f"This cannot be trained yet: {what}. See “Problems”.", "warning", key="blocked")
        self.problemsWanted.emit()

    def _on_report(self) -> None:
        # The notice ends with its cause.
        if self._flow.document.report.ok:
            self._notices.clear("blocked")
