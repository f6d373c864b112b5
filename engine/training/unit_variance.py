"""LSUV: weights scaled at the start of a run until each layer's output has variance 1 on the first batch.

Source: Mishkin and Matas, "All you need is a good init" (ICLR 2016), algorithm 1.
"""

from __future__ import annotations

import math
from collections.abc import Container
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import Struct

from engine import eager
from engine.blocks import unrolled
from engine.initializers import LSUV
from engine.layers.base import Loss, ParameterSpec
from engine.lower import Lowered, lower
from engine.ops.base import Call, DType, Role

if TYPE_CHECKING:
    from engine.data.dataset import Dataset
    from engine.diagnostics import Report
    from engine.experiment import Experiment
    from engine.state import State

__all__ = ["LayerScale", "first_batch", "scale_weights"]


class LayerScale(Struct, frozen=True):
    """What was done to one layer: the standard deviation of its outputs before and after, and how often its weights
    were scaled."""

    node: str
    before: float
    after: float
    tries: int


def first_batch(experiment: Experiment, dataset: Dataset) -> dict[str, np.ndarray]:
    """The inputs of a run's first step, by the name of the data's array."""
    from engine.data import Batches

    training, size = experiment.training, dataset.train.size
    batches = Batches(size, training.batch_size, training.shuffle, training.drop_last, experiment.seed)
    indices = batches.indices(0)
    return {name: dataset.train.arrays[name][indices] for name in dataset.signature.inputs}


def scale_weights(
    experiment: Experiment,
    report: Report,
    dataset: Dataset,
    state: State,
    *,
    given: Container[str] = (),
) -> tuple[LayerScale, ...]:
    """Scale the weights of `state` that LSUV has drawn, layer by layer from the input on; what was done to each.

    The forward pass is that of evaluation: dropout off, kept statistics. Weights whose paths are in `given` come from
    elsewhere and stay as they are, and so does a layer whose outputs do not vary or are not finite, or that
    standardizes its weights: their scale makes no difference to it.
    """
    experiment = unrolled(experiment)
    components = {node.id: node.component for node in experiment.network.nodes}
    wanted = {
        node: spec
        for node in report.order
        if not getattr(components[node], "standardize", False)
        and (spec := _scaled_spec(report, node, given)) is not None
    }
    if not wanted:
        return ()
    inputs = first_batch(experiment, dataset)
    lowered = lower(
        experiment.network,
        report.order,
        {node: report.nodes[node].shape or () for node in report.order},
        {node: report.nodes[node].parameters for node in report.order},
        dataset.signature,
        batch_size=len(next(iter(inputs.values()))),
        training=False,
    )
    arrays = _outside(lowered, state, inputs)
    calls: dict[str, list[Call]] = {}
    for call in lowered.builder.calls:
        calls.setdefault(call.node, []).append(call)
    last = max(report.order.index(node) for node in wanted)
    done = []
    with np.errstate(all="ignore"):
        for node in report.order[: last + 1]:
            if isinstance(components[node], Loss):
                continue
            eager.run(calls.get(node, ()), arrays, state.backend.xp, state.precision)
            if node in wanted:
                done.append(_scale(node, wanted[node], lowered, calls[node], arrays, state))
    state.begin_average()
    return tuple(done)


def _scaled_spec(report: Report, node: str, given: Container[str]) -> ParameterSpec | None:
    """The weight of a node that LSUV draws, if there is one. Biases that it draws by mistake are not scaled."""
    for spec in report.nodes[node].parameters:
        path = f"{node}/{spec.name}"
        if isinstance(spec.initializer, LSUV) and spec.decay and path not in given and f"parameter/{path}" not in given:
            return spec
    return None


def _outside(lowered: Lowered, state: State, inputs: dict[str, np.ndarray]) -> dict[int, Any]:
    """What the forward pass reads and does not compute, by value."""
    xp = state.backend.xp
    arrays: dict[int, Any] = {}
    for value in lowered.builder.values:
        match value.role:
            case Role.PARAMETER:
                arrays[value.id] = state.parameters[value.name]
            case Role.BUFFER:
                arrays[value.id] = state.buffers[value.name]
            case Role.CONTROL if value.name == "counters":
                arrays[value.id] = xp.zeros(4, dtype="uint32")
            case Role.CONTROL:
                arrays[value.id] = xp.asarray(np.array([lowered.builder.controls[value.name]], state.precision))
    for name, value in lowered.inputs.items():
        dtype = state.precision if value.dtype is DType.FLOAT else str(value.dtype)
        arrays[value.id] = xp.asarray(np.ascontiguousarray(inputs[name], dtype=dtype))
    return arrays


def _scale(
    node: str, spec: ParameterSpec, lowered: Lowered, calls: list[Call], arrays: dict[int, Any], state: State
) -> LayerScale:
    """Scale one layer; its output in `arrays` is that of the new weights."""
    rule = spec.initializer
    assert isinstance(rule, LSUV)
    output, weight = lowered.outputs[node], state.parameters[f"{node}/{spec.name}"]

    def spread() -> float:
        return float(np.std(state.backend.to_host(arrays[output.id]), dtype=np.float64))

    before = now = spread()
    tries = 0
    while tries < rule.tries and math.isfinite(now) and now > 0 and abs(now * now - 1) >= rule.tolerance:
        state.backend.xp.multiply(weight, 1.0 / now, out=weight)
        eager.run(calls, arrays, state.backend.xp, state.precision)
        now = spread()
        tries += 1
    return LayerScale(node, before, now, tries)
