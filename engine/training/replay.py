"""Replaying a stored run: its experiment trained anew, with what was done to it by hand done again at the same steps.

A run's numbers depend on its experiment, on the live changes and their steps, on the number of epochs it was prolonged
to and on the executor; all of that is in the store, so the run made anew has the same bits.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from engine import executors
from engine.backend import MATH_MODES
from engine.device_errors import DeviceError
from engine.executors import EXECUTORS, on_device
from engine.schema import info_of
from engine.stopping import StopAfterTime
from engine.training import events
from engine.training.recovery import read_counters
from engine.training.result import TrainingError

if TYPE_CHECKING:
    from engine.backend import MathMode
    from engine.executors import ExecutorKind
    from engine.experiment import Experiment
    from engine.training.loop import Loop
    from engine.training.store import RunReader

__all__ = ["Act", "Replay", "Replaying", "differing", "replay_of"]

log = logging.getLogger(__name__)

ENDED_BY_ITSELF = ("done", "diverged")


class Act(NamedTuple):
    """Something done to a run before the update number `step`: a live field set, another executor taken (on the
    processor, after its GPU had failed: "device"), the run prolonged to a number of epochs, or ended by its time limit
    (`value` is why, in words)."""

    step: int
    what: Literal["set", "executor", "device", "epochs", "end"]
    path: str
    value: Any


class Replay(NamedTuple):
    """What it takes to make a run anew. `steps` is where it stopped, None where it came to its end by itself; `math` is
    how a GPU multiplied matrices."""

    run: str
    experiment: Experiment
    executor: ExecutorKind
    acts: tuple[Act, ...]
    steps: int | None
    math: MathMode = "float32"


def replay_of(reader: RunReader) -> Replay:
    """How a stored run is made anew. Raises TrainingError in words for one that cannot be."""
    summary, experiment = reader.summary, reader.experiment
    acts: list[Act] = []
    kind, epochs, first = "", experiment.training.epochs, ""
    math: MathMode = "float32"
    for event in reader.events():
        match event:
            case events.Started():
                if event.loaded:
                    raise TrainingError(
                        "This run began from weights that were loaded from a file, which the store does not keep: it "
                        "cannot be replayed."
                    )
                if event.epochs != epochs:
                    acts.append(Act(event.step, "epochs", "", event.epochs))
                if kind and event.executor and event.executor != kind:
                    acts.append(Act(event.step, "executor", "", event.executor))
                if not first:
                    math = next((mode for mode in MATH_MODES if mode == event.math), math)
                kind, epochs, first = event.executor or kind, event.epochs, first or event.executor
            case events.ExecutorChanged():
                acts.append(Act(event.step, "executor", "", event.executor))
                kind, first = event.executor, first or "array"
            case events.DeviceFailed():
                acts.append(Act(event.step, "device", "", event.executor))
                kind = event.executor
            case events.Changed():
                acts.append(Act(event.step, "set", event.path, event.after))
            case events.ConditionMet() if event.condition == info_of(StopAfterTime).tag:
                acts.append(Act(event.step, "end", "", event.message))
    if not first:
        # A run of an earlier version, which did not say: it never changed over, and its checkpoints know.
        checkpoint = reader.last_checkpoint()
        first = read_counters(checkpoint[1]).executor if checkpoint is not None else "array"
    steps = None if summary.status in ENDED_BY_ITSELF else summary.steps
    if steps == 0:
        raise TrainingError("This run made no step: there is nothing to replay.")
    executor: ExecutorKind = next((kind for kind in EXECUTORS if kind == first and kind != "auto"), "array")
    return Replay(reader.run, experiment, executor, tuple(acts), steps, math)


class DeviceLeft(DeviceError):
    """The run that is replayed lost its GPU here, and went on on the processor with `executor`."""

    def __init__(self, executor: ExecutorKind) -> None:
        super().__init__("Here the GPU of the run that is replayed failed.")
        self.executor = executor


class Replaying:
    """Does the acts of a replay at their steps, on the training thread of one `Loop`."""

    def __init__(self, loop: Loop, replay: Replay) -> None:
        self._loop = loop
        self._waiting = deque(act for act in replay.acts if act.step >= loop.step)
        self.act()

    def act(self) -> None:
        """Before a step: do what was done before it, and let no chunk of steps go past the next act."""
        loop, waiting = self._loop, self._waiting
        while waiting and waiting[0].step <= loop.step:
            self._do(waiting.popleft())
        loop.steps.milestone = waiting[0].step if waiting else None

    def _do(self, act: Act) -> None:
        loop = self._loop
        match act.what:
            case "set":
                loop.steering.change(act.path, act.value)
            case "epochs":
                loop.prolong(act.value)
            case "end":
                loop.end(info_of(StopAfterTime).tag, act.value)
            case "device" if on_device(loop.programs.executor):
                loop.save()  # what the run goes on from is this very step
                raise DeviceLeft(act.value)
            case "executor" | "device" if act.value != loop.programs.executor.kind:
                self._change_over(act.value)

    def _change_over(self, kind: ExecutorKind) -> None:
        loop = self._loop
        try:
            executor = executors.choose(kind, loop.state)
        except executors.ExecutorError as error:
            log.warning("the replay stays on its executor, and its last digits will differ: %s", error)
            return
        loop.programs.change(executor)
        loop.steps.restart()
        loop.tell(
            events.ExecutorChanged(run=loop.run_id, step=loop.step, executor=executor.kind, device=executor.label)
        )


def differing(one: RunReader, two: RunReader) -> list[str]:
    """What of two runs differs in any bit, in words: the columns of their steps, the arrays of their last checkpoints.
    Empty where everything is the same."""
    found = []
    steps, others = one.steps(), two.steps()
    if len(steps["step"]) != len(others["step"]):
        found.append(f"the number of steps ({len(steps['step'])} and {len(others['step'])})")
    else:
        found += [
            f"the column “{name}” from step {int((values != others[name]).argmax()) + 1} on"
            for name, values in steps.items()
            if values.tobytes() != others[name].tobytes()
        ]
    last, other = one.last_checkpoint(), two.last_checkpoint()
    if last is not None and other is not None and last[1]["step"] == other[1]["step"]:
        arrays, remade = last[0], other[0]
        found += [
            f"the array “{name}”"
            for name in sorted(arrays.keys() | remade.keys())
            if name not in arrays or name not in remade or arrays[name].tobytes() != remade[name].tobytes()
        ]
    return found
