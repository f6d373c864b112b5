"""Token numbers on their way from the data to the layers that read them, and what may go wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from engine.blocks import is_copy, unrolled_network
from engine.data.augmentation.base import AugmentationStep
from engine.data.preprocessing.base import PreprocessingStep
from engine.diagnostics import Diagnostic, Fix, Report
from engine.experiment import Experiment, Node
from engine.layers.arrangement import Crop2D, Permute, Reshape, ZeroPad2D
from engine.layers.base import NodeComponent
from engine.layers.core import Flatten, Input
from engine.layers.words import title_of
from engine.lower import active_inputs
from engine.schema import Component, info_of

if TYPE_CHECKING:
    from engine.data.dataset import Dataset

__all__ = ["findings", "misfit"]

_CARRIERS = (Reshape, Flatten, Permute, Crop2D, ZeroPad2D)
"""Layers that hand numbers on as they are."""


def findings(experiment: Experiment, report: Report) -> Iterator[Diagnostic]:
    """What keeps whole numbers from reaching a layer that reads tokens: layers before it, or preprocessing."""
    network = unrolled_network(experiment.network)
    nodes = {node.id: node for node in network.nodes}
    wires = active_inputs(network)
    for node_id in report.order:
        if not _reads(nodes[node_id]):
            continue
        name, changed_by = _source(node_id, nodes, wires)
        label = info_of(nodes[node_id].component).label
        if changed_by:
            yield Diagnostic(
                node=node_id,
                field="inputs",
                severity="error",
                message=f"{label} reads token numbers straight from the data, but “{title_of(nodes[changed_by])}” "
                "makes other numbers of them.",
                fix=_rewired(node_id, nodes),
            )
        changing = [item for item in (*experiment.data.preprocessing, *experiment.data.augmentation) if _changes(item)]
        if name and changing:
            listed = ", ".join(f"“{info_of(item).label}”" for item in changing)
            yield Diagnostic(
                node=node_id,
                field="",
                severity="error",
                message=f"{label} reads whole numbers, which are changed on their way by {listed}.",
                fix=Fix(f"Remove {listed}", _without_changes),
            )


def misfit(experiment: Experiment, report: Report, dataset: Dataset) -> tuple[str, str] | None:
    """The first reader whose tokens are not whole numbers within its vocabulary, and what is wrong with them in words;
    None where all are well. It looks at all parts of the data."""
    network = unrolled_network(experiment.network)
    nodes = {node.id: node for node in network.nodes}
    wires = active_inputs(network)
    for node_id in report.order:
        name = _source(node_id, nodes, wires)[0] if _reads(nodes[node_id]) else ""
        if not name:
            continue
        vocabulary: int = nodes[node_id].component.vocabulary  # type: ignore[union-attr]  # readers have this field
        arrays = [part.arrays[name] for part in (dataset.train, dataset.validation, dataset.test)]
        arrays = [array for array in arrays if array.size]
        broken = next((found[0] for array in arrays if (found := array[array != np.rint(array)]).size), None)
        if broken is not None:
            return node_id, f"tokens are whole numbers, but “{name}” holds {broken:g}."
        least, greatest = int(min(a.min() for a in arrays)), int(max(a.max() for a in arrays))
        if least < 0 or greatest >= vocabulary:
            remedy = (
                "Tokens are counted from 0." if least < 0 else f"Set its vocabulary to {_whole(greatest + 1)} at least."
            )
            return (
                node_id,
                f"its vocabulary of {vocabulary} has the tokens 0 to {vocabulary - 1}, but those of “{name}” reach "
                f"from {_whole(least)} to {_whole(greatest)}. {remedy}",
            )
    return None


def _whole(number: int) -> str:
    """A whole number; in few digits where nobody would read all of them."""
    return str(number) if abs(number) < 10**9 else f"{number:.3g}"


def _reads(node: Node) -> bool:
    return isinstance(node.component, NodeComponent) and node.component.reads_tokens


def _source(node_id: str, nodes: Mapping[str, Node], wires: Mapping[str, tuple[str, ...]]) -> tuple[str, str]:
    """(array of the data whose numbers reach the node unchanged, ""), or ("", the node that changes them)."""
    current = node_id
    while wires.get(current):
        current = wires[current][0]
        component = nodes[current].component
        if isinstance(component, Input):
            return component.source, ""
        if not isinstance(component, _CARRIERS):
            return "", current
    return "", ""


def _rewired(node_id: str, nodes: Mapping[str, Node]) -> Fix | None:
    """Read the first input node instead. A further copy of a repeated group reads the copy before it, whatever wires
    there are."""
    if is_copy(node_id):
        return None
    source = next((node for node in nodes.values() if isinstance(node.component, Input) and not node.bypass), None)
    if source is None:
        return None

    def edit(value: Experiment) -> Experiment:
        changed = tuple(
            replace(node, inputs=(source.id,)) if node.id == node_id else node for node in value.network.nodes
        )
        return replace(value, network=replace(value.network, nodes=changed))

    return Fix(f"Wire it to “{title_of(source)}”", edit)


def _changes(item: Component) -> bool:
    """Whether a preprocessing step or an augmentation makes other numbers of inputs that are all there. Augmentations
    of images alone are refused for what they are."""
    if isinstance(item, AugmentationStep):
        return item.probability > 0 and not item.images_only
    return isinstance(item, PreprocessingStep) and item.applies_to == "inputs" and not item.fills


def _without_changes(value: Experiment) -> Experiment:
    kept = tuple(item for item in value.data.preprocessing if not _changes(item))
    left = tuple(item for item in value.data.augmentation if not _changes(item))
    return replace(value, data=replace(value.data, preprocessing=kept, augmentation=left))
