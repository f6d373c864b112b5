"""What is measured beside the steps themselves: instruments, start-up, memory, and how times grow with sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from benchmarks.child import output_of, seconds_of, train
from benchmarks.sides import chunked, contender
from benchmarks.workloads import WORKLOADS, Workload, mlp
from engine.timing import Side, in_turn, ratio, spread

__all__ = ["CADENCE", "cadence", "instruments", "live", "memory", "scaling", "startup", "threads"]

CADENCE = ("spiral-mlp", "mnist-mlp", "mnist-cnn")
"""Presets whose runs tell what instruments take at the trainer's own cadence."""
SETTLED = 1.0
"""Seconds after which a run's measured share counts: until then it rests on a few looks."""
STEPS = 20
"""Steps after which a process has touched all of its memory."""
SCALED: dict[str, tuple[int, ...]] = {
    "batch": (8, 32, 128, 512, 2048),
    "width": (16, 64, 256, 1024, 2048),
    "depth": (1, 2, 4, 8, 16),
}
"""The sizes of an MLP that are varied, one at a time, around 2 layers of 256 and a batch of 128."""
THREADED = ("W2", "W5", "W7")


def instruments(names: Sequence[str], executors: Sequence[str], rounds: int) -> list[dict[str, Any]]:
    """A step with every instrument on, its readout included, beside a plain one: seconds, and the ratio by round."""
    rows = []
    for name in names:
        workload = WORKLOADS[name]()
        if not workload.training:
            continue
        for executor in executors:
            side = contender(executor, workload)
            assert side is not None and side.stepper is not None
            try:
                sides = side.stepper.sides()
                times = in_turn({key: sides[key] for key in ("single", "observed")}, rounds)
            finally:
                side.close()
            rows.append(
                {
                    "name": name,
                    "executor": executor,
                    "plain": spread(times["single"]).median,
                    "observed": spread(times["observed"]).median,
                    "ratio": ratio(times["observed"], times["single"]),
                }
            )
    return rows


def cadence(
    presets: Sequence[str], executors: Sequence[str], seconds: float, device: str = "cpu"
) -> list[dict[str, Any]]:
    """The share of the time that instruments take in a run with all of them watched, as the run itself measures it."""
    return [
        {"preset": preset, "executor": executor, "share": _share(preset, executor, seconds, device)}
        for preset in presets
        for executor in executors
    ]


def _share(preset: str, executor: str, seconds: float, device: str) -> float:
    from engine.paths import set_path
    from engine.presets import make
    from engine.training.control import TOPICS, Control
    from engine.training.events import Event, Progress
    from engine.training.trainer import Trainer

    control, shares = Control(), []
    control.watch(TOPICS)

    def report(event: Event) -> None:
        if isinstance(event, Progress):
            if event.seconds > min(SETTLED, seconds):
                shares.append(event.instrument_share)
            if event.seconds > SETTLED + seconds:
                control.stop()

    experiment = set_path(make(preset), "training.epochs", 100_000)
    Trainer(experiment, control=control, report=report, device=device, executor=executor).run()  # type: ignore[arg-type]
    return median(shares)


def startup(executors: Sequence[str], peers: Sequence[str], threads: int, rounds: int) -> list[dict[str, Any]]:
    """Seconds of fresh processes, from the interpreter's start to its end, in turn."""
    cases = {"Python alone": "pass", "the engine's modules": "import engine.training.trainer"}
    cases["the window's modules"] = "import lab.window"
    first = (
        "from engine.presets import make; from engine.training.trainer import Trainer; "
        "Trainer(make('spiral-mlp'), steps=1, device='cpu', executor='{}').run()"
    )
    labels = {"array": "the first step, arrays", "cpu": "the first step, compiled (from the cache)"}
    cases |= {labels[executor]: first.format(executor) for executor in executors}
    if "torch" in peers:
        cases["PyTorch's modules"] = "import torch"
    if "jax" in peers:
        cases["JAX's modules"] = "import jax.numpy"
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds + 1):
        for name, code in cases.items():
            times[name].append(seconds_of(code, threads))
    # The first round reads the files from the disk.
    return [{"what": name, "seconds": median(values[1:]), "first": values[0]} for name, values in times.items()]


def memory(names: Sequence[str], sides: Sequence[str], threads: int) -> list[dict[str, Any]]:
    """Peak resident bytes of a fresh process that trains each workload, by side."""
    return [
        {"name": name, "peaks": {side: train(name, side, threads, steps=STEPS)["peak"] for side in sides}}
        for name in names
        if WORKLOADS[name]().training
    ]


def threads(sides: Sequence[str], most: int) -> list[dict[str, Any]]:
    """Seconds a step by number of threads, each in a process of its own."""
    counts = [1 << power for power in range(most.bit_length()) if 1 << power < most] + [most]
    return [
        {"name": name, "side": side, "seconds": {str(n): train(name, side, n)["seconds"] for n in counts}}
        for name in THREADED
        for side in sides
    ]


def scaling(sides: Sequence[str], rounds: int, note: Callable[[str], None]) -> list[dict[str, Any]]:
    """Seconds a step of an MLP by batch, width and depth."""
    rows = []
    for what, sizes in SCALED.items():
        for size in sizes:
            note(f"{what} {size}")
            times = _times(mlp(**{what: size}), sides, rounds)
            rows.append({"what": what, "size": size, "seconds": times})
    return rows


def _times(workload: Workload, names: Sequence[str], rounds: int) -> dict[str, float]:
    found = {name: side for name in names if (side := contender(name, workload)) is not None}
    try:
        timed: dict[str, Side] = {name: chunked(side) for name, side in found.items()}
        return {name: spread(values).median for name, values in in_turn(timed, rounds).items()}
    finally:
        for side in found.values():
            side.close()


def live(seconds: float) -> str:
    """What `benchmarks/live.py` prints: training with the window open, and the window's heartbeat."""
    return output_of(["benchmarks/live.py", "--seconds", f"{seconds:g}"])
