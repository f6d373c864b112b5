"""What the mouse does on the canvas. A gesture is an object: it starts, moves, and is committed or cancelled.

Nothing touches the document before `commit`; `cancel` leaves everything as it was.
"""

from __future__ import annotations

from typing import Protocol

from PySide6.QtCore import QLineF, QPoint, QPointF, QRectF, Qt
from PySide6.QtWidgets import QApplication

from engine.edits import EditError
from engine.layers.base import NodeComponent
from engine.schema import info_of
from lab.canvas.commands import Commands
from lab.canvas.fitting import Fit, fits_after, fits_before
from lab.canvas.geometry import (
    CARD_HEIGHT,
    CARD_WIDTH,
    PORT_Y,
    SNAP,
    SNAP_REACH,
    card_rect,
    input_port,
    output_port,
    wire_path,
)
from lab.canvas.scene import CanvasScene, Hit
from lab.canvas.wire import WireItem, WireKey

__all__ = ["DropGesture", "Gesture", "Host", "MarqueeGesture", "MoveGesture", "PanGesture", "WireGesture"]

CONTROL, SHIFT, ALT = (
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.AltModifier,
)


class Host(Protocol):
    """What a gesture needs of the view."""

    def net(self) -> CanvasScene: ...
    @property
    def commands(self) -> Commands: ...
    def say(self, text: str, at: QPointF | None = None) -> None:
        """Show a short text beside the mouse, or where it lies in the scene; an empty one hides it."""

    def ask(self, at: QPointF, *, source: str = "", target: str = "", wire: WireKey | None = None) -> None:
        """Open quick-add at a point of the scene, to be wired as said."""

    def scroll_by(self, pixels: QPoint) -> None: ...


class Gesture:
    """Base: nothing happens. Points are in scene units."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.scene = host.net()

    def move(self, point: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """The mouse is elsewhere."""

    def commit(self, point: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """The button was released."""

    def cancel(self) -> None:
        """Give up, as on Escape."""


class MoveGesture(Gesture):
    """Move the selected cards with the one that was pressed; without a move it is a click that selects.

    Cards line up with others near them (Alt: freely), and dropped over others they go to the nearest free place. A
    single card without wires that is dropped on a wire goes into it.
    """

    def __init__(self, host: Host, node: str, start: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        super().__init__(host)
        self._node, self._start, self._modifiers = node, start, modifiers
        self._moving = False
        self._wire: WireKey | None = None
        chosen = self.scene.selection
        if modifiers & (CONTROL | SHIFT):
            self._click_toggles = True
        else:
            self._click_toggles = False
            if node not in chosen.nodes:
                chosen.set([node])
        self._places: dict[str, QPointF] = {}

    def _begin(self) -> None:
        self._moving = True
        chosen = self.scene.selection
        if self._node not in chosen.nodes:
            chosen.set((*chosen.nodes, self._node))
        self._click_toggles = False
        self.scene.settle()
        self._places = {
            node: QPointF(self.scene.nodes[node].pos()) for node in chosen.nodes if node in self.scene.nodes
        }
        self._lift(True)

    def move(self, point: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        offset = point - self._start
        if not self._moving:
            if offset.manhattanLength() < QApplication.startDragDistance() * 0.6:
                return
            self._begin()
        lines: tuple[QLineF, ...] = ()
        if not modifiers & ALT:
            offset, lines = self._aligned(offset)
        self.scene.place({node: at + offset for node, at in self._places.items()})
        self.scene.guides.show_lines(lines)
        self._wire = self._wire_below()
        self.scene.mark_target(wire=self._wire)

    def _lift(self, on: bool) -> None:
        for node in self._places:
            if node in self.scene.nodes:
                self.scene.nodes[node].set_lifted(on)

    def commit(self, point: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        self.scene.guides.clear()
        self._lift(False)
        if not self._moving:
            if self._click_toggles:
                self.scene.selection.toggle(self._node)
            elif len(self.scene.selection.nodes) > 1:
                self.scene.selection.set([self._node])
            return
        places = {node: self.scene.nodes[node].pos() for node in self._places}
        self.scene.mark_target()
        commands = self.host.commands
        if self._wire is not None:
            at = places[self._node]
            try:
                commands.splice(self._node, *self._wire, at=(at.x(), at.y()))
            except EditError as error:
                self.scene.restore_places()
                self.host.say(error.message)
            return
        places = self.scene.uncovered(places)
        if places == self._places:
            self.scene.place(places)
        else:
            commands.move({node: (at.x(), at.y()) for node, at in places.items()})

    def cancel(self) -> None:
        self.scene.guides.clear()
        self.scene.mark_target()
        self._lift(False)
        if self._moving:
            self.scene.place({node: at for node, at in self._places.items() if node in self.scene.nodes})

    def _wire_below(self) -> WireKey | None:
        """The wire that the card could go into: when it is one, unwired, with one input and an output."""
        if len(self._places) != 1:
            return None
        face = self.scene.nodes[self._node].face
        wired = any(self._node in key for key in self.scene.wires)
        if wired or not face.takes_input or not face.gives_output:
            return None
        return self.scene.wire_under(card_rect(self.scene.nodes[self._node].pos()), [self._node])

    def _aligned(self, offset: QPointF) -> tuple[QPointF, tuple[QLineF, ...]]:
        """The offset that lines the pressed card up with another, or with the grid, and the lines to show."""
        goal = self._places[self._node] + offset
        others = [item.pos() for node, item in self.scene.nodes.items() if node not in self._places]
        column = min(others, key=lambda at: abs(at.x() - goal.x()), default=None)
        row = min(others, key=lambda at: abs(at.y() - goal.y()), default=None)
        lines: list[QLineF] = []
        x, y = round(goal.x() / SNAP) * SNAP, round(goal.y() / SNAP) * SNAP
        if column is not None and abs(column.x() - goal.x()) <= SNAP_REACH:
            x = column.x()
            middle = x + CARD_WIDTH / 2
            lines.append(QLineF(middle, min(column.y(), goal.y()), middle, max(column.y(), goal.y()) + CARD_HEIGHT))
        if row is not None and abs(row.y() - goal.y()) <= SNAP_REACH:
            y = row.y()
            middle = y + PORT_Y
            lines.append(QLineF(min(row.x(), goal.x()), middle, max(row.x(), goal.x()) + CARD_WIDTH, middle))
        return QPointF(x, y) - self._places[self._node], tuple(lines)


class MarqueeGesture(Gesture):
    """Select the cards that a rectangle touches; Shift or Control adds them. A click on empty ground selects none."""

    def __init__(self, host: Host, start: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        super().__init__(host)
        self._start = start
        self._before = self.scene.selection.nodes
        self._kept = self._before if modifiers & (SHIFT | CONTROL) else ()
        self.scene.selected_wire = None
        self.scene.selection.set(self._kept)
        self.scene.show_selection()

    def move(self, point: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        area = QRectF(self._start, point).normalized()
        self.scene.guides.show_marquee(area)
        self.scene.selection.set((*self._kept, *self.scene.nodes_in(area)))

    def commit(self, point: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        self.scene.guides.clear()

    def cancel(self) -> None:
        self.scene.guides.clear()
        self.scene.selection.set(self._before)


class WireGesture(Gesture):
    """Draw a wire from an output to an input or the other way round, or take up the end of one and lead it elsewhere.

    While it goes on, what cannot accept the wire is dim, and a text says why. Dropped on empty ground, a new wire opens
    quick-add with what fits; one that was taken up is removed.
    """

    def __init__(self, host: Host, hit: Hit, point: QPointF) -> None:
        super().__init__(host)
        node = host.commands.network.node(hit.node)
        self._old: WireKey | None = None
        self._backward = False
        self._anchor = hit.node
        if hit.kind == "input":
            sources = [item for item in node.inputs if item in self.scene.nodes]
            if hit.index < len(sources):
                self._old = (sources[hit.index], hit.node)
                self._anchor = sources[hit.index]
            else:
                self._backward = True
        self._fits: dict[str, Fit] = {other: self._fit(other) for other in self.scene.nodes if other != self._anchor}
        self._target = ""
        self._start = point
        self._item = WireItem((self._anchor, ""), self.scene.look)
        self._item.set_state("live")
        self._item.setZValue(9)
        self.scene.addItem(self._item)
        if self._old is not None:
            self.scene.wires[self._old].setVisible(False)
        self.scene.dim(other for other, found in self._fits.items() if not found.ok)
        self._draw(point)

    def _fit(self, other: str) -> Fit:
        if self._old is not None and other == self._old[1]:
            return Fit(True)
        return self.host.commands.fit(*((other, self._anchor) if self._backward else (self._anchor, other)))

    def move(self, point: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        hit = self.scene.hit(point, reach=22.0)
        over = hit.node if hit.kind != "wire" and hit.node != self._anchor else ""
        found = self._fits.get(over)
        self._target = over if found is not None and found.ok else ""
        self.scene.mark_target(self._target)
        self.host.say(found.reason if found is not None else "")
        self._draw(point)

    def _draw(self, point: QPointF) -> None:
        anchor = self.scene.nodes[self._anchor]
        if self._backward:
            end = input_port(anchor.pos(), 0, anchor.face.inputs)
            start = output_port(self.scene.nodes[self._target].pos()) if self._target else point
        else:
            start = output_port(anchor.pos())
            end = self._landing(point)
        self._item.set_path(wire_path(start, end))

    def _landing(self, point: QPointF) -> QPointF:
        if not self._target:
            return point
        item = self.scene.nodes[self._target]
        return input_port(item.pos(), item.face.inputs - 1, item.face.inputs)

    def commit(self, point: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        self.move(point, modifiers)
        target, dropped_on = self._target, self.scene.hit(point, reach=22.0)
        self._clean_up()
        commands = self.host.commands
        try:
            if target:
                if self._old is not None:
                    commands.rewire(self._anchor, self._old[1], target)
                else:
                    commands.connect(*((target, self._anchor) if self._backward else (self._anchor, target)))
                self.host.say("")
            elif dropped_on.node and dropped_on.node != self._anchor:
                return  # the text that says why it does not fit stays
            elif self._old is not None:
                commands.disconnect(*self._old)
            elif (point - self._start).manhattanLength() >= 24 and dropped_on.kind in ("empty", "wire"):
                if self._backward:
                    self.host.ask(point, target=self._anchor)
                else:
                    self.host.ask(point, source=self._anchor)
        except EditError as error:
            self.host.say(error.message)

    def cancel(self) -> None:
        self._clean_up()
        self.host.say("")

    def _clean_up(self) -> None:
        self.scene.removeItem(self._item)
        if self._old is not None and self._old in self.scene.wires:
            self.scene.wires[self._old].setVisible(True)
        self.scene.dim(())
        self.scene.mark_target()


class PanGesture(Gesture):
    """Move the view with the hand. Works in pixels of the view, since the scene moves beneath the mouse."""

    def __init__(self, host: Host, start: QPoint) -> None:
        super().__init__(host)
        self._last = start
        self._travel = QPoint()

    def drag_to(self, pixel: QPoint) -> None:
        self.host.scroll_by(self._last - pixel)
        self._travel += self._last - pixel
        self._last = pixel

    def cancel(self) -> None:
        self.host.scroll_by(-self._travel)


class DropGesture(Gesture):
    """A component dragged from the palette: on empty ground it is put there, on a wire it goes into it."""

    def __init__(self, host: Host, component: NodeComponent) -> None:
        super().__init__(host)
        self._component = component
        self._wire: WireKey | None = None

    def move(self, point: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        place = self._place(point)
        info = info_of(self._component)
        can_insert = fits_before(self._component) and self._component.max_inputs != 0
        self._wire = (self.scene.wire_at(point) or self.scene.wire_under(card_rect(place))) if can_insert else None
        self.scene.guides.show_ghost(place, self._component.title(), info.group or info.kind)
        self.scene.mark_target(wire=self._wire)
        reason = ""
        if self._wire is not None:
            found = self.scene.document.report.nodes.get(self._wire[0])
            if not fits_after(found.shape if found else None)(self._component):
                reason = "The shape before this wire does not suit this layer; it will be marked."
        self.host.say(reason)

    def commit(self, point: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        self.move(point, modifiers)
        self.cancel()
        place, commands = self._place(point), self.host.commands
        if self._wire is not None:
            commands.insert(self._component, *self._wire, at=(place.x(), place.y()))
        else:
            spot = self.scene.free_spot(place)
            commands.add(self._component, at=(spot.x(), spot.y()))

    def cancel(self) -> None:
        self.scene.guides.clear()
        self.scene.mark_target()
        self.host.say("")

    def _place(self, point: QPointF) -> QPointF:
        x, y = point.x() - CARD_WIDTH / 2, point.y() - PORT_Y
        return QPointF(round(x / SNAP) * SNAP, round(y / SNAP) * SNAP)
