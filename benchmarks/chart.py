"""The ratios to PyTorch as a picture: a row a workload, a mark a side, on a logarithmic axis. Plain SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

__all__ = ["Mark", "Row", "svg"]

WIDTH, ROW, LEFT, RIGHT, TOP, BOTTOM = 900, 34, 320, 24, 64, 46
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
# Hues of one lightness that keep a contrast of 3 to both white and the darkest grey; shapes tell them apart too.
COLOURS = ("#c2571a", "#0b84a5", "#7d6ad6", "#4b8b3b", "#8a7a55", "#b0478c")
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2328}.muted{fill:#59636e}.grid{stroke:#d1d9e0}.one{stroke:#59636e;"
    "stroke-width:1.5}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.muted{fill:#9198a1}.grid{stroke:#3d444d}"
    ".one{stroke:#9198a1}}"
)


@dataclass(frozen=True)
class Mark:
    """A side's place in a row: the ratio of its time to that of the reference."""

    side: str
    ratio: float


@dataclass(frozen=True)
class Row:
    """A workload."""

    label: str
    marks: tuple[Mark, ...]


def svg(rows: Sequence[Row], title: str, reference: str) -> str:
    """The picture: legible on a light and on a dark ground. `reference` is what stands at 1. Raises ValueError where a
    ratio is not above 0."""
    marks = [mark for row in rows for mark in row.marks]
    if not all(mark.ratio > 0 and math.isfinite(mark.ratio) for mark in marks):
        raise ValueError("a ratio of times is a number above 0")
    sides = list(dict.fromkeys(mark.side for mark in marks))
    low = min([mark.ratio for mark in marks] + [0.5])
    high = max([mark.ratio for mark in marks] + [2.0])
    start = max([tick for tick in TICKS if tick <= low] or [low])
    stop = min([tick for tick in TICKS if tick >= high] or [high])
    height = TOP + ROW * len(rows) + BOTTOM

    def x(value: float) -> float:
        part = math.log(value / start) / math.log(stop / start)
        return LEFT + part * (WIDTH - LEFT - RIGHT)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" width="{WIDTH}" '
        f'height="{height}">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<text x="12" y="22" font-weight="600">{escape(title)}</text>',
    ]
    place = 12.0
    for index, side in enumerate(sides):
        out.append(_shape(index, place + 6, 44))
        out.append(f'<text x="{place + 17:.1f}" y="48">{escape(side)}</text>')
        place += 34 + 7.2 * len(side)
    bottom = TOP + ROW * len(rows)
    for tick in TICKS:
        if start <= tick <= stop:
            kind = "one" if tick == 1 else "grid"
            out.append(f'<line class="{kind}" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{TOP}" y2="{bottom}"/>')
            out.append(f'<text class="muted" x="{x(tick):.1f}" y="{bottom + 18}" text-anchor="middle">{tick:g}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    out.append(
        f'<text class="muted" x="{middle:.1f}" y="{bottom + 36}" text-anchor="middle">{escape(reference)} = 1; '
        "further to the left is faster</text>"
    )
    for index, row in enumerate(rows):
        y = TOP + ROW * (index + 0.5)
        out.append(f'<text x="{LEFT - 14}" y="{y + 4:.1f}" text-anchor="end">{escape(row.label)}</text>')
        out.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        # Earlier sides lie above later ones.
        for mark in reversed(row.marks):
            label = escape(f"{row.label}, {mark.side}: {mark.ratio:.3g}")
            out.append(f"<g><title>{label}</title>{_shape(sides.index(mark.side), x(mark.ratio), y)}</g>")
    return "\n".join([*out, "</svg>"]) + "\n"


def _shape(index: int, x: float, y: float) -> str:
    colour = COLOURS[index % len(COLOURS)]
    if index % 3 == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="{colour}"/>'
    if index % 3 == 1:
        return f'<rect x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10" fill="{colour}"/>'
    points = f"{x:.1f},{y - 6:.1f} {x + 6:.1f},{y + 5:.1f} {x - 6:.1f},{y + 5:.1f}"
    return f'<polygon points="{points}" fill="{colour}"/>'
