"""From the raw results of an observed program to the statistics that panels show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from engine.ops.base import Call, Value
from engine.ops.beside import ClipValue
from engine.ops.observe import STATISTICS, UNIT_STATISTICS
from engine.statistics import ChannelStats, NormalizationStats, ParameterStats, TensorStats

if TYPE_CHECKING:
    from engine.instruments import Measured
    from engine.plan import Program


@dataclass(frozen=True)
class Observations:
    """One step, seen from inside. `alive` says for each node's units (last axis) whether they were ever other than zero
    in the batch: several batches together tell which units are dead."""

    activations: dict[str, TensorStats]
    adjoints: dict[str, TensorStats]
    parameters: dict[str, ParameterStats]
    alive: dict[str, np.ndarray] = field(default_factory=dict)
    normalizations: dict[str, NormalizationStats] = field(default_factory=dict)


def read_observations(program: Program, read: Callable[[Value], np.ndarray]) -> Observations:
    """Collect what `program` measured; `read` brings a value to the host."""
    observed = program.observed

    # Many measurements share their arrays: each comes to the host once.
    host: dict[int, np.ndarray] = {}

    def fetch(value: Value) -> np.ndarray:
        if value.id not in host:
            host[value.id] = read(value)
        return host[value.id]

    def alive(found: Measured) -> np.ndarray:
        whole = fetch(found.alive)
        return whole if found.place is None else whole[found.place, : found.units]

    def stats(found: Measured, size: int) -> TensorStats:
        numbers, histogram = fetch(found.stats), fetch(found.histogram)
        if found.place is not None:
            numbers, histogram = numbers[:, found.place], histogram[found.place].copy()
        channels = None if found.per_unit is None else channel_stats(fetch(found.per_unit), size // found.units)
        return tensor_stats(numbers, found.units, histogram, size, channels)

    sizes = {node: value.size for node, value in (*program.predictions.items(), *program.outputs.items())}
    parameters = {}
    # What cuts elements off leaves nothing of the gradient as it arrived but its statistics.
    cut = any(isinstance(call.op, ClipValue) for call in program.calls)
    for name in observed.weights:
        segment = program.layout.by_name[name]
        weights = stats(observed.weights[name], segment.size)
        gradients = stats(observed.gradients[name], segment.size)
        if name in observed.norms:
            gradient, weight, update = np.sqrt(read(observed.norms[name]).astype(np.float64))
            gradient = gradients.norm if cut else gradient
        else:  # frozen: no rule has taken its norms
            gradient, weight, update = gradients.norm, weights.norm, 0.0
        parameters[name] = ParameterStats(
            node=segment.node,
            shape=segment.shape,
            weight_norm=float(weight),
            gradient_norm=float(gradient),
            update_norm=float(update),
            weights=weights,
            gradient=gradients,
        )
    return Observations(
        activations={node: stats(found, sizes[node]) for node, found in observed.activations.items()},
        adjoints={node: stats(found, sizes[node]) for node, found in observed.adjoints.items()},
        parameters=parameters,
        alive={node: alive(found) for node, found in observed.activations.items()},
        normalizations={node: normalization_stats(call, read) for node, call in observed.normalizations.items()},
    )


def normalization_stats(call: Call, read: Callable[[Value], np.ndarray]) -> NormalizationStats:
    """The statistics that a batch normalization has just taken and averaged."""
    x, *_, running_mean, running_variance = call.inputs
    _, mean, rstd = call.outputs
    count = x.size // mean.size
    with np.errstate(divide="ignore"):  # where values are far beyond any measure, the variance is infinite
        biased = np.maximum(read(rstd).astype(np.float64) ** -2 - call.op.attributes()["epsilon"], 0.0)
    return NormalizationStats(
        batch_mean=read(mean).astype(np.float32),
        batch_variance=(biased * (count / max(count - 1, 1))).astype(np.float32),
        running_mean=read(running_mean).astype(np.float32),
        running_variance=read(running_variance).astype(np.float32),
    )


def channel_stats(results: np.ndarray, places: int) -> ChannelStats:
    """Name the numbers of an `ObserveUnits` over units of `places` elements each."""
    raw = dict(zip(UNIT_STATISTICS, results, strict=True))
    return ChannelStats(
        mean=raw["mean"],
        std=np.sqrt(raw["squares"] / np.maximum(raw["finite"], 1)),
        minimum=raw["minimum"],
        maximum=raw["maximum"],
        zero_share=raw["zeros"] / places,
    )


def tensor_stats(
    stats: np.ndarray, units: int, histogram: np.ndarray, size: int, channels: ChannelStats | None = None
) -> TensorStats:
    """Name the numbers of one `Observe` (see `engine.ops.observe.STATISTICS`) over an array of `size` elements
    in `units` units."""
    raw = dict(zip(STATISTICS, stats.astype(np.float64).tolist(), strict=True))
    finite = max(raw["finite"], 1.0)
    return TensorStats(
        count=size,
        mean=raw["mean"],
        std=float(np.sqrt(raw["squares"] / finite)),
        minimum=raw["minimum"],
        maximum=raw["maximum"],
        zero_share=raw["zeros"] / size,
        saturated_share=raw["saturated"] / size,
        dead_share=raw["dead"] / max(units, 1),
        nonfinite=size - round(raw["finite"]),
        histogram=histogram if histogram.size else None,
        channels=channels,
    )
