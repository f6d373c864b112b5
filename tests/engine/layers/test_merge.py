"""Joining branches: sums, products, side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from engine import edits
from engine.data.signature import DataSignature, TargetSignature
from engine.experiment import NetworkSpec
from engine.graph import check
from engine.layers import Add, Concatenate, Multiply, ShapeProblem
from tests.support.examples import blobs, chain, make
from tests.support.layers import Lone


def test_adds_any_number_of_inputs() -> None:
    a, b, c = np.random.default_rng(0).standard_normal((3, 2, 4, 4, 3))
    np.testing.assert_allclose(Lone(Add(), a, b).output, a + b)
    lone = Lone(Add(), a, b, c)
    np.testing.assert_allclose(lone.output, a + b + c)
    assert lone.flops == 2 * a.size
    assert (Add.min_inputs, Add.max_inputs, Add().title()) == (2, None, "Add")


def test_every_branch_gets_the_whole_gradient() -> None:
    lone = Lone(Add(), np.ones((2, 3)), np.ones((2, 3)))
    gradients = lone.b.gradients({lone.value: np.full((2, 3), 0.7)})
    for value in lone.inputs:
        np.testing.assert_array_equal(gradients(value), np.full((2, 3), 0.7))


def test_different_shapes_are_refused_in_words() -> None:
    with pytest.raises(ShapeProblem, match="28 × 28 × 16 and 14 × 14 × 16"):
        Add().infer(((28, 28, 16), (14, 14, 16)))


@pytest.mark.parametrize("lead", [(4,), (4, 7), (4, 3, 5)])
def test_concatenate_joins_along_the_last_axis(lead: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    parts = [rng.standard_normal((*lead, width)) for width in (2, 1, 3)]
    lone = Lone(Concatenate(), *parts)
    np.testing.assert_array_equal(lone.output, np.concatenate(parts, axis=-1))
    weights = rng.standard_normal(lone.output.shape)
    gradients = lone.b.gradients({lone.value: weights})
    for value, expected in zip(lone.inputs, np.split(weights, [2, 3], axis=-1), strict=True):
        np.testing.assert_array_equal(gradients(value), expected)
    assert (Lone(Concatenate(), *parts).flops, Concatenate().title()) == (0, "Concatenate")


@pytest.mark.parametrize(
    ("shapes", "words", "fix"),
    [
        (((8, 9, 2), (5, 6, 4)), "one height and width", ("crop2d", {"top": 1, "bottom": 2, "left": 1, "right": 2})),
        (((5, 6, 2), (8, 6, 4)), "5 × 6 × 2", ("zero_pad2d", {"top": 1, "bottom": 2, "left": 0, "right": 0})),
        (((5, 9, 2), (8, 6, 4)), "Crop the larger or", None),
        (((5, 5, 2), (8, 8, 4), (9, 9, 1)), "height", None),
        (((7, 2), (8, 2)), "as many positions", None),
        (((5, 5, 2), (50,)), "images of 5 × 5 × 2 and vectors of 50", None),
    ],
)
def test_what_cannot_be_joined_is_refused_in_words(shapes: Any, words: str, fix: Any) -> None:
    with pytest.raises(ShapeProblem, match=words) as caught:
        Concatenate().infer(shapes)
    assert caught.value.fix == (None if fix is None else ("insert", *fix))
    if fix is not None:
        first = make("layer", fix[0], **fix[1]).infer(shapes[:1])
        assert Concatenate().infer((first, *shapes[1:]))[:2] == shapes[1][:2]


def test_multiply_any_number_of_inputs_with_their_gradients() -> None:
    a, b, c = np.random.default_rng(0).standard_normal((3, 2, 4, 3))
    lone = Lone(Multiply(), a, b, c)
    np.testing.assert_allclose(lone.output, a * b * c)
    assert lone.flops == 2 * a.size
    gradients = lone.b.gradients({lone.value: np.ones(a.shape)})
    for value, expected in zip(lone.inputs, (b * c, a * c, a * b), strict=True):
        np.testing.assert_allclose(gradients(value), expected)
    with pytest.raises(ShapeProblem, match="Multiply needs inputs of one shape"):
        Multiply().infer(((3,), (4,)))


def test_the_remedy_for_unequal_images_is_an_edit() -> None:
    network = chain(make("layer", "input"), make("layer", "conv2d", size=3, padding="valid"), make("layer", "flatten"),
                    make("layer", "dense", units=3), make("loss", "softmax_cross_entropy"))  # fmt: skip
    experiment = edits.insert_before(replace(blobs(), network=network), make("layer", "concatenate"), "conv2d_1")
    nodes = {node.id: node for node in experiment.network.nodes}
    nodes["conv2d_1"] = replace(nodes["conv2d_1"], inputs=("input_1",))
    nodes["concatenate_1"] = replace(nodes["concatenate_1"], inputs=("input_1", "conv2d_1"))
    nodes["flatten_1"] = replace(nodes["flatten_1"], inputs=("concatenate_1",))
    experiment = replace(experiment, network=NetworkSpec(nodes=tuple(nodes.values())))
    data = DataSignature(inputs={"x": (8, 8, 1)}, targets={"y": TargetSignature(classes=3)}, train_size=9)
    (found,) = check(experiment.network, data).of("concatenate_1")
    assert found.fix is not None and found.fix.label == "Insert Crop"
    report = check(found.fix.edit(experiment).network, data)
    assert report.ok and report.nodes["concatenate_1"].shape == (6, 6, 17)
