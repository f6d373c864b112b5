"""The wires as a graph, and room for new nodes."""

from __future__ import annotations

from engine import wiring
from engine.experiment import NetworkSpec, Node
from tests.support.examples import blobs, make


def node(node_id: str, *inputs: str, at: tuple[float, float] = (0.0, 0.0)) -> Node:
    return Node(id=node_id, component=make("layer", "add"), inputs=inputs, position=at)


def test_readers_and_ancestors() -> None:
    network = NetworkSpec(nodes=(node("a"), node("b", "a"), node("c", "a", "b"), node("d")))
    assert list(wiring.readers(network, "a")) == ["b", "c"]
    assert wiring.ancestors(network, "c") == {"a", "b", "c"}
    assert wiring.ancestors(network, "d") == {"d"}


def test_ancestors_of_a_circle_end() -> None:
    network = NetworkSpec(nodes=(node("a", "b"), node("b", "a"), node("c", "nowhere")))
    assert wiring.ancestors(network, "a") == {"a", "b"}
    assert wiring.ancestors(network, "c") == {"c", "nowhere"}


def test_a_place_beside_all_and_a_free_place() -> None:
    step = wiring.STEP
    assert wiring.beside_all(NetworkSpec()) == (0.0, 0.0)
    assert wiring.beside_all(blobs().network) == (4 * 168.0 + step[0], 0.0)
    network = NetworkSpec(nodes=(node("a"), node("b", at=(0.0, step[1]))))
    assert wiring.free_place(network, (10.0, 0.0)) == (10.0, 2 * step[1])
    assert wiring.free_place(network, (step[0], 0.0)) == (step[0], 0.0)


def test_room_is_made_in_the_row_only() -> None:
    step = wiring.STEP[0]
    nodes = (
        node("a"),
        node("b", "a", at=(step, 0.0)),
        node("c", "b", at=(2 * step, 0.0)),
        node("d", "c", at=(0.0, 500.0)),
    )
    moved = {item.id: item.position for item in wiring.make_room(nodes, ["b"], (step, 0.0))}
    assert moved == {"a": (0.0, 0.0), "b": (2 * step, 0.0), "c": (3 * step, 0.0), "d": (0.0, 500.0)}


def test_where_there_is_room_nothing_moves() -> None:
    nodes = (node("a"), node("b", "a", at=(1000.0, 0.0)))
    assert list(wiring.make_room(nodes, ["b"], (wiring.STEP[0], 0.0))) == list(nodes)
