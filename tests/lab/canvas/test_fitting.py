"""Whether a wire fits, and why not."""

from __future__ import annotations

import pytest

from engine import edits
from engine.data.signature import DataSignature, TargetSignature
from engine.graph import check
from lab.canvas.fitting import accepts, fit, fits_after
from tests.support.examples import blobs, make

SIGNATURE = DataSignature(inputs={"x": (2,)}, targets={"y": TargetSignature(classes=3)}, train_size=48)


def fitted(source: str, target: str, extra=None):
    experiment = blobs() if extra is None else edits.add_node(blobs(), extra)
    return fit(experiment.network, check(experiment.network, SIGNATURE), source, target)


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("dense_1", "dense_1", "own output"),
        ("dense_2", "dense_1", "circle"),
        ("dense_1", "input_1", "takes no input"),
        ("softmax_cross_entropy_1", "dense_1", "follow a loss"),
        ("dense_1", "relu_1", "already reads"),
    ],
)
def test_reasons(source, target, words):
    found = fitted(source, target)
    assert not found.ok and words in found.reason and found.reason.endswith(".")


def test_a_wire_may_take_the_place_of_another():
    assert fitted("dense_1", "dense_2").ok


def test_shapes_that_cannot_fit_are_refused_in_words():
    found = fitted("dense_1", "conv2d_1", make("layer", "conv2d"))
    assert not found.ok and "images" in found.reason


def test_a_merging_layer_wants_equal_shapes():
    experiment = edits.add_node(blobs(), make("layer", "add"))
    experiment = edits.connect(experiment, "dense_1", "add_1")
    report = check(experiment.network, SIGNATURE)
    assert fit(experiment.network, report, "relu_1", "add_1").ok
    assert not fit(experiment.network, report, "dense_2", "add_1").ok


def test_an_adapter_is_proposed():
    found = accepts(make("layer", "dense"), ((28, 28, 1),))
    assert found.ok and found.adapter == make("layer", "flatten") and "Flatten" in found.reason
    assert accepts(make("layer", "dense"), ((5,),)).adapter is None


def test_the_filter_of_quick_add():
    after_vector, after_image, unknown = fits_after((8,)), fits_after((28, 28, 1)), fits_after(None)
    assert after_vector(make("layer", "dense")) and not after_vector(make("layer", "max_pool2d"))
    assert after_image(make("layer", "conv2d")) and not after_image(make("layer", "dense"))
    assert unknown(make("layer", "conv2d")) and not unknown(make("layer", "input"))
    assert after_vector(make("layer", "add"))
