"""What a network consists of, counted by hand."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine import data, edits
from engine.averaging import ExponentialAverage
from engine.checks import summarize
from engine.data.signature import DataSignature, TargetSignature
from engine.groups import ParameterGroup
from engine.training.result import TrainingError
from tests.support.examples import blobs


def test_a_network_of_known_size() -> None:
    experiment = blobs()
    found = summarize(experiment, data.load(experiment.data).signature)
    rows = {row.node: row for row in found.rows}
    assert rows["dense_1"].parameters == 2 * 8 + 8 and rows["dense_2"].parameters == 8 * 3 + 3
    assert rows["dense_1"].arrays == (("weight", (2, 8)), ("bias", (8,))) and rows["dense_1"].shape == (8,)
    assert rows["dense_1"].output_bytes == 16 * 8 * 4 and rows["relu_1"].inputs == ("dense_1",)
    assert found.parameters == 51 and found.depth == 2 and found.batch_size == 16
    # Adam keeps two numbers for each parameter, and there is its gradient.
    assert (found.weight_bytes, found.state_bytes) == (51 * 4, 51 * 4 * 3)
    assert found.flops == sum(row.flops for row in found.rows) and found.step_flops > 2 * 16 * found.flops
    assert found.work_bytes > 0
    assert found.words.startswith("51 parameters (204 bytes; ") and "2 layers deep" in found.words


def test_what_is_frozen_averaged_and_divided_counts() -> None:
    plain = blobs()
    signature = data.load(plain.data).signature
    groups = (ParameterGroup(nodes=("dense_1",), frozen=True),)
    frozen = summarize(replace(plain, training=replace(plain.training, groups=groups)), signature)
    assert frozen.frozen == 24 and frozen.words.startswith("51 parameters, 24 of them frozen (")
    assert frozen.step_flops < summarize(plain, signature).step_flops
    averaged = replace(plain, training=replace(plain.training, averaging=ExponentialAverage(), accumulate=4))
    divided = summarize(averaged, signature)
    assert divided.state_bytes == 51 * 4 * 5 and divided.batch_size == 16 and divided.frozen == 0
    whole = summarize(plain, signature)
    assert divided.work_bytes < whole.work_bytes and divided.rows[1].output_bytes == 4 * 8 * 4
    assert divided.step_flops > whole.step_flops, "adding up costs something"


def test_a_network_that_cannot_be_trained_is_refused_in_words() -> None:
    signature = DataSignature(inputs={"x": (2,)}, targets={"y": TargetSignature(classes=5)}, train_size=10)
    with pytest.raises(TrainingError, match="5 classes"):
        summarize(blobs(), signature)


def test_layers_on_a_shortcut_do_not_add_to_the_depth() -> None:
    experiment = edits.bypass(blobs(), ["relu_1"])
    assert summarize(experiment, data.load(experiment.data).signature).depth == 2
