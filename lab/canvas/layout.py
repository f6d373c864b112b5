"""Auto-layout: nodes from left to right in wrapped rows, branches in lanes below one another. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from engine import wiring
from engine.experiment import NetworkSpec
from lab.canvas.geometry import CARD_HEIGHT, CARD_WIDTH, COLUMN, ROW

__all__ = ["arrange", "best_columns", "is_tidy", "placed", "rearranged", "tidy_columns", "way_out", "with_room"]

Point = tuple[float, float]
Positions = dict[str, Point]

APART = 8.0
"""How far from another card one is put that was dropped upon it."""
MOST_WAYS = 2000
"""So many ways out are tried: a heap of cards dropped on another must not make the window wait."""


def placed(network: NetworkSpec, columns: int = 6) -> Positions:
    """Where the nodes lie: as the network says, or arranged when it never said (every node at the same place)."""
    stated = {node.id: node.position for node in network.nodes}
    if len(stated) > 1 and len(set(stated.values())) == 1:
        return arrange(network, columns)
    return stated


def arrange(network: NetworkSpec, columns: int = 6) -> Positions:
    """A position for every node.

    A node stands one column to the right of the last node that it reads. The longest path keeps to the top lane of its
    row; side branches lie in lanes below it. Rows break after at most `columns` columns, rather earlier than inside a
    branch. Nodes that nothing is wired to come last, in rows of their own.
    """
    return _Order(network).places(columns)


def best_columns(network: NetworkSpec, width: float, height: float) -> int:
    """The length of rows with which an arranged network can be shown largest in a view of this size; of equally good
    ones, that with rows as long as the view is wide."""
    natural = max(2, int((width + COLUMN - CARD_WIDTH) // COLUMN))
    longest = max(natural, min(len(network.nodes), 3 * natural))
    order = _Order(network)
    best, largest = natural, 0.0
    for columns in sorted(range(2, longest + 1), key=lambda n: abs(n - natural)):
        places = order.places(columns).values()
        wide = max((x for x, _ in places), default=0.0) + CARD_WIDTH
        high = max((y for _, y in places), default=0.0) + CARD_HEIGHT
        zoom = min(1.0, width / wide, height / high)
        if zoom > largest + 0.02:
            best, largest = columns, zoom
    return best


class _Order:
    """Ranks and lanes of a network's nodes: what does not depend on the length of the rows."""

    def __init__(self, network: NetworkSpec) -> None:
        wires = _forward_wires(network)
        linked = {node for node, inputs in wires.items() if inputs}
        linked |= {item for inputs in wires.values() for item in inputs}
        self._nodes = tuple(node.id for node in network.nodes)
        self._loose = [node for node in wires if node not in linked]
        self._ranks = _ranks({node: inputs for node, inputs in wires.items() if node in linked})
        self._lanes = _lanes(wires, self._ranks)
        self._crossing = _crossing(wires, self._ranks)
        self._columns: list[list[str]] = [[] for _ in self._crossing[1:]]
        for node, rank in self._ranks.items():
            self._columns[rank].append(node)

    def places(self, columns: int) -> Positions:
        """A position for every node, in rows of at most `columns`."""
        columns = max(1, columns)
        positions: Positions = {}
        top = 0.0
        for row in _rows(self._crossing, columns):
            members = [node for rank in row for node in self._columns[rank]]
            lanes = {lane: i for i, lane in enumerate(sorted({self._lanes[node] for node in members}))}
            for node in members:
                positions[node] = ((self._ranks[node] - row.start) * COLUMN, top + lanes[self._lanes[node]] * ROW)
            top += len(lanes) * ROW
        for i, node in enumerate(self._loose):
            positions[node] = (i % columns * COLUMN, top + i // columns * ROW)
        return {node: positions[node] for node in self._nodes}


def _forward_wires(network: NetworkSpec) -> dict[str, tuple[str, ...]]:
    """Inputs by node, without wires from nowhere and without those that close a circle."""
    inputs = {node.id: tuple(dict.fromkeys(node.inputs)) for node in network.nodes}
    state: dict[str, int] = {}
    kept: dict[str, list[str]] = {node: [] for node in inputs}
    for root in inputs:
        stack = [(root, iter(inputs[root]))]
        if state.get(root):
            continue
        state[root] = 1
        while stack:
            node, rest = stack[-1]
            for source in rest:
                if source not in inputs or state.get(source) == 1:
                    continue
                kept[node].append(source)
                if source not in state:
                    state[source] = 1
                    stack.append((source, iter(inputs[source])))
                    break
            else:
                state[node] = 2
                stack.pop()
    return {node: tuple(sources) for node, sources in kept.items()}


def _ranks(wires: dict[str, tuple[str, ...]]) -> dict[str, int]:
    """The column of each node, counted over all rows; a second input stands right before its first reader."""
    ranks: dict[str, int] = {}
    order: list[str] = []
    seen: set[str] = set()
    for root in wires:
        stack = [(root, False)]
        while stack:
            node, done = stack.pop()
            if done:
                order.append(node)
            elif node not in seen:
                seen.add(node)
                stack.append((node, True))
                stack.extend((source, False) for source in reversed(wires[node]) if source not in seen)
    for node in order:
        ranks[node] = max((ranks[source] + 1 for source in wires[node]), default=0)
    readers: dict[str, list[str]] = {node: [] for node in wires}
    for node, sources in wires.items():
        for source in sources:
            readers[source].append(node)
    for node in reversed(order):
        if readers[node]:
            latest = min(ranks[reader] for reader in readers[node]) - 1
            if not wires[node]:
                ranks[node] = latest
    lowest = min(ranks.values(), default=0)
    return {node: rank - lowest for node, rank in ranks.items()}


def _lanes(wires: dict[str, tuple[str, ...]], ranks: dict[str, int]) -> dict[str, int]:
    spine = _longest_path(wires, ranks)
    lanes = dict.fromkeys(spine, 0)
    taken = {(ranks[node], 0) for node in spine}
    for node in sorted(ranks, key=lambda item: ranks[item]):
        if node in lanes:
            continue
        lane = max([1, *(lanes[source] for source in wires[node] if source in lanes)])
        while (ranks[node], lane) in taken:
            lane += 1
        lanes[node] = lane
        taken.add((ranks[node], lane))
    return lanes


def _longest_path(wires: dict[str, tuple[str, ...]], ranks: dict[str, int]) -> list[str]:
    """From the node with the highest rank back to the start, always by a node of the rank before."""
    if not ranks:
        return []
    node = max(ranks, key=lambda item: ranks[item])
    path = [node]
    while wires[node]:
        node = max(wires[node], key=lambda item: ranks[item])
        path.append(node)
    return path


def _crossing(wires: dict[str, tuple[str, ...]], ranks: dict[str, int]) -> list[set[str]]:
    """For each rank, and one more than there are: the nodes that are read across a break before it."""
    crossing: list[set[str]] = [set() for _ in range(max(ranks.values(), default=-1) + 2)]
    for node, sources in wires.items():
        for source in sources:
            for rank in range(ranks[source] + 1, ranks[node] + 1):
                crossing[rank].add(source)
    return crossing


def _rows(crossing: list[set[str]], columns: int) -> list[range]:
    """The ranks of each row. A break where one source alone is read across it is taken if it fills half a row."""
    count = len(crossing) - 1
    rows, start = [], 0
    while start < count:
        end = min(start + columns, count)
        if end < count:
            good = [cut for cut in range(start + (columns + 1) // 2, end + 1) if len(crossing[cut]) <= 1]
            end = good[-1] if good else end
        rows.append(range(start, end))
        start = end
    return rows


def is_tidy(network: NetworkSpec) -> bool:
    """Whether the nodes lie as `arrange` puts them, in rows of any length, wherever the whole may stand."""
    return tidy_columns(network) is not None


def tidy_columns(network: NetworkSpec) -> int | None:
    """The number of columns with which `arrange` gives the network's places, up to a shift; None if none does."""
    stated = {node.id: node.position for node in network.nodes}
    if not stated:
        return 1
    left, top = min(x for x, _ in stated.values()), min(y for _, y in stated.values())
    width = round((max(x for x, _ in stated.values()) - left) / COLUMN) + 1
    order = _Order(network)
    # Rows may have been made shorter than they could be, so that a break did not cut a branch.
    for columns in range(width, 2 * width + 2):
        wanted = order.places(columns)
        if all(abs(wanted[n][0] + left - x) < 1 and abs(wanted[n][1] + top - y) < 1 for n, (x, y) in stated.items()):
            return columns
    return None


def rearranged(before: NetworkSpec, after: NetworkSpec, columns: int) -> Positions:
    """Places for `after`, when `before` was tidy: rows stay as long as they were, or become up to `columns` long while
    there is one row only; the upper left corner stays where it was."""
    if not before.nodes:
        return arrange(after, columns)
    left, top = min(n.position[0] for n in before.nodes), min(n.position[1] for n in before.nodes)
    one_row = all(n.position[0] == left or n.position[1] == top for n in before.nodes)
    kept = tidy_columns(before) or columns
    places = arrange(after, max(kept, columns) if one_row else kept)
    return {node: (x + left, y + top) for node, (x, y) in places.items()}


def way_out(moving: Sequence[Point], standing: Sequence[Point]) -> Point:
    """The shortest way that cards, given by their upper left corners, must all go to cover none of those that stand."""
    wide, high = CARD_WIDTH + APART, CARD_HEIGHT + APART
    if not moving or not standing:
        return (0.0, 0.0)
    # From each card that moves to each that stands.
    apart = np.array(standing, float)[None] - np.array(moving, float)[:, None]
    right, down = apart[..., 0], apart[..., 1]

    def free(dx: float, dy: float) -> bool:
        return not np.any((np.abs(right - dx) < wide - 0.01) & (np.abs(down - dy) < high - 0.01))

    if not np.any((np.abs(right) < CARD_WIDTH) & (np.abs(down) < CARD_HEIGHT)):
        return (0.0, 0.0)
    # At the nearest free place a card touches the margin of another, above or below or at a side, or of two of them.
    across = sorted({float(x) for x in np.concatenate([right - wide, right + wide]).ravel()}, key=abs)
    along = sorted({float(y) for y in np.concatenate([down - high, down + high]).ravel()}, key=abs)
    straight = sorted([(dx, 0.0) for dx in across] + [(0.0, dy) for dy in along], key=lambda way: math.hypot(*way))
    beyond = (float(right.max()) + wide, 0.0)  # to the right of all, whatever lies there
    best = next((way for way in straight[:MOST_WAYS] if free(*way)), beyond)
    tries = 0
    for dx in across:
        for dy in along:
            if math.hypot(dx, dy) >= math.hypot(*best):
                break
            tries += 1
            if tries > MOST_WAYS:
                return best
            if free(dx, dy):
                best = (dx, dy)
    return best


def with_room(network: NetworkSpec, node_id: str, source: str) -> Positions:
    """Places for a network in which a node was put on a wire that came from `source`: the node clear of that one and
    of any other, and what reads it moved to the right as far as it needs."""
    node, before = network.node(node_id), network.node(source)
    x, y = node.position
    if abs(y - before.position[1]) < CARD_HEIGHT and abs(x - before.position[0]) < COLUMN:
        x = before.position[0] + COLUMN
    moved = wiring.make_room(network.nodes, tuple(wiring.readers(network, node_id)), (x, y))
    places = {item.id: item.position for item in moved}
    others = [place for name, place in places.items() if name != node_id]
    dx, dy = way_out([(x, y)], others)
    return places | {node_id: (x + dx, y + dy)}
