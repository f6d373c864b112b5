"""Both executors and all peers behind one face: a step to compare the losses of, and something to be timed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.peers import PEERS, maker
from benchmarks.workloads import Workload
from engine.graph import check
from engine.layout import layout_of
from engine.measure import Stepper
from engine.random import generator
from engine.timing import Side

__all__ = ["OURS", "Contender", "chunked", "contender", "label_of"]

OURS = {"cpu": "compiled", "array": "array"}
"""The executors by their kind, as tables name them."""


@dataclass(frozen=True)
class Contender:
    """One side of a comparison. `step` does one step and returns the loss before it; `timed` is what is timed;
    `stepper` is there for the engine's own executors."""

    name: str
    step: Callable[[], float]
    timed: Side
    stepper: Stepper | None = None

    def close(self) -> None:
        """Let threads go."""
        if self.stepper is not None:
            self.stepper.close()


def label_of(name: str) -> str:
    """What a side is called in tables."""
    return OURS[name] if name in OURS else PEERS[name].label


def contender(name: str, workload: Workload, weights: dict[str, np.ndarray] | None = None) -> Contender | None:
    """The side of that name, on its own copy of the `weights` (the engine's initial ones where none are given); None
    where it cannot do the workload."""
    if name in OURS:
        stepper = stepper_of(name, workload)
        if not workload.training:
            return Contender(name, lambda: _looked(stepper), Side(stepper.look), stepper)
        # How many steps a call takes is known once one has been timed; the first losses are compared before.
        return Contender(name, lambda: float(stepper.chunk(1)[0]), Side(lambda: stepper.chunk(1)), stepper)
    step = maker(name)(workload, initial(workload) if weights is None else weights)
    return None if step is None else Contender(name, step, Side(step))


def initial(workload: Workload) -> dict[str, np.ndarray]:
    """The engine's initial weights and running statistics, named as `State.to_host` names them."""
    layout = layout_of(workload.experiment.network, check(workload.experiment.network, workload.signature))
    arrays = {
        f"buffer/{item.name}": np.full(item.shape, layout.initial[item.name], np.float32) for item in layout.buffers
    }
    for name, spec in layout.specs.items():
        random = generator(workload.experiment.seed, f"initial/{name}")
        values = spec.initializer.sample(random, spec.shape, spec.fan_in, spec.fan_out)
        arrays[f"parameter/{name}"] = np.asarray(values, np.float32)
    return arrays


def stepper_of(kind: str, workload: Workload) -> Stepper:
    """The workload on one of the engine's executors."""
    report = check(workload.experiment.network, workload.signature)
    return Stepper(
        workload.experiment,
        report,
        workload.signature,
        workload.arrays,
        workload.batches,
        kind,  # type: ignore[arg-type]
        training=workload.training,
    )


def chunked(side: Contender) -> Side:
    """What is timed of a side in the end: the engine's steps as many a call as a run takes, a peer's as they are."""
    if side.stepper is None or side.stepper.plain.program.training is False:
        return side.timed
    return side.stepper.sides()["chunked"]


def _looked(stepper: Stepper) -> float:
    stepper.look()
    return stepper.observed.loss()
