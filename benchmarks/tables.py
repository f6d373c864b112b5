"""From results to tables, for a terminal and for a document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import geometric_mean
from typing import Any

from benchmarks.sides import OURS, label_of
from engine.roofline import Level, Machine, Work, bound

__all__ = ["Table", "limits_of", "markdown", "tables", "text"]

Results = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """A heading, column heads, rows of texts (the first column to the left, all others to the right but those that
    `left` names), and a remark below."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    left: tuple[int, ...] = (0,)


def tables(results: Results) -> list[Table]:
    """A table for each section that the results hold."""
    made = [make(results) for section, make in _TABLES.items() if section in results]
    return [table for group in made for table in group]


def text(table: Table) -> str:
    """For a terminal."""
    rows = [table.heads, *table.rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.heads))]
    lines = [table.title]
    for row in rows:
        cells = (cell.ljust(widths[i]) if i in table.left else cell.rjust(widths[i]) for i, cell in enumerate(row))
        lines.append("  ".join(cells).rstrip())
    return "\n".join([*lines, *([table.note] if table.note else [])])


def markdown(table: Table, level: int = 3) -> str:
    """For a document."""
    line = "|".join("---" if i in table.left else "---:" for i in range(len(table.heads)))
    rows = ["| " + " | ".join(row) + " |" for row in (table.heads, *table.rows)]
    note = ["", table.note] if table.note else []
    return "\n".join([f"{'#' * level} {table.title}", "", rows[0], f"|{line}|", *rows[1:], *note])


def milliseconds(seconds: float) -> str:
    """To three digits: "0.0033", "1.85", "90.4", "412"."""
    value = 1e3 * seconds
    digits = 4 if value < 0.1 else 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f}"


def ratio_text(value: float) -> str:
    """To two digits after the point, or two that count where it is small: "0.0021", "0.47", "1.80"."""
    return f"{value:.2g}" if value < 0.1 else f"{value:.2f}" if value < 10 else f"{value:.0f}"


def limits_of(results: Results) -> Machine | None:
    """The machine's measured limits with all threads, where the results hold them."""
    if "roofline" not in results:
        return None
    plain = results["roofline"]["all"]
    return Machine(plain["threads"], plain["flops"], tuple(Level(**item) for item in plain["levels"]), plain["method"])


def _steps(results: Results) -> list[Table]:
    rows, peers = results["steps"], results["peers"]
    ours, sides = results["executors"], [*results["executors"], *results["peers"]]
    times = Table(
        "Time of a training step",
        ("", "workload", *(f"{label_of(side)}, ms" for side in sides), *(f"{OURS[side]}, one a call" for side in ours)),
        tuple(
            (
                row["name"],
                row["title"],
                *(_time(row, side) for side in sides),
                *(_time(row, f"{side}/single") for side in ours),
            )
            for row in rows
        ),
        "Medians. The engine runs several steps a call, as training does; “one a call” is what a step takes alone.",
        (0, 1),
    )
    compared = [
        (executor, peer) for executor in ours for peer in peers if any(peer in row["ratios"][executor] for row in rows)
    ]
    if not compared:
        return [times]
    body = [
        (
            row["name"],
            *(_ratio(row["ratios"][executor].get(peer)) for executor, peer in compared),
            f"{max(row['differences'].values()):.0e}" if row["differences"] else "–",
        )
        for row in rows
    ]
    means = [
        geometric_mean([row["ratios"][executor][peer] for row in rows if peer in row["ratios"][executor]])
        for executor, peer in compared
    ]
    body.append(("all", *(_ratio(value) for value in means), ""))
    ratios = Table(
        "The engine's time as a part of a peer's",
        ("", *(f"{OURS[executor]} / {label_of(peer)}" for executor, peer in compared), "losses"),
        tuple(body),
        "Medians of each round's ratios; below 1 the engine takes less time. “all” is the geometric mean. “losses” "
        "is the largest relative difference of a side's first five losses from PyTorch's; – where the network draws "
        "random numbers.",
    )
    return [times, ratios]


def _time(row: Results, side: str) -> str:
    return milliseconds(row["times"][side]["median"]) if side in row["times"] else "–"


def _ratio(value: float | None) -> str:
    return "–" if value is None else ratio_text(value)


def _roofline(results: Results) -> list[Table]:
    limits = results["roofline"]
    rows = []
    for name, found in (("one core", limits["one"]), ("all threads", limits["all"])):
        rows.append((name, f"{found['flops'] / 1e9:.0f}", *(f"{item['rate'] / 1e9:.0f}" for item in found["levels"])))
    sizes = [item["size"] for item in limits["all"]["levels"]]
    made = [
        Table(
            "What the machine can do",
            ("", "GFLOP/s", *(f"GB/s, {_size(size)}" for size in sizes)),
            tuple(rows),
            f"float32; {limits['all']['method']}, and the triad a = b + s c over working sets of these sizes.",
        )
    ]
    machine = limits_of(results)
    assert machine is not None
    if "steps" in results:
        body = []
        for row in results["steps"]:
            work = Work(**row["work"])
            least = bound(work, machine)
            cells = []
            for executor in results["executors"]:
                seconds = row["times"][executor]["median"]
                cells += [f"{work.flops / seconds / 1e9:.1f}", f"{least.seconds / seconds:.0%}"]
            floor = (milliseconds(least.seconds), least.limit)
            body.append((row["name"], f"{work.flops / 1e6:.4g}", f"{work.bytes / 1e6:.3g}", *floor, *cells))
        heads = [head for executor in results["executors"] for head in (f"{OURS[executor]}, GFLOP/s", "of the bound")]
        made.append(
            Table(
                "The share of it that a step reaches",
                ("", "MFLOP", "MB", "bound, ms", "by", *heads),
                tuple(body),
                "The bound is the longer of the time for the arithmetic at the peak and the time for moving each fused "
                "group's operands once at the bandwidth of a working set of that size. An executor that fuses further "
                "than the program's groups moves less.",
                (0, 4),
            )
        )
    return made


def _size(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


def _instruments(results: Results) -> list[Table]:
    found = results["instruments"]
    steps = Table(
        "What it costs to look inside",
        ("", "executor", "plain step, ms", "observed, ms", "ratio"),
        tuple(
            (r["name"], OURS[r["executor"]], milliseconds(r["plain"]), milliseconds(r["observed"]), f"{r['ratio']:.2f}")
            for r in found["steps"]
        ),
        "An observed step measures every layer's activations, gradients, weights and updates, with histograms, and "
        "hands them over; both are run one a call.",
        (0, 1),
    )
    share = Table(
        "The share of a run's time that instruments take",
        ("preset", "executor", "share"),
        tuple((r["preset"], OURS[r["executor"]], f"{r['share']:.1%}") for r in found["cadence"]),
        "With everything watched, as often as the trainer decides to look; its own measure.",
        (0, 1),
    )
    return [steps, share]


def _startup(results: Results) -> list[Table]:
    rows = tuple((r["what"], f"{r['seconds']:.2f}", f"{r['first']:.2f}") for r in results["startup"])
    return [
        Table(
            "Start-up",
            ("", "seconds", "the first time"),
            rows,
            "Whole processes, the interpreter's own start and end included. The first step is that of spiral-mlp.",
        )
    ]


def _memory(results: Results) -> list[Table]:
    sides = list(results["memory"][0]["peaks"]) if results["memory"] else []
    rows = tuple((r["name"], *(f"{r['peaks'][side] / 2**20:.0f}" for side in sides)) for r in results["memory"])
    return [
        Table(
            "Peak memory of a process that trains, MiB",
            ("", *(label_of(side) for side in sides)),
            rows,
            "Resident, with the libraries and the data; a process each.",
        )
    ]


def _scaling(results: Results) -> list[Table]:
    found = results["scaling"]
    counts = list(found["threads"][0]["seconds"]) if found["threads"] else []
    by_threads = Table(
        "By number of threads, ms a step",
        ("", "side", *counts),
        tuple(
            (r["name"], label_of(r["side"]), *(milliseconds(r["seconds"][n]) for n in counts)) for r in found["threads"]
        ),
        left=(0, 1),
    )
    sides = list(found["sizes"][0]["seconds"]) if found["sizes"] else []
    by_size = Table(
        "By size, ms a step",
        ("varied", "size", *(label_of(side) for side in sides)),
        tuple((r["what"], str(r["size"]), *(milliseconds(r["seconds"][s]) for s in sides)) for r in found["sizes"]),
        "An MLP for digits with Adam: 2 layers of 256, batch 128, but for what is varied.",
    )
    return [by_threads, by_size]


_TABLES: dict[str, Callable[[Results], Sequence[Table]]] = {
    "steps": _steps,
    "roofline": _roofline,
    "instruments": _instruments,
    "startup": _startup,
    "memory": _memory,
    "scaling": _scaling,
}
"""Which results become which tables, in their order."""
