"""Keeping results: dated files, and the newest of them in the document."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.chart import Mark, Row, svg
from benchmarks.sides import label_of
from benchmarks.tables import markdown, tables

__all__ = ["BEGIN", "END", "chart", "document", "renewed", "write"]

ROOT = Path(__file__).resolve().parents[1]
BEGIN = "<!-- newest results: written by benchmarks/run.py --record -->"
END = "<!-- end of the newest results -->"

Results = dict[str, Any]


def write(results: Results, root: Path = ROOT) -> list[Path]:
    """Write `benchmarks/results/DATE-cpu.{json,md,svg}` below `root` and renew `docs/performance.md`; returns the files
    that were written. Raises ValueError where the document has no place for them."""
    name = f"{results['machine']['date']}-cpu"
    folder = root / "benchmarks" / "results"
    page = root / "docs" / "performance.md"
    picture = f"../benchmarks/results/{name}.svg"
    page_text = renewed(page.read_text(encoding="utf-8"), document(results, picture, level=3))
    files = {
        folder / f"{name}.json": json.dumps(results, indent=1) + "\n",
        folder / f"{name}.md": f"# Measured {results['machine']['date']}\n\n{document(results, f'{name}.svg')}",
        page: page_text,
    }
    if "steps" in results:
        files[folder / f"{name}.svg"] = chart(results)
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    return list(files)


def document(results: Results, picture: str, level: int = 2) -> str:
    """Machine, picture and every table, as Markdown."""
    machine = results["machine"]
    versions = ", ".join(
        f"{label} {machine[key]}"
        for key, label in (("numpy", "NumPy"), ("numba", "numba"), ("torch", "PyTorch"), ("jax", "JAX"))
        if key in machine
    )
    threads = "1 thread" if results["threads"] == 1 else f"{results['threads']} threads"
    parts = [
        f"{machine['date']}: {machine['cpu']}, {machine['cores']} cores, {machine['memory']}, {machine['system']}; "
        f"Python {machine['python']}, {versions}. {threads} of every side, float32, {results['rounds']} rounds."
    ]
    if "steps" in results:
        parts.append(f"![Times beside those of PyTorch]({picture})")
    parts += [markdown(table, level) for table in tables(results)]
    if "live" in results:
        parts.append(f"{'#' * level} Training with the window open\n\n```\n{results['live'].strip()}\n```")
    return "\n\n".join(parts) + "\n"


def renewed(page: str, newest: str) -> str:
    """The page with what stands between its two marks replaced. Raises ValueError where a mark is missing."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise ValueError(f"docs/performance.md needs the lines “{BEGIN}” and “{END}”, once each and in this order")
    return re.sub(
        f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: f"{BEGIN}\n\n{newest}\n{END}", page, flags=re.DOTALL
    )


def chart(results: Results) -> str:
    """The medians of all sides as parts of the reference's, as SVG."""
    sides = [*results["executors"], *results["peers"]]
    reference = results["peers"][0] if results["peers"] else results["executors"][0]
    rows = []
    for row in results["steps"]:
        whole = row["times"].get(reference)
        if whole is None:
            continue
        marks = tuple(
            Mark(_name(side), row["times"][side]["median"] / whole["median"])
            for side in sides
            if side in row["times"] and side != reference
        )
        rows.append(Row(f"{row['name']}  {_short(row['title'])}", marks))
    return svg(rows, f"Time of a training step, {results['threads']} threads", _name(reference))


def _name(side: str) -> str:
    return label_of(side) if label_of(side)[0].isupper() else f"Descent Lab, {label_of(side)}"


def _short(title: str) -> str:
    """A workload's title without what is the same kind of thing everywhere: batch and optimizer."""
    return title.split(", batch ")[0]
