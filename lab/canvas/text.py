"""Numbers as the canvas writes them: shapes, counts and the line of figures below the experiment's name."""

from __future__ import annotations

from collections.abc import Sequence

from engine.diagnostics import Report
from engine.experiment import NetworkSpec, Node
from engine.layers.base import Loss
from engine.schema import info_of
from lab.catalog import layers_text

__all__ = ["count_text", "flops_text", "group_of", "percent_text", "shape_text", "summary_text"]


def group_of(node: Node) -> str:
    """The palette group, which decides the colour."""
    info = info_of(node.component)
    return info.group or ("Loss" if isinstance(node.component, Loss) else "")


def shape_text(shape: Sequence[int] | None) -> str:
    """(28, 28, 1) -> 28×28×1; () -> scalar; unknown -> an en dash."""
    if shape is None:
        return "–"
    return "×".join(str(size) for size in shape) or "scalar"


def count_text(count: int) -> str:
    """320, 18.5k, 401k, 1.3M: at most four characters and exact below a thousand."""
    if count < 1000:
        return str(count)
    for factor, unit in ((1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T")):
        value = count / factor
        if value < 99.95:
            return f"{value:.1f}{unit}"
        if value < 999.5:
            return f"{value:.0f}{unit}"
    return f"{count:.1e}"


def flops_text(flops: int) -> str:
    """4.9 MFLOP."""
    for factor, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if flops >= factor:
            return f"{flops / factor:.1f} {unit}FLOP"
    return f"{flops} FLOP"


def percent_text(share: float) -> str:
    """0.62 -> 62 %."""
    return f"{100 * share:.0f} %"


def summary_text(network: NetworkSpec, report: Report) -> str:
    """12 layers · 421,642 parameters · 4.9 MFLOP / sample."""
    if not network.nodes:
        return "no layers yet"
    errors = sum(item.severity == "error" for item in report.diagnostics)
    parts = [layers_text(network)]
    if report.order and all(report.nodes[node].shape is not None for node in report.order):
        parts.append(f"{report.parameter_count:,} parameters")
        if not errors:  # with an error nothing can be counted
            parts.append(f"{flops_text(report.flops)} / sample")
    if errors:
        parts.append(f"{errors} problem{'s' if errors != 1 else ''}")
    return " · ".join(parts)
