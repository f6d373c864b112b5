"""Training steps of the engine beside its peers: in one process, in turn, after both were seen to compute the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.losses import FIRST, check
from benchmarks.sides import OURS, Contender, chunked, contender, initial
from benchmarks.workloads import WORKLOADS
from engine.roofline import Work, work_of
from engine.timing import Side, in_turn, ratio, spread

__all__ = ["measure"]


def measure(name: str, executors: Sequence[str], peers: Sequence[str], rounds: int) -> dict[str, Any]:
    """One workload, as a row of the results: seconds a step of every side, ratios of the engine's to the peers' by
    round, differences of the first losses, and the work of a step. Raises Mismatch."""
    workload = WORKLOADS[name]()
    sides: dict[str, Contender] = {}
    weights = initial(workload)
    try:
        for key in (*executors, *peers):
            side = contender(key, workload, weights)
            if side is None:
                continue
            sides[key] = side
        losses = {key: [side.step() for _ in range(FIRST)] for key, side in sides.items()}
        reference = next((key for key in peers if key in sides), executors[0])
        differences = {} if workload.random else check(name, losses, reference)
        timed: dict[str, Side] = {key: chunked(side) for key, side in sides.items()}
        for key in executors:
            if workload.training:
                stepper = sides[key].stepper
                assert stepper is not None
                timed[f"{key}/single"] = stepper.sides()["single"]
        times = in_turn(timed, rounds)
        return {
            "name": name,
            "title": workload.title,
            "work": asdict(_work(sides[executors[0]])),
            "times": {key: asdict(spread(values)) for key, values in times.items()},
            "steps_a_call": {key: side.units for key, side in timed.items() if key in OURS},
            "ratios": {
                key: {peer: ratio(times[key], times[peer]) for peer in sides if peer not in OURS} for key in executors
            },
            "reference": reference,
            "differences": differences,
        }
    finally:
        for side in sides.values():
            side.close()


def _work(side: Contender) -> Work:
    assert side.stepper is not None
    return side.stepper.work if side.stepper.plain.program.training else work_of(side.stepper.observed.program)
