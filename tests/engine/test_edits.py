"""Edits: each gives the network that its words promise, leaves its argument alone, and refuses in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import clipboard, edits, files
from engine.edits import EditError
from engine.experiment import Experiment
from engine.schema import SchemaError, components_of, info_of
from tests.support.examples import blobs, make


def wires(experiment: Experiment) -> dict[str, tuple[str, ...]]:
    return {node.id: node.inputs for node in experiment.network.nodes}


def refused(edit: Callable[[], Any]) -> str:
    with pytest.raises(EditError) as caught:
        edit()
    return caught.value.message


def residual() -> Experiment:
    """blobs() with a second path: dense_2 reads add_1, which reads relu_1 and dense_1."""
    value = edits.add_node(blobs(), make("layer", "add"), after="relu_1")
    return edits.connect(value, "dense_1", "add_1")


def test_an_edit_error_is_also_a_schema_error_and_names_its_place() -> None:
    with pytest.raises(SchemaError) as caught:
        edits.set_field(blobs(), "dense_1", "units", 0)
    assert isinstance(caught.value, EditError)
    assert caught.value.path == "nodes.dense_1.units"


# -- adding ------------------------------------------------------------------------------------------------------------


def test_ids_count_up_and_fill_gaps() -> None:
    value = edits.add_node(blobs(), make("layer", "dense"))
    assert value.network.nodes[-1].id == "dense_3"
    value = edits.remove_nodes(value, ["dense_1"])
    assert edits.unique_id(value.network, "dense") == "dense_1"


def test_a_node_added_after_another_stands_between_it_and_its_readers() -> None:
    before = blobs()
    after = edits.add_node(before, make("layer", "batch_norm"), after="dense_1")
    assert wires(after)["batch_norm_1"] == ("dense_1",)
    assert wires(after)["relu_1"] == ("batch_norm_1",)
    assert wires(before)["relu_1"] == ("dense_1",)
    assert after.network.nodes[-1].id == "batch_norm_1"


def test_what_follows_makes_room() -> None:
    after = edits.add_node(blobs(), make("layer", "batch_norm"), after="dense_1")
    x = {node.id: node.position[0] for node in after.network.nodes}
    assert x["dense_1"] < x["batch_norm_1"] < x["relu_1"] < x["dense_2"] < x["softmax_cross_entropy_1"]
    assert x["input_1"] == 0


def test_a_place_that_is_given_is_taken_and_nothing_else_moves() -> None:
    before = blobs()
    after = edits.add_node(before, make("layer", "tanh"), after="dense_1", at=(5.0, 7.0))
    assert after.network.node("tanh_1").position == (5.0, 7.0)
    assert [n.position for n in after.network.nodes[:-1]] == [n.position for n in before.network.nodes]


def test_a_node_added_without_a_place_covers_no_other() -> None:
    value = blobs()
    for _ in range(5):
        value = edits.add_node(value, make("layer", "input"))
        value = edits.add_node(value, make("loss", "softmax_cross_entropy"), after="relu_1")
    places = [node.position for node in value.network.nodes]
    assert len(set(places)) == len(places)
    for i, (x, y) in enumerate(places):
        assert all(abs(x - u) >= 128 or abs(y - v) >= 93 for u, v in places[:i])


def test_the_first_node_stands_at_the_origin() -> None:
    value = edits.add_node(edits.remove_nodes(blobs(), wires(blobs())), make("layer", "input"))
    assert [(node.id, node.position) for node in value.network.nodes] == [("input_1", (0.0, 0.0))]


def test_a_loss_is_appended_and_takes_no_reader_away() -> None:
    value = edits.add_node(blobs(), make("loss", "mean_squared_error"), after="relu_1")
    assert wires(value)["mean_squared_error_1"] == ("relu_1",)
    assert wires(value)["dense_2"] == ("relu_1",)


def test_an_input_added_after_a_node_is_not_wired() -> None:
    value = edits.add_node(blobs(), make("layer", "input"), after="relu_1")
    assert wires(value)["input_2"] == ()
    assert wires(value)["dense_2"] == ("relu_1",)


def test_adding_is_refused_in_words() -> None:
    tanh = make("layer", "tanh")
    assert refused(lambda: edits.add_node(blobs(), tanh, after="nobody")) == "there is no node “nobody”"
    assert (
        refused(lambda: edits.add_node(blobs(), tanh, after="softmax_cross_entropy_1")) == "nothing can follow a loss"
    )
    assert refused(lambda: edits.add_node(blobs(), tanh, node_id="relu_1")) == "there is a node “relu_1” already"
    assert "without “/”" in refused(lambda: edits.add_node(blobs(), tanh, node_id="a/b"))


def test_a_node_inserted_on_a_wire_leaves_the_source_s_other_readers() -> None:
    value = edits.insert_on_edge(residual(), make("layer", "dropout"), "dense_1", "add_1")
    assert wires(value)["add_1"] == ("relu_1", "dropout_1")
    assert wires(value)["dropout_1"] == ("dense_1",)
    assert wires(value)["relu_1"] == ("dense_1",)


def test_inserting_is_refused_in_words() -> None:
    dropout, loss = make("layer", "dropout"), make("loss", "mean_squared_error")
    no_wire = refused(lambda: edits.insert_on_edge(blobs(), dropout, "input_1", "relu_1"))
    assert no_wire == "there is no wire from “input_1” to “relu_1”"
    assert "middle of a wire" in refused(lambda: edits.insert_on_edge(blobs(), loss, "dense_1", "relu_1"))
    assert refused(lambda: edits.insert_before(blobs(), dropout, "input_1")) == "“input_1” reads nothing yet"


def test_a_node_inserted_before_another_stands_on_its_first_wire() -> None:
    value = edits.insert_before(blobs(), make("layer", "flatten"), "dense_1")
    assert wires(value)["dense_1"] == ("flatten_1",)
    assert wires(value)["flatten_1"] == ("input_1",)


# -- removing ----------------------------------------------------------------------------------------------------------


def test_removing_reconnects_across_everything_removed() -> None:
    value = edits.remove_nodes(blobs(), ["dense_1", "relu_1"])
    assert wires(value) == {"input_1": (), "dense_2": ("input_1",), "softmax_cross_entropy_1": ("dense_2",)}


def test_removing_without_reconnecting_leaves_the_wire_open() -> None:
    assert wires(edits.remove_nodes(blobs(), ["relu_1"], reconnect=False))["dense_2"] == ()


def test_removing_the_first_node_leaves_its_readers_open() -> None:
    assert wires(edits.remove_nodes(blobs(), ["input_1"]))["dense_1"] == ()


def test_removing_a_join_keeps_its_first_branch() -> None:
    assert wires(edits.remove_nodes(residual(), ["add_1"]))["dense_2"] == ("relu_1",)


def test_two_wires_that_become_one_are_one() -> None:
    assert wires(edits.remove_nodes(residual(), ["relu_1"]))["add_1"] == ("dense_1",)


def test_removing_what_is_not_there_is_refused() -> None:
    assert refused(lambda: edits.remove_nodes(blobs(), ["relu_1", "x"])) == "there is no node “x”"


# -- wires -------------------------------------------------------------------------------------------------------------


def test_a_wire_is_added_last_and_taken_away() -> None:
    value = edits.connect(residual(), "input_1", "add_1")
    assert wires(value)["add_1"] == ("relu_1", "dense_1", "input_1")
    assert wires(edits.disconnect(value, "relu_1", "add_1"))["add_1"] == ("dense_1", "input_1")


def test_a_wire_may_replace_the_only_one() -> None:
    value = edits.connect(blobs(), "input_1", "dense_2", replacing=True)
    assert wires(value)["dense_2"] == ("input_1",)


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("relu_1", "relu_1", "a node cannot read its own output"),
        ("softmax_cross_entropy_1", "dense_1", "nothing can follow a loss"),
        ("dense_1", "relu_1", "“relu_1” already reads “dense_1”"),
        ("dense_1", "input_1", "“input_1” takes no input: it reads the data"),
        ("input_1", "relu_1", "“relu_1” takes one input and has it; to join branches, use Add"),
        ("dense_2", "add_1", "the wires would form a circle: “dense_2” depends on “add_1” already"),
        ("x", "relu_1", "there is no node “x”"),
        ("relu_1", "x", "there is no node “x”"),
    ],
)
def test_a_wire_is_refused_in_words(source: str, target: str, words: str) -> None:
    assert refused(lambda: edits.connect(residual(), source, target)) == words


def test_a_circle_is_refused_also_where_the_wire_would_replace_another() -> None:
    assert "circle" in refused(lambda: edits.connect(blobs(), "dense_2", "dense_1", replacing=True))


def test_a_wire_that_is_not_there_cannot_be_taken_away() -> None:
    assert "there is no wire" in refused(lambda: edits.disconnect(blobs(), "input_1", "relu_1"))


# -- nodes -------------------------------------------------------------------------------------------------------------


def test_a_node_keeps_id_place_title_and_wires_under_another_component() -> None:
    value = edits.set_title(blobs(), "relu_1", " Gate ")
    value = edits.replace_component(value, "relu_1", make("layer", "tanh"))
    node = value.network.node("relu_1")
    assert (node.title, node.inputs, node.position) == ("Gate", ("dense_1",), (336.0, 0.0))
    assert info_of(node.component).tag == "tanh"


def test_a_component_that_takes_fewer_wires_keeps_the_first() -> None:
    assert wires(edits.replace_component(residual(), "add_1", make("layer", "tanh")))["add_1"] == ("relu_1",)
    assert wires(edits.replace_component(residual(), "add_1", make("layer", "input")))["add_1"] == ()


def test_a_node_that_others_read_cannot_become_a_loss() -> None:
    loss = make("loss", "mean_squared_error")
    assert "nothing can follow a loss" in refused(lambda: edits.replace_component(blobs(), "relu_1", loss))


def test_renaming_leads_the_wires_along() -> None:
    value = edits.rename(blobs(), "dense_1", "hidden")
    assert wires(value)["relu_1"] == ("hidden",)
    assert edits.rename(value, "hidden", "hidden") is value
    assert "already" in refused(lambda: edits.rename(value, "hidden", "relu_1"))
    assert "characters" in refused(lambda: edits.rename(value, "hidden", ""))


def test_moving_and_bypassing() -> None:
    value = edits.move(blobs(), {"relu_1": (1, 2)})
    assert value.network.node("relu_1").position == (1.0, 2.0)
    value = edits.bypass(value, ["relu_1", "dense_1"])
    assert [node.id for node in value.network.nodes if node.bypass] == ["dense_1", "relu_1"]
    assert edits.bypass(value, ["relu_1", "dense_1"]) == edits.move(blobs(), {"relu_1": (1, 2)})
    assert edits.bypass(value, ["relu_1"], on=True) == value
    assert edits.bypass(value, []) is value
    assert refused(lambda: edits.move(value, {"x": (0, 0)})) == "there is no node “x”"


def test_no_edit_makes_a_file_that_cannot_be_read() -> None:
    value = edits.move(blobs(), {"relu_1": (1e9, float("nan"))})
    value = clipboard.paste_nodes(value, clipboard.copy_nodes(value, ["dense_1"]), at=(-1e300, 0.0))
    value = edits.set_title(value, "dense_1", "half \udcff")
    assert files.loads(files.dumps(value).encode()) == value
    assert refused(lambda: edits.rename(value, "relu_1", "a\tb")).startswith("expected a name")


# -- clipboard ---------------------------------------------------------------------------------------------------------


def test_pasted_nodes_have_new_ids_and_the_wires_among_them() -> None:
    before = blobs()
    after = clipboard.paste_nodes(before, clipboard.copy_nodes(before, ["relu_1", "dense_1"]))
    assert wires(after) == wires(before) | {"dense_3": (), "relu_2": ("dense_3",)}
    assert after.network.node("dense_3").component == before.network.node("dense_1").component
    assert after.network.node("dense_3").position == (208.0, 40.0)


def test_pasting_puts_the_upper_left_corner_where_it_is_wanted() -> None:
    after = clipboard.paste_nodes(blobs(), clipboard.copy_nodes(blobs(), ["dense_1", "relu_1"]), at=(-10.0, 5.0))
    assert after.network.node("dense_3").position == (-10.0, 5.0)
    assert after.network.node("relu_2").position == (158.0, 5.0)


def test_duplicating_is_copying_and_pasting() -> None:
    value = blobs()
    assert clipboard.duplicate(value, ["relu_1"]) == clipboard.paste_nodes(
        value, clipboard.copy_nodes(value, ["relu_1"])
    )


@pytest.mark.parametrize(
    "text", ["", "hello", "[]", "3", "{}", '{"format": "descent-lab-nodes"}', files.dumps(blobs())]
)
def test_a_clipboard_of_something_else_is_refused(text: str) -> None:
    assert refused(lambda: clipboard.paste_nodes(blobs(), text)) == "the clipboard holds no nodes"


def test_a_clipboard_with_a_wrong_field_is_refused_with_its_place() -> None:
    text = clipboard.copy_nodes(blobs(), ["dense_1"]).replace('"units": 8', '"units": 0')
    with pytest.raises(EditError) as caught:
        clipboard.paste_nodes(blobs(), text)
    assert caught.value.path == "nodes[0].units"
    assert caught.value.message == "cannot be pasted: expected at least 1 and at most 65536, got 0"


def test_a_clipboard_with_one_id_twice_is_refused() -> None:
    text = clipboard.copy_nodes(blobs(), ["dense_1", "relu_1"]).replace('"relu_1"', '"dense_1"')
    assert "already the id" in refused(lambda: clipboard.paste_nodes(blobs(), text))


# -- any sequence of edits ---------------------------------------------------------------------------------------------

TAGS = sorted(components_of("layer")) + sorted(components_of("loss"))


def random_edit(value: Experiment, draw: Callable[[Any], Any]) -> Experiment:
    ids = [node.id for node in value.network.nodes] or ["nobody"]
    one, other = draw(st.sampled_from(ids)), draw(st.sampled_from(ids))
    tag = draw(st.sampled_from(TAGS))
    component = make("layer" if tag in components_of("layer") else "loss", tag)
    match draw(st.integers(0, 8)):
        case 0:
            return edits.add_node(value, component, after=one)
        case 1:
            return edits.add_node(value, component)
        case 2:
            return edits.connect(value, one, other, replacing=draw(st.booleans()))
        case 3:
            return edits.remove_nodes(value, {one, other}, reconnect=draw(st.booleans()))
        case 4:
            return edits.insert_on_edge(value, component, one, other)
        case 5:
            return edits.replace_component(value, one, component)
        case 6:
            return clipboard.duplicate(value, {one, other})
        case 7:
            return edits.rename(value, one, draw(st.sampled_from(["a", "b.c", "d[0]"])))
    return edits.disconnect(value, one, other)


@given(st.data())
def test_no_sequence_of_edits_breaks_the_graph(data: st.DataObject) -> None:
    value = blobs()
    for _ in range(12):
        before = files.dumps(value)
        try:
            changed = random_edit(value, data.draw)
        except EditError:
            changed = value
        assert files.dumps(value) == before
        value = changed
    known = {node.id: node for node in value.network.nodes}
    assert len(known) == len(value.network.nodes)
    done: set[str] = set()
    while len(done) < len(known):
        ready = {name for name, node in known.items() if name not in done and set(node.inputs) <= done}
        assert ready, "the wires form a circle, or lead to nowhere"
        done |= ready
    for node in known.values():
        most = node.component.max_inputs  # type: ignore[union-attr]
        assert most is None or len(node.inputs) <= most
        assert not any(info_of(known[item].component).kind == "loss" for item in node.inputs)
        assert len(set(node.inputs)) == len(node.inputs)
    assert files.loads(files.dumps(value)) == value
