"""The wires of a network as a graph, and room for new nodes: what edits are made of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from engine.experiment import FARTHEST, NetworkSpec, Node

__all__ = ["STEP", "ancestors", "beside_all", "free_place", "make_room", "on_canvas", "readers"]

STEP = (168.0, 140.0)
"""The distance, in canvas units, at which an edit puts a new node beside an old one: to the right, and below."""


def readers(network: NetworkSpec, node_id: str) -> Iterator[str]:
    """The ids of the nodes that read a node."""
    return (node.id for node in network.nodes if node_id in node.inputs)


def _reached(start: Iterable[str], neighbours: Mapping[str, Iterable[str]]) -> set[str]:
    found: set[str] = set()
    todo = list(start)
    while todo:
        node_id = todo.pop()
        if node_id not in found:
            found.add(node_id)
            todo.extend(neighbours.get(node_id, ()))
    return found


def ancestors(network: NetworkSpec, node_id: str) -> set[str]:
    """What a node depends on, itself included."""
    return _reached((node_id,), {node.id: node.inputs for node in network.nodes})


def make_room(nodes: Iterable[Node], first: Iterable[str], at: tuple[float, float]) -> Iterator[Node]:
    """Move the nodes `first`, and what follows them, to the right until the nearest is one step from `at`."""
    nodes = tuple(nodes)
    network = NetworkSpec(nodes=nodes)
    followers: dict[str, list[str]] = {}
    for node in nodes:
        for item in node.inputs:
            followers.setdefault(item, []).append(node.id)
    moved = _reached(first, followers)
    # In a layout of several rows, what follows may start again at the left: only its own row makes room.
    row = {name for name in moved if abs(network.node(name).position[1] - at[1]) < STEP[1]}
    row = {name for name in row if network.node(name).position[0] > at[0] - STEP[0]}
    nearest = min((network.node(name).position[0] for name in row), default=at[0] + STEP[0])
    shift = max(0.0, at[0] + STEP[0] - nearest)
    for node in nodes:
        yield replace(node, position=(node.position[0] + shift, node.position[1])) if shift and node.id in row else node


def beside_all(network: NetworkSpec) -> tuple[float, float]:
    """A place to the right of every node."""
    if not network.nodes:
        return (0.0, 0.0)
    last = max(network.nodes, key=lambda node: node.position[0])
    return (last.position[0] + STEP[0], last.position[1])


def free_place(network: NetworkSpec, at: tuple[float, float]) -> tuple[float, float]:
    """`at`, or the first place below it that no node covers."""
    x, y = at
    while any(abs(n.position[0] - x) < STEP[0] * 0.8 and abs(n.position[1] - y) < STEP[1] * 0.8 for n in network.nodes):
        y += STEP[1]
    return (x, y)


def on_canvas(node: Node) -> Node:
    """The node, moved to the canvas's border where it lies beyond it: a file with such a node could not be read."""
    if all(abs(value) <= FARTHEST for value in node.position):
        return node
    x, y = (value if abs(value) <= FARTHEST else math.copysign(FARTHEST, value) for value in node.position)
    return replace(node, position=(x, y))
