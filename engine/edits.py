"""Edits: pure functions from an experiment to a new one. What cannot be done raises EditError, in words.

Fields are checked against their declarations; wires are checked so that the network stays a graph without circles in
which nothing reads a loss. Shapes are not checked here: a network may be wrong while it is being built, and
`engine.graph.check` says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from engine import groups, paths, wiring
from engine.blocks import blocks_after
from engine.experiment import (
    NODE_ID_RULE,
    Experiment,
    NetworkSpec,
    Node,
    is_node_id,
)
from engine.layers.base import Loss, NodeComponent
from engine.schema import SchemaError, Unknown, info_of

__all__ = [
    "EditError",
    "add_node",
    "bypass",
    "connect",
    "disconnect",
    "insert_before",
    "insert_on_edge",
    "move",
    "node_of",
    "remove_nodes",
    "rename",
    "replace_component",
    "set_field",
    "set_path",
    "set_text",
    "set_title",
    "unique_id",
    "why_not_connect",
    "with_nodes",
]


class EditError(SchemaError):
    """An edit that cannot be done; `message` says why, `path` names the field or node ("" where there is none)."""


# -- nodes -------------------------------------------------------------------------------------------------------------


def unique_id(network: NetworkSpec, stem: str) -> str:
    """The first of "dense_1", "dense_2", ... that no node has."""
    taken = {node.id for node in network.nodes}
    number = 1
    while f"{stem}_{number}" in taken:
        number += 1
    return f"{stem}_{number}"


def add_node(
    experiment: Experiment,
    component: NodeComponent,
    *,
    after: str | None = None,
    at: tuple[float, float] | None = None,
    node_id: str | None = None,
) -> Experiment:
    """Add a node, last in `network.nodes`; its id is `node_id`, or `unique_id` of the component's tag.

    With `after`, it reads that node, and whatever read that node reads the new one instead (a loss is only appended).
    Without `at`, it is put to the right of `after` (what follows makes room), or of everything.
    """
    network = experiment.network
    new_id = node_id or unique_id(network, info_of(component).tag)
    _check_id(network, new_id)
    if after is None or component.max_inputs == 0:
        place = at or wiring.free_place(network, wiring.beside_all(network))
        return with_nodes(experiment, (*network.nodes, Node(id=new_id, component=component, position=place)))
    source = node_of(network, after)
    if isinstance(source.component, Loss):
        raise EditError(after, "nothing can follow a loss")
    rewired = () if isinstance(component, Loss) else tuple(wiring.readers(network, after))
    nodes = [
        replace(node, inputs=tuple(new_id if item == after else item for item in node.inputs))
        if node.id in rewired
        else node
        for node in network.nodes
    ]
    if at is None:
        at = (source.position[0] + wiring.STEP[0], source.position[1])
        if rewired:
            nodes = list(wiring.make_room(nodes, rewired, at))
        else:
            at = wiring.free_place(network, at)
    return with_nodes(experiment, (*nodes, Node(id=new_id, component=component, inputs=(after,), position=at)))


def insert_on_edge(
    experiment: Experiment,
    component: NodeComponent,
    source: str,
    target: str,
    *,
    at: tuple[float, float] | None = None,
    node_id: str | None = None,
) -> Experiment:
    """Put a node on the wire from `source` to `target`; what else reads `source` goes on reading it."""
    network = experiment.network
    reader = node_of(network, target)
    if source not in reader.inputs:
        raise EditError(target, f"there is no wire from “{source}” to “{target}”")
    if isinstance(component, Loss) or component.max_inputs == 0:
        raise EditError("", f"{info_of(component).label} cannot stand in the middle of a wire")
    new_id = node_id or unique_id(network, info_of(component).tag)
    _check_id(network, new_id)
    nodes: list[Node] = [
        replace(node, inputs=_replaced_once(node.inputs, source, (new_id,))) if node is reader else node
        for node in network.nodes
    ]
    if at is None:
        start = node_of(network, source).position
        at = (start[0] + wiring.STEP[0], (start[1] + reader.position[1]) / 2)
        nodes = list(wiring.make_room(nodes, (target,), at))
    return with_nodes(experiment, (*nodes, Node(id=new_id, component=component, inputs=(source,), position=at)))


def insert_before(
    experiment: Experiment, component: NodeComponent, target: str, *, node_id: str | None = None
) -> Experiment:
    """Put a node on the first wire that arrives at `target`."""
    inputs = node_of(experiment.network, target).inputs
    if not inputs:
        raise EditError(target, f"“{target}” reads nothing yet")
    return insert_on_edge(experiment, component, inputs[0], target, node_id=node_id)


def remove_nodes(experiment: Experiment, ids: Iterable[str], *, reconnect: bool = True) -> Experiment:
    """Take nodes out, of parameter groups too. With `reconnect`, who read a removed node then reads what that node read
    first."""
    network, gone = experiment.network, set(ids)
    for node_id in gone:
        node_of(network, node_id)
    by_id = {node.id: node for node in network.nodes}

    def heir(node_id: str) -> str | None:
        seen = set()
        while node_id in gone:
            seen.add(node_id)
            inputs = by_id[node_id].inputs
            if not reconnect or not inputs or inputs[0] not in by_id or inputs[0] in seen:
                return None
            node_id = inputs[0]
        return node_id

    kept = []
    for node in network.nodes:
        if node.id in gone:
            continue
        if gone.intersection(node.inputs):
            # Two wires that would now come from one node are one wire; wires that were double before stay.
            inputs: list[str] = []
            for item in node.inputs:
                new = heir(item) if item in gone else item
                if new is not None and (item not in gone or new not in (*inputs, *node.inputs)):
                    inputs.append(new)
            node = replace(node, inputs=tuple(inputs))
        kept.append(node)
    return with_nodes(_with_groups(experiment, groups.without(experiment.training.groups, gone)), kept)


def replace_component(experiment: Experiment, node_id: str, component: NodeComponent) -> Experiment:
    """Give a node another component; its id, place and title stay, and as many of its wires as the new one takes."""
    node = node_of(experiment.network, node_id)
    if isinstance(component, Loss) and any(True for _ in wiring.readers(experiment.network, node_id)):
        raise EditError(node_id, "other nodes read this one, and nothing can follow a loss")
    inputs = node.inputs if component.max_inputs is None else node.inputs[: component.max_inputs]
    return _with_node(experiment, replace(node, component=component, inputs=inputs))


def rename(experiment: Experiment, node_id: str, new_id: str) -> Experiment:
    """Give a node another id; wires and parameter groups follow. Random numbers are keyed by ids: a renamed node gets
    other weights."""
    node_of(experiment.network, node_id)
    if new_id == node_id:
        return experiment
    _check_id(experiment.network, new_id)
    blocks = tuple(
        replace(block, nodes=tuple(new_id if item == node_id else item for item in block.nodes))
        for block in experiment.network.blocks
    )
    renamed = with_nodes(
        _with_groups(experiment, groups.renamed(experiment.training.groups, node_id, new_id)),
        (
            replace(
                node,
                id=new_id if node.id == node_id else node.id,
                inputs=tuple(new_id if item == node_id else item for item in node.inputs),
            )
            for node in experiment.network.nodes
        ),
    )
    return replace(renamed, network=replace(renamed.network, blocks=blocks))


def set_title(experiment: Experiment, node_id: str, title: str) -> Experiment:
    """Set the text that a node shows instead of its component's; "" goes back to that."""
    return _with_node(
        experiment, replace(node_of(experiment.network, node_id), title=title.strip().encode(errors="replace").decode())
    )


def move(experiment: Experiment, positions: Mapping[str, tuple[float, float]]) -> Experiment:
    """Put nodes at new places."""
    for node_id in positions:
        node_of(experiment.network, node_id)
    return with_nodes(
        experiment,
        (
            replace(node, position=(float(positions[node.id][0]), float(positions[node.id][1])))
            if node.id in positions
            else node
            for node in experiment.network.nodes
        ),
    )


def bypass(experiment: Experiment, ids: Iterable[str], on: bool | None = None) -> Experiment:
    """Take nodes out of the network without deleting them, or put them back; without `on`, all are turned to the
    opposite of the first."""
    chosen = [node_of(experiment.network, node_id) for node_id in ids]
    if not chosen:
        return experiment
    state = not chosen[0].bypass if on is None else on
    names = {node.id for node in chosen}
    return with_nodes(
        experiment, (replace(node, bypass=state) if node.id in names else node for node in experiment.network.nodes)
    )


# -- wires -------------------------------------------------------------------------------------------------------------


def why_not_connect(network: NetworkSpec, source: str, target: str, *, replacing: bool = False) -> str:
    """Why no wire can lead from `source` to `target`, in words; "" when it can.

    `replacing` says that the new wire may take the place of the only one that a node can read.
    """
    start, end = node_of(network, source), node_of(network, target)
    if source == target:
        return "a node cannot read its own output"
    if isinstance(start.component, Loss):
        return "nothing can follow a loss"
    if source in end.inputs:
        return f"“{target}” already reads “{source}”"
    most = None if isinstance(end.component, Unknown) else end.component.max_inputs
    if most == 0:
        return f"“{target}” takes no input: it reads the data"
    if most is not None and len(end.inputs) >= most and not (replacing and most == 1):
        one = "one input and has it; to join branches, use Add" if most == 1 else f"at most {most} inputs"
        return f"“{target}” takes {one}"
    if target in wiring.ancestors(network, source):
        return f"the wires would form a circle: “{source}” depends on “{target}” already"
    return ""


def connect(experiment: Experiment, source: str, target: str, *, replacing: bool = False) -> Experiment:
    """Lead a wire from `source` to `target`, as its last input; see `why_not_connect`."""
    reason = why_not_connect(experiment.network, source, target, replacing=replacing)
    if reason:
        raise EditError(target, reason)
    node = node_of(experiment.network, target)
    single = replacing and isinstance(node.component, NodeComponent) and node.component.max_inputs == 1
    return _with_node(experiment, replace(node, inputs=(source,) if single else (*node.inputs, source)))


def disconnect(experiment: Experiment, source: str, target: str) -> Experiment:
    """Take the wire from `source` to `target` away. `source` may be an id that no longer exists."""
    node = node_of(experiment.network, target)
    if source not in node.inputs:
        raise EditError(target, f"there is no wire from “{source}” to “{target}”")
    return _with_node(experiment, replace(node, inputs=_replaced_once(node.inputs, source, ())))


# -- fields ------------------------------------------------------------------------------------------------------------


def set_field(experiment: Experiment, node_id: str, name: str, value: Any) -> Experiment:
    """Set one field of a node's component. The value is checked against the declaration."""
    node_of(experiment.network, node_id)
    return set_path(experiment, f"nodes.{node_id}.{name}", value)


def set_path(experiment: Experiment, path: str, value: Any) -> Experiment:
    """Set the field at a path such as "training.optimizer.learning_rate"; see `engine.paths`."""
    try:
        return paths.set_path(experiment, path, value)
    except SchemaError as error:
        raise EditError(error.path, error.message) from error


def set_text(experiment: Experiment, path: str, text: str) -> Experiment:
    """`set_path` with a value as a person types it."""
    try:
        return paths.set_text(experiment, path, text)
    except SchemaError as error:
        raise EditError(error.path, error.message) from error


# -- helpers -----------------------------------------------------------------------------------------------------------


def node_of(network: NetworkSpec, node_id: str) -> Node:
    """The node of that id. Raises EditError."""
    try:
        return network.node(node_id)
    except KeyError:
        raise EditError(node_id, f"there is no node “{node_id}”") from None


def _check_id(network: NetworkSpec, node_id: str) -> None:
    if not is_node_id(node_id):
        raise EditError("id", NODE_ID_RULE)
    if any(node.id == node_id for node in network.nodes):
        raise EditError("id", f"there is a node “{node_id}” already")


def with_nodes(experiment: Experiment, nodes: Iterable[Node]) -> Experiment:
    """The experiment with other nodes; groups keep those of theirs that are left."""
    placed = tuple(map(wiring.on_canvas, nodes))
    network = experiment.network
    return replace(experiment, network=NetworkSpec(nodes=placed, blocks=blocks_after(network, placed)))


def _with_groups(experiment: Experiment, found: tuple[groups.ParameterGroup, ...]) -> Experiment:
    if found == experiment.training.groups:
        return experiment
    return replace(experiment, training=replace(experiment.training, groups=found))


def _with_node(experiment: Experiment, new: Node) -> Experiment:
    return with_nodes(experiment, (new if node.id == new.id else node for node in experiment.network.nodes))


def _replaced_once(items: tuple[str, ...], old: str, new: tuple[str, ...]) -> tuple[str, ...]:
    index = items.index(old)
    return (*items[:index], *new, *items[index + 1 :])
