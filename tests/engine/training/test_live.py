"""Which fields may change during a run, and how."""

from typing import Any

import pytest
from msgspec.structs import replace

from engine.clipping import ClipByGlobalNorm, ClipByValue
from engine.edits import remove_nodes
from engine.experiment import Experiment
from engine.groups import ParameterGroup
from engine.optimizers import Adam
from engine.paths import set_path
from engine.penalties import L1, L2, WeightDecay
from engine.schema import SchemaError
from engine.training.live import change, live_changes
from tests.engine.training.experiments import RICH, spiral

EXPERIMENT = spiral(
    RICH,
    penalties=(L2(strength=0.1),),
    clipping=ClipByGlobalNorm(max_norm=0.5),
    groups=(ParameterGroup(nodes=("dense_1",), rate=0.5),),
)


@pytest.mark.parametrize(
    ("path", "value", "before"),
    [
        ("training.optimizer.learning_rate", 0.5, 0.1),
        ("training.optimizer.momentum", 0.9, 0.0),
        ("training.penalties[0].strength", 0.2, 0.1),
        ("training.clipping.max_norm", 2.0, 0.5),
        ("training.clipping", ClipByValue(), ClipByGlobalNorm(max_norm=0.5)),
        ("training.groups[0].rate", 3.0, 0.5),
        ("training.groups[0].frozen", True, False),
        ("training.clip_norm", 2.0, ClipByGlobalNorm(max_norm=0.5)),
        ("nodes.dropout_1.rate", 0.5, 0.25),
        ("network.nodes[7].rate", 0.5, 0.1),
    ],
)
def test_live_fields_change(path: str, value: Any, before: Any) -> None:
    changed, old = change(EXPERIMENT, path, value)
    assert old == before
    assert changed != EXPERIMENT
    # The number of earlier versions stands for the clipping as a whole.
    path, value = ("training.clipping", ClipByGlobalNorm(max_norm=2.0)) if "clip_norm" in path else (path, value)
    back, old = change(changed, path, before)
    assert (back, old) == (EXPERIMENT, value)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("training.batch_size", 8, "cannot change during a run"),
        ("nodes.dense_1.units", 3, "cannot change during a run"),
        ("training.optimizer.learning_rate", 0.0, "more than 0"),
        ("training.optimizer.learning_rate", "fast", "expected a number"),
        ("training.optimizer.speed", 1.0, "no such field"),
        ("training.penalties[3].strength", 1.0, "entr"),
        ("nodes.nobody.rate", 0.5, "no node"),
        ("seed", 1, "cannot change during a run"),
        ("", 1, "expected"),
    ],
)
def test_everything_else_is_refused_in_words(path: str, value: object, words: str) -> None:
    with pytest.raises(SchemaError, match=words):
        change(EXPERIMENT, path, value)


def edited(path: str, value: float) -> Experiment:
    return set_path(EXPERIMENT, path, value)


@pytest.mark.parametrize(
    "path",
    [
        "training.optimizer.learning_rate",
        "training.optimizer.momentum",
        "training.penalties[0].strength",
        "training.clipping.max_norm",
        "training.groups[0].rate",
        "nodes.dropout_1.rate",
        "nodes.dropout_2.rate",
    ],
)
def test_an_edit_of_a_live_field_is_passed_on(path: str) -> None:
    after = edited(path, 0.125)
    assert live_changes(EXPERIMENT, after, EXPERIMENT) == [(path, 0.125)]
    assert live_changes(EXPERIMENT, after, after) == []  # the run has it already
    assert live_changes(after, after, EXPERIMENT) == []  # no edit: it has differed before


def test_an_edit_of_another_field_is_not() -> None:
    assert live_changes(EXPERIMENT, set_path(EXPERIMENT, "training.batch_size", 8), EXPERIMENT) == []
    assert live_changes(EXPERIMENT, set_path(EXPERIMENT, "nodes.dense_1.units", 8), EXPERIMENT) == []


def test_another_component_is_no_change_of_the_one_that_runs() -> None:
    other = replace(EXPERIMENT, training=replace(EXPERIMENT.training, optimizer=Adam(learning_rate=0.001)))
    assert live_changes(EXPERIMENT, other, EXPERIMENT) == []
    faster = set_path(other, "training.optimizer.learning_rate", 0.002)
    assert live_changes(other, faster, EXPERIMENT) == []  # Adam was edited, and the run has SGD


def test_penalties_that_come_and_go_change_no_other() -> None:
    def penalized(*penalties: Any) -> Experiment:
        return replace(EXPERIMENT, training=replace(EXPERIMENT.training, penalties=penalties))

    one, both = penalized(L1(strength=1e-5)), penalized(WeightDecay(strength=1.0), L1(strength=1e-5))
    assert live_changes(both, one, both) == []  # the first was removed
    assert live_changes(one, both, one) == []  # one was put in front
    assert live_changes(both, one, one) == []  # undone before the run
    stronger = penalized(WeightDecay(strength=1.0), L1(strength=2e-5))
    assert live_changes(both, stronger, both) == [("training.penalties[1].strength", 2e-5)]
    assert live_changes(both, stronger, one) == []  # the run has another list


def test_a_node_that_the_run_does_not_have_is_left_out() -> None:
    run = remove_nodes(EXPERIMENT, ["dropout_2"])
    assert live_changes(EXPERIMENT, edited("nodes.dropout_2.rate", 0.3), run) == []
    assert live_changes(run, EXPERIMENT, run) == []
