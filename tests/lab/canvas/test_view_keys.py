"""What the keyboard does on the canvas: a whole network can be typed."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLineEdit, QVBoxLayout, QWidget

from engine import edits
from engine.experiment import NetworkSpec
from lab.canvas.keys import KEYS
from tests.support.examples import blobs, make

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def nodes(hands) -> list[str]:
    return [node.id for node in hands.view.document.experiment.network.nodes]


def inputs(hands, node: str) -> tuple[str, ...]:
    return hands.view.document.experiment.network.node(node).inputs


def place(hands, node: str) -> tuple[float, float]:
    return hands.view.document.experiment.network.node(node).position


def empty():
    return replace(blobs(), network=NetworkSpec())


def test_a_network_is_typed_without_the_mouse(canvas):
    hands = canvas(empty())
    for text in ("input", "dense 16", "batchnorm", "leaky", "drop .2", "fc 3", "softmax ce"):
        hands.add(text)
    network = hands.view.document.experiment.network
    assert [type(node.component).__name__ for node in network.nodes] == [
        "Input", "Dense", "BatchNorm", "LeakyReLU", "Dropout", "Dense", "SoftmaxCrossEntropy",
    ]  # fmt: skip
    ids = nodes(hands)
    assert [inputs(hands, node) for node in ids] == [(), *((source,) for source in ids[:-1])]
    assert network.node("dense_1").component.units == 16 and network.node("dropout_1").component.rate == 0.2
    assert hands.view.document.report.ok
    positions = [node.position for node in network.nodes]
    assert len(set(positions)) == len(positions)
    steps = []
    while hands.view.document.undo_label:
        steps.append(hands.view.document.undo_label)
        hands.view.document.undo()
    assert steps[::-1] == [f"Add {network.node(node).component.title()}" for node in ids]


def test_a_layer_is_added_between_the_selection_and_its_reader(canvas):
    hands = canvas()
    hands.view.selection.set(["dense_1"])
    hands.add("dropout")
    assert inputs(hands, "relu_1") == ("dropout_1",) and inputs(hands, "dropout_1") == ("dense_1",)
    assert [place(hands, n)[0] for n in ("dense_1", "dropout_1", "relu_1", "dense_2")] == [168, 336, 504, 672]
    assert hands.view.selection.nodes == ("dropout_1",)


def test_a_layer_goes_before_a_selected_loss(canvas):
    hands = canvas()
    hands.view.selection.set(["softmax_cross_entropy_1"])
    hands.add("tanh")
    assert inputs(hands, "softmax_cross_entropy_1") == ("tanh_1",) and inputs(hands, "tanh_1") == ("dense_2",)


def test_a_merging_layer_reads_all_selected(canvas):
    hands = canvas()
    hands.view.selection.set(["dense_1", "relu_1"])
    hands.add("add")
    assert inputs(hands, "add_1") == ("dense_1", "relu_1")


def test_a_network_left_untidy_is_not_rearranged(canvas):
    hands = canvas(edits.move(blobs(), {"input_1": (0.0, 90.0)}))
    hands.view.selection.set(["dense_1"])
    hands.add("dropout")
    assert place(hands, "input_1") == (0.0, 90.0) and place(hands, "dense_1") == (168.0, 0.0)
    assert place(hands, "relu_1")[0] > place(hands, "dropout_1")[0] > 168.0


def test_quick_add_is_steered_by_keys(canvas):
    hands = canvas()
    hands.keys("pool")
    popup = hands.view.quick_add
    assert popup.titles[:2] == ["MaxPool 2×2", "AvgPool 2×2"]
    hands.key(Qt.Key.Key_Down)
    assert popup.list.currentRow() == 1
    hands.key(Qt.Key.Key_Escape)
    assert not popup.isVisible() and len(nodes(hands)) == 5
    hands.keys("qqqq")
    assert popup.titles == [] and "No layer" in popup.hint.text()
    hands.key(Qt.Key.Key_Return)
    assert popup.isVisible() and len(nodes(hands)) == 5
    hands.key(Qt.Key.Key_Escape)


def test_quick_add_is_not_cut_off_by_a_low_canvas(canvas, qtbot):
    hands = canvas()
    window = QWidget()
    qtbot.addWidget(window)
    column = QVBoxLayout(window)
    column.addWidget(hands.view)
    column.addStretch(1)
    hands.view.setFixedHeight(160)
    window.resize(700, 620)
    window.show()
    hands.view.setFocus()
    hands.keys("d")
    popup = hands.view.quick_add
    assert popup.isVisible() and popup.height() > hands.view.height()
    assert window.rect().contains(popup.geometry())
    hands.key(Qt.Key.Key_Escape)
    assert not popup.isVisible()
    column.removeWidget(hands.view)
    hands.view.setParent(None)


def test_delete_reconnects_where_shapes_allow(canvas):
    hands = canvas()
    hands.view.selection.set(["relu_1"])
    hands.key(Qt.Key.Key_Delete)
    assert inputs(hands, "dense_2") == ("dense_1",) and hands.view.document.report.ok
    assert hands.view.selection.nodes == ("dense_1",)
    assert hands.view.document.undo_label == "Delete ReLU"
    hands.view.document.undo()
    assert "relu_1" in nodes(hands)


def test_delete_does_not_reconnect_what_cannot_fit(canvas):
    experiment = replace(empty(), data=replace(blobs().data, source=make("source", "mnist"), preprocessing=()))
    hands = canvas(experiment)
    for text in ("input", "flatten", "dense 10", "softmax"):
        hands.add(text)
    hands.view.selection.set(["flatten_1"])
    hands.key(Qt.Key.Key_Delete)
    assert inputs(hands, "dense_1") == ()


def test_cut_copy_paste_and_duplicate(canvas):
    hands = canvas()
    hands.view.selection.set(["dense_1", "relu_1"])
    hands.key(Qt.Key.Key_C, CTRL)
    text = json.loads(QApplication.clipboard().text())
    assert [node["id"] for node in text["nodes"]] == ["dense_1", "relu_1"]
    hands.key(Qt.Key.Key_V, CTRL)
    assert hands.view.selection.nodes == ("dense_3", "relu_2")
    assert inputs(hands, "relu_2") == ("dense_3",) and inputs(hands, "dense_3") == ()
    assert hands.view.document.undo_label == "Paste 2 layers"
    hands.key(Qt.Key.Key_D, CTRL)
    assert hands.view.selection.nodes == ("dense_4", "relu_3")
    hands.key(Qt.Key.Key_X, CTRL)
    assert "dense_4" not in nodes(hands) and "relu_3" not in nodes(hands)
    assert hands.view.document.undo_label == "Cut 2 layers"
    hands.key(Qt.Key.Key_V, CTRL)
    hands.key(Qt.Key.Key_V, CTRL)
    places = [node.position for node in hands.view.document.experiment.network.nodes]
    assert len(set(places)) == len(places)
    QApplication.clipboard().setText("no nodes")
    hands.key(Qt.Key.Key_V, CTRL)
    assert "clipboard" in hands.view.said


def test_bypass_and_back(canvas):
    hands = canvas()
    hands.view.selection.set(["relu_1"])
    hands.key(Qt.Key.Key_B)
    assert hands.view.document.experiment.network.node("relu_1").bypass
    assert hands.view.net().nodes["relu_1"].face.bypass and hands.view.document.undo_label == "Bypass ReLU"
    hands.key(Qt.Key.Key_B)
    # A second letter right after a command key belongs to a name.
    assert not hands.view.document.experiment.network.node("relu_1").bypass
    assert hands.view.quick_add.field.text() == "bb"
    hands.key(Qt.Key.Key_Escape)


def test_a_name_may_begin_with_a_command_key(canvas):
    hands = canvas()
    hands.view.selection.set(["dense_1"])
    hands.add("batch")
    assert inputs(hands, "batch_norm_1") == ("dense_1",)
    assert not hands.view.document.experiment.network.node("dense_1").bypass
    assert hands.view.document.undo_label == "Add BatchNorm"
    hands.view.document.undo()
    assert hands.view.document.undo_label == ""


def test_arrange_is_one_step(canvas):
    hands = canvas(edits.move(blobs(), {"dense_1": (400.0, 300.0), "relu_1": (40.0, 310.0)}))
    hands.key(Qt.Key.Key_L)
    assert [place(hands, node) for node in nodes(hands)] == [(168.0 * i, 0.0) for i in range(5)]
    assert hands.view.document.undo_label == "Arrange"
    hands.view.document.undo()
    assert place(hands, "dense_1") == (400.0, 300.0)


@pytest.mark.parametrize("wait", [0, 40])
def test_what_is_taken_back_on_its_way_goes_back(canvas, qtbot, wait):
    hands = canvas()
    before = {"relu_1": (400.0, 300.0), "dense_2": (40.0, 260.0)}
    hands.view.commands.move(before)
    hands.view.net().animated = True
    hands.view.lay_out()
    qtbot.wait(wait)
    hands.view.document.undo()
    qtbot.wait(300)
    items = hands.view.net().nodes
    assert {node: items[node].pos().toTuple() for node in before} == before


def test_arranging_is_animated_and_ends_where_it_should(canvas, qtbot):
    hands = canvas(edits.move(blobs(), {"dense_1": (400.0, 300.0)}))
    hands.view.net().animated = True
    hands.key(Qt.Key.Key_L)
    item = hands.view.net().nodes["dense_1"]
    assert item.pos().y() > 100
    qtbot.waitUntil(lambda: item.pos().toTuple() == (168.0, 0.0))


def test_fit_and_zoom_keys(canvas):
    hands = canvas()
    zoom = hands.view.zoom
    hands.key(Qt.Key.Key_Minus, CTRL)
    assert hands.view.zoom < zoom and not hands.view.following
    hands.key(Qt.Key.Key_Home)
    assert hands.view.zoom == pytest.approx(zoom) and hands.view.following
    room = hands.view.seen
    assert all(room.contains(item.sceneBoundingRect()) for item in hands.view.net().nodes.values())


def test_f8_walks_the_problems(canvas):
    experiment = edits.add_node(blobs(), make("layer", "tanh"), at=(0.0, 300.0))
    hands = canvas(edits.add_node(experiment, make("layer", "conv2d"), after="dense_1"))
    found = [item.node for item in hands.view.document.report.diagnostics if item.severity != "info"]
    assert {"tanh_1", "conv2d_1"} <= set(found)
    seen = []
    for _ in range(len(set(found)) + 1):
        hands.key(Qt.Key.Key_F8)
        seen += hands.view.selection.nodes
    assert set(seen) == set(found) and seen[0] == seen[-1]


def test_f8_without_problems_says_so(canvas):
    hands = canvas()
    hands.key(Qt.Key.Key_F8)
    assert hands.view.said == "No problems." and hands.view.selection.nodes == ()


def test_arrows_walk_extend_and_nudge(canvas):
    hands = canvas()
    hands.key(Qt.Key.Key_Right)
    assert hands.view.selection.nodes == ("input_1",)
    hands.key(Qt.Key.Key_Right)
    hands.key(Qt.Key.Key_Right, SHIFT)
    assert hands.view.selection.nodes == ("dense_1", "relu_1")
    for _ in range(3):
        hands.key(Qt.Key.Key_Down, CTRL)
    assert place(hands, "dense_1") == (168.0, 60.0) and place(hands, "relu_1") == (336.0, 60.0)
    hands.view.document.undo()
    assert place(hands, "dense_1") == (168.0, 0.0)


def test_tab_walks_the_nodes_and_then_leaves(canvas, qtbot):
    hands = canvas()
    window = QWidget()
    qtbot.addWidget(window)
    layout = QVBoxLayout(window)
    field = QLineEdit()
    layout.addWidget(hands.view)
    layout.addWidget(field)
    window.resize(1000, 500)
    window.show()
    window.activateWindow()
    hands.view.setFocus()
    seen = []
    for _ in range(5):
        hands.key(Qt.Key.Key_Tab)
        seen += hands.view.selection.nodes
    assert seen == ["input_1", "dense_1", "relu_1", "dense_2", "softmax_cross_entropy_1"]
    hands.key(Qt.Key.Key_Tab)
    assert window.focusWidget() is not hands.view
    hands.view.setParent(None)


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_F2])
def test_enter_asks_for_the_inspector(canvas, qtbot, key):
    hands = canvas()
    hands.view.selection.set(["relu_1"])
    with qtbot.waitSignal(hands.view.inspectRequested) as signal:
        hands.key(key)
    assert signal.args == ["relu_1"]


def test_select_all_and_escape(canvas):
    hands = canvas()
    hands.key(Qt.Key.Key_A, CTRL)
    assert len(hands.view.selection.nodes) == 5
    hands.key(Qt.Key.Key_Escape)
    assert hands.view.selection.nodes == ()


def test_the_selection_is_said(canvas):
    hands = canvas()
    hands.view.selection.set(["dense_1"])
    assert hands.view.accessibleDescription() == "Dense 8; output 8; 24 parameters; reads Gaussian blobs."
    hands.view.selection.set(["dense_1", "relu_1"])
    assert hands.view.accessibleDescription() == "2 layers selected."


def test_every_key_is_told_apart():
    assert len({key.sequence for key in KEYS}) == len(KEYS)
    assert all(key.label for key in KEYS)


@pytest.fixture
def focused(canvas, qtbot):
    """A canvas in a window that has the focus, between two fields, as a person works with it."""
    window = QWidget()
    layout = QVBoxLayout(window)
    first, hands, last = QLineEdit(), canvas(), QLineEdit()
    for widget in (first, hands.view, last):
        layout.addWidget(widget)
    qtbot.addWidget(window)
    window.resize(1100, 600)
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    hands.click(hands.middle("dense_1"))
    assert QApplication.focusWidget() is hands.view and hands.view.selection.nodes == ("dense_1",)
    hands.window, hands.last = window, last
    return hands


def test_quick_add_leaves_selection_and_focus_when_it_closes(focused):
    focused.keys("t")
    assert QApplication.focusWidget() is focused.view.quick_add.field
    focused.key(Qt.Key.Key_Escape)
    assert focused.view.selection.nodes == ("dense_1",) and QApplication.focusWidget() is focused.view


def test_a_layer_lands_where_quick_add_says(focused):
    focused.keys("dense 64")
    assert "after “Dense 8”" in focused.view.quick_add.hint.text()
    focused.key(Qt.Key.Key_Return)
    assert inputs(focused, "dense_3") == ("dense_1",) and inputs(focused, "relu_1") == ("dense_3",)
    assert focused.view.selection.nodes == ("dense_3",) and QApplication.focusWidget() is focused.view


def test_quick_add_does_not_take_the_focus_back_from_another_field(focused):
    focused.keys("t")
    focused.last.setFocus(Qt.FocusReason.MouseFocusReason)
    assert not focused.view.quick_add.isVisible() and QApplication.focusWidget() is focused.last
    assert focused.view.selection.nodes == ("dense_1",)
