"""Auto-layout: no two cards on one place, readers to the right, rows that wrap, branches in lanes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.experiment import NetworkSpec, Node
from lab.canvas.geometry import CARD_HEIGHT, CARD_WIDTH, COLUMN, ROW
from lab.canvas.layout import arrange, is_tidy, placed, rearranged, tidy_columns, way_out
from tests.support.examples import make


def network(**wires: str) -> NetworkSpec:
    """Nodes by name, each with the names of its inputs, separated by blanks."""
    relu = make("layer", "relu")
    return NetworkSpec(nodes=tuple(Node(id=n, component=relu, inputs=tuple(i.split())) for n, i in wires.items()))


def chain(length: int) -> NetworkSpec:
    return network(**{f"n{i}": f"n{i - 1}" if i else "" for i in range(length)})


def cells(places) -> dict[str, tuple[int, int]]:
    return {node: (round(x / COLUMN), round(y / ROW)) for node, (x, y) in places.items()}


def moved(net: NetworkSpec, places) -> NetworkSpec:
    return NetworkSpec(nodes=tuple(replace(node, position=places[node.id]) for node in net.nodes))


def test_a_chain_wraps_into_rows():
    found = cells(arrange(chain(8), 3))
    assert found == {f"n{i}": (i % 3, i // 3) for i in range(8)}


def test_a_skip_connection_keeps_its_block_in_one_row():
    net = network(a="", b="a", c="b", d="c", e="d b", f="e")
    found = cells(arrange(net, 4))
    assert [found[n] for n in "ab"] == [(0, 0), (1, 0)]
    assert [found[n][1] for n in "cdef"] == [1, 1, 1, 1]


def test_a_branch_gets_a_lane_below():
    net = network(a="", b="a", c="b", d="c", p="a", e="d p")
    found = cells(arrange(net, 6))
    assert found["p"] == (1, 1) and found["e"] == (4, 0)
    assert [found[n][1] for n in "abcd"] == [0, 0, 0, 0]


def test_a_late_second_input_stands_before_its_reader():
    found = cells(arrange(network(a="", b="a", c="b", x="", d="c x"), 6))
    assert found["x"] == (2, 1)


def test_unwired_nodes_come_last():
    found = cells(arrange(network(a="", lone="", b="a"), 6))
    assert found["lone"] == (0, 1)


def test_circles_and_wires_from_nowhere_do_no_harm():
    found = arrange(network(a="c", b="a", c="b gone"), 6)
    assert len(set(found.values())) == 3


@given(st.data())
def test_any_graph_gets_distinct_places_and_readers_to_the_right_in_a_row(data):
    count = data.draw(st.integers(1, 14))
    wires = {
        f"n{i}": " ".join(
            sorted({f"n{j}" for j in data.draw(st.lists(st.integers(0, max(0, i - 1)), max_size=3)) if j < i})
        )
        for i in range(count)
    }
    net, columns = network(**wires), data.draw(st.integers(1, 7))
    found = cells(arrange(net, columns))
    assert set(found) == set(wires) and len(set(found.values())) == count
    assert max(x for x, _ in found.values()) < columns
    row_of = {node: y for node, (_, y) in found.items()}
    for node in net.nodes:
        for source in node.inputs:
            assert row_of[source] < row_of[node.id] or found[source][0] < found[node.id][0] or row_of[source] > 0
    assert is_tidy(moved(net, arrange(net, columns)))


def test_a_network_without_places_is_arranged_to_be_shown():
    net = chain(4)
    assert placed(net, 6) == arrange(net, 6)
    spread = moved(net, {f"n{i}": (i * 10.0, 7.0) for i in range(4)})
    assert placed(spread) == {f"n{i}": (i * 10.0, 7.0) for i in range(4)}


def test_tidy_is_told_from_untidy_wherever_it_stands():
    net = chain(8)
    shifted = {node: (x + 50, y - 30) for node, (x, y) in arrange(net, 3).items()}
    assert tidy_columns(moved(net, shifted)) == 3
    shifted["n4"] = (shifted["n4"][0] + 8, shifted["n4"][1])
    assert tidy_columns(moved(net, shifted)) is None


@pytest.mark.parametrize(("length", "columns", "view", "wanted"), [(8, 3, 6, 3), (3, 6, 6, 6), (7, 7, 6, 7)])
def test_rows_keep_their_length_when_something_is_added(length, columns, view, wanted):
    before = moved(chain(length), {n: (x + 20, y) for n, (x, y) in arrange(chain(length), columns).items()})
    after = rearranged(before, chain(length + 5), view)
    assert cells({n: (x - 20, y) for n, (x, y) in after.items()}) == cells(arrange(chain(length + 5), wanted))


@pytest.mark.parametrize("count", [1, 5, 60])
def test_the_way_out_leads_where_nothing_is_covered(count):
    rng = np.random.default_rng(count)
    moving, standing = rng.uniform(0, 900, (count, 2)), rng.uniform(0, 900, (count, 2))
    standing[0] = moving[0] + 10.0
    dx, dy = way_out([tuple(p) for p in moving], [tuple(p) for p in standing])
    assert (dx, dy) != (0.0, 0.0)
    for x, y in np.add(moving, (dx, dy)):
        assert not any(abs(x - left) < CARD_WIDTH and abs(y - top) < CARD_HEIGHT for left, top in standing)
