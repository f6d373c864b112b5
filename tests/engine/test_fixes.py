"""Remedies: a layer that nothing is wired to finds its place."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine import data, edits, presets
from engine.data.signature import DataSignature, TargetSignature
from engine.diagnostics import Diagnostic
from engine.experiment import Block, Experiment, Node
from engine.graph import check, check_experiment
from tests.support.examples import blobs, chain, make

POINTS = DataSignature(inputs={"x": (2,)}, targets={"y": TargetSignature(classes=3)}, train_size=48)


def unwired(experiment: Experiment, node: str, data: DataSignature | None = POINTS) -> Diagnostic:
    return next(item for item in check(experiment.network, data).of(node) if item.field == "inputs")


def near(node: str, tag: str, *, x: float = 20.0, **values: object) -> Experiment:
    """The network 2-8-3 with a loose layer below and to the right of one of its nodes."""
    left, top = blobs().network.node(node).position
    return edits.add_node(blobs(), make("layer", tag, **values), at=(left + x, top + 140.0))


@pytest.mark.parametrize(("source", "title"), [("dense_1", "Dense 8"), ("relu_1", "ReLU")])
def test_a_loose_layer_is_wired_in_between_the_nearest_and_its_reader(source, title):
    experiment = near(source, "dropout")
    reader = next(node.id for node in experiment.network.nodes if source in node.inputs)
    fix = unwired(experiment, "dropout_1").fix
    assert fix.label == f"Wire it in after “{title}”"
    after = fix.edit(experiment)
    assert after.network.node("dropout_1").inputs == (source,) and after.network.node(reader).inputs == ("dropout_1",)
    assert after.network.node("dropout_1").position == experiment.network.node("dropout_1").position
    assert check(after.network, POINTS).ok


def test_of_layers_with_one_title_the_id_says_which():
    experiment = edits.set_field(near("dense_2", "dropout"), "dense_2", "units", 8)
    experiment = edits.disconnect(experiment, "dense_2", "softmax_cross_entropy_1")
    assert unwired(experiment, "dropout_1").fix.label == "Wire it in after “Dense 8” (dense_2)"
    titled = edits.set_title(experiment, "dense_1", "First")
    assert unwired(titled, "dropout_1").fix.label == "Wire it in after “Dense 8”"


def test_before_the_data_are_known_places_alone_decide():
    fix = unwired(near("relu_1", "dropout"), "dropout_1", None).fix
    assert fix.label == "Wire it in after “ReLU”"


def test_a_layer_that_changes_the_shape_goes_to_an_open_end():
    experiment = edits.disconnect(near("relu_1", "dense", units=5), "dense_2", "softmax_cross_entropy_1")
    fix = unwired(experiment, "dense_3").fix
    assert fix.label == "Wire it in after “Dense 3”"
    assert fix.edit(experiment).network.node("dense_3").inputs == ("dense_2",)


def test_a_loose_loss_reads_the_nearest_layer():
    experiment = edits.disconnect(blobs(), "dense_2", "softmax_cross_entropy_1")
    fix = unwired(experiment, "softmax_cross_entropy_1").fix
    assert fix.label == "Wire it in after “Dense 3”"
    assert fix.edit(experiment) == blobs()


def test_a_loose_layer_that_others_read_does_not_close_a_circle():
    experiment = edits.disconnect(blobs(), "input_1", "dense_1")
    fix = unwired(experiment, "dense_1").fix
    assert fix.edit(experiment) == blobs()


def test_where_nothing_suits_the_layer_can_be_deleted():
    experiment = near("dense_1", "conv2d")
    assert unwired(experiment, "conv2d_1").fix.label == "Delete this layer"
    experiment = near("dense_1", "add")
    assert unwired(experiment, "add_1").fix.label == "Delete this layer"


@pytest.mark.parametrize(
    ("target", "tag"),
    [
        (TargetSignature(classes=3), "softmax_cross_entropy"),
        (TargetSignature(shape=(1,)), "mean_squared_error"),
    ],
)
def test_a_network_without_a_loss_is_offered_one_that_suits_the_target(target, tag):
    data = DataSignature(inputs={"x": (2,)}, targets={"y": target}, train_size=48)
    losses = [node.id for node in blobs().network.nodes if node.id.startswith("softmax")]
    experiment = edits.remove_nodes(blobs(), losses)
    (finding,) = [item for item in check(experiment.network, data).diagnostics if "no loss" in item.message]
    after = finding.fix.edit(experiment)
    (added,) = [node for node in after.network.nodes if node.id.startswith(tag)]
    assert added.inputs == ("dense_2",) and added.component.target == "y"
    assert "no loss" not in " ".join(item.message for item in check(after.network, data).diagnostics)


def test_a_network_without_an_input_is_offered_one():
    experiment = edits.remove_nodes(blobs(), ["input_1"])
    (finding,) = [item for item in check(experiment.network, POINTS).diagnostics if "no input" in item.message]
    assert finding.fix.label == "Add Input"
    after = finding.fix.edit(experiment)
    assert [node.component.source for node in after.network.nodes if node.id.startswith("input")] == ["x"]


def test_without_data_nothing_is_offered_for_a_missing_end():
    experiment = edits.remove_nodes(blobs(), ["input_1", "softmax_cross_entropy_1"])
    found = [item for item in check(experiment.network, None).diagnostics if "has no" in item.message]
    assert len(found) == 2 and not any(item.fix for item in found)


def test_a_layer_may_ask_for_another_in_its_place():
    experiment = edits.replace_component(blobs(), "relu_1", make("layer", "spatial_dropout", rate=0.3))
    (found,) = check(experiment.network, POINTS).of("relu_1")
    assert found.fix.label == "Use Dropout instead"
    after = found.fix.edit(experiment)
    assert after.network.node("relu_1").component == make("layer", "dropout", rate=0.3)
    assert check(after.network, POINTS).ok


@pytest.mark.parametrize(("multiplier", "filters"), [(1, 6), (2, 3), (4, None)])
def test_outputs_that_a_depthwise_convolution_multiplies_are_counted(multiplier: int, filters: int | None) -> None:
    network = chain(
        make("layer", "input"), make("layer", "conv2d", filters=5),
        make("layer", "depthwise_conv2d", multiplier=multiplier), make("layer", "global_average_pool2d"),
        make("loss", "softmax_cross_entropy"),
    )  # fmt: skip
    signature = DataSignature(inputs={"x": (8, 8, 1)}, targets={"y": TargetSignature(classes=6)}, train_size=9)
    (found,) = check(network, signature).diagnostics
    label = "Insert Dense 6" if filters is None else f"Give Conv 2D {filters} filters"
    assert found.fix is not None and found.fix.label == label
    assert check(found.fix.edit(replace(blobs(), network=network)).network, signature).ok


@pytest.mark.parametrize(
    ("classes", "target", "loss", "labels"),
    [
        (3, (), "softmax_cross_entropy", ["Insert Flatten", "Insert Dense 3"]),
        (2, (), "binary_cross_entropy", ["Insert Flatten", "Insert Dense 1"]),
        (0, (3,), "mean_squared_error", ["Insert Dense 3"]),
        (0, (6, 6, 2), "mean_squared_error", ["Insert Reshape"]),
        (0, (72,), "mean_squared_error", ["Insert Flatten"]),
    ],
)
def test_remedies_one_after_the_other_lead_to_a_network_that_trains(
    classes: int, target: tuple[int, ...], loss: str, labels: list[str]
) -> None:
    """Two filters make 72 outputs of 6 × 6 pixels: their number is not what the loss needs it to be."""
    layers = [make("layer", "input"), make("layer", "conv2d", filters=2)]
    if not classes and target != (72,):
        layers.append(make("layer", "flatten"))
    experiment = replace(blobs(), network=chain(*layers, make("loss", loss)))
    signature = DataSignature(
        inputs={"x": (6, 6, 1)}, targets={"y": TargetSignature(classes=classes, shape=target)}, train_size=9
    )
    for label in labels:
        (found,) = check(experiment.network, signature).diagnostics
        assert found.fix is not None and found.fix.label == label
        experiment = found.fix.edit(experiment)
    assert check(experiment.network, signature).diagnostics == ()


def test_one_output_where_classes_are_wanted_gets_as_many_as_there_are_classes() -> None:
    network = chain(make("layer", "input"), make("layer", "dense", units=1), make("loss", "softmax_cross_entropy"))
    (found,) = check(network, POINTS).diagnostics
    assert found.fix is not None and found.fix.label == "Give Dense 3 units"
    assert check(found.fix.edit(replace(blobs(), network=network)).network, POINTS).ok


def test_a_loss_that_others_read_is_not_replaced_before_they_are_mended() -> None:
    experiment = replace(blobs(), network=chain(make("layer", "input"), make("layer", "dense", units=3),
                         make("loss", "mean_squared_error"), make("layer", "relu")))  # fmt: skip
    found = check(experiment.network, POINTS).of("mean_squared_error_1")
    assert [item.fix for item in found] == [None]


def test_what_would_not_be_repeated_is_not_put_before_a_group() -> None:
    """The second repetition reads the first one's vectors where the first one reads token numbers."""
    network = chain(make("layer", "input"), make("layer", "embedding", vocabulary=9), make("layer", "relu"),
                    make("layer", "flatten"), make("loss", "softmax_cross_entropy"))  # fmt: skip
    network = replace(network, blocks=(Block(nodes=("embedding_1", "relu_1")),))
    found = check(network, replace(POINTS, inputs={"x": (5,)})).of("embedding_1")
    assert len(found) == 1 and "In repetition 2" in found[0].message and found[0].fix is None


def test_nothing_to_train_is_said() -> None:
    network = chain(make("layer", "input"), make("layer", "relu"), make("loss", "softmax_cross_entropy"))
    signature = replace(POINTS, inputs={"x": (3,)})
    messages = [item.message for item in check_experiment(replace(blobs(), network=network), signature).diagnostics]
    assert any("nothing to train" in message for message in messages)


def test_a_repetition_is_not_wired_to_the_input_past_the_one_before_it() -> None:
    network = chain(make("layer", "input"), make("layer", "embedding", vocabulary=9, width=1), make("layer", "flatten"),
                    make("layer", "tanh"), make("loss", "softmax_cross_entropy"))  # fmt: skip
    network = replace(network, blocks=(Block(nodes=("embedding_1", "flatten_1", "tanh_1")),))
    signature = replace(POINTS, inputs={"x": (3,)})
    found = check_experiment(replace(blobs(), network=network), signature).diagnostics
    (wrong,) = [item for item in found if "makes other numbers" in item.message]
    assert "In repetition 2" in wrong.message and wrong.fix is None


def test_a_layer_that_two_losses_read_keeps_its_outputs() -> None:
    """Each loss would else give it as many as it wants itself, in turn."""
    network = chain(
        make("layer", "input"), make("layer", "dense", units=3), make("loss", "softmax_cross_entropy"),
    )  # fmt: skip
    second = Node(id="squared", component=make("loss", "mean_squared_error", target="z"), inputs=("dense_1",))
    network = replace(network, nodes=(*network.nodes, second))
    signature = replace(POINTS, targets={**POINTS.targets, "z": TargetSignature(shape=(2,))})
    (found,) = check(network, signature).diagnostics
    assert found.fix is not None and found.fix.label == "Insert Dense 2"
    assert check(found.fix.edit(replace(blobs(), network=network)).network, signature).ok


def test_a_loose_layer_of_a_group_is_not_wired_to_its_own_repetition() -> None:
    experiment = edits.disconnect(blobs(), "dense_1", "relu_1")
    network = replace(experiment.network, blocks=(Block(nodes=("relu_1",), repeat=3),))
    experiment = replace(experiment, network=network)
    fix = unwired(experiment, "relu_1").fix
    assert fix is not None and fix.label == "Wire it in after “Dense 8”"
    assert fix.edit(experiment).network.node("relu_1").inputs == ("dense_1",)


def test_a_loose_layer_behind_a_group_reads_its_last_repetition() -> None:
    network = replace(blobs().network, blocks=(Block(nodes=("relu_1",), repeat=3),))
    left, top = network.node("relu_1").position
    experiment = edits.add_node(replace(blobs(), network=network), make("layer", "dropout"), at=(left + 9, top + 9))
    fix = unwired(experiment, "dropout_1").fix
    assert fix is not None
    after = fix.edit(experiment)
    assert after.network.node("dropout_1").inputs == ("relu_1",)
    assert after.network.node("dense_2").inputs == ("dropout_1",)
    assert check(after.network, POINTS).ok


def test_axes_are_not_set_to_and_fro_between_repetitions() -> None:
    """The second repetition reads two axes where the first one reads three."""
    network = chain(make("layer", "input"), make("layer", "permute", axes=(2, 1, 3)),
                    make("layer", "global_average_pool2d"), make("layer", "dense", units=3),
                    make("loss", "softmax_cross_entropy"))  # fmt: skip
    network = replace(network, blocks=(Block(nodes=("permute_1", "global_average_pool2d_1")),))
    found = check(network, replace(POINTS, inputs={"x": (4, 5, 2)})).of("permute_1")
    assert len(found) == 1 and "In repetition 2" in found[0].message and found[0].fix is None


@pytest.mark.parametrize("tag", ["max_pool2d", "global_average_pool2d", "fractional_max_pool2d", "conv2d"])
def test_a_layer_for_images_behind_a_flatten_is_moved_before_it(tag: str) -> None:
    base = presets.make("digits-baseline")
    signature = data.load(base.data).signature
    wrong = edits.insert_on_edge(base, make("layer", tag), "dense_1", "relu_1")
    found = [item for item in check_experiment(wrong, signature).diagnostics if item.severity == "error"]
    (finding,) = found
    assert finding.fix is not None and finding.fix.label == "Move it before “Flatten”"
    mended = finding.fix.edit(wrong)
    assert check_experiment(mended, signature).ok
    assert mended.network.node("flatten_1").inputs == (f"{tag}_1",)
    assert mended.network.node("relu_1").inputs == ("dense_1",)


def test_a_layer_for_images_among_tables_is_taken_out() -> None:
    base = presets.make("diabetes-regression")
    signature = data.load(base.data).signature
    wrong = edits.insert_on_edge(base, make("layer", "max_pool2d"), "dense_1", "relu_1")
    (finding,) = [item for item in check_experiment(wrong, signature).diagnostics if item.severity == "error"]
    assert finding.fix is not None and finding.fix.label == "Bypass this layer"
    assert check_experiment(finding.fix.edit(wrong), signature).ok
