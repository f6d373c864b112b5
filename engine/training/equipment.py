"""What a run computes with: the device, the executor and the matrix products that were asked for, or else those of the
run that goes on, or that is replayed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import executors
from engine.backend import Backend, BackendError, Device, MathMode, choose

if TYPE_CHECKING:
    from engine.executors import Executor, ExecutorKind
    from engine.state import State
    from engine.training.recovery import Counters
    from engine.training.replay import Replay

__all__ = ["OTHER_DIGITS", "Equipment"]

OTHER_DIGITS = "With arrays, numbers differ in their last digits."
_MEANS = {"array": "array operations", "cpu": "the compiled executor", "cuda": "the CUDA executor"}


class Equipment:
    """Decides between what was asked for and what there is.

    device, executor, math      what was asked for; "auto" and None leave it to the run and to the machine.
    """

    def __init__(
        self, device: Device, executor: ExecutorKind, math: MathMode | None, replay: Replay | None = None
    ) -> None:
        self.asked, self._executor, self._math, self._replay = device, executor, math, replay
        self.problems: tuple[str, ...] = ()
        """What differs from the run that goes on, or that is replayed, in words."""
        self._fallen = False

    # -- choosing ------------------------------------------------------------------------------------------------------

    def backend(self, counters: Counters | None) -> Backend:
        """The device for a run that goes on from `counters`. Call it on the thread that trains. Raises BackendError."""
        device = self._device(counters)
        try:
            return choose(device)
        except BackendError as error:
            if self.asked == device:
                raise
            asked = "The executor “cuda” needs" if self._executor == "cuda" else f"Matrix products in {self._math} need"
            raise BackendError(f"{asked} an NVIDIA GPU. {error}") from error

    def _device(self, counters: Counters | None) -> Device:
        if self.asked != "auto" or self._fallen:
            return self.asked
        if self._replay is not None:
            return "auto" if self._uses("cuda") else "cpu"
        if self._executor == "cuda" or self._math not in (None, "float32"):
            return "cuda"
        if self._executor == "cpu":
            return "cpu"
        return "cpu" if counters is not None and counters.device == "cpu" else "auto"

    def executor(self, counters: Counters | None, state: State) -> ExecutorKind:
        """The kind of executor to choose: the one that was asked for, or that of the checkpoint, or of the replay."""
        if self._replay is not None and not self._fallen:
            return self._replayed(self._replay.executor, state)
        if self._executor != "auto" or counters is None or self._fallen:
            return self._executor
        on_gpu = state.backend.name == "cupy"
        if on_gpu != (counters.device == "cuda") or counters.executor == "cuda":
            return "auto"  # the best there; `compare` tells of it
        if counters.executor != "cpu":
            return "array"
        reason = executors.misfit(state)
        if not reason:
            return "cpu"
        self.problems += (
            f"The run was trained by the compiled executor, which cannot be used here: {reason} {OTHER_DIGITS}",
        )
        return "array"

    def _replayed(self, kind: ExecutorKind, state: State) -> ExecutorKind:
        for other in ("cpu", "cuda"):
            if self._uses(other):
                reason = executors.misfit(state) if other == "cpu" else executors.misfit(state, "cuda")
                if reason:
                    self.problems += (f"The run used {_MEANS[other]}. {reason} {OTHER_DIGITS}",)
                    kind = "array" if kind == other else kind
        return kind

    def math(self, counters: Counters | None, state: State) -> MathMode:
        """How matrices are multiplied."""
        if self._math is not None and (self._replay is None or self._fallen):
            return self._math
        before = self._replay.math if self._replay is not None else counters.math if counters is not None else "float32"
        return before if state.backend.name == "cupy" else "float32"

    def needs_kernels(self, kind: ExecutorKind, state: State) -> bool:
        """Whether the compiled executor's kernels have to be there before the first step."""
        return (kind == "cpu" or self._uses("cpu")) and not self._fallen and not executors.misfit(state)

    def needs_gpu_kernels(self, kind: ExecutorKind, state: State) -> bool:
        """Whether a GPU's kernels have to be there before the first step."""
        return kind in ("auto", "cuda") and state.backend.kind == "cuda" and not executors.misfit(state, "cuda")

    def _uses(self, kind: str) -> bool:
        """Whether the run that is replayed was trained by this executor, from some step on at least."""
        replay = self._replay
        if replay is None:
            return False
        return replay.executor == kind or any(act.what == "executor" and act.value == kind for act in replay.acts)

    # -- afterwards ----------------------------------------------------------------------------------------------------

    def compare(self, counters: Counters | None, executor: Executor, math: MathMode) -> None:
        """Say what has changed since `counters` were written, where it changes a run's numbers."""
        if counters is None or self._fallen:
            return
        before, now = counters.device, executor.state.backend.kind
        if before != now or (counters.executor == "cuda") != (executor.kind == "cuda"):
            place = "an NVIDIA GPU" if before == "cuda" else "the processor"
            self.problems += (
                f"The run was trained on {place} by {_MEANS.get(counters.executor, counters.executor)} until now, and "
                f"from here on by {executor.label}: numbers differ in their last digits.",
            )
        if counters.math != math:
            self.problems += (f"Its matrix products were computed in {counters.math}, and are in {math} from here on.",)

    def fall_back(self, executor: ExecutorKind = "auto") -> None:
        """The GPU has failed: from now on it is the processor, with this executor, or what is ready there. Array
        operations stay what they were when they were asked for."""
        self._fallen, self.problems = True, ()
        self.asked, self._math = "cpu", "float32"
        if executor == "cpu" and executors.unavailable():
            executor = "auto"
        if self._executor != "array":
            self._executor = executor
