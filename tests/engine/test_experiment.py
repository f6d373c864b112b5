"""Experiments as JSON types: nodes with their own keys beside their component's, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from engine.experiment import (
    NODE_ID_RULE,
    NODE_KEYS,
    Node,
    experiment_from_plain,
    experiment_to_plain,
    node_from_plain,
    node_to_plain,
)
from engine.schema import SchemaError, Unknown, all_components, fields_of
from tests.support.examples import blobs, make


def refused(plain: Any) -> str:
    with pytest.raises(SchemaError) as caught:
        node_from_plain(plain, "n")
    return str(caught.value)


def test_an_experiment_goes_there_and_back() -> None:
    assert experiment_from_plain(experiment_to_plain(blobs())) == blobs()
    assert list(experiment_to_plain(blobs())) == ["name", "notes", "seed", "data", "network", "training"]


def test_only_what_is_told_apart_is_written_of_a_node() -> None:
    node = Node(id="a", component=make("layer", "relu"), inputs=("b",))
    assert node_to_plain(node) == {"id": "a", "type": "relu", "inputs": ["b"], "position": [0.0, 0.0]}
    full = replace(node, bypass=True, title="T", position=(1, 2))
    assert node_to_plain(full) == {
        "id": "a", "type": "relu", "inputs": ["b"], "position": [1.0, 2.0], "bypass": True, "title": "T",
    }  # fmt: skip
    assert node_from_plain(node_to_plain(full), "n") == replace(full, position=(1.0, 2.0))


def test_defaults_may_be_left_out() -> None:
    assert node_from_plain({"id": "a", "type": "relu"}, "n") == Node(id="a", component=make("layer", "relu"))
    plain = {key: value for key, value in experiment_to_plain(blobs()).items() if key not in ("name", "notes", "seed")}
    value = experiment_from_plain(plain)
    assert (value.name, value.notes, value.seed) == ("Untitled", "", 0)


def test_losses_and_layers_are_told_apart_by_name() -> None:
    loss = node_from_plain({"id": "a", "type": "mean_squared_error"}, "n")
    assert loss.component == make("loss", "mean_squared_error")
    unknown = node_from_plain({"id": "a", "type": "new", "size": 3, "inputs": ["b"], "bypass": True}, "n")
    assert unknown.component == Unknown(of_kind="layer", tag="new", plain={"type": "new", "size": 3})
    assert (unknown.inputs, unknown.bypass) == (("b",), True)


def test_no_component_of_a_node_uses_a_node_s_own_keys() -> None:
    for info in all_components():
        if info.kind in ("layer", "loss"):
            assert not {spec.name for spec in fields_of(info.cls)} & set(NODE_KEYS), info.tag


def test_the_node_of_an_id() -> None:
    assert blobs().network.node("relu_1").id == "relu_1"
    with pytest.raises(KeyError):
        blobs().network.node("x")


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        (3, "n: expected an object that describes a node"),
        ({"type": "relu"}, f"n.id: {NODE_ID_RULE}"),
        ({"id": "", "type": "relu"}, f"n.id: {NODE_ID_RULE}"),
        ({"id": "a/b", "type": "relu"}, f"n.id: {NODE_ID_RULE}"),
        ({"id": "a" * 81, "type": "relu"}, f"n.id: {NODE_ID_RULE}"),
        ({"id": "a\nb", "type": "relu"}, f"n.id: {NODE_ID_RULE}"),
        ({"id": "a", "type": "relu", "inputs": "b"}, "n.inputs: expected a list of node ids"),
        ({"id": "a", "type": "relu", "inputs": [1]}, "n.inputs: expected a list of node ids"),
        (
            {"id": "a", "type": "relu", "position": [1, True]},
            "n.position: expected two numbers, x and y, within 10000000 of 0",
        ),
        (
            {"id": "a", "type": "relu", "position": [1, 1e9]},
            "n.position: expected two numbers, x and y, within 10000000 of 0",
        ),
        ({"id": "a", "type": "relu", "bypass": 1}, "n.bypass: expected true or false"),
        ({"id": "a", "type": "relu", "title": 1}, "n.title: expected text"),
        ({"id": "a"}, "n.type: expected the name of a layer, got nothing"),
        ({"id": "a", "type": ["relu"]}, "n.type: expected the name of a layer, got a list"),
    ],
)
def test_a_node_that_is_not_one_is_refused(plain: Any, message: str) -> None:
    assert refused(plain) == message
