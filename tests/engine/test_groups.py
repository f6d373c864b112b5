"""Parameter groups: who belongs to which, what is wrong with them, and what edits do to them."""

import pytest
from msgspec.structs import replace

from engine import edits
from engine.data import peek
from engine.diagnostics import Diagnostic
from engine.experiment import Experiment
from engine.files import dumps, loads
from engine.graph import check_experiment
from engine.groups import ParameterGroup, group_of, is_penalized, words
from engine.paths import get_path, set_path, set_text
from engine.penalties import L1, L2
from engine.schema import SchemaError, Unknown
from tests.support.examples import blobs

FIRST = ParameterGroup(nodes=("dense_1",), rate=0.1)


def found(*groups: ParameterGroup, experiment: Experiment | None = None) -> list[Diagnostic]:
    value = experiment or blobs()
    value = replace(value, training=replace(value.training, groups=groups))
    report = check_experiment(value, peek(value.data))
    return [item for item in report.diagnostics if item.field.startswith("training.groups")]


def test_the_first_group_that_names_a_parameter_has_it() -> None:
    groups = (
        ParameterGroup(nodes=("a",), parameters="biases"),
        ParameterGroup(nodes=("a", "b")),
        ParameterGroup(parameters="weights"),
    )
    assert [group_of(groups, node, True) for node in "abc"] == [1, 1, 2]
    assert [group_of(groups, node, False) for node in "abc"] == [0, 1, -1]
    assert group_of((), "a", True) == -1


def test_penalties_concern_weights_unless_a_group_of_biases_has_its_own() -> None:
    assert is_penalized(None, True) and not is_penalized(None, False)
    assert not is_penalized(ParameterGroup(own_penalties=True, penalties=(L2(),)), False)
    assert is_penalized(ParameterGroup(own_penalties=True, parameters="biases"), False)


def test_a_group_goes_through_a_file_and_has_paths() -> None:
    group = ParameterGroup(nodes=("dense_1",), parameters="biases", rate=0.5, own_penalties=True, penalties=(L1(),))
    value = replace(blobs(), training=replace(blobs().training, groups=(FIRST, group)))
    assert loads(dumps(value)) == value
    assert get_path(value, "training.groups[1].penalties[0].strength") == 1e-4
    value = set_text(value, "training.groups[0].frozen", "true")
    value = set_text(value, "training.groups[0].nodes", "dense_1, dense_2")
    assert value.training.groups[0] == ParameterGroup(nodes=("dense_1", "dense_2"), rate=0.1, frozen=True)
    value = set_path(value, "training.groups", [{"nodes": ["dense_2"], "rate": 2}])
    assert value.training.groups == (ParameterGroup(nodes=("dense_2",), rate=2.0),)
    with pytest.raises(SchemaError, match=r"groups\[0\].rate: expected more than 0"):
        set_path(value, "training.groups[0].rate", 0)


def test_the_earlier_name_of_clipping_says_where_it_went() -> None:
    with pytest.raises(SchemaError, match=r"training.clip_norm: is now part of “training.clipping”"):
        set_text(blobs(), "training.clip_norm", "1")


def test_sound_groups_are_no_finding() -> None:
    assert found() == [] and found(FIRST, ParameterGroup(nodes=("dense_2",), frozen=True)) == []


def test_an_unknown_layer_is_taken_out() -> None:
    (item,) = found(replace(FIRST, nodes=("dense_1", "dense_9")))
    assert item.severity == "warning" and "“dense_9”, which does not exist" in item.message
    assert item.fix is not None and item.fix.label == "Take “dense_9” out of the group"
    value = replace(blobs(), training=replace(blobs().training, groups=(replace(FIRST, nodes=("dense_1", "dense_9")),)))
    assert item.fix.edit(value).training.groups == (FIRST,)
    assert item.fix.edit(blobs()) == blobs(), "the group is gone meanwhile"


def test_the_last_layer_takes_its_group_along() -> None:
    first, second = found(replace(FIRST, nodes=("dense_9",)))
    assert first.fix is not None and second.fix is not None
    assert first.fix.label == second.fix.label == "Remove the group"
    value = replace(blobs(), training=replace(blobs().training, groups=(replace(FIRST, nodes=("dense_9",)),)))
    assert first.fix.edit(value) == second.fix.edit(value) == blobs()


def test_what_has_no_effect_is_told() -> None:
    (item,) = found(ParameterGroup(nodes=("relu_1",)))
    assert "No parameter belongs to parameter group 1" in item.message
    (item,) = found(FIRST, replace(FIRST, parameters="biases"))
    assert "parameter group 2" in item.message
    (item,) = found(replace(FIRST, penalties=(L1(),)))
    assert item.fix is not None and "not used" in item.message
    value = replace(blobs(), training=replace(blobs().training, groups=(replace(FIRST, penalties=(L1(),)),)))
    assert item.fix.edit(value).training.groups[0].own_penalties


def test_nothing_can_be_trained_when_all_is_frozen() -> None:
    (item,) = found(ParameterGroup(frozen=True))
    assert item.severity == "error" and "All parameters are frozen" in item.message


def test_an_unknown_penalty_is_an_error() -> None:
    unknown = Unknown(of_kind="penalty", tag="orthogonal", plain={"type": "orthogonal"})
    (item,) = found(replace(FIRST, own_penalties=True, penalties=(unknown,)))  # type: ignore[arg-type]
    assert item.severity == "error" and "orthogonal" in item.message


def test_groups_follow_when_a_layer_is_renamed_or_removed() -> None:
    groups = (replace(FIRST, nodes=("dense_1", "dense_2")), FIRST, ParameterGroup(rate=2.0))
    value = replace(blobs(), training=replace(blobs().training, groups=groups))
    assert [group.nodes for group in edits.rename(value, "dense_1", "wide").training.groups] == [
        ("wide", "dense_2"),
        ("wide",),
        (),
    ]
    assert [group.nodes for group in edits.remove_nodes(value, ["dense_1"]).training.groups] == [("dense_2",), ()]
    assert edits.remove_nodes(value, ["relu_1"]).training is value.training


def test_a_group_in_words() -> None:
    assert words(FIRST) == "dense_1: rate × 0.1"
    assert words(ParameterGroup(parameters="biases", own_penalties=True)) == "biases of all layers: no penalties"
    assert words(replace(FIRST, frozen=True)) == "dense_1: frozen"
    assert words(replace(FIRST, rate=1.0)) == "dense_1: as all others"
