"""Differences between experiments: found at the right places, in words, and none where nothing counts."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from engine import edits
from engine.clipping import ClipByGlobalNorm
from engine.differences import Change, differences, during, summary
from engine.paths import get_path, set_path
from engine.training.events import Changed
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


def changed(step: int, path: str, before: Any, after: Any) -> Changed:
    return Changed(run="r", step=step, path=path, before=before, after=after)


def test_changes_during_a_run_say_from_what_to_what_and_when() -> None:
    run = blobs(epochs=50, clipping=ClipByGlobalNorm())
    rate = "training.optimizer.learning_rate"
    found = during(run, [changed(0, rate, 0.1, 0.05), changed(119, "training.clipping.max_norm", None, 1.0)], 10)
    assert [item.words for item in found] == [
        "learning rate 0.1 → 0.05 in epoch 1",
        "largest norm none → 1 in epoch 12",
    ]
    (other,) = during(run, [changed(0, "training.clipping", {"type": "none"}, {"type": "layer_norm"})], 10)
    assert other.words == "gradient clipping none → layer norm in epoch 1"
    (gone,) = during(run, [changed(120, "nodes.dropout_9.rate", 0.2, 0.123456789)], 10)
    assert gone.words == "dropout_9 rate 0.2 → 0.123 in epoch 13"


def test_a_slider_that_is_dragged_is_one_change() -> None:
    run = blobs(epochs=50, clipping=ClipByGlobalNorm())
    rate, other = "training.optimizer.learning_rate", "training.clipping.max_norm"
    drag = [changed(100 + i, rate, 0.1 + i / 100, 0.11 + i / 100) for i in range(5)]
    drag.insert(2, changed(102, other, 0.0, 1.0))
    later = changed(200, rate, 0.15, 0.2)
    assert [item.words for item in during(run, [*drag, later], 10)] == [
        "learning rate 0.1 → 0.15 in epoch 11",
        "largest norm 0 → 1 in epoch 11",
        "learning rate 0.15 → 0.2 in epoch 21",
    ]
    assert during(run, [changed(5, rate, 0.1, 0.2), changed(6, rate, 0.2, 0.1)], 10) == (), "there and back"


def test_a_summary_is_short() -> None:
    changes = tuple(Change(path=str(i), label=f"field {i}", before=0, after=i) for i in range(1, 6))
    assert summary(changes) == "field 1 1, field 2 2 and 3 more"
    assert summary(changes[:1]) == "field 1 1" and summary(()) == ""
