"""Checking networks: every mistake becomes a finding with words, and its fix mends it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from engine.data.signature import DataSignature, TargetSignature
from engine.diagnostics import Diagnostic
from engine.experiment import Experiment, Node
from engine.graph import check, check_experiment, title_of
from engine.schema import Unknown
from tests.support.random_networks import build, experiment_of

IMAGES = DataSignature(inputs={"x": (8, 8, 1)}, targets={"y": TargetSignature(classes=10)}, train_size=100)
POINTS = DataSignature(inputs={"x": (4,)}, targets={"y": TargetSignature(shape=(1,))}, train_size=65)


def network(*steps: tuple[str, str, dict[str, Any]]) -> Experiment:
    nodes: list[Node] = []
    for kind, tag, values in steps:
        inputs = (nodes[-1].id,) if nodes else ()
        nodes.append(Node(id=f"{tag}_{len(nodes)}", component=build(kind, tag, **values), inputs=inputs))
    return experiment_of(nodes)


def good() -> Experiment:
    return network(
        ("layer", "input", {}),
        ("layer", "flatten", {}),
        ("layer", "dense", {"units": 10}),
        ("loss", "softmax_cross_entropy", {}),
    )


def edited(experiment: Experiment, node: str, **changes: Any) -> Experiment:
    nodes = tuple(
        msgspec.structs.replace(item, **changes) if item.id == node else item for item in experiment.network.nodes
    )
    return msgspec.structs.replace(experiment, network=msgspec.structs.replace(experiment.network, nodes=nodes))


def errors(experiment: Experiment, data: DataSignature = IMAGES) -> tuple[Diagnostic, ...]:
    return tuple(item for item in check(experiment.network, data).diagnostics if item.severity == "error")


def test_a_sound_network() -> None:
    report = check(good().network, IMAGES)
    assert report.ok and not report.diagnostics
    assert report.order == ("input_0", "flatten_1", "dense_2", "softmax_cross_entropy_3")
    assert report.nodes["flatten_1"].shape == (64,)
    assert report.parameter_count == 64 * 10 + 10
    # A matrix product, a bias, and five operations for each logit of the loss.
    assert report.nodes["dense_2"].flops == 2 * 64 * 10 + 10
    assert report.flops == 2 * 64 * 10 + 10 + 50


MISTAKES: dict[str, tuple[Callable[[], Experiment], str, str]] = {
    "dense on images": (
        lambda: network(
            ("layer", "input", {}), ("layer", "dense", {"units": 10}), ("loss", "softmax_cross_entropy", {})
        ),
        "dense_1",
        "latten",
    ),
    "wrong number of outputs": (
        lambda: network(
            ("layer", "input", {}),
            ("layer", "flatten", {}),
            ("layer", "dense", {"units": 7}),
            ("layer", "relu", {}),
            ("loss", "softmax_cross_entropy", {}),
        ),
        "softmax_cross_entropy_4",
        "10 classes",
    ),
    "a loss that needs numbers": (
        lambda: network(
            ("layer", "input", {}),
            ("layer", "flatten", {}),
            ("layer", "dense", {"units": 10}),
            ("loss", "mean_squared_error", {}),
        ),
        "mean_squared_error_3",
        "classes",
    ),
    "a wire from nowhere": (lambda: edited(good(), "dense_2", inputs=("flatten_1", "ghost")), "dense_2", "ghost"),
    "a circle": (lambda: edited(good(), "flatten_1", inputs=("dense_2",)), "", "circle"),
    "a wire out of a loss": (
        lambda: edited(good(), "flatten_1", inputs=("softmax_cross_entropy_3",)),
        "",
        "circle",
    ),
    "an unknown layer": (
        lambda: edited(
            good(), "flatten_1", component=Unknown(of_kind="layer", tag="wormhole", plain={"type": "wormhole"})
        ),
        "flatten_1",
        "wormhole",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_in_words(name: str) -> None:
    make, node, words = MISTAKES[name]
    experiment = make()
    found = errors(experiment)
    assert found, name
    assert any((not node or item.node == node) and words in item.message for item in found), found
    assert not check(experiment.network, IMAGES).ok


@pytest.mark.parametrize(
    "name", ["dense on images", "wrong number of outputs", "a loss that needs numbers", "a circle"]
)
def test_the_fix_mends_it(name: str) -> None:
    experiment = MISTAKES[name][0]()
    first = next(item for item in errors(experiment) if item.fix is not None)
    assert first.fix is not None and first.fix.label
    mended = first.fix.edit(experiment)
    assert first not in errors(mended)
    if name != "a circle":
        assert check(mended.network, IMAGES).ok


def test_a_missing_input_and_a_missing_loss() -> None:
    nothing = experiment_of([])
    messages = [item.message for item in errors(nothing)]
    assert any("no input" in text for text in messages) and any("no loss" in text for text in messages)


def test_a_loose_layer_is_a_warning_and_left_out() -> None:
    experiment = good()
    loose = Node(id="loose", component=build("layer", "relu"), inputs=("flatten_1",))
    experiment = experiment_of([*experiment.network.nodes, loose])
    report = check(experiment.network, IMAGES)
    assert report.ok and "loose" not in report.order
    assert [item.node for item in report.diagnostics] == ["loose"]


def test_a_bypassed_layer_passes_its_input_on() -> None:
    experiment = network(
        ("layer", "input", {}),
        ("layer", "flatten", {}),
        ("layer", "dense", {"units": 3}),
        ("layer", "dense", {"units": 10}),
        ("loss", "softmax_cross_entropy", {}),
    )
    report = check(edited(experiment, "dense_2", bypass=True).network, IMAGES)
    assert report.ok and "dense_2" not in report.order
    assert report.nodes["dense_3"].input_shapes == ((64,),)


def test_without_data_the_wiring_is_checked() -> None:
    assert check(good().network, None).ok
    assert not check(edited(good(), "dense_2", inputs=()).network, None).ok


def test_a_batch_of_one_is_refused_for_batch_normalization() -> None:
    experiment = network(
        ("layer", "input", {}),
        ("layer", "dense", {"units": 3}),
        ("layer", "batch_norm", {}),
        ("layer", "dense", {"units": 1}),
        ("loss", "mean_squared_error", {}),
    )

    def findings(batch_size: int) -> list[Diagnostic]:
        training = msgspec.structs.replace(experiment.training, batch_size=batch_size)
        value = msgspec.structs.replace(experiment, training=training, data=experiment.data)
        return [item for item in check_experiment(value, POINTS).diagnostics if item.node == "batch_norm_2"]

    assert [item.severity for item in findings(1)] == ["error"]
    assert [item.severity for item in findings(64)] == ["warning"]  # 65 samples: the last batch has one
    assert not findings(65)
    fix = findings(64)[0].fix
    assert fix is not None and fix.edit(experiment).training.drop_last


def test_titles() -> None:
    node = good().network.node("dense_2")
    assert title_of(node) == "Dense 10"
    assert title_of(msgspec.structs.replace(node, title="Head")) == "Head"


def wired(**nodes: tuple[str, tuple[str, ...]]) -> Experiment:
    """Nodes by id: (tag, inputs); a tag with a minus before it is bypassed."""
    return experiment_of(
        [
            Node(id=name, component=build(*_component(tag.lstrip("-"))), inputs=inputs, bypass=tag.startswith("-"))
            for name, (tag, inputs) in nodes.items()
        ]
    )


def _component(tag: str) -> tuple[str, str]:
    return ("loss" if tag == "mean_squared_error" else "layer"), tag


def test_a_circle_through_a_bypassed_layer_is_told_and_opened() -> None:
    circle = wired(i=("input", ()), a=("relu", ("b",)), b=("-relu", ("a",)), loss=("mean_squared_error", ("a",)))
    (found,) = errors(circle, POINTS)
    assert "circle" in found.message and found.fix is not None
    assert not any("circle" in item.message for item in errors(found.fix.edit(circle), POINTS))


def test_the_fix_of_a_circle_cuts_a_wire_of_that_circle() -> None:
    circle = wired(
        i=("input", ()),
        a=("add", ("i", "c")),
        b=("add", ("c", "a")),
        c=("relu", ("b",)),
        loss=("mean_squared_error", ("c",)),
    )
    for _ in range(2):
        found = next((item for item in errors(circle, POINTS) if "circle" in item.message), None)
        if found is None:
            break
        assert found.fix is not None
        circle = found.fix.edit(circle)
    assert not any("circle" in item.message for item in errors(circle, POINTS))


def test_a_loss_read_through_a_bypassed_layer_is_told() -> None:
    network = wired(
        i=("input", ()),
        loss=("mean_squared_error", ("i",)),
        b=("-relu", ("loss",)),
        d=("dense", ("b",)),
        other=("mean_squared_error", ("d",)),
    )
    assert [(item.node, item.field) for item in errors(network, IMAGES) if "reads a loss" in item.message] == [
        ("d", "inputs")
    ]


def test_thousands_of_bypassed_layers_in_a_row() -> None:
    chain = {f"r{k}": ("-relu", (f"r{k - 1}" if k else "i",)) for k in range(3000)}
    report = check(wired(i=("input", ()), **chain, loss=("mean_squared_error", ("r2999",))).network, None)
    assert report.ok and report.order == ("i", "loss")


@pytest.mark.parametrize("signature", [IMAGES, POINTS])
def test_normalization_behind_a_layer_that_is_wrong(signature: DataSignature) -> None:
    experiment = wired(
        i=("input", ()), d=("conv2d", ("i",)), n=("batch_norm", ("d",)), f=("flatten", ("n",)), loose=("batch_norm", ())
    )
    training = msgspec.structs.replace(experiment.training, batch_size=1)
    report = check_experiment(msgspec.structs.replace(experiment, training=training), signature)
    assert not report.ok


def test_one_pixel_has_no_variance_either() -> None:
    pixel = DataSignature(inputs={"x": (1, 1, 3)}, targets={"y": TargetSignature(shape=(1, 1, 3))}, train_size=10)
    experiment = wired(i=("input", ()), n=("batch_norm", ("i",)), loss=("mean_squared_error", ("n",)))
    training = msgspec.structs.replace(experiment.training, batch_size=1)
    report = check_experiment(msgspec.structs.replace(experiment, training=training), pixel)
    assert any("variance" in item.message for item in report.of("n"))


def test_nothing_mends_a_training_part_of_one_sample() -> None:
    experiment = network(
        ("layer", "input", {}),
        ("layer", "dense", {"units": 3}),
        ("layer", "batch_norm", {}),
        ("layer", "dense", {"units": 1}),
        ("loss", "mean_squared_error", {}),
    )
    one = msgspec.structs.replace(POINTS, train_size=1)
    found = [item for item in check_experiment(experiment, one).diagnostics if item.node == "batch_norm_2"]
    assert [(item.severity, item.fix) for item in found] == [("error", None)]
