"""Paths to fields: reading, setting, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from engine import edits
from engine.paths import get_path, set_path, set_text, spec_at
from engine.schema import SchemaError, Unknown, fields_of, info_of
from tests.support.examples import blobs, make


def refused(path: str, value: Any) -> str:
    with pytest.raises(SchemaError) as caught:
        set_path(blobs(), path, value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name", "Other"),
        ("seed", 7),
        ("data.split.seed", 7),
        ("data.source.noise", 0.5),
        ("training.batch_size", 8),
        ("training.optimizer.learning_rate", 0.5),
        ("training.penalties[0].strength", 0.25),
        ("network.nodes[1].units", 3),
        ("nodes[1].units", 3),
        ("nodes.dense_1.units", 3),
        ("network.nodes.dense_1.units", 3),
        ("nodes.dense_1.weight_init.mode", "fan_out"),
        ("nodes.dense_1.title", "Hidden"),
        ("nodes.dense_1.bypass", True),
        ("nodes.dense_1.inputs", ("dense_2",)),
        ("nodes.dense_1.position", (3.0, 4.0)),
    ],
)
def test_what_is_set_is_read_back_and_nothing_else_changes(path: str, value: Any) -> None:
    before = blobs()
    after = set_path(before, path, value)
    assert get_path(after, path) == value
    assert get_path(before, path) != value
    assert set_path(after, path, get_path(before, path)) == before


def test_both_ways_to_name_a_node_are_one() -> None:
    assert set_path(blobs(), "network.nodes[3].units", 9) == set_path(blobs(), "nodes.dense_2.units", 9)


def test_an_id_with_dots_and_brackets_is_found() -> None:
    value = edits.rename(edits.rename(blobs(), "dense_1", "block.a"), "dense_2", "block.a[0]")
    assert get_path(set_path(value, "nodes.block.a.units", 5), "nodes.block.a.units") == 5
    assert get_path(set_path(value, "nodes.block.a[0].units", 6), "nodes.block.a[0].units") == 6


def test_a_component_is_set_by_name_by_fields_or_built() -> None:
    sgd = make("optimizer", "sgd")
    assert set_path(blobs(), "training.optimizer", "sgd").training.optimizer == sgd
    assert set_path(blobs(), "training.optimizer.type", "sgd").training.optimizer == sgd
    assert set_path(blobs(), "training.optimizer", {"type": "sgd"}).training.optimizer == sgd
    assert set_path(blobs(), "training.optimizer", sgd).training.optimizer == sgd
    assert get_path(blobs(), "training.optimizer.type") == "adam"


def test_lists_of_components() -> None:
    value = set_path(blobs(), "training.penalties", ["l1", {"type": "l2", "strength": 0.5}])
    assert value.training.penalties == (make("penalty", "l1"), make("penalty", "l2", strength=0.5))
    assert set_path(value, "training.penalties[1]", "l1").training.penalties == (make("penalty", "l1"),) * 2
    assert set_path(value, "training.penalties[1].type", "l1").training.penalties == (make("penalty", "l1"),) * 2


def test_a_node_s_component_is_set_by_name() -> None:
    value = set_path(blobs(), "nodes.relu_1.type", "tanh")
    assert info_of(value.network.node("relu_1").component).tag == "tanh"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("nodes.dense_1.units", 0, "nodes.dense_1.units: expected at least 1 and at most 65536, got 0"),
        ("nodes.dense_1.units", "many", "nodes.dense_1.units: expected a whole number, got “many”"),
        ("nodes.dense_1.unit", 3, "nodes.dense_1.unit: there is no such field; did you mean “units”?"),
        ("nodes.dense1.units", 3, "nodes.dense1.units: there is no node “dense1”; did you mean “dense_1”?"),
        ("nodes[9].units", 3, "nodes[9].units: the network has 5 nodes"),
        ("nodes[x]", 3, "nodes[x]: expected a node's id or number, such as “nodes.dense_1.units” or “nodes[1].units”"),
        ("nodes", 3, "nodes: expected a node's id or number, such as “nodes.dense_1.units” or “nodes[1].units”"),
        ("training.learning_rate", 3, "training.learning_rate: there is no such field; did you mean "
         "“training.optimizer.learning_rate”?"),
        ("training.optimiser", 3, "training.optimiser: there is no such field; did you mean “optimizer”?"),
        ("training.optimizer", "adan", "training.optimizer: there is no optimizer “adan”; did you mean “adam”?"),
        ("training.optimizer", "AdamW", "training.optimizer: there is no optimizer “AdamW”; did you mean “adamw”?"),
        ("nodes.dense_1.weight_init", "kaiming", "nodes.dense_1.weight_init: there is no initializer “kaiming”; "
         "did you mean “he”?"),
        ("nodes.relu_1.type", "SiLU", "nodes.relu_1.type: there is no layer “SiLU”; did you mean “swish”?"),
        ("training.batch_size.x", 3, "training.batch_size.x: “batch_size” has no parts"),
        ("training.penalties[1]", "l1", "training.penalties[1]: there is no such entry; the list has 1"),
        ("training.penalties.x", 3, "training.penalties.x: expected the number of an entry: training.penalties[0]"),
        ("network", 3, "network: expected the path of one node's field, such as “nodes.dense_1.units”"),
        ("nodes.dense_1", 3, "nodes.dense_1: expected a field of the node, such as “nodes.dense_1.title”, or "
             "“nodes.dense_1.type” for another layer there"),
        ("", 3, "expected a path such as “training.optimizer.learning_rate”"),
        ("a..b", 3, "a..b: is not a path such as “training.optimizer.learning_rate”"),
        ("nodes.dense_1.bypass", 3, "nodes.dense_1.bypass: expected true or false, got 3"),
        ("nodes.dense_1.position", [1], "nodes.dense_1.position: expected 2 values, got 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_set_is_refused_with_its_place(path: str, value: Any, message: str) -> None:
    assert refused(path, value) == message


def test_a_component_of_a_newer_version_has_no_fields() -> None:
    unknown = Unknown(of_kind="optimizer", tag="lion", plain={"type": "lion"})
    value = blobs()
    import msgspec

    value = msgspec.structs.replace(value, training=msgspec.structs.replace(value.training, optimizer=unknown))
    with pytest.raises(SchemaError, match="does not know the optimizer “lion”"):
        set_path(value, "training.optimizer.learning_rate", 1)
    assert set_path(value, "training.optimizer", "sgd").training.optimizer == make("optimizer", "sgd")


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("training.optimizer.learning_rate", "1e-2", 0.01),
        ("training.optimizer.learning_rate", " .5 ", 0.5),
        ("training.batch_size", "64", 64),
        ("training.batch_size", "1e3", 1000),
        ("training.shuffle", "off", False),
        ("training.shuffle", "true", True),
        ("training.precision", "float64", "float64"),
        ("training.optimizer.type", "sgd", "sgd"),
        ("name", "12", "12"),
        ("name", "true", "true"),
        ("nodes.dense_1.inputs", "dense_2, relu_1", ("dense_2", "relu_1")),
        ("nodes.dense_1.position", "3, 4", (3.0, 4.0)),
        ("nodes.dense_1.position", "[3, 4]", (3.0, 4.0)),
    ],
)
def test_text_is_read_as_what_the_field_holds(path: str, text: str, value: Any) -> None:
    assert get_path(set_text(blobs(), path, text), path) == value


def test_text_for_components() -> None:
    value = set_text(blobs(), "training.penalties", "l1, weight_decay")
    assert [info_of(item).tag for item in value.training.penalties] == ["l1", "weight_decay"]
    assert set_text(value, "training.penalties", "").training.penalties == ()
    value = set_text(value, "training.optimizer", '{"type": "sgd", "momentum": 0.9}')
    assert value.training.optimizer == make("optimizer", "sgd", momentum=0.9)
    value = set_text(value, "training.penalties", '{"type": "l1", "strength": 0.5}')
    assert value.training.penalties == (make("penalty", "l1", strength=0.5),)


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("training.batch_size", "1.5", "expected a whole number, got 1.5"),
        ("training.batch_size", "nan", "expected a whole number, got nan"),
        ("training.optimizer.learning_rate", "fast", "expected a number, got “fast”"),
        ("training.optimizer.learning_rate", "inf", "expected a finite number, got inf"),
        ("training.optimizer.epsilon", "1e-60", "expected at least 1e-30 and at most 1, got 1e-60"),  # 0 in float32
        ("name", "a\udcff", "holds a character that is none (half of a two-part character)"),
        ("training.shuffle", "perhaps", "expected true or false, got “perhaps”"),
        ("training.precision", "float16", "expected one of float32, float64; got “float16”"),
        ("training.metrics", "acuracy", "there is no metric “acuracy”; did you mean “accuracy”?"),
        ("nodes.dense_1.position", "left", "expected numbers separated by commas, got “left”"),
    ],
)
def test_text_that_a_field_cannot_hold(path: str, text: str, message: str) -> None:
    with pytest.raises(SchemaError) as caught:
        set_text(blobs(), path, text)
    assert caught.value.message == message


def test_the_declaration_at_a_path() -> None:
    assert spec_at(blobs(), "training.optimizer.learning_rate").live
    assert spec_at(blobs(), "nodes.dense_1.units").name == "units"
    assert spec_at(blobs(), "training.penalties[0].strength").kind == "float"
    assert spec_at(blobs(), "training.penalties[0]").kind == "components"
    with pytest.raises(SchemaError):
        spec_at(blobs(), "nodes.dense_1")
    with pytest.raises(SchemaError, match="there is no such entry"):
        get_path(blobs(), "training.penalties[3]")


def test_every_declared_field_of_an_experiment_has_a_path() -> None:
    value = blobs()
    for node in value.network.nodes:
        for spec in fields_of(type(node.component)):
            path = f"nodes.{node.id}.{spec.name}"
            assert set_path(value, path, get_path(value, path)) == value
