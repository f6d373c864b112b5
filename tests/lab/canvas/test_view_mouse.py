"""What the mouse does on the canvas, with real events."""

from __future__ import annotations

from itertools import pairwise

import pytest
from msgspec.structs import replace
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt
from PySide6.QtGui import QContextMenuEvent, QDragEnterEvent, QDragLeaveEvent, QDragMoveEvent, QDropEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from engine import edits
from lab.canvas.geometry import card_rect
from lab.catalog import DRAG_FORMAT
from tests.support.examples import blobs, chain, make

CHAIN = ["input_1", "dense_1", "relu_1", "dense_2", "softmax_cross_entropy_1"]


def wires(hands) -> set[tuple[str, str]]:
    return {(source, node.id) for node in hands.view.document.experiment.network.nodes for source in node.inputs}


def place(hands, node: str) -> tuple[float, float]:
    return hands.view.document.experiment.network.node(node).position


def images(*layers):
    """An experiment on images of 28 x 28 x 1."""
    return replace(
        blobs(), data=replace(blobs().data, source=make("source", "mnist"), preprocessing=()), network=chain(*layers)
    )


def loose(experiment, component, at):
    return edits.add_node(experiment, component, at=at)


def test_a_click_selects_and_a_click_beside_deselects(canvas):
    hands = canvas()
    hands.click(hands.middle("relu_1"))
    assert hands.view.selection.nodes == ("relu_1",)
    hands.click(hands.middle("dense_1"), Qt.KeyboardModifier.ControlModifier)
    assert hands.view.selection.nodes == ("relu_1", "dense_1")
    hands.click(hands.middle("relu_1"), Qt.KeyboardModifier.ShiftModifier)
    assert hands.view.selection.nodes == ("dense_1",)
    hands.click(QPointF(60, 300))
    assert hands.view.selection.nodes == ()


def test_dragging_moves_the_selected_cards_as_one_step(canvas):
    hands = canvas()
    hands.view.selection.set(["dense_1", "relu_1"])
    before = hands.view.document.experiment
    offset = QPointF(60, 172)
    start = hands.middle("relu_1")
    hands.press(start)
    hands.hover(start + offset / 2)
    hands.hover(start + offset)
    assert hands.view.document.experiment is before
    hands.release(start + offset)
    assert place(hands, "relu_1") == (336 + 60, 172) and place(hands, "dense_1") == (168 + 60, 172)
    assert place(hands, "dense_2") == (504, 0)
    assert hands.view.document.undo_label == "Move 2 layers"
    hands.view.document.undo()
    assert hands.view.document.experiment is before
    assert hands.view.net().nodes["relu_1"].pos() == QPointF(336, 0)


def test_a_dragged_card_lines_up_with_its_neighbours(canvas):
    hands = canvas(loose(blobs(), make("layer", "tanh"), (300.0, 250.0)))
    start = hands.middle("tanh_1")
    end = start + QPointF(336 + 4 - 300, 31)
    hands.press(start)
    hands.hover(start + QPointF(20, 20))
    hands.hover(end)
    assert hands.view.net().guides.boundingRect().height() > 100
    hands.release(end)
    assert place(hands, "tanh_1")[0] == 336.0


def test_escape_during_a_drag_puts_everything_back(canvas):
    hands = canvas()
    before = hands.view.document.experiment
    start = hands.middle("relu_1")
    hands.press(start)
    hands.hover(start + QPointF(50, 100))
    assert hands.view.net().nodes["relu_1"].pos() != QPointF(336, 0)
    hands.key(Qt.Key.Key_Escape)
    assert hands.view.net().nodes["relu_1"].pos() == QPointF(336, 0)
    hands.release(start + QPointF(50, 100))
    assert hands.view.document.experiment is before


def test_a_marquee_selects_what_it_touches(canvas):
    hands = canvas()
    hands.press(QPointF(150, 200))
    hands.hover(QPointF(300, 50))
    hands.hover(QPointF(400, 30))
    assert hands.view.net().guides.marquee is not None
    hands.release(QPointF(400, 30))
    assert set(hands.view.selection.nodes) == {"dense_1", "relu_1"}
    assert hands.view.net().guides.marquee is None


def test_a_wire_is_drawn_from_output_to_input(canvas):
    hands = canvas(loose(blobs(), make("layer", "tanh"), (336.0, 200.0)))
    hands.drag(hands.output("dense_1"), hands.input("tanh_1"))
    assert ("dense_1", "tanh_1") in wires(hands)
    assert hands.view.document.undo_label == "Connect Dense 8 to Tanh"


def test_a_wire_is_drawn_backwards_from_an_input(canvas):
    hands = canvas(loose(blobs(), make("layer", "tanh"), (336.0, 200.0)))
    hands.drag(hands.input("tanh_1"), hands.output("dense_1"))
    assert ("dense_1", "tanh_1") in wires(hands)


def test_what_cannot_accept_a_wire_is_dim_and_says_why(canvas):
    hands = canvas()
    before = hands.view.document.experiment
    hands.press(hands.output("dense_2"))
    hands.hover(hands.middle("dense_1"))
    items = hands.view.net().nodes
    assert {node for node, item in items.items() if item.dimmed} == {*CHAIN} - {"dense_2"}
    assert "circle" in hands.view.said
    hands.release(hands.middle("dense_1"))
    assert hands.view.document.experiment is before
    assert not any(item.dimmed for item in items.values())


def test_a_wire_to_an_unfit_shape_adds_what_is_missing(canvas):
    experiment = loose(images(make("layer", "input")), make("layer", "dense", units=10), (300.0, 0.0))
    hands = canvas(experiment)
    hands.press(hands.output("input_1"))
    hands.hover(hands.middle("dense_1"))
    assert "Flatten" in hands.view.said and not hands.view.net().nodes["dense_1"].dimmed
    hands.release(hands.middle("dense_1"))
    assert wires(hands) == {("input_1", "flatten_1"), ("flatten_1", "dense_1")}
    hands.view.document.undo()
    assert wires(hands) == set()


def test_a_wire_to_a_shape_that_cannot_fit_is_refused(canvas):
    experiment = loose(blobs(), make("layer", "conv2d"), (336.0, 200.0))
    hands = canvas(experiment)
    hands.press(hands.output("dense_1"))
    hands.hover(hands.middle("conv2d_1"))
    assert hands.view.net().nodes["conv2d_1"].dimmed and "images" in hands.view.said
    hands.release(hands.middle("conv2d_1"))
    assert ("dense_1", "conv2d_1") not in wires(hands)


def test_an_input_wire_is_taken_up_and_dropped(canvas):
    hands = canvas()
    hands.drag(hands.input("dense_2"), hands.input("dense_2") + QPointF(0, 200))
    assert wires(hands) == set(pairwise(CHAIN)) - {("relu_1", "dense_2")}
    hands.view.document.undo()
    assert ("relu_1", "dense_2") in wires(hands)


def test_an_input_wire_is_led_elsewhere(canvas):
    hands = canvas(loose(blobs(), make("layer", "tanh"), (504.0, 200.0)))
    hands.drag(hands.input("dense_2"), hands.input("tanh_1"))
    assert ("relu_1", "tanh_1") in wires(hands) and ("relu_1", "dense_2") not in wires(hands)
    assert hands.view.document.undo_label == "Rewire"


def test_a_wire_put_back_where_it_was_changes_nothing(canvas):
    hands = canvas()
    before = hands.view.document.experiment
    hands.drag(hands.input("dense_2"), hands.input("dense_2") + QPointF(2, 1))
    assert hands.view.document.experiment is before
    assert hands.view.net().wires[("relu_1", "dense_2")].isVisible()


def test_a_wire_dropped_on_empty_ground_offers_what_fits(canvas):
    hands = canvas(blobs())
    end = hands.output("dense_1") + QPointF(40, 200)
    hands.drag(hands.output("dense_1"), end)
    assert hands.view.quick_add.isVisible()
    titles = hands.view.quick_add.titles
    assert "ReLU" in titles and "Conv 3×3" not in titles and "Input" not in titles
    hands.add("tanh")
    assert ("dense_1", "tanh_1") in wires(hands)
    x, y = place(hands, "tanh_1")
    assert abs(x - end.x()) < 2 and abs(y + 46 - end.y()) < 2


def test_a_wire_dropped_from_an_input_offers_what_can_be_read(canvas):
    hands = canvas(loose(blobs(), make("layer", "tanh"), (504.0, 250.0)))
    hands.drag(hands.input("tanh_1"), hands.input("tanh_1") - QPointF(150, 0))
    assert "Softmax CE" not in hands.view.quick_add.titles and "Input" in hands.view.quick_add.titles
    hands.add("dense 5")
    assert ("dense_3", "tanh_1") in wires(hands)


def test_an_unwired_card_dropped_on_a_wire_goes_into_it(canvas):
    hands = canvas(loose(blobs(), make("layer", "tanh"), (480.0, 220.0)))
    start = hands.middle("tanh_1")
    wire_middle = (hands.output("relu_1") + hands.input("dense_2")) / 2
    grip = hands.view.net().nodes["tanh_1"].pos() + QPointF(64, 46)
    hands.drag(start, start + wire_middle - grip)
    assert {("relu_1", "tanh_1"), ("tanh_1", "dense_2")} <= wires(hands)
    assert ("relu_1", "dense_2") not in wires(hands)
    hands.view.document.undo()
    assert ("relu_1", "dense_2") in wires(hands) and place(hands, "tanh_1") == (480.0, 220.0)


def covered(hands) -> list[tuple[str, str]]:
    """The pairs of cards of which one covers a part of the other."""
    nodes = hands.view.document.experiment.network.nodes
    boxes = {node.id: card_rect(QPointF(*node.position)) for node in nodes}
    return [(a, b) for a in boxes for b in boxes if a < b and boxes[a].intersects(boxes[b])]


@pytest.mark.parametrize("source", ["input_1", "dense_1", "relu_1", "dense_2"])
@pytest.mark.parametrize("tidy", [True, False])
def test_a_card_dropped_on_a_wire_has_room(canvas, source, tidy):
    experiment = loose(blobs(), make("layer", "tanh"), (480.0, 220.0))
    if not tidy:
        experiment = edits.move(experiment, {"dense_2": (504.0, 40.0), "input_1": (8.0, 0.0)})
    hands = canvas(experiment)
    before = hands.view.document.experiment
    target = CHAIN[CHAIN.index(source) + 1]
    start, grip = hands.middle("tanh_1"), hands.view.net().nodes["tanh_1"].pos() + QPointF(64, 46)
    hands.drag(start, start + (hands.output(source) + hands.input(target)) / 2 - grip)
    assert {(source, "tanh_1"), ("tanh_1", target)} <= wires(hands) and not covered(hands)
    hands.view.document.undo()
    assert hands.view.document.experiment.network == before.network


def test_a_chip_dropped_on_a_wire_has_room_also_among_cards_that_were_moved(canvas):
    hands = canvas(edits.move(blobs(), {"dense_2": (504.0, 60.0)}))
    middle = (hands.output("dense_1") + hands.input("relu_1")) / 2
    drop(hands, component("layer/batch_norm"), [QPointF(100, 300), middle])
    assert {("dense_1", "batch_norm_1"), ("batch_norm_1", "relu_1")} <= wires(hands) and not covered(hands)
    assert place(hands, "input_1") == (0.0, 0.0) and place(hands, "dense_1") == (168.0, 0.0)


def test_a_card_dropped_over_another_goes_to_the_nearest_free_place(canvas):
    hands = canvas(loose(blobs(), make("layer", "tanh"), (480.0, 220.0)))
    start = hands.middle("tanh_1")
    hands.drag(start, hands.middle("dense_1") + QPointF(4, 60))
    x, y = place(hands, "tanh_1")
    assert not covered(hands) and abs(x - 172) <= 6 and 93 < y < 110
    hands.drag(hands.middle("input_1"), hands.middle("softmax_cross_entropy_1") - QPointF(0, 12))
    assert not covered(hands)


def test_several_cards_dropped_over_others_keep_together(canvas):
    hands = canvas()
    hands.view.selection.set(["input_1", "dense_1"])
    start = hands.middle("dense_1")
    hands.drag(start, start + QPointF(168, 30))
    (x, y), (left, top) = place(hands, "dense_1"), place(hands, "input_1")
    assert not covered(hands) and (x - left, y - top) == (168.0, 0.0) and y > 90


def test_a_chip_dropped_over_a_card_goes_to_the_nearest_free_place(canvas):
    hands = canvas()
    drop(hands, component("layer/tanh"), [QPointF(100, 300), hands.middle("relu_1") + QPointF(0, 70)])
    assert not covered(hands) and place(hands, "tanh_1")[1] > 0


def test_a_wire_can_be_selected_and_deleted(canvas):
    hands = canvas()
    hands.click((hands.output("relu_1") + hands.input("dense_2")) / 2)
    assert hands.view.net().selected_wire == ("relu_1", "dense_2")
    hands.key(Qt.Key.Key_Delete)
    assert ("relu_1", "dense_2") not in wires(hands)


def test_the_wheel_zooms_at_the_cursor(canvas):
    hands = canvas()
    view = hands.view
    pixel = QPointF(200, 100)
    before = view.exact(pixel)
    event = QWheelEvent(
        pixel, view.mapToGlobal(pixel), QPoint(), QPoint(0, -240), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    zoom = view.zoom
    QApplication.sendEvent(view.viewport(), event)
    assert view.zoom < zoom * 0.8
    assert (view.exact(pixel) - before).manhattanLength() < 3
    for _ in range(40):
        view.zoom_by(0.5, pixel)
    assert view.zoom >= 0.149
    view.home()
    assert view.zoom == pytest.approx(zoom)


@pytest.mark.parametrize("how", ["middle", "space"])
def test_panning(canvas, how):
    hands = canvas()
    before = hands.view.exact(QPointF(0, 0))
    button = Qt.MouseButton.MiddleButton if how == "middle" else Qt.MouseButton.LeftButton
    if how == "space":
        QTest.keyPress(hands.view, Qt.Key.Key_Space)
    QTest.mousePress(hands.view.viewport(), button, Qt.KeyboardModifier.NoModifier, QPoint(100, 100))
    QTest.mouseMove(hands.view.viewport(), QPoint(150, 120))
    QTest.mouseRelease(hands.view.viewport(), button, Qt.KeyboardModifier.NoModifier, QPoint(150, 120))
    moved = before - hands.view.exact(QPointF(0, 0))
    assert (round(moved.x() * hands.view.zoom), round(moved.y() * hands.view.zoom)) == (50, 20)
    assert hands.view.selection.nodes == ()


def test_a_double_click_inspects_or_adds(canvas, qtbot):
    hands = canvas()
    with qtbot.waitSignal(hands.view.inspectRequested) as signal:
        QTest.mouseDClick(hands.view.viewport(), Qt.MouseButton.LeftButton, pos=hands.pixel(hands.middle("relu_1")))
    assert signal.args == ["relu_1"]
    QTest.mouseDClick(hands.view.viewport(), Qt.MouseButton.LeftButton, pos=hands.pixel(QPointF(60, 250)))
    hands.add("dropout .3")
    node = hands.view.document.experiment.network.node("dropout_1")
    assert node.component.rate == 0.3 and node.inputs == () and abs(node.position[1] - 250) < 2


def drop(hands, data: QMimeData, points: list[QPointF], leave: bool = False) -> bool:
    """Drag `data` over the canvas along `points` and drop it at the last; returns whether the drag was accepted."""
    target = hands.view.viewport()
    action, button, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(hands.pixel(points[0]), action, data, button, none)
    enter.setAccepted(False)
    QApplication.sendEvent(target, enter)
    if not enter.isAccepted():
        return False
    for point in points:
        QApplication.sendEvent(target, QDragMoveEvent(hands.pixel(point), action, data, button, none))
    if leave:
        QApplication.sendEvent(target, QDragLeaveEvent())
    else:
        QApplication.sendEvent(target, QDropEvent(hands.pixel(points[-1]).toPointF(), action, data, button, none))
    return True


def component(tag: str) -> QMimeData:
    data = QMimeData()
    data.setData(DRAG_FORMAT, tag.encode())
    return data


def test_a_chip_dropped_on_empty_ground_is_put_there(canvas):
    hands = canvas()
    assert drop(hands, component("layer/tanh"), [QPointF(100, 200), QPointF(300, 250)])
    x, y = place(hands, "tanh_1")
    assert abs(x + 64 - 300) <= 4 and abs(y + 46 - 250) <= 4
    assert hands.view.document.undo_label == "Add Tanh" and hands.view.selection.nodes == ("tanh_1",)


def test_a_chip_dropped_on_a_wire_goes_into_it(canvas):
    hands = canvas()
    middle = (hands.output("dense_1") + hands.input("relu_1")) / 2
    drop(hands, component("layer/batch_norm"), [QPointF(100, 200), middle])
    assert {("dense_1", "batch_norm_1"), ("batch_norm_1", "relu_1")} <= wires(hands)
    xs = [place(hands, node)[0] for node in ("dense_1", "batch_norm_1", "relu_1")]
    assert xs == [168.0, 336.0, 504.0]


def test_a_drag_that_leaves_changes_nothing(canvas):
    hands = canvas()
    before = hands.view.document.experiment
    drop(hands, component("layer/tanh"), [QPointF(100, 200)], leave=True)
    assert hands.view.document.experiment is before
    assert hands.view.net().guides.boundingRect().width() < 10


@pytest.mark.parametrize("data", [b"layer/nothing", b"\xff\xfe", b"os/system"])
def test_what_is_no_component_is_not_accepted(canvas, data):
    mime = QMimeData()
    mime.setData(DRAG_FORMAT, data)
    assert not drop(canvas(), mime, [QPointF(100, 200)])


def menu_at(hands, point: QPointF):
    pixel = hands.pixel(point)
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, pixel, hands.view.viewport().mapToGlobal(pixel))
    QApplication.sendEvent(hands.view.viewport(), event)
    menu = hands.view._menu
    return menu, {action.text(): action for action in menu.actions() if action.text()}


def test_the_context_menu_of_a_node_offers_its_fixes(canvas):
    experiment = edits.connect(
        loose(images(make("layer", "input")), make("layer", "dense", units=10), (300.0, 0.0)), "input_1", "dense_1"
    )
    hands = canvas(experiment)
    menu, actions = menu_at(hands, hands.middle("dense_1"))
    assert hands.view.selection.nodes == ("dense_1",)
    fix = next(text for text in actions if text.startswith("Fix: "))
    actions[fix].trigger()
    menu.close()
    assert ("input_1", "flatten_1") in wires(hands)


def test_the_context_menus_of_a_wire_and_of_the_ground(canvas):
    hands = canvas()
    menu, actions = menu_at(hands, (hands.output("relu_1") + hands.input("dense_2")) / 2)
    actions["Insert a layer…"].trigger()
    menu.close()
    assert "Input" not in hands.view.quick_add.titles and "Squared error" not in hands.view.quick_add.titles
    hands.add("dropout")
    assert {("relu_1", "dropout_1"), ("dropout_1", "dense_2")} <= wires(hands)
    menu, actions = menu_at(hands, QPointF(60, 300))
    actions["Select all"].trigger()
    menu.close()
    assert len(hands.view.selection.nodes) == 6


def test_the_tooltip_says_what_is_known(canvas):
    hands = canvas()
    text = hands.view.tip_at(card_rect(hands.view.net().nodes["dense_1"].pos()).center())
    assert "Dense 8 (dense_1)" in text and "24 parameters" in text
    assert hands.view.tip_at(QPointF(60, 300)) == ""
