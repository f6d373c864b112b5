"""A canvas on a small network, and hands to work it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest

from engine.experiment import Experiment
from lab.canvas import CanvasView
from lab.canvas.geometry import card_rect, input_port, output_port
from lab.document import Document, Selection
from tests.support.examples import blobs

LEFT = Qt.MouseButton.LeftButton
NONE = Qt.KeyboardModifier.NoModifier


class Hands:
    """Mouse and keys on a canvas, in terms of nodes."""

    def __init__(self, view: CanvasView) -> None:
        self.view = view

    def pixel(self, point: QPointF) -> QPoint:
        return self.view.mapFromScene(point)

    def middle(self, node: str) -> QPointF:
        return card_rect(self.view.net().nodes[node].pos()).center() - QPointF(0, 35)

    def output(self, node: str) -> QPointF:
        return output_port(self.view.net().nodes[node].pos())

    def input(self, node: str, index: int = 0) -> QPointF:
        item = self.view.net().nodes[node]
        return input_port(item.pos(), index, item.face.inputs)

    def click(self, point: QPointF, modifiers: Qt.KeyboardModifier = NONE) -> None:
        QTest.mouseClick(self.view.viewport(), LEFT, modifiers, self.pixel(point))

    def press(self, point: QPointF, button: Qt.MouseButton = LEFT) -> None:
        QTest.mousePress(self.view.viewport(), button, NONE, self.pixel(point))

    def hover(self, point: QPointF) -> None:
        QTest.mouseMove(self.view.viewport(), self.pixel(point))

    def release(self, point: QPointF, button: Qt.MouseButton = LEFT) -> None:
        QTest.mouseRelease(self.view.viewport(), button, NONE, self.pixel(point))

    def drag(self, start: QPointF, end: QPointF) -> None:
        self.press(start)
        self.hover(start + (end - start) / 2)
        self.hover(end)
        self.release(end)

    def keys(self, text: str) -> None:
        """Type into whatever has the focus."""
        for letter in text:
            QTest.keyClicks(self.view.quick_add.field if self.view.quick_add.isVisible() else self.view, letter)

    def key(self, key: Qt.Key, modifiers: Qt.KeyboardModifier = NONE) -> None:
        QTest.keyClick(self.view.quick_add.field if self.view.quick_add.isVisible() else self.view, key, modifiers)

    def add(self, text: str) -> None:
        """Type a layer's name and press Enter."""
        self.keys(text)
        self.key(Qt.Key.Key_Return)


@pytest.fixture
def canvas(qtbot) -> Iterator[Callable[..., Hands]]:
    """A factory of shown canvases: `canvas(experiment)` (the network 2-8-3 by default)."""
    documents: list[Document] = []

    def make(experiment: Experiment | None = None, size: tuple[int, int] = (1100, 500)) -> Hands:
        document = Document(experiment or blobs())
        documents.append(document)
        view = CanvasView(document, Selection(document))
        qtbot.addWidget(view)
        view.resize(*size)
        view.show()
        view.net().animated = False
        view.setFocus()
        return Hands(view)

    yield make
    for document in documents:
        document.close()
