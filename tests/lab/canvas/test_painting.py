"""Cards, wires and overlays on the picture itself, in both themes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QImage, QPainterPathStroker, QPen
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from engine import edits
from engine.experiment import NetworkSpec
from lab.canvas.geometry import card_box, card_rect, plan_route, wire_path
from lab.canvas.style import style
from lab.canvas.wire import WireItem
from tests.support.examples import blobs, chain, make
from widgets import theme


@pytest.fixture(params=["dark", "light"])
def mode(request, qapp):
    theme.apply(qapp, request.param)
    yield request.param
    theme.apply(qapp, "dark")


def picture(hands) -> QImage:
    return hands.view.viewport().grab().toImage()


def near(image: QImage, pixel: QPoint, colour: str, reach: int = 2) -> bool:
    """Whether a pixel near this one has about this colour."""
    wanted = QColor(colour)
    for x in range(pixel.x() - reach, pixel.x() + reach + 1):
        for y in range(pixel.y() - reach, pixel.y() + reach + 1):
            found = image.pixelColor(x, y)
            if max(abs(found.red() - wanted.red()), abs(found.green() - wanted.green()),
                   abs(found.blue() - wanted.blue())) < 24:  # fmt: skip
                return True
    return False


def test_a_card_is_drawn_with_its_groups_colour(canvas, mode):
    hands = canvas()
    image = picture(hands)
    corner = hands.view.net().nodes["relu_1"].pos()
    rule = hands.pixel(corner + QPointF(64, 22))
    assert near(image, rule, theme.group_color("Activation"))
    body = hands.pixel(corner + QPointF(64, 60))
    assert image.pixelColor(body) == QColor(theme.current().node)


def test_the_selection_is_outlined_in_the_accent(canvas, mode):
    hands = canvas()
    edge = hands.pixel(hands.view.net().nodes["relu_1"].pos() + QPointF(64, 93))
    assert not near(picture(hands), edge, theme.current().accent)
    hands.view.selection.set(["relu_1"])
    assert near(picture(hands), edge, theme.current().accent)


def test_an_error_has_a_badge_and_words(canvas, mode):
    hands = canvas(edits.add_node(blobs(), make("layer", "tanh"), at=(0.0, 200.0)))
    item = hands.view.net().nodes["tanh_1"]
    assert item.message[0] == "bad" and "needs an input" in item.message[1]
    badge = hands.pixel(item.pos() + QPointF(128 - 15.5, 11.5))
    assert near(picture(hands), badge, theme.current().bad)


def test_a_message_is_written_out_where_there_is_room(canvas):
    long = "The data hold images of 28 × 28 × 1 values, so it needs as many inputs as that."
    hands = canvas()
    item, beside = (hands.view.net().nodes[node] for node in ("dense_1", "relu_1"))
    item.set_face(replace(item.face, error=long))
    hands.view.net().spread_bubbles()
    assert item._bubble.shown == long and item.extent.width() > 168
    beside.set_face(replace(beside.face, error=long))
    hands.view.net().spread_bubbles()
    assert item._bubble.shown.endswith("…") and not item.extent.intersects(beside.extent)
    assert long in item.message and beside._bubble.shown == long


def test_a_bypassed_card_is_hollow(canvas, mode):
    hands = canvas(edits.bypass(blobs(), ["relu_1"], True))
    body = hands.pixel(hands.view.net().nodes["relu_1"].pos() + QPointF(64, 75))
    assert picture(hands).pixelColor(body) != QColor(theme.current().node)
    assert hands.view.net().wires[("dense_1", "relu_1")].state == "bypassed"


def test_another_theme_is_taken_at_once(canvas, qapp):
    theme.apply(qapp, "dark")
    hands = canvas()
    theme.apply(qapp, "light")
    assert picture(hands).pixelColor(5, 450) == QColor(theme.LIGHT.window)
    theme.apply(qapp, "dark")
    assert picture(hands).pixelColor(5, 450) == QColor(theme.DARK.window)


def test_the_title_block_tells_name_and_figures(canvas):
    hands = canvas()
    assert hands.view.title_block.figures.startswith("4 layers · 51 parameters")
    hands.view.document.apply("Rename", replace(hands.view.document.experiment, name="other"))
    assert hands.view.title_block._name.text() == "other"


def test_an_empty_canvas_says_what_to_do(canvas):
    hands = canvas(replace(blobs(), network=NetworkSpec()))
    assert hands.view._empty.isVisible() and "Type a layer" in hands.view._empty.text()
    hands.add("input")
    assert not hands.view._empty.isVisible()


def test_the_minimap_appears_when_not_everything_is_seen(canvas):
    network = chain(make("layer", "input"), *(make("layer", "relu") for _ in range(10)))
    hands = canvas(replace(blobs(), network=network), (700, 400))
    view = hands.view
    assert not view.minimap.isVisible()
    view.zoom_to(1.0)
    assert view.minimap.isVisible()
    before = view.seen.center().x()
    QTest.mouseClick(view.minimap, Qt.MouseButton.LeftButton, pos=QPoint(150, 55))
    assert view.seen.center().x() > before + 100
    view.home()
    assert not view.minimap.isVisible()


def on_screen(view) -> QImage:
    """What is on the screen, without painting anything anew."""
    return view.screen().grabWindow(view.winId()).toImage().convertToFormat(QImage.Format.Format_RGB32)


def test_nothing_stays_where_cards_and_wires_were(canvas):
    hands = canvas()
    QApplication.processEvents()
    hands.view.net().place({"relu_1": QPointF(336, 200)})
    hands.view.viewport().repaint(0, 0, 10, 10)  # as quick-add does, before Qt has looked at what moved
    QApplication.processEvents()
    seen = on_screen(hands.view)
    hands.view.viewport().repaint()
    assert seen == on_screen(hands.view)


def test_the_minimap_follows_cards_on_their_way(canvas):
    network = chain(make("layer", "input"), *(make("layer", "relu") for _ in range(10)))
    hands = canvas(replace(blobs(), network=network), (700, 400))
    hands.view.zoom_to(1.0)
    QApplication.processEvents()
    hands.view.net().place({"relu_1": QPointF(168, 120)})
    QApplication.processEvents()
    seen = on_screen(hands.view)
    hands.view.minimap.repaint()
    assert hands.view.minimap.isVisible() and seen == on_screen(hands.view)


PLACE = st.builds(QPointF, st.floats(-3000, 3000), st.floats(-3000, 3000))


@given(start=PLACE, end=PLACE, cards=st.lists(PLACE, max_size=4), level=st.integers(0, 3))
def test_a_wire_is_painted_within_its_bounds(start, end, cards, level):
    look = style()
    wire = WireItem(("a", "b"), look)
    wire.set_path(wire_path(start, end, plan_route(start, end, [card_box(card) for card in cards]), level))
    for pen in (look.wire, look.wire_hover, look.wire_selected, look.wire_live, look.wire_bypassed, look.wire_faulty):
        stroker = QPainterPathStroker(QPen(pen.color(), pen.widthF(), Qt.PenStyle.SolidLine, pen.capStyle()))
        painted = stroker.createStroke(wire.path).boundingRect()
        assert wire.boundingRect().contains(painted.adjusted(-1, -1, 1, 1))


LONG = "The data hold images of 28 × 28 × 1 values, so it needs as many inputs as that."


@pytest.mark.parametrize("corner", [(300.0, 260.0), (700.0, 100.0), (700.0, 260.0)])
def test_a_message_lies_within_the_view(canvas, corner):
    hands = canvas(size=(840, 380))
    view, item = hands.view, hands.view.net().nodes["dense_1"]
    item.set_face(replace(item.face, error=LONG))
    view.look_at(1.0, QPointF(0, 0), QPointF(0, 0))
    view.net().place({"dense_1": QPointF(*corner)})
    bubble = item._bubble
    assert bubble.shown == LONG and view.seen.contains(bubble.sceneBoundingRect().adjusted(2, 2, -2, -2))
    assert not bubble.sceneBoundingRect().adjusted(2, 2, -2, -2).intersects(card_rect(item.pos()))
    view.scroll_by(QPoint(0, 100))  # the card goes up: there is room below it again
    assert bubble.pos().y() > 0


def test_what_does_not_change_is_not_painted_again(canvas):
    hands = canvas()
    QApplication.processEvents()
    regions = []
    hands.view.net().changed.connect(lambda found: regions.extend(found))
    hands.view.document.apply("Rename", edits.set_title(hands.view.document.experiment, "relu_1", "Bend"))
    QApplication.processEvents()
    items = hands.view.net().nodes
    assert items["relu_1"].face.title == "Bend" and regions
    others = [card_rect(item.pos()).adjusted(12, 12, -12, -12) for node, item in items.items() if node != "relu_1"]
    assert not any(region.intersects(card) for region in regions for card in others)


def test_a_replaced_experiment_is_fitted(canvas):
    hands = canvas()
    hands.view.centre_on(QPointF(4000, 4000))
    other = chain(make("layer", "input"), make("layer", "tanh"))
    other = NetworkSpec(nodes=tuple(replace(n, id=f"new{i}", inputs=("new0",) * i) for i, n in enumerate(other.nodes)))
    hands.view.document.replace(replace(blobs(), network=other))
    seen = hands.view.seen
    assert all(seen.contains(card_rect(item.pos())) for item in hands.view.net().nodes.values())
