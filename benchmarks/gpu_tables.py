"""Tables of what was measured on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import geometric_mean
from typing import Any

from benchmarks.gpu_names import LABELS, OURS
from benchmarks.tables import Table, markdown, milliseconds, ratio_text
from engine.roofline import Level, Machine, Work, bound

__all__ = ["document", "machine_of", "tables"]

Results = dict[str, Any]


def tables(results: Results) -> list[Table]:
    """Every table that the results have something for."""
    rows, peers = results["rows"], results["peers"]
    made = [_times(rows, peers), *_ratios(rows, peers), _limits(results["limits"]), _shares(rows, results["limits"])]
    made.append(_instruments(rows))
    if results["cadence"]:
        made.append(_cadence(results["cadence"]))
    if left := [(row, name) for row in rows for name in row["left_out"]]:
        made.append(_left_out(left))
    if results["skipped"]:
        made.append(Table("What was not compared", ("", "why"), tuple(map(tuple, results["skipped"])), "", (0, 1)))
    return made


def document(results: Results) -> str:
    """Card, software and every table, as Markdown."""
    machine = results["machine"]
    parts = [
        f"# Measured {machine['date']}: {machine['card']}",
        f"{machine['card']} ({machine['card_memory']}, {machine['multiprocessors']} multiprocessors, compute "
        f"capability {machine['capability']}), driver {machine['driver']}; CUDA {machine['cuda']}, cuDNN "
        f"{machine['cudnn']}, CuPy {machine['cupy']}, PyTorch {machine['torch']}, Python {machine['python']}, "
        f"{machine['system']}; "
        f"{machine['cpu']}. Commit {machine['commit']}. {results['rounds']} rounds; torch.compile with mode "
        f"“{results['mode']}”.",
    ]
    return "\n\n".join([*parts, *(markdown(table, 2) for table in tables(results))]) + "\n"


def machine_of(limits: Results, math: str) -> Machine:
    """The card's limits with one way to multiply."""
    return Machine(1, limits["flops"][math], tuple(Level(**item) for item in limits["levels"]), limits["method"])


def _times(rows: Sequence[Results], peers: Sequence[str]) -> Table:
    sides = (OURS, *peers, f"{OURS}/single")
    return Table(
        "Time of a training step",
        ("", "workload", "products", *(f"{LABELS[side]}, ms" for side in sides[:-1]), "one a call", "steps a call"),
        tuple(
            (
                *(row["name"], row["title"], row["math"]),
                *(milliseconds(row["times"][side]["median"]) if side in row["times"] else "–" for side in sides),
                str(row["steps_a_call"]),
            )
            for row in rows
        ),
        "Medians, by CUDA events. Every side runs so many steps a call and reads their losses at its end; “one a call” "
        "is the engine's step with its loss read at once. “bf16” is automatic mixed precision in PyTorch; in the "
        "engine only the factors of matrix products are rounded.",
        (0, 1, 2),
    )


def _ratios(rows: Sequence[Results], peers: Sequence[str]) -> list[Table]:
    present = [name for name in peers if any(name in row["ratios"] for row in rows)]
    if not present:
        return []
    body = []
    for row in rows:
        cells = (ratio_text(row["ratios"][name]) if name in row["ratios"] else "–" for name in present)
        ours = row["differences"].get(OURS)
        others = [value for name, value in row["differences"].items() if name != OURS]
        away = (f"{ours:.0e}" if ours is not None else "–", f"{max(others):.0e}" if others else "–")
        body.append((row["name"], row["math"], *cells, *away))
    for math in dict.fromkeys(row["math"] for row in rows):
        cells = (
            _mean([row["ratios"][name] for row in rows if row["math"] == math and name in row["ratios"]])
            for name in present
        )
        body.append(("all", math, *cells, "", ""))
    return [
        Table(
            "The engine's time as a part of PyTorch's",
            ("", "products", *(LABELS[name] for name in present), "losses", "PyTorch's losses"),
            tuple(body),
            "Medians of each round's ratios; below 1 the engine takes less time. “all” is the geometric mean. “losses” "
            "is the largest relative difference of the engine's first five losses from those of PyTorch in float32, "
            "and of PyTorch's other sides from the same; – where the network draws random numbers.",
            (0, 1),
        )
    ]


def _mean(ratios: Sequence[float]) -> str:
    return ratio_text(geometric_mean(ratios)) if ratios else "–"


def _limits(limits: Results) -> Table:
    rates = tuple(f"{item['rate'] / 1e9:.0f}" for item in limits["levels"])
    sizes = tuple(f"GB/s, {item['size'] / 2**20:.3g} MiB" for item in limits["levels"])
    return Table(
        "What the card can do",
        (*(f"{math}, TFLOP/s" for math in limits["flops"]), *sizes),
        ((*(f"{rate / 1e12:.1f}" for rate in limits["flops"].values()), *rates),),
        f"Measured in the same run by PyTorch: {limits['method']}, and the triad a = b + s c over working sets of "
        "these sizes.",
        (),
    )


def _shares(rows: Sequence[Results], limits: Results) -> Table:
    body = []
    for row in rows:
        work = Work(**row["work"])
        least = bound(work, machine_of(limits, row["math"]))
        seconds = row["times"][OURS]["median"]
        best = min((row["times"][name]["median"] for name in row["ratios"]), default=None)
        body.append(
            (
                *(row["name"], row["math"], f"{work.flops / 1e9:.4g}", f"{work.bytes / 1e6:.4g}"),
                *(milliseconds(least.seconds), least.limit, f"{work.flops / seconds / 1e12:.2f}"),
                *(f"{least.seconds / seconds:.0%}", "–" if best is None else f"{least.seconds / best:.0%}"),
            )
        )
    return Table(
        "The share of it that a step reaches",
        ("", "products", "GFLOP", "MB", "bound, ms", "by", "TFLOP/s", "of the bound", "PyTorch's best"),
        tuple(body),
        "The bound is the longer of the time for the arithmetic at the measured peak and the time for moving each "
        "fused group's operands once at the bandwidth of a working set of that size.",
        (0, 1, 5),
    )


def _instruments(rows: Sequence[Results]) -> Table:
    times = [
        (row, row["times"][f"{OURS}/single"]["median"], row["times"][f"{OURS}/observed"]["median"]) for row in rows
    ]
    return Table(
        "What it costs to look inside",
        ("", "products", "plain step, ms", "observed, ms", "ratio"),
        tuple(
            (row["name"], row["math"], milliseconds(plain), milliseconds(observed), f"{row['observed']:.2f}")
            for row, plain, observed in times
        ),
        "An observed step measures every layer's activations, gradients, weights and updates, with histograms, and "
        "hands them over; both are run one a call.",
        (0, 1),
    )


def _cadence(found: Sequence[Results]) -> Table:
    return Table(
        "The share of a run's time that instruments take",
        ("preset", "share"),
        tuple((row["preset"], f"{row['share']:.1%}") for row in found),
        "With everything watched, as often as the trainer decides to look; its own measure.",
    )


def _left_out(left: Sequence[tuple[Results, str]]) -> Table:
    return Table(
        "Sides that could not be measured",
        ("", "products", "side", "why"),
        tuple((row["name"], row["math"], LABELS[name], row["left_out"][name]) for row, name in left),
        left=(0, 1, 2, 3),
    )
