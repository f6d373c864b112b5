"""How a node is while it trains: its histogram, the size of its gradient, and whether that is well. Pure functions.

A node is unwell when half of its elements are saturated, and doubtful from a quarter on. From which values on an
element counts as saturated, the activation itself declares. Units that are zero on one batch are many in sound networks
(a unit that answers to one sample in fifty is silent on a quarter of all batches of 64): half of them make a node
doubtful, four fifths unwell.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from msgspec import Struct

from engine.experiment import NetworkSpec
from engine.layers.activation import Activation
from engine.schema import Component
from engine.training.events import Frame, ParameterStats, TensorStats
from lab.canvas.text import percent_text
from widgets.histogram import legible

__all__ = ["BARS", "Vitals", "gradient_norms", "heights_of", "vitals_of"]

Health = Literal["good", "warn", "bad"]

BARS = 27
GRADIENT_DECADES = 6.0
"""The gradient bar's length: a node whose gradient is 1e-6 of the largest has an empty bar."""

SATURATED_WARN, SATURATED_BAD = 0.25, 0.5
DEAD_WARN, DEAD_BAD = 0.5, 0.8
VANISHED_WARN, VANISHED_BAD = -3.0, -5.0
"""Decades below the largest gradient of the network."""


class Vitals(Struct, frozen=True):
    """What a card shows of one frame.

    `heights`: bars from 0 to 1, or None; `cut` bars are higher than drawn. `gradient`: the bar's fill from 0 to 1, or
    None where no gradient was measured. `health` None: nothing was measured; `message` is empty when all is well;
    `details` are lines for a tooltip. `stale`: of the past, to be drawn faintly.
    """

    heights: tuple[float, ...] | None = None
    cut: tuple[bool, ...] = ()
    gradient: float | None = None
    gradient_health: Health = "good"
    health: Health | None = None
    message: str = ""
    details: tuple[str, ...] = ()
    stale: bool = False


def vitals_of(network: NetworkSpec, frame: Frame) -> dict[str, Vitals]:
    """What `frame` says about each node of `network` that it measured."""
    norms = gradient_norms(frame)
    largest = max((norm for norm in norms.values() if math.isfinite(norm)), default=0.0)
    found = {}
    for node in network.nodes:
        stats, norm = frame.activations.get(node.id), norms.get(node.id)
        if stats is not None or norm is not None:
            found[node.id] = _node_vitals(node.component, stats, norm, largest)
    return found


def gradient_norms(frame: Frame) -> dict[str, float]:
    """The L2 norm of the loss's gradient by each node's output; without adjoints, by its parameters."""
    if frame.adjoints:
        return {node: math.inf if stats.nonfinite else stats.norm for node, stats in frame.adjoints.items()}
    squares: dict[str, float] = {}
    for stats in frame.parameters.values():
        squares[stats.node] = squares.get(stats.node, 0.0) + _square(stats)
    return {node: math.sqrt(square) for node, square in squares.items()}


def _square(stats: ParameterStats) -> float:
    return stats.gradient_norm**2 if math.isfinite(stats.gradient_norm) else math.inf


def _node_vitals(component: Component, stats: TensorStats | None, norm: float | None, largest: float) -> Vitals:
    health, message = (None, "") if stats is None else _activation_health(component, stats)
    gradient, gradient_health = None, "good"
    details = [] if stats is None else _details(stats)
    if norm is not None:
        gradient, gradient_health, words = _gradient_health(norm, largest)
        details.append(f"gradient norm {norm:.3g}")
        if words and health != "bad" and (gradient_health == "bad" or health in (None, "good")):
            health, message = gradient_health, message or words
        health = health or "good"
    heights, cut = heights_of(stats) if stats is not None else (None, ())
    return Vitals(heights, cut, gradient, gradient_health, health, message, tuple(details))  # type: ignore[arg-type]


def _activation_health(component: Component, stats: TensorStats) -> tuple[Health, str]:
    if stats.nonfinite:
        return "bad", f"{stats.nonfinite:,} values are not finite"
    if getattr(component, "max_inputs", None) == 0:  # data are as they are
        return "good", ""
    if stats.saturated_share > SATURATED_WARN:
        level: Health = "bad" if stats.saturated_share > SATURATED_BAD else "warn"
        return level, f"{percent_text(stats.saturated_share)} saturated{_saturation_text(component)}"
    # Elsewhere zeros come from the data (the border of an image) or from an activation that says so itself.
    if stats.dead_share > DEAD_WARN and isinstance(component, Activation):
        level = "bad" if stats.dead_share > DEAD_BAD else "warn"
        return level, f"{percent_text(stats.dead_share)} dead in this batch"
    if stats.count > 1 and stats.std <= 1e-12 * max(1.0, abs(stats.mean)):
        return "warn", "every value is the same"
    return "good", ""


def _saturation_text(component: Component) -> str:
    bounds = component.saturation if isinstance(component, Activation) else None
    if bounds is None:
        return ""
    low, high = bounds
    return f" (|a| > {high:g})" if low == -high else f" (a outside {low:g}–{high:g})"


def _gradient_health(norm: float, largest: float) -> tuple[float, Health, str]:
    """The bar's fill, its colour and words where something is wrong."""
    if not math.isfinite(norm):
        return 1.0, "bad", "gradient is not finite"
    if norm == 0.0 or largest == 0.0:
        return 0.0, "bad", "gradient is zero"
    decades = math.log10(norm / largest)
    fill = min(1.0, max(0.04, 1.0 + decades / GRADIENT_DECADES))
    if decades < VANISHED_BAD:
        return fill, "bad", f"gradient is {norm / largest:.0e} of the largest"
    if decades < VANISHED_WARN:
        return fill, "warn", f"gradient is {norm / largest:.0e} of the largest"
    return fill, "good", ""


def _details(stats: TensorStats) -> list[str]:
    lines = [
        f"mean {stats.mean:.3g}, deviation {stats.std:.3g}",
        f"from {stats.minimum:.3g} to {stats.maximum:.3g}",
    ]
    if stats.zero_share > 0:
        lines.append(
            f"{percent_text(stats.zero_share)} zero, {percent_text(stats.dead_share)} of units zero on this batch"
        )
    if stats.saturated_share > 0:
        lines.append(f"{percent_text(stats.saturated_share)} saturated")
    return lines


def heights_of(stats: TensorStats, bars: int = BARS) -> tuple[tuple[float, ...] | None, tuple[bool, ...]]:
    """The histogram in `bars` bars, the highest 1, and which of them were cut.

    One bar that towers above all others (the zeros of a ReLU) is cut, so that the others can be seen.
    """
    if stats.histogram is None or stats.histogram.size == 0:
        return None, ()
    counts = legible(stats.histogram).astype(np.float64)
    if counts.size < np.size(stats.histogram):
        bars = min(bars, counts.size)
    total = counts.sum()
    if not total > 0:
        return None, ()
    # Share each bin's count among the bars that it covers, so that any number of bins gives an honest picture.
    edges = np.linspace(0.0, counts.size, bars + 1)
    cumulative = np.interp(edges, np.arange(counts.size + 1), np.concatenate(([0.0], np.cumsum(counts))))
    values = np.diff(cumulative)
    second = np.partition(values, -2)[-2] if values.size > 1 else values.max()
    limit = 1.6 * second if second > 0 and values.max() > 2.5 * second else values.max()
    heights = np.minimum(values / limit, 1.0)
    return tuple(map(float, heights)), tuple(map(bool, values > limit * (1 + 1e-9)))
