"""Groups that are repeated: written out as by hand, trained alike, checked in words, edited and kept in files."""

from __future__ import annotations

import json

import numpy as np
import pytest
from msgspec.structs import replace

from engine import block_edits, blocks, clipboard, data, edits, files
from engine.block_findings import collapsed
from engine.checks import check_gradients, summarize
from engine.diagnostics import Diagnostic, Severity
from engine.edits import EditError
from engine.experiment import Block, Experiment, NetworkSpec
from engine.graph import check_experiment
from engine.groups import ParameterGroup
from engine.schema import SchemaError, all_components
from engine.training.trainer import Trainer
from tests.support.examples import blobs, chain, make


def tower(times: int = 3) -> Experiment:
    """2-8-[8-8 ReLU]xN-3: input_1, dense_1, dense_2, relu_1, dense_3, softmax_cross_entropy_1."""
    network = chain(
        make("layer", "input"),
        make("layer", "dense", units=8),
        make("layer", "dense", units=8),
        make("layer", "relu"),
        make("layer", "dense", units=3),
        make("loss", "softmax_cross_entropy"),
    )
    return block_edits.group(replace(blobs(), network=network), ["dense_2", "relu_1"], times)


def residual(times: int = 2) -> Experiment:
    """A block with a shortcut: dense_2 and add_1 both read the way in."""
    experiment = tower()
    experiment = block_edits.ungroup(experiment, "dense_2")
    experiment = edits.insert_on_edge(experiment, make("layer", "add"), "relu_1", "dense_3")
    experiment = edits.connect(experiment, "dense_1", "add_1")
    return block_edits.group(experiment, ["dense_2", "relu_1", "add_1"], times)


def wires(network: NetworkSpec) -> dict[str, tuple[str, ...]]:
    return {node.id: node.inputs for node in network.nodes}


def report_of(experiment: Experiment):  # type: ignore[no-untyped-def]
    return check_experiment(experiment, data.load(experiment.data).signature)


# -- writing out -------------------------------------------------------------------------------------------------------


def test_copies_follow_one_another() -> None:
    found = wires(blocks.unrolled_network(tower(3).network))
    assert found["dense_2·2"] == ("relu_1",) and found["relu_1·2"] == ("dense_2·2",)
    assert found["dense_2·3"] == ("relu_1·2",) and found["dense_3"] == ("relu_1·3",)
    assert len(found) == 6 + 2 * 2


def test_every_wire_from_outside_comes_from_the_copy_before() -> None:
    found = wires(blocks.unrolled_network(residual(2).network))
    assert found["dense_2·2"] == ("add_1",) and found["add_1·2"] == ("relu_1·2", "add_1")
    assert found["dense_3"] == ("add_1·2",)


def test_without_groups_nothing_is_made_anew() -> None:
    experiment = blobs()
    assert blocks.unrolled(experiment) is experiment
    whole = blocks.unrolled(tower())
    assert blocks.unrolled(whole) is whole and not whole.network.blocks


def test_ids_of_copies() -> None:
    assert blocks.copy_id("a", 1) == "a" and blocks.copy_id("a", 12) == "a·12"
    assert blocks.template_of("a·12") == "a" and blocks.template_of("a·b") == "a·b" and blocks.template_of("a") == "a"
    assert blocks.is_copy("a·2") and not blocks.is_copy("a·1") and not blocks.is_copy("a·02")
    assert blocks.copy_number("a·7") == 7 and blocks.copy_number("a") == 1


def test_two_groups_in_a_row() -> None:
    experiment = tower(2)
    experiment = edits.add_node(experiment, make("layer", "tanh"), after="relu_1")
    experiment = block_edits.group(experiment, ["tanh_1"], 3)
    found = wires(blocks.unrolled_network(experiment.network))
    assert found["tanh_1"] == ("relu_1·2",) and found["tanh_1·3"] == ("tanh_1·2",) and found["dense_3"] == ("tanh_1·3",)


# -- training ----------------------------------------------------------------------------------------------------------


def by_hand() -> Experiment:
    """`tower(3)` written out by a person, under the ids that the copies have."""
    whole = blocks.unrolled(tower(3))
    names = {"dense_2·2": "a", "relu_1·2": "b", "dense_2·3": "c", "relu_1·3": "d"}
    nodes = tuple(
        replace(node, id=names.get(node.id, node.id), inputs=tuple(names.get(item, item) for item in node.inputs))
        for node in whole.network.nodes
    )
    return replace(whole, network=NetworkSpec(nodes=nodes))


@pytest.mark.parametrize("executor", ["array", "cpu"])
def test_a_group_trains_as_the_same_layers_written_out(executor: str) -> None:
    """The same first weights lead to the same bits, whatever the layers are called."""
    grouped, plain = tower(3), by_hand()
    first = Trainer(plain, device="cpu", executor="array", steps=0)
    first.run()
    assert first.loop is not None
    names = {"a": "dense_2·2", "c": "dense_2·3"}
    start = {key: value for key, value in first.loop.state.to_host().items() if key.startswith("parameter/")}
    renamed = {"/".join(names.get(part, part) for part in key.split("/")): value for key, value in start.items()}
    trainers = [
        Trainer(grouped, device="cpu", executor=executor, state=renamed),  # type: ignore[arg-type]
        Trainer(plain, device="cpu", executor=executor, state=start),  # type: ignore[arg-type]
    ]
    results = [trainer.run() for trainer in trainers]
    assert results[0].reason == "done" and results[0].train_loss == results[1].train_loss
    assert results[0].val_loss == results[1].val_loss


def test_copies_have_weights_of_their_own_that_learn() -> None:
    trainer = Trainer(tower(3), device="cpu", executor="array", steps=1)
    before = Trainer(tower(3), device="cpu", executor="array", steps=0)
    for one in (trainer, before):
        one.run()
    assert trainer.loop is not None and before.loop is not None
    state, start = trainer.loop.state.parameters, before.loop.state.parameters
    weights = [start[f"dense_2{copy}/weight"] for copy in ("", "·2", "·3")]
    assert not any(np.array_equal(weights[i], weights[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    assert all(not np.array_equal(state[name], start[name]) for name in start if name.startswith("dense_2"))


def test_gradients_reach_every_copy() -> None:
    experiment = residual(3)
    found = check_gradients(experiment, data.load(experiment.data))
    assert found.severity == "ok" and {"dense_2·2", "dense_2·3"} <= {item.node for item in found.arrays}
    assert summarize(experiment, data.load(experiment.data).signature).depth == 5


def test_live_fields_concern_every_copy() -> None:
    from engine.training.setup import layer_scalars

    experiment = edits.insert_on_edge(tower(3), make("layer", "dropout", rate=0.25), "dense_2", "relu_1")
    assert layer_scalars(experiment) == {"dropout_1/rate": 0.25, "dropout_1·2/rate": 0.25, "dropout_1·3/rate": 0.25}


# -- checking ----------------------------------------------------------------------------------------------------------


def test_the_report_counts_every_copy() -> None:
    found = report_of(tower(3))
    assert found.ok and found.parameter_count == 24 + 3 * 72 + 27
    assert "dense_2·3" in found.order


def test_a_group_whose_output_it_cannot_read_again_is_told_of_the_layer_that_a_person_sees() -> None:
    network = chain(
        make("layer", "input"), make("layer", "reshape", shape=(1, 2, 1)),
        make("layer", "max_pool2d", size=1, stride=1), make("layer", "flatten"),
        make("layer", "dense", units=3), make("loss", "softmax_cross_entropy"),
    )  # fmt: skip
    experiment = replace(blobs(), network=network)
    experiment = block_edits.group(experiment, ["max_pool2d_1", "flatten_1"], 3)
    found = [item for item in report_of(experiment).diagnostics if item.severity == "error"]
    assert [item.node for item in found] == ["max_pool2d_1"]
    assert found[0].message.startswith("In repetition 2: ")


def test_a_remedy_of_a_further_copy_mends_the_layer_that_a_person_sees() -> None:
    network = chain(
        make("layer", "input"), make("layer", "reshape", shape=(1, 2, 1)), make("layer", "spatial_dropout"),
        make("layer", "flatten"), make("layer", "dense", units=3), make("loss", "softmax_cross_entropy"),
    )  # fmt: skip
    experiment = replace(blobs(), network=network)
    experiment = block_edits.group(experiment, ["spatial_dropout_1", "flatten_1"], 2)
    (found,) = [item for item in report_of(experiment).diagnostics if item.severity == "error"]
    assert found.node == "spatial_dropout_1" and found.message.startswith("In repetition 2: ")
    assert found.fix is not None and report_of(found.fix.edit(experiment)).ok


def test_of_one_copy_a_warning_hides_no_error() -> None:
    def finding(node: str, severity: Severity, message: str, field: str = "") -> Diagnostic:
        return Diagnostic(node=node, field=field, severity=severity, message=message)

    told = [
        finding("dense_2·2", "warning", "Slow."),
        finding("dense_2·2", "error", "Broken by 3."),
        finding("dense_2·3", "error", "Broken by 9."),
        finding("dense_2·3", "error", "None.", "units"),
    ]
    found = collapsed(told)
    assert [(item.node, item.message) for item in found] == [
        ("dense_2", "In repetition 2: slow."),
        ("dense_2", "In repetition 2: broken by 3."),
        ("dense_2", "In repetition 3: none."),
    ]
    assert collapsed((*found, told[2])) == found


def test_tokens_of_a_further_copy_have_no_remedy_that_changes_nothing() -> None:
    network = chain(
        make("layer", "input"), make("layer", "embedding"), make("layer", "flatten"), make("layer", "dense", units=3),
        make("loss", "softmax_cross_entropy"),
    )  # fmt: skip
    experiment = block_edits.group(replace(blobs(), network=network), ["embedding_1", "flatten_1"], 2)
    found = [item for item in report_of(experiment).diagnostics if "reads token numbers" in item.message]
    assert [item.node for item in found] == ["embedding_1"] and found[0].fix is None


def test_a_finding_in_every_copy_is_told_once_and_its_remedy_mends_all() -> None:
    experiment = edits.set_field(tower(3), "dense_3", "units", 5)
    (found,) = [item for item in report_of(experiment).diagnostics if item.severity == "error"]
    assert found.fix is not None and report_of(found.fix.edit(experiment)).ok
    twice = edits.insert_on_edge(tower(2), make("layer", "group_norm", groups=3), "dense_2", "relu_1")
    (found,) = [item for item in report_of(twice).diagnostics if item.severity == "error"]
    assert found.node == "group_norm_1" and found.fix is not None
    assert report_of(found.fix.edit(twice)).ok


def test_copies_that_are_written_out_stay_in_the_parameter_groups_of_their_layer() -> None:
    groups = (ParameterGroup(nodes=("dense_2",), frozen=True), ParameterGroup(nodes=("dense_1", "dense_3"), rate=0.5))
    experiment = tower(3)
    experiment = replace(experiment, training=replace(experiment.training, groups=groups))
    written = block_edits.unroll(experiment, "dense_2")
    first, second = written.training.groups
    assert first.nodes == ("dense_2", "dense_4", "dense_5") and first.frozen
    assert second == groups[1]
    sides = [summarize(item, data.load(item.data).signature) for item in (experiment, written)]
    assert sides[0].frozen == sides[1].frozen == 3 * 72


def test_every_layer_can_stand_in_a_group() -> None:
    """Whatever looks at the report's order finds the copies, too."""
    for info in all_components():
        if info.kind != "layer" or info.cls.max_inputs == 0:  # type: ignore[attr-defined]
            continue
        experiment = edits.insert_on_edge(tower(2), info.cls(), "dense_2", "relu_1")  # type: ignore[arg-type]
        ids = {node.id for node in experiment.network.nodes}
        for item in report_of(experiment).diagnostics:
            assert item.node in ids, "told of a layer that a person sees"
            assert item.fix is None or item.fix.edit(experiment) != experiment, (info.tag, item.fix.label)


def test_a_group_that_cannot_be_repeated_is_said_with_a_remedy() -> None:
    experiment = edits.connect(
        edits.insert_on_edge(tower(2), make("layer", "add"), "relu_1", "dense_3"), "dense_2", "add_1"
    )
    (found,) = [item for item in report_of(experiment).diagnostics if item.severity == "error"]
    assert "one way out" in found.message and found.fix is not None and found.fix.label == "Ungroup"
    mended = found.fix.edit(experiment)
    assert not mended.network.blocks and report_of(mended).ok


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ([], "select the layers"),
        (["input_1"], "reads the data"),
        (["dense_3", "softmax_cross_entropy_1"], "a loss ends the network"),
        (["dense_1", "relu_1"], "one way in"),
        (["nobody"], "does not exist"),
    ],
)
def test_what_cannot_be_grouped_is_refused_in_words(chosen: list[str], words: str) -> None:
    experiment = block_edits.ungroup(tower(), "dense_2")
    assert words in block_edits.why_not_group(experiment.network, chosen)
    if chosen and chosen != ["nobody"]:
        with pytest.raises(EditError, match=words):
            block_edits.group(experiment, chosen)


def test_a_layer_belongs_to_one_group() -> None:
    assert "belongs to a group already" in block_edits.why_not_group(tower().network, ["relu_1"])


def test_a_way_in_that_depends_on_the_group_is_refused() -> None:
    experiment = residual()
    experiment = block_edits.ungroup(experiment, "add_1")
    assert block_edits.why_not_group(experiment.network, ["dense_2", "add_1"])


# -- edits -------------------------------------------------------------------------------------------------------------


def test_repeating_naming_and_ungrouping() -> None:
    experiment = block_edits.entitle(block_edits.repeat(tower(), "relu_1", 7), "dense_2", " Tower ")
    assert experiment.network.blocks == (Block(nodes=("dense_2", "relu_1"), repeat=7, title="Tower"),)
    with pytest.raises(EditError, match="from 1 to 100"):
        block_edits.repeat(experiment, "relu_1", 101)
    with pytest.raises(EditError, match="belongs to no group"):
        block_edits.ungroup(experiment, "dense_1")
    assert block_edits.ungroup(experiment, "dense_2").network.blocks == ()


def test_unrolling_leaves_the_same_network_without_a_group() -> None:
    experiment = block_edits.unroll(residual(3), "add_1")
    assert not experiment.network.blocks
    before, after = report_of(residual(3)), report_of(experiment)
    assert after.ok and after.parameter_count == before.parameter_count and len(after.order) == len(before.order)
    assert len({node.position for node in experiment.network.nodes}) == len(experiment.network.nodes)
    assert not any("·" in node.id for node in experiment.network.nodes)


def test_groups_follow_other_edits() -> None:
    experiment = tower()
    assert edits.rename(experiment, "relu_1", "bend").network.blocks[0].nodes == ("dense_2", "bend")
    assert edits.remove_nodes(experiment, ["relu_1"]).network.blocks[0].nodes == ("dense_2",)
    assert not edits.remove_nodes(experiment, ["relu_1", "dense_2"]).network.blocks
    inside = edits.insert_on_edge(experiment, make("layer", "dropout"), "dense_2", "relu_1")
    assert set(inside.network.blocks[0].nodes) == {"dense_2", "relu_1", "dropout_1"}
    outside = edits.insert_on_edge(experiment, make("layer", "dropout"), "relu_1", "dense_3")
    assert outside.network.blocks[0].nodes == ("dense_2", "relu_1")
    for edit in (edits.bypass(experiment, ["relu_1"]), edits.set_field(experiment, "dense_2", "units", 9)):
        assert edit.network.blocks == experiment.network.blocks


def test_a_whole_group_is_copied_and_a_part_is_not() -> None:
    experiment = tower(4)
    whole = clipboard.duplicate(experiment, ["dense_2", "relu_1"])
    assert whole.network.blocks[1] == Block(nodes=("dense_4", "relu_2"), repeat=4)
    assert clipboard.duplicate(experiment, ["relu_1"]).network.blocks == experiment.network.blocks


# -- files -------------------------------------------------------------------------------------------------------------


def test_a_file_keeps_groups_and_has_none_where_there_are_none() -> None:
    experiment = block_edits.entitle(tower(5), "relu_1", "Tower")
    assert files.loads(files.dumps(experiment)) == experiment
    assert "blocks" not in json.loads(files.dumps(blobs()))["experiment"]["network"]


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        ({}, "expected a list of groups"),
        (["x"], "describes a group"),
        ([{"nodes": []}], "at least one"),
        ([{"nodes": ["nobody"]}], "there is no node “nobody”"),
        ([{"nodes": ["relu_1"]}, {"nodes": ["relu_1"]}], "is already in network.blocks"),
        ([{"nodes": ["relu_1"], "repeat": 0}], "from 1 to 100"),
        ([{"nodes": ["relu_1"], "repeat": True}], "from 1 to 100"),
        ([{"nodes": ["relu_1"], "repeat": 1e9}], "from 1 to 100"),
        ([{"nodes": ["relu_1"], "title": 3}], "expected text"),
        ([{"nodes": ["relu_1"], "times": 3}], "no such field"),
    ],
)
def test_groups_of_a_file_that_are_none_are_refused(plain: object, words: str) -> None:
    document = json.loads(files.dumps(blobs()))
    document["experiment"]["network"]["blocks"] = plain
    with pytest.raises((SchemaError, files.FileError), match=words):
        files.loads(json.dumps(document))


def test_no_node_may_be_called_as_a_copy() -> None:
    with pytest.raises(EditError, match="repetitions"):
        edits.rename(blobs(), "dense_1", "dense·2")
