"""The engine and its peers on one device: the same face for all, their first losses, and times in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.gpu_device import Device
from benchmarks.gpu_names import LABELS, OURS
from benchmarks.gpu_peers import LONGEST, PEERS, Chunk
from benchmarks.losses import FIRST, check
from benchmarks.sides import initial
from benchmarks.workloads import Workload
from engine.backend import MathMode
from engine.cuda_executor import CUDAExecutor
from engine.executors import ExecutorKind
from engine.graph import check as check_network
from engine.measure import Stepper
from engine.timing import Side, in_turn, ratio, spread

__all__ = ["LIMITS", "measure"]

LIMITS: dict[MathMode, float] = {"float32": 1e-4, "tf32": 1e-2, "bf16": 1e-1}
"""The largest relative difference of the first losses from those of float32 that is admitted."""
REST = 0.02
"""Seconds of silence between two sides: a card that rests long slows down."""


def _stepper(device: Device, workload: Workload, math: MathMode, kind: ExecutorKind) -> Stepper:
    """The engine's side: on a card the CUDA executor, elsewhere `kind`."""
    experiment = workload.experiment
    report = check_network(experiment.network, workload.signature)
    given = (experiment, report, workload.signature, workload.arrays, workload.batches, kind)
    return Stepper(*given, device=device.name, math=math)


def _chunk(stepper: Stepper) -> Chunk:
    """The engine's steps as those of a peer."""
    return lambda steps: [float(loss) for loss in stepper.chunk(steps)]


def measure(
    workload: Workload,
    math: MathMode,
    device: Device,
    kind: ExecutorKind,
    peers: Sequence[str],
    rounds: int,
    reference: Sequence[float] | None,
    note: Callable[[str], None],
    *,
    ours: MathMode | None = None,
) -> dict[str, Any]:
    """One workload and one way to multiply, as a row of the results. `reference` are the first losses of float32 where
    they are known; the row holds them as "reference". `ours` lets the engine multiply in another way. A peer that fails
    is left out and says why. Raises Mismatch, and what the engine's device raises."""
    weights = initial(workload)
    stepper = _stepper(device, workload, ours or math, kind)
    try:
        chunks: dict[str, Chunk] = {OURS: _chunk(stepper)}
        losses = {OURS: _first(chunks[OURS])}
        left_out = {}
        for name in peers:
            note(f"{workload.name}, {math}: {LABELS[name]} is made")
            try:
                chunk = PEERS[name](workload, weights, device, math)
                losses[name] = _first(chunk)
            except Exception as error:  # of a compiler, of a driver, of memory: whatever a library raises
                left_out[name] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
                device.free()
                continue
            chunks[name] = chunk
        if reference is None:
            reference = losses[next((name for name in peers if name in losses), OURS)]
        differences = {}
        if not workload.random:
            differences = check(f"{workload.name} ({math})", losses | {"float32": reference}, "float32", LIMITS[math])
        note(f"{workload.name}, {math}: {', '.join(chunks)} in turn")
        steps = _steps_a_call(chunks[OURS], device)
        timed = {name: Side(_calls(chunk, steps), steps) for name, chunk in chunks.items()}
        timed |= {f"{OURS}/single": Side(lambda: stepper.chunk(1)), f"{OURS}/observed": Side(stepper.look)}
        times = in_turn(timed, rounds, least=device.call, rest=REST, clock=device.clock)
        return {
            "name": workload.name,
            "title": workload.title,
            "math": math,
            "work": asdict(stepper.work),
            "steps_a_call": steps,
            "times": {name: asdict(spread(values)) for name, values in times.items()},
            "ratios": {name: ratio(times[OURS], times[name]) for name in chunks if name != OURS},
            "observed": ratio(times[f"{OURS}/observed"], times[f"{OURS}/single"]),
            "differences": differences,
            "reference": list(reference),
            "left_out": left_out,
            "ways": dict(stepper.executor.chooser.taken) if isinstance(stepper.executor, CUDAExecutor) else {},
        }
    finally:
        stepper.close()


def _first(chunk: Chunk) -> list[float]:
    """The first losses, one step a call and then several, as they are timed."""
    return [*chunk(1), *chunk(FIRST - 1)]


def _calls(chunk: Chunk, steps: int) -> Callable[[], object]:
    return lambda: chunk(steps)


def _steps_a_call(chunk: Chunk, device: Device) -> int:
    """As many steps as make a call of the device's length, for every side the same."""
    chunk(1)
    begun = device.clock()
    chunk(4)
    return max(1, min(LONGEST, int(device.call * 4 / max(device.clock() - begun, 1e-9))))
