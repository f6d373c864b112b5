"""The levers of a run: pause, step, stop, live changes and what is watched, set from any thread, obeyed by the trainer.

The training thread reads one attribute (`attention`) before each step and batch; only when it is set does it take the
lock. Nothing here blocks a caller: orders are left here and picked up at the next step.
"""

from __future__ import annotations

import threading
from typing import Any, Literal

__all__ = ["TOPICS", "Control"]

TOPICS = frozenset({"activations", "gradients", "weights", "surface", "confusion", "filters", "timeline"})
"""What a panel can ask to see while a run goes on."""

Permission = Literal["go", "step", "wait", "stop"]


class Control:
    """Orders to one run. Every method may be called from any thread, before and during the run."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._paused = False
        self._stopped = False
        self._held = False
        self._steps = 0
        self._to_epoch_end = False
        self._changes: list[tuple[str, Any]] = []
        self._looked = False
        self.topics: frozenset[str] = frozenset()
        """What is watched now. Read without the lock: it is replaced, never altered."""
        self.attention = False
        """Whether the trainer has to ask for `permission` before its next step. Read without the lock."""

    # -- orders --------------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Wait before the next step."""
        with self._condition:
            self._paused, self._steps, self._to_epoch_end = True, 0, False
            self._held = True
            self._notify()

    def resume(self) -> None:
        """Go on after a pause."""
        with self._condition:
            self._paused, self._steps, self._to_epoch_end = False, 0, False
            self._held = False
            self._notify()

    def stop(self) -> None:
        """End the run before the next step or batch; it cannot be taken back, but a stopped run can be resumed."""
        with self._condition:
            self._stopped = True
            self._notify()

    def step(self, n: int = 1) -> None:
        """Make `n` more steps, then pause. Orders given while earlier steps are outstanding add up."""
        if n < 1:
            raise ValueError(f"expected at least 1 step, got {n}")
        with self._condition:
            self._paused, self._to_epoch_end = True, False
            self._steps += n
            self._held = False
            self._notify()

    def step_epoch(self) -> None:
        """Go on to the end of the current epoch (its evaluation included), then pause."""
        with self._condition:
            self._paused, self._steps, self._to_epoch_end = True, 0, True
            self._held = False
            self._notify()

    def set(self, path: str, value: Any) -> None:
        """Change a live field (`training.optimizer.learning_rate`) from the next step on.

        A path or value that `engine.training.live.change` refuses is reported in the log and otherwise ignored: check
        with that function first where a person waits for an answer.
        """
        with self._condition:
            self._changes.append((path, value))
            self._notify()

    def watch(self, topics: frozenset[str]) -> None:
        """Say what is being looked at (see `TOPICS`). What nobody watches costs nothing."""
        unknown = topics - TOPICS
        if unknown:
            raise ValueError(f"unknown topics: {', '.join(sorted(unknown))}; known are {', '.join(sorted(TOPICS))}")
        with self._condition:
            self._looked = self._looked or bool(topics - self.topics)
            self.topics = frozenset(topics)
            self._notify()

    # -- the trainer's side --------------------------------------------------------------------------------------------

    @property
    def stopping(self) -> bool:
        """Whether the run was told to end."""
        return self._stopped

    @property
    def held(self) -> bool:
        """Whether the run is to wait at once, inside an evaluation too: `pause` was the last order."""
        return self._held

    @property
    def paused(self) -> bool:
        """Whether the run is to wait, perhaps after some more steps."""
        return self._paused

    @property
    def idle(self) -> bool:
        """Whether the trainer has nothing to do but wait."""
        return not self._can_act()

    def permission(self) -> Permission:
        """What the trainer may do next; "step" uses up one of the steps asked for by `step`."""
        with self._condition:
            if self._stopped:
                return "stop"
            if not self._paused or self._to_epoch_end:
                return "go"
            if self._steps > 0:
                self._steps -= 1
                return "step"
            return "wait"

    def changes(self) -> list[tuple[str, Any]]:
        """The live changes ordered since the last call, oldest first."""
        with self._condition:
            taken, self._changes = self._changes, []
            self._update()
            return taken

    def looked(self) -> bool:
        """Whether something new is watched since the last call."""
        with self._condition:
            looked, self._looked = self._looked, False
            return looked

    def epoch_ended(self) -> None:
        """The trainer is at the end of an epoch: `step_epoch` is fulfilled."""
        with self._condition:
            self._to_epoch_end = False

    def wait(self, timeout: float | None = None) -> None:
        """Sleep until an order arrives that lets the trainer act (or the time is over)."""
        with self._condition:
            self._condition.wait_for(self._can_act, timeout)

    def _can_act(self) -> bool:
        return (
            self._stopped
            or not self._paused
            or self._steps > 0
            or self._to_epoch_end
            or bool(self._changes)
            or self._looked
        )

    def _update(self) -> None:
        self.attention = self._stopped or self._paused or bool(self._changes)

    def _notify(self) -> None:
        self._update()
        self._condition.notify_all()
