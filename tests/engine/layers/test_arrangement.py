"""Reshape, permute, crop and zero padding: values, shapes, refusals in words, and PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from engine.data.signature import DataSignature, TargetSignature
from engine.graph import check
from engine.layers import Crop2D, Layer, Permute, Reshape, ShapeProblem, ZeroPad2D
from tests.support.examples import blobs, chain, make
from tests.support.layers import Lone

IMAGES = np.random.default_rng(0).standard_normal((3, 5, 6, 4))


def passes_gradients_on(lone: Lone, x: np.ndarray) -> None:
    """What only moves values has a gradient that moves weights back: <y, w> = <x, g>."""
    weights = np.random.default_rng(1).standard_normal(lone.output.shape)
    gradient = lone.b.gradients({lone.value: weights})(lone.inputs[0])
    assert np.sum(lone.output * weights) == pytest.approx(np.sum(x * gradient))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((-1,), (120,)), ((30, 4), (30, 4)), ((-1, 4), (30, 4)), ((2, -1, 5), (2, 12, 5)), ((120,), (120,))],
)
def test_reshape(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    lone = Lone(Reshape(shape=shape), IMAGES)
    np.testing.assert_array_equal(lone.output, IMAGES.reshape(3, *expected))
    assert lone.flops == 0
    passes_gradients_on(lone, IMAGES)


@pytest.mark.parametrize(
    ("layer", "words", "fix"),
    [
        (Reshape(shape=(7, -1)), "120 values .*5 × 6 × 4.* 7 × −1", ("set", "shape", (-1, 4))),
        (Reshape(shape=(7, 7)), "do not fit", ("set", "shape", (-1, 4))),
        (Reshape(shape=(7,)), "do not fit", ("set", "shape", (-1,))),
        (Reshape(shape=(-1, -1)), "one may be −1", ("set", "shape", (-1,))),
        (Reshape(shape=(0, 5)), "from 1 on", ("set", "shape", (-1,))),
        (Reshape(shape=()), "nothing", ("set", "shape", (-1,))),
        (Reshape(shape=(1, 1, 1, 120)), "one to 3", ("set", "shape", (-1,))),
        (Permute(axes=(2, 1)), "axes 1, 2, 3", ("set", "axes", (2, 1, 3))),
        (Permute(axes=(1, 1, 2)), "once", ("set", "axes", (2, 1, 3))),
        (Crop2D(top=3, bottom=2), "5 pixels, 3 at the top and 2", ("set", "top", 2)),
        (Crop2D(left=1, right=9), "6 pixels", ("set", "right", 4)),
    ],
)
def test_what_does_not_fit_is_refused_with_a_remedy(layer: Layer, words: str, fix: tuple[Any, ...]) -> None:
    with pytest.raises(ShapeProblem, match=words) as caught:
        layer.infer(((5, 6, 4),))
    assert caught.value.fix == fix
    replace(layer, **{fix[1]: fix[2]}).infer(((5, 6, 4),))  # the remedy mends it


@pytest.mark.parametrize("layer", [Crop2D(), ZeroPad2D()])
def test_margins_need_images(layer: Layer) -> None:
    with pytest.raises(ShapeProblem, match="needs images"):
        layer.infer(((12,),))


def test_permute_counts_axes_from_one() -> None:
    for axes in ((2, 1, 3), (3, 1, 2), (1, 2, 3)):
        lone = Lone(Permute(axes=axes), IMAGES)
        np.testing.assert_array_equal(lone.output, IMAGES.transpose(0, *axes))
        passes_gradients_on(lone, IMAGES)
    with pytest.raises(ShapeProblem, match="sequences of 7 × 2") as caught:
        Permute().infer(((7, 2),))
    assert caught.value.fix == ("set", "axes", (2, 1))


def test_crop_and_padding_undo_each_other() -> None:
    sides = {"top": 2, "bottom": 0, "left": 1, "right": 3}
    padded = Lone(ZeroPad2D(**sides), IMAGES)
    np.testing.assert_array_equal(padded.output, np.pad(IMAGES, ((0, 0), (2, 0), (1, 3), (0, 0))))
    back = Lone(Crop2D(**sides), padded.output)
    np.testing.assert_array_equal(back.output, IMAGES)
    passes_gradients_on(padded, IMAGES)
    passes_gradients_on(back, padded.output)
    assert (padded.flops, back.flops) == (0, 0)


def test_titles_tell_the_numbers() -> None:
    layers = (Reshape(shape=(-1, 16)), Permute(axes=(2, 1)), Crop2D(), ZeroPad2D(left=0))
    assert [layer.title() for layer in layers] == ["Reshape −1 × 16", "Permute 2 1", "Crop 1", "Pad 1 1 0 1"]


def test_the_remedies_are_edits() -> None:
    network = chain(
        make("layer", "input"), make("layer", "reshape", shape=(3, 3)), make("layer", "flatten"),
        make("layer", "dense", units=3), make("loss", "softmax_cross_entropy"),
    )  # fmt: skip
    data = DataSignature(inputs={"x": (2, 4, 3)}, targets={"y": TargetSignature(classes=3)}, train_size=9)
    experiment = replace(blobs(), network=network)
    (found,) = check(network, data).of("reshape_1")
    assert found.field == "shape" and found.fix is not None
    after = found.fix.edit(experiment)
    assert check(after.network, data).ok
    assert check(after.network, data).nodes["reshape_1"].shape == (8, 3)


@pytest.mark.parity
def test_pytorchs_shapes() -> None:
    torch = pytest.importorskip("torch")
    x = torch.tensor(IMAGES)
    pad = torch.nn.functional.pad
    for layer, expected in (
        (Reshape(shape=(6, -1)), x.reshape(3, 6, -1)),
        (Permute(axes=(3, 1, 2)), x.permute(0, 3, 1, 2)),
        (ZeroPad2D(top=1, bottom=2, left=3, right=0), pad(x, (0, 0, 3, 0, 1, 2))),
        (Crop2D(top=1, bottom=2, left=3, right=0), pad(x, (0, 0, -3, 0, -1, -2))),
    ):
        np.testing.assert_array_equal(Lone(layer, IMAGES).output, expected.numpy())
