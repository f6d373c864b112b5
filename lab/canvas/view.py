"""The canvas: the network as a graph that is drawn, typed and wired, and that shows its own training."""

from __future__ import annotations

from PySide6.QtCore import QElapsedTimer, QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import (
    QContextMenuEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QFocusEvent,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QMenu, QToolTip, QWidget

from engine.experiment import Experiment
from lab.canvas import menu
from lab.canvas.bench import Bench
from lab.canvas.geometry import card_rect
from lab.canvas.gestures import DropGesture, Gesture, MarqueeGesture, MoveGesture, PanGesture, WireGesture
from lab.canvas.keys import TYPED_THROUGH, Key, key_for, opens_quick_add
from lab.canvas.scene import Hit
from lab.canvas.walking import next_in_order
from lab.catalog import DRAG_FORMAT, dragged
from lab.document import Document, Selection

__all__ = ["CanvasView"]

TYPE_THROUGH_MS = 1000


class CanvasView(Bench):
    """See `lab.canvas`. Keys and mouse become commands and gestures here."""

    def __init__(self, document: Document, selection: Selection, parent: QWidget | None = None) -> None:
        self._gesture: Gesture | None = None
        self._space = False
        self._typed: tuple[str, Experiment | None] | None = None
        self._typed_at = QElapsedTimer()
        self._menu: QMenu | None = None
        super().__init__(document, selection, parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.viewport().setMouseTracking(True)
        self.setAcceptDrops(True)

    # -- the keyboard --------------------------------------------------------------------------------------------------

    def event(self, event: QEvent) -> bool:
        # What the canvas does with a key goes before the window's shortcuts while it has the focus.
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            if key_for(event) is not None or opens_quick_add(event) or event.key() == Qt.Key.Key_Space:
                event.accept()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space and not event.modifiers():
            self._space = True
            if self._gesture is None:
                self.viewport().setCursor(Qt.CursorShape.OpenHandCursor)
            return
        if self._gesture is not None:
            if event.key() == Qt.Key.Key_Escape:
                self.cancel_gesture()
            return
        typed, self._typed = self._typed, None
        first = ""
        if typed is not None and self._typed_at.elapsed() < TYPE_THROUGH_MS and opens_quick_add(event):
            first = typed[0]
            if typed[1] is not None and self.document.experiment is typed[1]:
                self.document.undo()
        key = key_for(event)
        if key is not None and not first:
            self._run(key, event)
        elif opens_quick_add(event):
            self.ask(self.anchor_point(), typed=first + event.text())
        else:
            event.ignore()

    def _run(self, key: Key, event: QKeyEvent) -> None:
        if key.sequence not in TYPED_THROUGH:
            key.run(self)
            return
        if key.sequence == "B" and not self.selection.nodes:
            self.ask(self.anchor_point(), typed=event.text())
            return
        before = self.document.experiment
        key.run(self)
        after = self.document.experiment
        self._typed = (event.text(), after if after is not before else None)
        self._typed_at.start()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._space = False
            self.viewport().unsetCursor()
            return
        super().keyReleaseEvent(event)

    def focusNextPrevChild(self, forward: bool) -> bool:
        # Tab walks the nodes and leaves the canvas after the last, so that nobody is caught in it. Qt asks too when a
        # widget on the canvas is hidden or passes its focus on: that must select nothing.
        if self.window().focusWidget() is not self:
            return super().focusNextPrevChild(forward)
        places = {node: item.pos() for node, item in self._net.nodes.items()}
        found = next_in_order(places, self.selection.current, forward)
        if found is None:
            return super().focusNextPrevChild(forward)
        self.selection.set([found])
        self.reveal(card_rect(self._net.nodes[found].pos()))
        return True

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._space = False
        super().focusOutEvent(event)

    # -- the mouse -----------------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._pixel, self._typed = event.position().toPoint(), None
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        if self._gesture is not None:
            if event.button() == Qt.MouseButton.RightButton:
                self.cancel_gesture()
            return
        point = self.exact(event.position())
        left = event.button() == Qt.MouseButton.LeftButton
        if event.button() == Qt.MouseButton.MiddleButton or (left and self._space):
            self.viewport().setCursor(Qt.CursorShape.ClosedHandCursor)
            self._gesture = PanGesture(self, self._pixel)
            return
        if not left:
            return
        self.say("")
        hit = self._net.hit(point, self._reach())
        self._gesture = self._start(hit, point, event.modifiers())

    def _start(self, hit: Hit, point: QPointF, modifiers: Qt.KeyboardModifier) -> Gesture | None:
        match hit.kind:
            case "node":
                return MoveGesture(self, hit.node, point, modifiers)
            case "group":
                self.selection.set(self._net.block_at(hit.node))
                return MoveGesture(self, hit.node, point, Qt.KeyboardModifier.NoModifier)
            case "input" | "output":
                return WireGesture(self, hit, point)
            case "wire":
                self._net.select_wire(hit.wire)
                return None
        return MarqueeGesture(self, point, modifiers)

    def _reach(self) -> float:
        return max(9.0, 9.0 / self.zoom)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._pixel = event.position().toPoint()
        point = self.exact(event.position())
        if isinstance(self._gesture, PanGesture):
            self._gesture.drag_to(self._pixel)
        elif self._gesture is not None:
            self._gesture.move(point, event.modifiers())
        else:
            hit = self._net.hit(point, self._reach())
            self._net.hover(hit)
            if not self._space:
                cross, hand = Qt.CursorShape.CrossCursor, Qt.CursorShape.PointingHandCursor
                shapes = {"input": cross, "output": cross, "group": hand}
                self.viewport().setCursor(shapes.get(hit.kind, Qt.CursorShape.ArrowCursor))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        gesture = self._gesture
        if gesture is None or event.button() == Qt.MouseButton.RightButton:
            return
        self._gesture = None
        self.viewport().unsetCursor()
        if not isinstance(gesture, PanGesture):
            gesture.commit(self.exact(event.position()), event.modifiers())

    def leaveEvent(self, event: QEvent) -> None:
        self._net.hover(Hit("empty"))
        super().leaveEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        point = self.exact(event.position())
        hit = self._net.hit(point, self._reach())
        if hit.node:
            self.selection.set(self._net.block_at(hit.node) if hit.kind == "group" else [hit.node])
            self.inspect()
        elif hit.wire is not None:
            self.ask(point, wire=hit.wire)
        else:
            self.ask(point, place=True)

    def cancel_gesture(self) -> None:
        """Give up what the mouse is doing."""
        gesture, self._gesture = self._gesture, None
        self.viewport().unsetCursor()
        if gesture is not None:
            gesture.cancel()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        point = self.exact(QPointF(self.viewport().mapFromGlobal(event.globalPos())))
        hit = self._net.hit(point, self._reach())
        if event.reason() == QContextMenuEvent.Reason.Keyboard and self.selection.current is not None:
            hit = Hit("node", self.selection.current)
        if hit.kind == "group":
            self.selection.set(self._net.block_at(hit.node))
        elif hit.node and hit.node not in self.selection.nodes:
            self.selection.set([hit.node])
        if hit.wire is not None:
            self._net.select_wire(hit.wire)
        if self._menu is not None:
            self._menu.deleteLater()
        self._menu = menu.build_menu(self, hit, point)
        self._menu.popup(event.globalPos())

    def wheelEvent(self, event: QWheelEvent) -> None:
        pixels = event.pixelDelta()
        touchpad = event.device().type().name == "TouchPad"
        if touchpad and not pixels.isNull() and not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.scroll_by(-pixels)
        elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.scroll_by(QPoint(-(event.angleDelta().y() or event.angleDelta().x()), 0))
        else:
            self.zoom_by(1.0015 ** event.angleDelta().y(), event.position())
        event.accept()

    def viewportEvent(self, event: QEvent) -> bool:
        if isinstance(event, QNativeGestureEvent):
            if event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
                self.zoom_by(1.0 + event.value(), event.position())
                return True
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.tip_at(self.exact(QPointF(event.pos()))), self.viewport())
            return True
        return super().viewportEvent(event)

    def tip_at(self, point: QPointF) -> str:
        """What the tooltip says at a point of the scene."""
        hit = self._net.hit(point, self._reach())
        if not hit.node or self._gesture is not None:
            return ""
        if hit.kind == "group":
            block = self._net.frames[hit.node].block
            return f"A group of {len(block.nodes)} layers, {block.repeat} times in a row, each with its own weights"
        item = self._net.nodes[hit.node]
        found = self.document.report.nodes.get(hit.node)
        lines = [item.face.title if item.face.title == hit.node else f"{item.face.title} ({hit.node})"]
        if found is not None and found.parameter_count:
            lines.append(f"{found.parameter_count:,} parameters")
        lines += [finding.message for finding in self.document.report.of(hit.node)]
        lines += [item.vitals.message] if item.vitals.message else []
        return "\n".join((*lines, *item.vitals.details))

    # -- drops from the palette ----------------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        mime = event.mimeData()
        component = dragged(bytes(mime.data(DRAG_FORMAT).data())) if mime.hasFormat(DRAG_FORMAT) else None
        if component is None:
            event.ignore()
            return
        self.cancel_gesture()
        self._gesture = DropGesture(self, component)
        event.acceptProposedAction()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        if isinstance(self._gesture, DropGesture):
            self._pixel = event.position().toPoint()
            self._gesture.move(self.exact(event.position()), event.modifiers())
            event.acceptProposedAction()
        else:
            event.ignore()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self.cancel_gesture()

    def dropEvent(self, event: QDropEvent) -> None:
        gesture, self._gesture = self._gesture, None
        if not isinstance(gesture, DropGesture):
            event.ignore()
            return
        self.attempt(gesture.commit, self.exact(event.position()), event.modifiers())
        event.acceptProposedAction()
        self.setFocus()
