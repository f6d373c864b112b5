"""Groups of layers that are repeated in a row: “×N” on the canvas, N copies with weights of their own in the program.

A block has one way in (all wires from outside come from one node) and one way out (one of its nodes is read outside).
Unrolled, the second copy reads the first one's way out, and so on; who read the block reads its last copy. The first
copy keeps the nodes' ids, the others are called “dense_1·2”, “dense_1·3”, ...
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from msgspec.structs import replace

from engine.experiment import COPY, Block, Experiment, NetworkSpec, Node
from engine.layers.base import Loss, NodeComponent

__all__ = [
    "BlockProblem",
    "Ends",
    "blocks_after",
    "copy_id",
    "copy_number",
    "ends_of",
    "is_copy",
    "template_of",
    "unrolled",
    "unrolled_network",
    "without_block",
]

Ends = tuple[str, str]
"""The node outside that a block reads, and the node of it that is read outside ("" where nobody does)."""


class BlockProblem(ValueError):
    """A block cannot be repeated, in words."""


def copy_id(node: str, number: int) -> str:
    """The id of a node's copy number `number`, counted from 1: the first is the node itself."""
    return node if number == 1 else f"{node}·{number}"


def is_copy(node: str) -> bool:
    """Whether an id is that of a copy beyond the first."""
    return COPY.search(node) is not None


def copy_number(node: str) -> int:
    """Which copy an id is of, counted from 1."""
    found = COPY.search(node)
    return int(found[1]) if found else 1


def template_of(node: str) -> str:
    """The id of the node that a copy is of; any other id stays as it is."""
    return COPY.sub("", node)


def without_block(experiment: Experiment, block: Block) -> Experiment:
    """The experiment without one of its blocks, whose layers stay, once; as it is where it has no such block."""
    kept = tuple(item for item in experiment.network.blocks if item.nodes != block.nodes)
    return replace(experiment, network=replace(experiment.network, blocks=kept))


def ends_of(network: NetworkSpec, members: Collection[str]) -> Ends:
    """Where a block of these nodes begins and ends. Raises BlockProblem."""
    nodes = {node.id: node for node in network.nodes}
    inside = set(members)
    for member in members:
        if member not in nodes:
            raise BlockProblem(f"the layer “{member}” of the group does not exist")
        component = nodes[member].component
        if isinstance(component, Loss):
            raise BlockProblem("a loss ends the network and cannot be repeated: leave it out of the group")
        if isinstance(component, NodeComponent) and component.max_inputs == 0:
            raise BlockProblem("an input reads the data and cannot be repeated: leave it out of the group")
    sources = dict.fromkeys(item for member in members for item in nodes[member].inputs if item not in inside)
    if not sources:
        raise BlockProblem("nothing leads into the group: wire its first layer to what it is to read")
    if len(sources) > 1:
        raise BlockProblem(
            f"a group has one way in, but wires come from {_listed(sources)}: group layers that read one node"
        )
    read_outside = {item for node in network.nodes if node.id not in inside for item in node.inputs}
    exits = [member for member in members if member in read_outside]
    if len(exits) > 1:
        raise BlockProblem(f"a group has one way out, but {_listed(exits)} are read outside")
    (source,) = sources
    if source in nodes and _reaches(nodes, source, inside):
        raise BlockProblem(f"“{source}” lies between layers of the group: take it in as well")
    last = exits[0] if exits else _last(nodes, members)
    return source, last


def _listed(names: Collection[str]) -> str:
    return " and ".join(f"“{name}”" for name in names)


def _reaches(nodes: dict[str, Node], start: str, wanted: Collection[str]) -> bool:
    """Whether something of `wanted` lies behind `start`."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        node = nodes.get(waiting.pop())
        for item in () if node is None else node.inputs:
            if item in wanted:
                return True
            if item not in seen:
                seen.add(item)
                waiting.append(item)
    return False


def _last(nodes: dict[str, Node], members: Collection[str]) -> str:
    """The member that no other reads, where nobody outside reads any."""
    read = {item for member in members for item in nodes[member].inputs}
    free = [member for member in members if member not in read]
    if len(free) != 1:
        raise BlockProblem("a group has one way out: lead its branches together, with Add or Concatenate")
    return free[0]


def unrolled_network(network: NetworkSpec) -> NetworkSpec:
    """The network with every block's copies written out, and no blocks. A block that cannot be repeated counts once; a
    network without blocks is returned as it is."""
    if not network.blocks:
        return network
    nodes = network.nodes
    for block in network.blocks:
        try:
            ends = ends_of(network, block.nodes)
        except BlockProblem:
            continue
        nodes = tuple(_written_out(nodes, block, *ends))
        network = NetworkSpec(nodes=nodes)
    return NetworkSpec(nodes=nodes)


def _written_out(nodes: tuple[Node, ...], block: Block, source: str, last: str) -> Iterator[Node]:
    inside = set(block.nodes)
    members = [node for node in nodes if node.id in inside]
    final = copy_id(last, block.repeat)
    for node in nodes:
        if node.id in inside:
            yield node
        else:
            yield replace(node, inputs=tuple(final if item == last else item for item in node.inputs))
        if members and node is members[-1]:
            for number in range(2, block.repeat + 1):
                before = copy_id(last, number - 1)
                for member in members:
                    inputs = tuple(
                        before if item == source else copy_id(item, number) if item in inside else item
                        for item in member.inputs
                    )
                    yield replace(member, id=copy_id(member.id, number), inputs=inputs)


def unrolled(experiment: Experiment) -> Experiment:
    """The experiment with its network unrolled; itself where nothing is repeated."""
    if not experiment.network.blocks:
        return experiment
    return replace(experiment, network=unrolled_network(experiment.network))


def blocks_after(before: NetworkSpec, nodes: Collection[Node]) -> tuple[Block, ...]:
    """The blocks of a network whose nodes were changed: without those that are gone, and with a new node that was put
    between two nodes of one block."""
    if not before.blocks:
        return ()
    ids = {node.id for node in nodes}
    known = {node.id for node in before.nodes}
    new = [node for node in nodes if node.id not in known]
    blocks = []
    for block in before.blocks:
        members = [item for item in block.nodes if item in ids]
        inside = set(members)
        read = {item for node in nodes if node.id in inside for item in node.inputs}
        members += [node.id for node in new if node.id in read and inside.intersection(node.inputs)]
        if members:
            blocks.append(block if tuple(members) == block.nodes else replace(block, nodes=tuple(members)))
    return tuple(blocks)
