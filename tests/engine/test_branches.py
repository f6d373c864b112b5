"""Stochastic depth and the place where it belongs."""

from __future__ import annotations

import pytest

from engine import edits
from engine.data.signature import DataSignature, TargetSignature
from engine.experiment import Experiment
from engine.graph import check_experiment
from tests.support.examples import blobs, make

POINTS = DataSignature(inputs={"x": (2,)}, targets={"y": TargetSignature(classes=3)}, train_size=48)


def residual(**values: float) -> Experiment:
    """2-8-8-3 with a shortcut round the second hidden layer, whose branch ends with stochastic depth."""
    experiment = edits.insert_before(blobs(), make("layer", "dense", units=8), "dense_2")
    experiment = edits.insert_before(experiment, make("layer", "stochastic_depth", **values), "dense_2")
    experiment = edits.insert_before(experiment, make("layer", "add"), "dense_2")
    return edits.connect(experiment, "relu_1", "add_1")


def test_on_a_residual_branch_nothing_is_wrong() -> None:
    assert check_experiment(residual(), POINTS).diagnostics == ()


@pytest.mark.parametrize(("survival", "count"), [(0.8, 1), (1.0, 0)])
def test_elsewhere_it_is_warned_of(survival: float, count: int) -> None:
    experiment = edits.remove_nodes(edits.disconnect(residual(survival=survival), "relu_1", "add_1"), ["add_1"])
    found = check_experiment(experiment, POINTS)
    assert found.ok and len(found.diagnostics) == count
    assert all(item.node == "stochastic_depth_1" and "right before Add" in item.message for item in found.diagnostics)


def test_a_bypassed_sum_does_not_count() -> None:
    (found,) = check_experiment(edits.bypass(residual(), ["add_1"], True), POINTS).diagnostics
    assert (found.node, found.severity) == ("stochastic_depth_1", "warning")
