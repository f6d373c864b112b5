"""One measurement in a process of its own: memory and start-up belong to a process, and so does a number of threads.

python -m benchmarks.child W2 cpu --steps 20      trains, and prints seconds a step and peak memory as JSON
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

__all__ = ["ChildError", "output_of", "seconds_of", "train"]


class ChildError(RuntimeError):
    """A measurement in a process of its own failed; the message ends with the last line it wrote."""


def train(workload: str, side: str, threads: int, *, steps: int = 0, seconds: float = 1.0) -> dict[str, float]:
    """Train a workload in a fresh process: its "seconds" a step and its "peak" memory in bytes. With `steps` 0 it
    trains for about `seconds`."""
    arguments = [workload, side, "--threads", str(threads), "--steps", str(steps), "--seconds", str(seconds)]
    found: dict[str, float] = json.loads(output_of(["-m", "benchmarks.child", *arguments]).splitlines()[-1])
    return found


def seconds_of(code: str, threads: int) -> float:
    """How long a fresh interpreter takes to run `code`, from its start to its end."""
    begun = time.perf_counter()
    output_of(["-c", code], threads)
    return time.perf_counter() - begun


def output_of(arguments: list[str], threads: int | None = None) -> str:
    """What a fresh interpreter writes when it is called so. Raises ChildError when it fails."""
    from benchmarks.environment import with_threads

    environment = dict(os.environ) if threads is None else with_threads(threads)
    environment.setdefault("QT_QPA_PLATFORM", "offscreen")
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, encoding="utf-8"
    )
    if done.returncode:
        last = done.stderr.strip().splitlines() or ["it wrote nothing"]
        raise ChildError(f"python {' '.join(arguments)} ended with status {done.returncode}: {last[-1]}")
    return done.stdout


def peak_memory(status: Path = Path("/proc/self/status")) -> int:
    """The most memory that this process has had resident, in bytes; 0 where the system does not tell."""
    if status.exists():
        # What `getrusage` tells on Linux begins with the peak of the process that started this one.
        line = next((line for line in status.read_text().splitlines() if line.startswith("VmHWM:")), "")
        return int(line.split()[1]) * 1024 if line else 0
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> int:
    """The child's side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload")
    parser.add_argument("side")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args()
    from benchmarks.environment import hold

    hold(options.threads)
    print(json.dumps(_train(options.workload, options.side, options.steps, options.seconds)))
    return 0


def _train(workload: str, name: str, steps: int, seconds: float) -> dict[str, Any]:
    from benchmarks.sides import chunked, contender
    from benchmarks.workloads import WORKLOADS
    from engine.timing import in_turn

    side = contender(name, WORKLOADS[workload]())
    if side is None:
        raise SystemExit(f"{name} cannot train {workload}")
    try:
        if steps:
            begun = time.perf_counter()
            for _ in range(steps):
                side.step()
            return {"seconds": (time.perf_counter() - begun) / steps, "peak": peak_memory()}
        rounds = in_turn({name: chunked(side)}, 5, least=seconds / 5)
        return {"seconds": min(rounds[name]), "peak": peak_memory()}
    finally:
        side.close()


if __name__ == "__main__":
    raise SystemExit(main())
