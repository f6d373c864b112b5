"""How fast a network trains on this machine, executor beside executor, and where a step's time goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.data.batches import Batches
from engine.measure import Operation, Stepper, operations
from engine.roofline import Work
from engine.timing import REST, ROUND, Spread, in_turn, ratio, spread
from engine.training.setup import checked

if TYPE_CHECKING:
    from engine.backend import Device, MathMode
    from engine.data import Dataset
    from engine.executors import ExecutorKind
    from engine.experiment import Experiment

__all__ = ["Measured", "benchmark"]

ROWS = 64
"""Batches that the steps go through before they begin anew."""
LOOKS = 9
"""Steps whose operations are timed one by one."""
FEWEST, MOST = 3, 60
"""Rounds, however slow or fast a step is."""


@dataclass(frozen=True)
class Measured:
    """One executor's figures for one network.

    label       what it runs on: "NumPy · 2 threads".
    batch       samples a step.
    chunked     seconds a step when several are run in one call, as in a run; `chunk` is how many.
    single      seconds of a step that is run alone.
    observed    the time of a step with every instrument on and its readout, as a multiple of one that is run alone.
    work        what a step must do at least.
    operations  where the time of a step goes, the slowest first; empty where the executor cannot tell.
    fallbacks   operations that the compiled executor leaves to NumPy, each with its node: "conv2d (conv2d_1)".
    """

    kind: str
    label: str
    batch: int
    chunked: Spread
    chunk: int
    single: Spread
    observed: float
    work: Work
    operations: tuple[Operation, ...]
    fallbacks: tuple[str, ...]


def benchmark(
    experiment: Experiment,
    dataset: Dataset,
    kinds: Sequence[ExecutorKind],
    *,
    seconds: float = 5.0,
    gpu: Device = "cuda",
    math: MathMode = "float32",
) -> list[Measured]:
    """Train steps of the experiment's batch size with each executor in turn, for about `seconds` in all: "cuda" on the
    device `gpu` with matrix products in `math`, the others on the processor.

    The learning rate is 0, so that the weights stay as they were drawn: however long it takes, nothing diverges. Raises
    what checking, compiling and choosing an executor raise, and Divergent when the first loss is not finite.
    """
    report = checked(experiment, dataset.signature)
    training, part = experiment.training, dataset.train
    size = min(training.batch_size, part.size)
    order = Batches(part.size, size, training.shuffle, True, experiment.seed)
    batches = np.stack([order.indices(step) for step in range(ROWS)])
    steppers: dict[str, Stepper] = {}
    try:
        for kind in kinds:
            steppers[kind] = Stepper(
                experiment,
                report,
                dataset.signature,
                part.arrays,
                batches,
                kind,
                rate=0.0,
                device=gpu if kind == "cuda" else "cpu",
                math=math if kind == "cuda" else "float32",
            )
        sides = {f"{kind} {name}": side for kind, stepper in steppers.items() for name, side in stepper.sides().items()}
        # A round runs each side for a twentieth of a second or once; warming up takes about a tenth of that.
        step = max(stepper.step_seconds() for stepper in steppers.values())
        rounds = int(seconds / (len(sides) * (1.1 * max(ROUND, 2 * step) + REST)))
        times = in_turn(sides, max(FEWEST, min(MOST, rounds)))
        return [
            Measured(
                kind=kind,
                label=stepper.executor.label,
                batch=size,
                chunked=spread(times[f"{kind} chunked"]),
                chunk=sides[f"{kind} chunked"].units,
                single=spread(times[f"{kind} single"]),
                observed=ratio(times[f"{kind} observed"], times[f"{kind} single"]),
                work=stepper.work,
                operations=tuple(operations([seen for _ in range(LOOKS) if (seen := stepper.timeline()) is not None])),
                fallbacks=stepper.fallbacks(),
            )
            for kind, stepper in steppers.items()
        ]
    finally:
        for stepper in steppers.values():
            stepper.close()
