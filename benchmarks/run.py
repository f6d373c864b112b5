"""Training steps of the engine beside its peers, in one process, in turn; and what else takes time or memory.

    python3 benchmarks/run.py [W1 W2 ...] [--sections steps,roofline,...] [--peers torch,jax,...] [--record]

Every side trains the same networks with the same numbers: where the losses of the first five steps differ from
PyTorch's by more than 1e-4, the command says so and fails. docs/performance.md tells what is measured.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.environment import hold, machine
from lab.cores import usable_cores

SECTIONS = ("steps", "roofline", "instruments", "startup", "memory", "scaling")
EXECUTORS = {"cpu": ("cpu",), "array": ("array",), "both": ("cpu", "array")}


def main(arguments: list[str] | None = None) -> int:
    """0, or 1 where two sides do not compute the same, or 2 where the call was wrong."""
    options = _parser().parse_args(arguments)
    # Read by the libraries when they are imported, so it must come first.
    hold(options.threads)
    from benchmarks import record
    from benchmarks.losses import Mismatch
    from benchmarks.tables import tables, text
    from benchmarks.workloads import WORKLOADS
    from engine.executors import ExecutorError

    names = options.workloads or list(WORKLOADS)
    unknown = [name for name in names if name not in WORKLOADS]
    if unknown:
        print(f"There is no workload “{unknown[0]}”; there are {', '.join(WORKLOADS)}.", file=sys.stderr)
        return 2
    try:
        executors = _executors(options.executor)
        results = measure(names, executors, _peers(options.peers), options)
    except (Mismatch, Unavailable, ExecutorError) as error:
        print(error, file=sys.stderr)
        return 1
    for table in tables(results):
        print(f"\n{text(table)}")
    if "live" in results:
        print(f"\n{results['live']}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if options.svg and "steps" in results:
        options.svg.write_text(record.chart(results), encoding="utf-8")
    if options.record:
        for path in record.write(results):
            print(f"written: {path}")
    return 0


class Unavailable(RuntimeError):
    """Something that was asked for is not on this machine; the message says how to get it."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    several = {"type": lambda text: [item for item in text.split(",") if item]}
    parser.add_argument("workloads", metavar="W", nargs="*", help="W1 ... W7, W3s; all without")
    parser.add_argument("--sections", metavar="A,B", default=list(SECTIONS[:2]), **several, help=", ".join(SECTIONS))
    parser.add_argument("--peers", metavar="A,B", default=None, **several, help="torch, torch-best, jax, numpy")
    parser.add_argument("--executor", choices=EXECUTORS, help="the engine's; all that there are without")
    parser.add_argument(
        "--threads", metavar="N", type=int, default=usable_cores(), help="of every side; all cores without"
    )
    parser.add_argument("--rounds", metavar="N", type=int, default=15)
    parser.add_argument("--live", action="store_true", help="also training with the window open (benchmarks/live.py)")
    parser.add_argument("--json", metavar="FILE", type=Path)
    parser.add_argument("--svg", metavar="FILE", type=Path)
    parser.add_argument(
        "--record",
        action="store_true",
        help="measure every section, write benchmarks/results/DATE-cpu.* and renew docs/performance.md",
    )
    return parser


def measure(names: list[str], executors: list[str], peers: list[str], options: argparse.Namespace) -> dict[str, Any]:
    """All sections that were asked for. Raises Mismatch."""
    from benchmarks import sections
    from benchmarks.steps import measure as measure_steps

    chosen = SECTIONS if options.record else options.sections
    unknown = [section for section in chosen if section not in SECTIONS]
    if unknown:
        raise Unavailable(f"There is no section “{unknown[0]}”; there are {', '.join(SECTIONS)}.")
    rounds, threads = options.rounds, options.threads
    eager = [peer for peer in peers if peer == "torch"]
    results: dict[str, Any] = {
        "machine": machine(),
        "threads": threads,
        "rounds": rounds,
        "executors": executors,
        "peers": peers,
    }
    work: dict[str, Callable[[], Any]] = {
        "roofline": lambda: _limits(threads),
        "steps": lambda: [noted(name, partial(measure_steps, name, executors, peers, rounds)) for name in names],
        "instruments": lambda: {
            "steps": sections.instruments(names, executors, rounds),
            "cadence": sections.cadence(sections.CADENCE, executors, seconds=4.0),
        },
        "startup": lambda: sections.startup(executors, peers, threads, rounds=5),
        "memory": lambda: sections.memory(names, [*executors, *eager], threads),
        "scaling": lambda: {
            "threads": sections.threads([*executors, *eager], threads),
            "sizes": sections.scaling([*executors, *eager], max(3, rounds // 3), note),
        },
    }
    for section in work:
        if section in chosen:
            results[section] = noted(section, work[section])
    if options.live:
        results["live"] = noted("live", lambda: sections.live(4.0))
    return results


def noted(what: str, run: Callable[[], Any]) -> Any:
    """Say what is measured while it is."""
    note(what)
    return run()


def note(what: str) -> None:
    """A line of progress on standard error."""
    print(f"... {what}", file=sys.stderr, flush=True)


def _limits(threads: int) -> dict[str, Any]:
    from dataclasses import asdict

    from engine import peak

    return {"one": asdict(peak.measure(1)), "all": asdict(peak.measure(threads))}


def _executors(asked: str | None) -> list[str]:
    """The executors to measure. Raises Unavailable where one was asked for that is not there."""
    from engine.executors import unavailable

    why = unavailable()
    if asked is None:
        return ["array"] if why else ["cpu", "array"]
    if "cpu" in EXECUTORS[asked] and why:
        raise Unavailable(why)
    return list(EXECUTORS[asked])


def _peers(asked: list[str] | None) -> list[str]:
    """The peers to measure; those that are not installed are left out with a line. Raises Unavailable."""
    from benchmarks.peers import PEERS, installed

    names = list(PEERS) if asked is None else asked
    found = []
    for name in names:
        if name not in PEERS:
            raise Unavailable(f"There is no peer “{name}”; there are {', '.join(PEERS)}.")
        if installed(name):
            found.append(name)
        else:
            package = PEERS[name].package
            print(f"{PEERS[name].label} is left out: {sys.executable} -m pip install {package}", file=sys.stderr)
    return found


if __name__ == "__main__":
    raise SystemExit(main())
