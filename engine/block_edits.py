"""Edits of groups: pure functions from an experiment to a new one, as in `engine.edits`."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from engine.blocks import BlockProblem, copy_number, ends_of, template_of, unrolled_network, without_block
from engine.edits import EditError, unique_id
from engine.experiment import MOST_REPEATS, Block, Experiment, NetworkSpec
from engine.wiring import STEP

__all__ = ["block_of", "entitle", "group", "repeat", "ungroup", "unroll", "why_not_group"]


def block_of(network: NetworkSpec, node: str) -> Block | None:
    """The block that a node belongs to, or None."""
    return next((block for block in network.blocks if node in block.nodes), None)


def why_not_group(network: NetworkSpec, ids: Iterable[str]) -> str:
    """Why these nodes cannot be a group that is repeated, in words; "" when they can."""
    chosen = list(ids)
    if not chosen:
        return "select the layers that are to be repeated"
    for node in chosen:
        if block_of(network, node) is not None:
            return f"“{node}” belongs to a group already: ungroup that first"
    try:
        ends_of(network, chosen)
    except BlockProblem as problem:
        return str(problem)
    return ""


def group(experiment: Experiment, ids: Iterable[str], times: int = 2, title: str = "") -> Experiment:
    """Make nodes a group that is repeated `times` times."""
    network, chosen = experiment.network, set(ids)
    ordered = tuple(node.id for node in network.nodes if node.id in chosen)
    reason = why_not_group(network, ordered)
    if reason:
        raise EditError(ordered[0] if ordered else "", reason)
    block = Block(nodes=ordered, repeat=_times(times), title=title.strip())
    return replace(experiment, network=replace(network, blocks=(*network.blocks, block)))


def ungroup(experiment: Experiment, node: str) -> Experiment:
    """Take the group that `node` belongs to apart; its layers stay, once."""
    return without_block(experiment, _block(experiment, node))


def repeat(experiment: Experiment, node: str, times: int) -> Experiment:
    """Repeat the group that `node` belongs to another number of times."""
    return _changed(experiment, node, repeat=_times(times))


def entitle(experiment: Experiment, node: str, title: str) -> Experiment:
    """Give the group that `node` belongs to a name; "" takes it away."""
    return _changed(experiment, node, title=title.strip().encode(errors="replace").decode())


def unroll(experiment: Experiment, node: str) -> Experiment:
    """Write the copies of a group out as layers of their own, to the right of one another; the group is gone."""
    block = _block(experiment, node)
    network = experiment.network
    try:
        ends_of(network, block.nodes)
    except BlockProblem as problem:
        raise EditError(node, str(problem)) from None
    others = tuple(item for item in network.blocks if item is not block)
    whole = unrolled_network(replace(network, blocks=(block,)))
    old = {item.id for item in network.nodes}
    members = [item for item in network.nodes if item.id in block.nodes]
    right = max(item.position[0] for item in members)
    width = right - min(item.position[0] for item in members) + STEP[0]
    names: dict[str, str] = {}
    taken = network
    for item in whole.nodes:
        if item.id not in old:
            template = template_of(item.id)
            names[item.id] = unique_id(taken, template.rpartition("_")[0] or template)
            taken = NetworkSpec(nodes=(*taken.nodes, replace(item, id=names[item.id])))
    nodes = []
    for item in whole.nodes:
        # A copy stands beside the one before it; what stands to the right of the group makes room for all.
        number = copy_number(item.id) - 1
        if not number and item.id not in block.nodes and item.position[0] > right:
            number = block.repeat - 1
        nodes.append(
            replace(
                item,
                id=names.get(item.id, item.id),
                inputs=tuple(names.get(one, one) for one in item.inputs),
                position=(item.position[0] + number * width, item.position[1]),
            )
        )
    # A parameter group that names a layer means all of its copies, and still does.
    groups = tuple(
        replace(item, nodes=(*item.nodes, *(name for copy, name in names.items() if template_of(copy) in item.nodes)))
        for item in experiment.training.groups
    )
    training = replace(experiment.training, groups=groups) if names and groups else experiment.training
    return replace(experiment, network=NetworkSpec(nodes=tuple(nodes), blocks=others), training=training)


def _times(times: int) -> int:
    if not 1 <= times <= MOST_REPEATS:
        raise EditError("repeat", f"expected a whole number from 1 to {MOST_REPEATS}, got {times}")
    return times


def _block(experiment: Experiment, node: str) -> Block:
    block = block_of(experiment.network, node)
    if block is None:
        raise EditError(node, f"“{node}” belongs to no group")
    return block


def _changed(experiment: Experiment, node: str, **values: object) -> Experiment:
    block = _block(experiment, node)
    new = replace(block, **values)
    blocks = tuple(new if item is block else item for item in experiment.network.blocks)
    return replace(experiment, network=replace(experiment.network, blocks=blocks))
