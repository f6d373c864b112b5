"""The run on the cards: throttled, only where it can be seen, only while it is the same node."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPointF

from engine import edits
from engine.training.events import Diverged, Failed, Finished, Frame, Started, TensorStats
from lab.canvas import fault_of
from tests.support.examples import blobs


def stats(**changes) -> TensorStats:
    values = {
        "count": 100, "mean": 0.0, "std": 1.0, "minimum": -3.0, "maximum": 3.0, "zero_share": 0.0,
        "saturated_share": 0.0, "dead_share": 0.0, "nonfinite": 0, "histogram": np.arange(27),
    }  # fmt: skip
    return TensorStats(**(values | changes))


def frame(**changes) -> Frame:
    nodes = [node.id for node in blobs().network.nodes]
    return Frame(
        run="r", step=1, epoch=0.1, activations=dict.fromkeys(nodes, stats(**changes)),
        adjoints=dict.fromkeys(nodes, stats()), parameters={},
    )  # fmt: skip


def item(hands, node: str):
    return hands.view.net().nodes[node]


def test_a_frame_is_shown_and_taken_away(canvas, qtbot):
    hands = canvas()
    experiment = hands.view.document.experiment
    hands.view.set_live(frame(), experiment, 0.213)
    qtbot.waitUntil(lambda: item(hands, "dense_1").vitals.heights is not None)
    assert item(hands, "dense_1").vitals.health == "good" and item(hands, "dense_1").vitals.gradient == 1.0
    assert item(hands, "softmax_cross_entropy_1").live_text == "loss 0.213"
    hands.view.set_live(None, None)
    assert item(hands, "dense_1").vitals.heights is None


def test_of_frames_that_come_together_the_last_is_shown(canvas, qtbot, monkeypatch):
    hands = canvas()
    shown = []
    monkeypatch.setattr("lab.canvas.live.vitals_of", lambda network, frame: shown.append(frame.step) or {})
    for step in range(50):
        hands.view.set_live(Frame(run="r", step=step, epoch=0.0, activations={}, adjoints={}, parameters={}),
                            hands.view.document.experiment)  # fmt: skip
    qtbot.waitUntil(lambda: bool(shown))
    assert shown == [49]


def test_an_edited_node_shows_nothing(canvas):
    hands = canvas()
    run = hands.view.document.experiment
    hands.view.document.apply("Units", edits.set_field(run, "dense_1", "units", 16))
    hands.view.set_live(frame(), run)
    hands.view.live.refresh()
    assert item(hands, "dense_1").vitals.heights is None and item(hands, "dense_2").vitals.heights is not None
    hands.view.document.undo()
    hands.view.live.refresh()
    assert item(hands, "dense_1").vitals.heights is not None
    hands.view.set_live(None, None)


def test_only_visible_cards_are_updated(canvas):
    hands = canvas()
    hands.view.centre_on(QPointF(5000, 5000))
    hands.view.set_live(frame(), hands.view.document.experiment)
    hands.view.live.refresh()
    assert all(card.vitals.heights is None for card in hands.view.net().nodes.values())
    hands.view.home()
    hands.view.live.refresh()
    assert all(card.vitals.heights is not None for card in hands.view.net().nodes.values())
    hands.view.set_live(None, None)


@pytest.mark.parametrize(("changes", "level"), [({"saturated_share": 0.62}, "bad"), ({"dead_share": 0.6}, "warn")])
def test_what_is_wrong_is_said_below_the_card(canvas, changes, level):
    hands = canvas()
    hands.view.set_live(frame(**changes), hands.view.document.experiment)
    hands.view.live.refresh()
    found, words = item(hands, "relu_1").message
    assert found == level and "%" in words
    assert any(child.isVisible() for child in item(hands, "relu_1").childItems())
    assert words in hands.view.tip_at(item(hands, "relu_1").pos() + QPointF(60, 60))
    hands.view.set_live(None, None)


STARTED = Started(
    run="r", step=0, total_steps=9, steps_per_epoch=3, epochs=3, device="", expected_initial_loss=None,
    parameter_count=51,
)  # fmt: skip
DIVERGED = Diverged(run="r", step=7, node="relu_1", message="The loss stopped being finite.")
FINISHED = Finished(run="r", step=7, reason="diverged", seconds=1.0)


def test_where_a_run_broke():
    assert fault_of([]) is None and fault_of([STARTED]) is None
    assert fault_of([STARTED, DIVERGED, FINISHED]).node == "relu_1"
    assert "failed" in fault_of([STARTED, Failed(run="r", step=1, node="", message="", details="")]).message
    assert fault_of([STARTED, DIVERGED, FINISHED, STARTED]) is None


@pytest.mark.parametrize("seen", [True, False])
def test_after_a_divergence_no_card_pretends_to_be_well(canvas, seen):
    hands = canvas()
    shown = frame() if seen else None
    hands.view.set_live(shown, hands.view.document.experiment, fault=fault_of([STARTED, DIVERGED, FINISHED]))
    hands.view.live.refresh()
    level, words = item(hands, "relu_1").message
    assert level == "bad" and "not finite" in words
    others = [item(hands, node.id).vitals for node in blobs().network.nodes if node.id != "relu_1"]
    assert all(vitals.health is None and not vitals.message for vitals in others)
    assert all(vitals.stale == seen for vitals in others)
    if seen:
        assert "measured at step 1, before" in hands.view.tip_at(item(hands, "dense_1").pos() + QPointF(60, 60))
    hands.view.set_live(None, None)
    assert item(hands, "relu_1").message == ("", "")


def test_which_layers_are_unwell_is_told_also_of_those_out_of_sight(canvas, qtbot):
    hands = canvas()
    told = []
    hands.view.live.judged.connect(told.append)
    hands.view.centre_on(QPointF(4000, 4000))
    hands.view.set_live(frame(dead_share=0.9), hands.view.document.experiment)
    qtbot.waitUntil(lambda: told == [("relu_1",)])
    hands.view.set_live(frame(dead_share=0.8), hands.view.document.experiment)
    hands.view.live.refresh()
    hands.view.set_live(None, None)
    assert told == [("relu_1",), ()]
