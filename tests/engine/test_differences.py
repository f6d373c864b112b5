"""Differences between experiments: found at the right places, in words, and none where nothing counts."""

from __future__ import annotations

from msgspec.structs import replace

from engine import edits
from engine.differences import Change, differences, summary
from engine.paths import get_path, set_path
from tests.support.examples import blobs, make


def test_an_experiment_differs_from_itself_in_nothing() -> None:
    one = blobs()
    moved = edits.move(one, {"dense_1": (5.0, 9.0)})
    assert differences(one, one) == () and differences(one, replace(moved, name="Other", notes="")) == ()


def test_each_change_names_its_place_and_both_values() -> None:
    before = blobs()
    after = set_path(before, "training.optimizer.learning_rate", 0.3)
    after = set_path(after, "nodes.dense_1.units", 64)
    after = replace(after, seed=9)
    found = differences(before, after)
    assert [item.path for item in found] == ["nodes.dense_1.units", "training.optimizer.learning_rate", "seed"]
    assert [item.words for item in found] == ["dense_1 units 64", "learning rate 0.3", "seed 9"]
    for item in found:
        if not item.path.startswith("seed"):
            assert get_path(before, item.path) == item.before and get_path(after, item.path) == item.after


def test_another_component_counts_as_one_change() -> None:
    before = blobs()
    after = set_path(before, "training.optimizer", "sgd")
    assert [item.path for item in differences(before, after)] == ["training.optimizer"]
    assert differences(before, after)[0].words == "optimizer SGD"
    without = replace(before, training=replace(before.training, penalties=()))
    assert [item.words for item in differences(before, without)] == ["penalties none"]
    stronger = replace(before, training=replace(before.training, penalties=(make("penalty", "l2", strength=0.5),)))
    assert [item.path for item in differences(before, stronger)] == ["training.penalties[0].strength"]


def test_nodes_that_come_and_go_and_wires() -> None:
    before = blobs()
    after = edits.remove_nodes(before, ["relu_1"])
    words = [item.words for item in differences(before, after)]
    assert words[0] == "relu_1 taken out" and "dense_2 reads dense_1" in words
    assert differences(after, before)[0].words == "relu_1 added"
    assert differences(before, edits.bypass(before, ["relu_1"], True))[0].words == "relu_1 bypass on"


def test_a_summary_is_short() -> None:
    changes = tuple(Change(path=str(i), label=f"field {i}", before=0, after=i) for i in range(1, 6))
    assert summary(changes) == "field 1 1, field 2 2 and 3 more"
    assert summary(changes[:1]) == "field 1 1" and summary(()) == ""
