"""How layers are called and coloured in panels, and what a histogram says."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from engine.blocks import unrolled_network
from engine.experiment import Experiment
from engine.layers.words import title_of
from engine.schema import info_of
from engine.training.events import ParameterStats, TensorStats
from widgets import theme
from widgets.histogram import legible

__all__ = ["Layer", "by_layer", "density", "layers_of", "percentiles", "update_ratios"]


class Layer(Struct, frozen=True):
    """A node as panels name it."""

    node: str
    title: str
    group: str

    def colour(self) -> str:
        return theme.group_color(self.group)


def layers_of(experiment: Experiment | None) -> dict[str, Layer]:
    """The nodes of an experiment by id."""
    if experiment is None:
        return {}
    return {
        node.id: Layer(
            node.id,
            title_of(node),
            info_of(node.component).group,
        )
        for node in unrolled_network(experiment.network).nodes
    }


def layer(layers: dict[str, Layer], node: str) -> Layer:
    """The layer of that id; one that is not in the experiment goes by its id."""
    return layers.get(node) or Layer(node, node, "unknown")


def by_layer(parameters: dict[str, ParameterStats]) -> dict[str, list[ParameterStats]]:
    """The parameters of a frame, grouped by node, in the order of the frame."""
    groups: dict[str, list[ParameterStats]] = {}
    for stats in parameters.values():
        groups.setdefault(stats.node, []).append(stats)
    return groups


def update_ratios(parameters: dict[str, ParameterStats]) -> dict[str, float]:
    """Norm of the update over norm of the weights, by layer: over all parameters of the layer together."""
    ratios = {}
    for node, stats in by_layer(parameters).items():
        weights = sum(item.weight_norm**2 for item in stats) ** 0.5
        updates = sum(item.update_norm**2 for item in stats) ** 0.5
        ratios[node] = updates / weights if weights > 0 else float("nan")
    return ratios


def density(stats: TensorStats) -> tuple[np.ndarray, np.ndarray]:
    """(middles of the bins, share of the elements per unit of value there), in no more bins than the elements fill."""
    assert stats.histogram is not None
    counts = legible(stats.histogram)
    n, total = len(counts), float(counts.sum())
    width = (stats.maximum - stats.minimum) / n
    middles = stats.minimum + (np.arange(n) + 0.5) * width
    return middles, counts / (total * width) if total > 0 and width > 0 else np.zeros(n)


def percentiles(stats: TensorStats, low: float, high: float) -> tuple[float, float]:
    """The values below which the shares `low` and `high` of the elements lie, to within a bin."""
    if stats.histogram is None or not stats.histogram.sum():
        return stats.minimum, stats.maximum
    edges = np.linspace(stats.minimum, stats.maximum, len(stats.histogram) + 1)
    below = np.cumsum(stats.histogram) / stats.histogram.sum()
    first = int(np.searchsorted(below, low, side="right"))
    last = int(np.searchsorted(below, high, side="left"))
    return float(edges[min(first, len(edges) - 2)]), float(edges[min(last, len(edges) - 2) + 1])
