"""Training steps of the engine beside PyTorch, in one process, in turn: medians and ratios.

    python benchmarks/run.py [W1 W2 ...] [--threads 2] [--rounds 15] [--json FILE]

A ratio below 1 means that the engine's step takes less time than PyTorch's. "first" is the largest relative difference
of the losses of the first five steps (dropout apart). "observed" is the time of a step with every instrument on, as a
multiple of the plain step.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", default=["W1", "W2", "W3", "W4", "W5", "W6", "W7"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    # Read by the libraries when they are imported, so it must come first.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(options.threads)

    rows = [measure(name, options.rounds, options.threads) for name in options.workloads]
    print(f"{'':<4} {'ours ms':>9} {'PyTorch ms':>11} {'ratio':>7} {'first':>9} {'observed':>9}  workload")
    for row in rows:
        print(
            f"{row['name']:<4} {row['ours_ms']:>9.3f} {row['torch_ms']:>11.3f} {row['ratio']:>7.2f} "
            f"{row['first_losses']:>9.1e} {row['observed']:>8.1f}x  {row['title']}"
        )
    print(f"geometric mean of the ratios: {statistics.geometric_mean(row['ratio'] for row in rows):.2f}")
    if options.json:
        options.json.write_text(
            json.dumps({"machine": machine(), "threads": options.threads, "rows": rows}, indent=1) + "\n"
        )
    return 0


def measure(name: str, rounds: int, threads: int) -> dict[str, Any]:
    """One workload: both sides in turn, each round long enough to be timed."""
    import torch

    from benchmarks.peer_torch import torch_step
    from benchmarks.workloads import WORKLOADS
    from engine.backend import choose
    from engine.executor import ArrayExecutor
    from engine.graph import check
    from engine.optimizers import update_scalars
    from engine.plan import compile
    from engine.state import State

    torch.set_num_threads(threads)
    workload = WORKLOADS[name]()
    report = check(workload.experiment.network, workload.signature)
    training: Any = workload.experiment.training
    state = State(workload.experiment.network, report, training.optimizer, choose("cpu"), seed=0)
    peer = torch_step(workload, state.to_host())
    executor = ArrayExecutor(state)

    def bound(observe: bool) -> Any:
        program = compile(
            workload.experiment, report, workload.signature, batch_size=workload.batch, training=True, observe=observe
        )
        result = executor.bind(program)
        result.feed({"x": workload.inputs}, {"y": workload.targets})
        return result

    observed, plain = bound(True), bound(False)
    steps = 0

    def ours(program: Any = plain) -> float:
        nonlocal steps
        steps += 1
        program.run(update_scalars(training, training.optimizer.learning_rate, steps), steps)
        return float(program.loss())

    first = [(ours(), peer()) for _ in range(5)]
    dropout = any(node.id.startswith("dropout") for node in workload.experiment.network.nodes)
    difference = 0.0 if dropout else max(abs(a - b) / abs(b) for a, b in first)

    repeats = max(1, round(0.05 / max(_time(ours, 1), 1e-6)))
    times: dict[str, list[float]] = {"ours": [], "torch": [], "observed": []}
    for _ in range(rounds):
        times["ours"].append(_time(ours, repeats))
        times["torch"].append(_time(peer, repeats))
        times["observed"].append(_time(lambda: ours(observed), max(1, repeats // 4)))
    ratios = [a / b for a, b in zip(times["ours"], times["torch"], strict=True)]
    return {
        "name": name,
        "title": workload.title,
        "ours_ms": 1e3 * statistics.median(times["ours"]),
        "torch_ms": 1e3 * statistics.median(times["torch"]),
        "ratio": statistics.median(ratios),
        "first_losses": difference,
        "observed": statistics.median(times["observed"]) / statistics.median(times["ours"]),
    }


def _time(step: Any, repeats: int) -> float:
    """Seconds per call."""
    begun = time.perf_counter()
    for _ in range(repeats):
        step()
    return (time.perf_counter() - begun) / repeats


def machine() -> dict[str, str]:
    """The processor and the versions that the figures belong to."""
    import platform

    import numpy
    import torch

    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        model = next(
            (line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line), model
        )
    return {
        "cpu": model,
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
    }


if __name__ == "__main__":
    raise SystemExit(main())
