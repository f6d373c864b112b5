"""A network on an executor, with its data in memory, ready to be timed: step by step, in chunks, and observed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from engine import executors
from engine.accumulation import AccumulatedProgram, Step
from engine.backend import choose as choose_backend
from engine.executors import ExecutorKind
from engine.optimizers import update_scalars
from engine.plan import compile
from engine.roofline import Work, work_of
from engine.timing import ROUND, Side
from engine.training.programs import Programs
from engine.training.setup import layer_scalars, new_state

if TYPE_CHECKING:
    from engine.backend import Device, MathMode
    from engine.data.signature import DataSignature
    from engine.diagnostics import Report
    from engine.executor import BoundProgram
    from engine.experiment import Experiment
    from engine.observations import Observations
    from engine.timeline import Timeline

__all__ = ["CHUNK", "Divergent", "Operation", "Stepper", "chunk_length", "operations"]

CHUNK = 64
"""Most steps that are run in one call here."""


class Divergent(ArithmeticError):
    """The loss of a measured step was not finite, so that what was measured is not training."""


@dataclass(frozen=True)
class Operation:
    """What an executor runs in one piece: its name, its node ("" for the update), its phase, its median seconds a step
    by the clock, and its floating-point operations (NaN where they are not known)."""

    name: str
    node: str
    phase: str
    seconds: float
    flops: float


class Stepper:
    """Steps of one program on fresh weights.

    arrays      all samples by name, as a data set's part holds them.
    batches     int64 (rows, batch): the samples of each step; after the last row the first follows again.
    rate        the learning rate; None takes the optimizer's own. At 0 the weights stay as they are, so that however
                long a measurement is, it cannot diverge.
    training    False: forward passes alone.
    device      where it computes: "cpu", "cuda", "cuda:N".
    math        how a GPU multiplies matrices.

    `close` lets the executor's threads go. Raises what compiling and choosing an executor raise.
    """

    def __init__(
        self,
        experiment: Experiment,
        report: Report,
        signature: DataSignature,
        arrays: dict[str, np.ndarray],
        batches: np.ndarray,
        kind: ExecutorKind = "auto",
        *,
        rate: float | None = None,
        training: bool = True,
        device: Device = "cpu",
        math: MathMode = "float32",
    ) -> None:
        # Batches are taken from the arrays: what augmenting them takes is no part of a step.
        experiment = replace(experiment, data=replace(experiment.data, augmentation=()))
        self.experiment, self.arrays, self.batches = experiment, arrays, batches
        self.rate: float = experiment.training.optimizer.learning_rate if rate is None else rate  # type: ignore[attr-defined]
        self.step = 0
        self.state = new_state(experiment, report, choose_backend(device))
        self.executor = executors.choose(kind, self.state, math=math)
        self._layer_scalars = layer_scalars(experiment)
        size = batches.shape[1]

        programs = Programs(experiment, report, signature, self.executor)

        def bound(observe: bool) -> Step:
            if training:
                return programs.train(size, observe=observe)
            return self.executor.bind(
                compile(experiment, report, signature, batch_size=size, training=False, observe=observe)
            )

        # The largest first: the other one shares its memory.
        self.observed = bound(True)
        self.plain = bound(False)

    @property
    def work(self) -> Work:
        """What a plain step must do at least."""
        parts = [work_of(bound.program) for bound in self._parts()]
        return Work(
            sum(work.flops for work in parts), sum(work.bytes for work in parts), max(work.resident for work in parts)
        )

    def _parts(self) -> tuple[BoundProgram, ...]:
        """The programs of a plain step: one, or one for each micro-batch."""
        return self.plain.programs if isinstance(self.plain, AccumulatedProgram) else (self.plain,)

    def close(self) -> None:
        """Let the executor's threads go."""
        self.executor.close()

    # -- steps ---------------------------------------------------------------------------------------------------------

    def chunk(self, steps: int) -> np.ndarray:
        """Run so many steps in one call and return their losses (steps,). Raises Divergent."""
        rows = self.batches[np.arange(self.step, self.step + steps) % len(self.batches)]
        numbers = np.arange(self.step + 1, self.step + steps + 1, dtype=np.float64)
        scalars = update_scalars(self.experiment.training, self.rate, numbers)
        done = self.plain.run_chunk(self.arrays, rows, scalars | self._layer_scalars, self.step, self.experiment.seed)
        if done.done < steps:
            raise Divergent(f"The loss of step {self.step + done.done + 1} is not finite.")
        self.step += steps
        return done.losses

    def look(self) -> Observations:
        """One step with every instrument on, and what it saw. Raises Divergent."""
        self.observed.gather(self.arrays, self.batches[self.step % len(self.batches)])
        scalars = update_scalars(self.experiment.training, self.rate, self.step + 1)
        if not self.observed.run(scalars | self._layer_scalars, self.step, self.experiment.seed):
            raise Divergent(f"The loss of step {self.step + 1} is not finite.")
        self.step += 1
        return self.observed.observations()

    def timeline(self) -> Timeline | None:
        """Where one more plain step's time goes; None where the executor cannot tell. Raises Divergent."""
        self.plain.stamping = True
        try:
            self.chunk(1)
            return self.plain.timeline()
        finally:
            self.plain.stamping = False

    def sides(self, *, round_seconds: float = ROUND) -> dict[str, Side]:
        """What is to be timed: "single" steps, one a call; "chunked" ones, as many a call as the loop of a run may
        take; and "observed" ones."""
        length = chunk_length(self.step_seconds(), round_seconds)
        return {
            "chunked": Side(lambda: self.chunk(length), length),
            "single": Side(lambda: self.chunk(1)),
            "observed": Side(self.look),
        }

    def step_seconds(self) -> float:
        """What a plain step takes, roughly: the second of two."""
        self.chunk(1)
        begun = time.perf_counter()
        self.chunk(1)
        return time.perf_counter() - begun

    def fallbacks(self) -> tuple[str, ...]:
        """The operations that the compiled executor leaves to NumPy, each with its node: "conv2d (conv2d_1)"."""
        covered = [item for bound in dict.fromkeys(self._parts()) for item in getattr(bound, "covered", ())]
        left = [call for item in covered if not item.rows for call in item.calls]
        return tuple(
            f"{call.op.name} ({call.node})" if call.node else call.op.name for call in left if not call.op.view
        )


def chunk_length(step_seconds: float, seconds: float) -> int:
    """How many steps of that length fill `seconds`: at least one, at most `CHUNK`."""
    return max(1, min(CHUNK, int(seconds / max(step_seconds, 1e-9))))


def operations(timelines: Sequence[Timeline]) -> list[Operation]:
    """The rows of several timelines of one program, the slowest first."""
    if not timelines:
        return []
    first = timelines[0]
    seconds = np.median([timeline.elapsed() for timeline in timelines], axis=0)
    rows = zip(first.rows, first.nodes, first.phases, seconds.tolist(), first.flops.tolist(), strict=True)
    return sorted((Operation(*row) for row in rows), key=lambda item: -item.seconds)
