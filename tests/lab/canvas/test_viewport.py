"""Which piece of the scene is seen: fitting, staying put, and zooming with two fingers."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QNativeGestureEvent, QPointingDevice
from PySide6.QtWidgets import QApplication

from engine import edits
from engine.experiment import NetworkSpec
from tests.support.examples import blobs, chain, make


def looks_at(view) -> tuple[float, QPointF]:
    return view.zoom, view.exact(QPointF(0, 0))


def empty():
    return replace(blobs(), network=NetworkSpec())


def test_adding_the_first_layer_by_hand_leaves_the_view(canvas):
    hands = canvas(empty())
    before = looks_at(hands.view)
    hands.view.commands.add(make("layer", "dense"), (260.0, 180.0))
    assert looks_at(hands.view) == before
    hands.view.commands.add(make("layer", "relu"), (480.0, 100.0))
    hands.view.commands.move({"relu_1": (500.0, 120.0)})
    assert looks_at(hands.view) == before and hands.view.following


def test_a_layer_added_out_of_sight_is_brought_into_view(canvas):
    hands = canvas(empty())
    hands.view.commands.add(make("layer", "dense"), (260.0, 180.0))
    before = looks_at(hands.view)
    hands.view.commands.add(make("layer", "relu"), (2600.0, 180.0))
    assert looks_at(hands.view) != before and hands.view.seen.contains(hands.view.net().cards_bounds())


def test_another_network_is_fitted(canvas):
    hands = canvas(empty())
    before = looks_at(hands.view)
    hands.view.document.apply("Open", blobs())
    assert looks_at(hands.view) != before and hands.view.seen.contains(hands.view.net().bounds())


@pytest.mark.parametrize(("count", "zoom"), [(2, 1.5), (40, None)])
def test_a_small_network_is_enlarged_and_a_large_one_shrunk(canvas, count, zoom):
    layers = [make("layer", "input"), *(make("layer", "dense") for _ in range(count - 1))]
    network = chain(*layers)
    places = {node.id: (168.0 * i, 0.0) for i, node in enumerate(network.nodes)}
    hands = canvas(edits.move(replace(blobs(), network=network), places))
    assert hands.view.zoom == pytest.approx(zoom) if zoom else hands.view.zoom < 0.3
    assert hands.view.seen.contains(hands.view.net().bounds())


def test_two_fingers_zoom_about_the_place_between_them(canvas):
    hands = canvas()
    at = QPointF(300, 200)
    before, below = hands.view.zoom, hands.view.exact(at)
    event = QNativeGestureEvent(
        Qt.NativeGestureType.ZoomNativeGesture, QPointingDevice.primaryPointingDevice(), 2, at, at,
        QPointF(hands.view.viewport().mapToGlobal(at.toPoint())), 0.25, QPointF(),
    )  # fmt: skip
    QApplication.sendEvent(hands.view.viewport(), event)
    assert hands.view.zoom == pytest.approx(1.25 * before)
    after = hands.view.exact(at)
    assert abs(after.x() - below.x()) < 1 and abs(after.y() - below.y()) < 1
