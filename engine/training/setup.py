"""What stands before the first step: the check in words, the state, the layers' live numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.blocks import unrolled_network
from engine.data.errors import memory_limit
from engine.device_memory import require
from engine.graph import check_experiment
from engine.layers.base import Loss
from engine.layers.words import title_of
from engine.layout import layout_of
from engine.text import bytes_text
from engine.tokens import misfit
from engine.training.result import TrainingError

if TYPE_CHECKING:
    from engine.backend import Backend
    from engine.data.dataset import Dataset
    from engine.data.signature import DataSignature
    from engine.diagnostics import Report
    from engine.experiment import Experiment
    from engine.state import State

__all__ = [
    "check_targets",
    "check_tokens",
    "checked",
    "layer_scalars",
    "load_arrays",
    "losses_of",
    "named",
    "new_state",
]


def named(experiment: Experiment, node_id: str) -> str:
    """A node in words: “Dense 128” (dense_1)."""
    try:
        return f"“{title_of(unrolled_network(experiment.network).node(node_id))}” ({node_id})"
    except KeyError:
        return f"“{node_id}”"


def checked(experiment: Experiment, signature: DataSignature) -> Report:
    """The report on a sound experiment. Raises TrainingError with every error in words."""
    report = check_experiment(experiment, signature)
    errors = [item for item in report.diagnostics if item.severity == "error"]
    if errors:
        lines = [f"{named(experiment, item.node)}: {item.message}" if item.node else item.message for item in errors]
        raise TrainingError("\n".join(lines), errors[0].node)
    return report


def check_targets(experiment: Experiment, report: Report, dataset: Dataset) -> None:
    """Refuse targets that a loss is not made for, which no shape tells. Raises TrainingError."""
    network = unrolled_network(experiment.network)
    for node_id in report.order:
        component = network.node(node_id).component
        if not isinstance(component, Loss) or component.target_range is None:
            continue
        if dataset.signature.known_target(component.target).classes:
            continue
        low, high = component.target_range
        values = [part.arrays[component.target] for part in (dataset.train, dataset.validation, dataset.test)]
        least = min(float(array.min()) for array in values if array.size)
        greatest = max(float(array.max()) for array in values if array.size)
        if least < low or greatest > high:
            raise TrainingError(
                f"{named(experiment, node_id)}: it needs targets from {low:g} to {high:g}, but “{component.target}” "
                f"reaches from {least:g} to {greatest:g}. For numbers, use mean squared error.",
                node_id,
            )


def losses_of(experiment: Experiment, report: Report) -> tuple[Loss, ...]:
    """The losses that take part in training."""
    network = unrolled_network(experiment.network)
    components = (network.node(node).component for node in report.order)
    return tuple(component for component in components if isinstance(component, Loss))


def check_tokens(experiment: Experiment, report: Report, dataset: Dataset) -> None:
    """Refuse token numbers that an embedding has no row for. Raises TrainingError."""
    found = misfit(experiment, report, dataset)
    if found is not None:
        raise TrainingError(f"{named(experiment, found[0])}: {found[1]}", found[0])


def new_state(experiment: Experiment, report: Report, backend: Backend) -> State:
    """Initial weights from the experiment's seed, empty optimizer slots, buffers at their start.

    Raises TrainingError when they would not fit into the machine's memory, and OutOfDeviceMemory when they would not
    into the GPU's.
    """
    from engine.state import State

    training = experiment.training
    # The system may hand out more memory than there is and kill the process later: ask before.
    arrays = 2 + len(training.optimizer.slots()) + training.averaging.keeps + (training.accumulate > 1)
    needed = report.parameter_count * arrays * np.dtype(training.precision).itemsize
    if backend.name == "numpy" and needed > memory_limit():
        largest = max(report.nodes, key=lambda node: report.nodes[node].parameter_count)
        raise TrainingError(
            f"{report.parameter_count:,} parameters with their gradients and the optimizer's memory need "
            f"{bytes_text(needed)}, more than the {bytes_text(memory_limit())} that this machine can give; most of "
            f"them are in {named(experiment, largest)}. Choose fewer or smaller layers.",
            largest,
        )
    _require_room(experiment, report, backend, arrays)
    return State(
        experiment.network,
        report,
        training.optimizer,
        backend,
        precision=training.precision,
        seed=experiment.seed,
        averaged=training.averaging.keeps,
        accumulating=training.accumulate > 1,
    )


def _require_room(experiment: Experiment, report: Report, backend: Backend, arrays: int) -> None:
    """Ask a GPU for room for so many arenas like that of the parameters, and for the buffers. Raises
    OutOfDeviceMemory."""
    if backend.name == "numpy":
        return
    layout = layout_of(experiment.network, report, alignment=backend.alignment // 4)
    if layout.buffer_length:
        arrays += arrays - 1 - (experiment.training.accumulate > 1)  # see `Steps`: all but the gradients once more
    length = arrays * layout.parameter_length + 2 * layout.buffer_length
    require(
        backend,
        {
            f"{report.parameter_count:,} parameters, their gradients and the optimizer's memory": length
            * np.dtype(experiment.training.precision).itemsize
        },
        remedy="Choose fewer or smaller layers, an optimizer that remembers less, such as SGD, or the processor.",
    )


def load_arrays(state: State, arrays: dict[str, np.ndarray]) -> None:
    """Put arrays into the state; those that are not given keep their values.

    Keys are "parameter/dense_1/weight", "buffer/...", "slot/...", "average/..." as `State.to_host` gives them, or a
    bare path, "dense_1/weight". Raises TrainingError when a name or a shape does not belong to this network.
    """
    from engine.state import StateError

    paths = {
        f"{kind}/{name}"
        for kind, views in (("parameter", state.parameters), ("buffer", state.buffers))
        for name in views
    }
    full = {
        next((f"{kind}/{key}" for kind in ("parameter", "buffer") if f"{kind}/{key}" in paths), key): array
        for key, array in arrays.items()
    }
    try:
        state.load(full, partial=True)
    except StateError as error:
        raise TrainingError(str(error)) from error


def layer_scalars(experiment: Experiment) -> dict[str, float]:
    """The live numeric fields of the layers by "node/field", as their programs name them in the control block."""
    from engine.schema import Unknown, fields_of

    return {
        f"{node.id}/{spec.name}": float(getattr(node.component, spec.name))
        for node in unrolled_network(experiment.network).nodes
        if not isinstance(node.component, Unknown)
        for spec in fields_of(type(node.component))
        if spec.live and spec.kind in ("int", "float")
    }
