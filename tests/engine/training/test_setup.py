"""Before the first step: what no shape tells is refused in words too."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine import edits, presets
from engine.backend import choose
from engine.data import load
from engine.experiment import Experiment
from engine.graph import check
from engine.losses import BinaryCrossEntropy
from engine.training.result import TrainingError
from engine.training.setup import check_targets, new_state


def yes_or_no(preprocessing: bool) -> Experiment:
    """A regression under a loss for yes and no."""
    experiment = presets.make("sine-regression")
    loss = next(node.id for node in experiment.network.nodes if node.component.kind == "loss")
    experiment = edits.replace_component(experiment, loss, BinaryCrossEntropy())
    return experiment if preprocessing else replace(experiment, data=replace(experiment.data, preprocessing=()))


@pytest.mark.parametrize("preprocessing", [True, False])
def test_targets_that_are_no_probabilities_are_refused(preprocessing: bool) -> None:
    experiment = yes_or_no(preprocessing)
    dataset = load(experiment.data)
    report = check(experiment.network, dataset.signature)
    with pytest.raises(TrainingError, match="targets from 0 to 1") as caught:
        check_targets(experiment, report, dataset)
    assert caught.value.node == report.order[-1]


@pytest.mark.parametrize("name", ["sine-regression", "moons-mlp"])
def test_sound_targets_pass(name: str) -> None:
    experiment = presets.make(name)
    dataset = load(experiment.data)
    check_targets(experiment, check(experiment.network, dataset.signature), dataset)


def test_weights_that_do_not_fit_into_memory_are_refused_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = presets.make("moons-mlp")
    report = check(experiment.network, load(experiment.data).signature)
    slots = len(experiment.training.optimizer.slots())
    needed = 4 * (2 + slots) * report.parameter_count
    monkeypatch.setattr("engine.training.setup.memory_limit", lambda: needed)
    assert new_state(experiment, report, choose("cpu")).parameters
    monkeypatch.setattr("engine.training.setup.memory_limit", lambda: needed - 1)
    with pytest.raises(TrainingError, match=r"more than the .* this machine can give") as caught:
        new_state(experiment, report, choose("cpu"))
    assert caught.value.node == "dense_2"
