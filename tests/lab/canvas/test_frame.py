"""Groups on the canvas: made, seen, held by their label, repeated, moved and taken apart by hand."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest

from lab.canvas.frame import runs_of
from lab.canvas.geometry import COLUMN, ROW
from lab.canvas.menu import build_menu
from lab.canvas.scene import Hit


@pytest.fixture
def hands(canvas):
    hands = canvas()
    hands.view.selection.set(["dense_1", "relu_1"])
    hands.view.commands.group()
    return hands


def block(hands):
    (found,) = hands.view.document.experiment.network.blocks
    return found


def label_point(hands):
    (frame,) = hands.view.net().frames.values()
    return frame.label.center()


def test_a_group_gets_a_frame_with_its_number(hands):
    assert block(hands).nodes == ("dense_1", "relu_1") and hands.view.document.undo_label == "Group 2 layers"
    (frame,) = hands.view.net().frames.values()
    assert frame.text == "×2"
    for node in ("dense_1", "relu_1"):
        assert frame.boundingRect().contains(hands.view.net().nodes[node].pos())
    hands.view.document.undo()
    assert not hands.view.net().frames


def test_its_label_selects_all_of_it_and_moves_it(hands):
    view = hands.view
    view.selection.set([])
    assert view.net().hit(label_point(hands)).kind == "group"
    before = {node: view.net().nodes[node].pos() for node in ("dense_1", "relu_1")}
    start = view.mapFromScene(label_point(hands))
    end = view.mapFromScene(label_point(hands) + QPointF(0.0, 300.0))
    QTest.mousePress(view.viewport(), Qt.MouseButton.LeftButton, pos=start)
    assert set(view.selection.nodes) == {"dense_1", "relu_1"}
    for share in (0.3, 0.6, 1.0):
        QTest.mouseMove(view.viewport(), start + (end - start) * share)
    QTest.mouseRelease(view.viewport(), Qt.MouseButton.LeftButton, pos=end)
    view.net().settle()
    for node, place in before.items():
        assert (view.net().nodes[node].pos() - place).y() > 150
    (frame,) = view.net().frames.values()
    assert frame.boundingRect().contains(view.net().nodes["relu_1"].pos())


def test_the_menu_repeats_and_takes_apart(hands):
    view = hands.view
    view.selection.set(["relu_1"])
    menu = build_menu(view, Hit("node", "relu_1"), QPointF())
    entries = {entry.text(): entry for entry in menu.actions()}
    repeats = {entry.text(): entry for entry in entries["Repeat"].menu().actions()}
    assert repeats["×2"].isChecked()
    repeats["×5"].trigger()
    assert block(hands).repeat == 5
    (frame,) = view.net().frames.values()
    assert frame.text == "×5"
    entries["Ungroup"].trigger()
    assert not view.document.experiment.network.blocks and not view.net().frames
    menu.deleteLater()


def test_a_layer_outside_is_offered_to_be_grouped_and_a_refusal_is_said(hands):
    view = hands.view
    view.selection.set(["input_1"])
    menu = build_menu(view, Hit("node", "input_1"), QPointF())
    entry = next(entry for entry in menu.actions() if entry.text() == "Group and repeat")
    before = view.document.experiment
    entry.trigger()
    assert view.document.experiment is before
    menu.deleteLater()


def test_writing_the_copies_out(hands):
    view = hands.view
    view.selection.set(["relu_1"])
    view.commands.repeat(3)
    view.commands.unroll()
    network = view.document.experiment.network
    assert not network.blocks and len(network.nodes) == 5 + 4 and view.document.report.ok is not None
    assert view.document.undo_label == "Write the copies out"


def test_a_layer_typed_between_two_of_a_group_joins_it(hands):
    hands.view.selection.set(["dense_1"])
    hands.add("dropout")
    assert set(block(hands).nodes) == {"dense_1", "relu_1", "dropout_1"}


def test_cards_beside_one_another_share_a_rectangle_and_rows_have_their_own():
    row = [QPointF(COLUMN * k, 0.0) for k in range(3)]
    assert len(runs_of(row)) == 1
    assert len(runs_of([*row, QPointF(0.0, ROW)])) == 2
    assert len(runs_of([row[0], QPointF(COLUMN * 3, 0.0)])) == 2
