"""The network as graphics items: follows the document, knows what lies where, shows what a run measures."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Literal

from msgspec import Struct
from PySide6.QtCore import QEasingCurve, QPointF, QRectF, QVariantAnimation, Signal
from PySide6.QtGui import QPainterPath
from PySide6.QtWidgets import QGraphicsScene

from lab.canvas.faces import faces_of
from lab.canvas.frame import FrameItem
from lab.canvas.geometry import (
    BUBBLE_WIDEST,
    CARD_HEIGHT,
    PORT_REACH,
    Route,
    card_box,
    card_rect,
    input_port,
    output_port,
    plan_route,
    wire_path,
)
from lab.canvas.layout import placed, way_out
from lab.canvas.node import NodeItem
from lab.canvas.overlays import GuideItem
from lab.canvas.style import Style, style
from lab.canvas.wire import WireItem, WireKey
from lab.document import Document, Selection

__all__ = ["CanvasScene", "Hit"]

ANIMATION_MS = 140


class Hit(Struct, frozen=True):
    """What lies at a point. `index` is the input port's; `wire` is (source, target); `node` of a group its first."""

    kind: Literal["empty", "node", "input", "output", "wire", "group"]
    node: str = ""
    index: int = 0
    wire: WireKey | None = None


class CanvasScene(QGraphicsScene):
    """Items by node id and by wire. Positions follow the document; while a gesture drags cards, `place` moves them.
    `routed` tells that cards or wires may lie elsewhere."""

    routed = Signal()

    def __init__(self, document: Document, selection: Selection) -> None:
        super().__init__()
        self.document, self.selection = document, selection
        self.columns = 6
        self.nodes: dict[str, NodeItem] = {}
        self.wires: dict[WireKey, WireItem] = {}
        self.frames: dict[str, FrameItem] = {}
        """The groups that are repeated, by their first node."""
        self.selected_wire: WireKey | None = None
        self.look: Style = style()
        self.guides = GuideItem()
        self.addItem(self.guides)
        # The index of moving items costs more than looking through a few hundred of them.
        self.setItemIndexMethod(QGraphicsScene.ItemIndexMethod.NoIndex)
        self._seen = QRectF()
        self._goal: dict[str, QPointF] = {}
        self._start: dict[str, QPointF] = {}
        self._animation = QVariantAnimation(self)
        self._animation.setDuration(ANIMATION_MS)
        self._animation.setStartValue(0.0)
        self._animation.setEndValue(1.0)
        self._animation.setEasingCurve(QEasingCurve.Type.OutCubic)
        self._animation.valueChanged.connect(self._on_frame)
        self.animated = False
        self.rebuild()

    # -- following the document ----------------------------------------------------------------------------------------

    def rebuild(self) -> None:
        """Bring items in line with the document: what did not change is left alone."""
        network = self.document.experiment.network
        places = placed(network, self.columns)
        faces = faces_of(self.document)
        for gone in [item for item in self.nodes if item not in places]:
            self.removeItem(self.nodes.pop(gone))
        moved: dict[str, QPointF] = {}
        for node in network.nodes:
            place, item = QPointF(*places[node.id]), self.nodes.get(node.id)
            if item is None:
                item = NodeItem(node.id, faces[node.id], self.look)
                item.setPos(place)
                self.nodes[node.id] = item
                self.addItem(item)
            else:
                item.set_face(faces[node.id])
                if item.pos() != place:
                    moved[node.id] = place
        self._match_wires()
        self._match_frames()
        self._move_to(moved)
        self.route()
        self.show_selection()

    def _match_wires(self) -> None:
        wanted = {
            (source, node.id): node
            for node in self.document.experiment.network.nodes
            for source in node.inputs
            if source in self.nodes
        }
        for key in [key for key in self.wires if key not in wanted]:
            self.removeItem(self.wires.pop(key))
        for key in wanted:
            if key not in self.wires:
                self.wires[key] = WireItem(key, self.look)
                self.addItem(self.wires[key])
        if self.selected_wire not in self.wires:
            self.selected_wire = None

    def _match_frames(self) -> None:
        wanted = {block.nodes[0]: block for block in self.document.experiment.network.blocks}
        for gone in [key for key in self.frames if key not in wanted]:
            self.removeItem(self.frames.pop(gone))
        for key, block in wanted.items():
            if key not in self.frames:
                self.frames[key] = FrameItem(block, self.look)
                self.addItem(self.frames[key])
            self.frames[key].show_block(block)

    def apply_style(self) -> None:
        """Take the colours of the current theme."""
        self.look = style()
        for frame in self.frames.values():
            frame.set_style(self.look)
        for card in self.nodes.values():
            card.set_style(self.look)
        for wire in self.wires.values():
            wire.set_style(self.look)
        self.guides.set_style(self.look)
        self.update()

    def show_selection(self) -> None:
        chosen = set(self.selection.nodes)
        if chosen:
            self.selected_wire = None
        for node_id, item in self.nodes.items():
            item.set_selected(node_id in chosen)
        for key, wire in self.wires.items():
            wire.set_state(self._wire_state(key))
        for frame in self.frames.values():
            frame.set_selected(chosen.issuperset(frame.block.nodes))

    def _wire_state(self, key: WireKey, hovered: bool = False) -> str:
        if key == self.selected_wire:
            return "selected"
        if hovered:
            return "hover"
        if any(self.nodes[end].face.bypass for end in key):
            return "bypassed"
        return "plain"

    def select_wire(self, key: WireKey | None) -> None:
        """Select one wire, and no node."""
        self.selected_wire = key
        self.selection.set(())
        self.show_selection()

    # -- moving --------------------------------------------------------------------------------------------------------

    def _move_to(self, goals: Mapping[str, QPointF]) -> None:
        # What is on its way to somewhere else goes on from where it is seen.
        self._animation.stop()
        self._goal = {}
        far = {n: p for n, p in goals.items() if (p - self.nodes[n].pos()).manhattanLength() > 12}
        if self.animated and far:
            self._start = {node: self.nodes[node].pos() for node in goals}
            self._goal = dict(goals)
            self._animation.start()
        else:
            for node, place in goals.items():
                self.nodes[node].setPos(place)

    def _on_frame(self, share: float) -> None:
        for node, goal in self._goal.items():
            if node in self.nodes:
                self.nodes[node].setPos(self._start[node] + (goal - self._start[node]) * share)
        if share >= 1.0:
            self._goal = {}
        self.route()

    def settle(self) -> None:
        """End a running animation at its end."""
        self._animation.stop()
        goals, self._goal = self._goal, {}
        for node, goal in goals.items():
            if node in self.nodes:
                self.nodes[node].setPos(goal)
        if goals:
            self.route()

    def place(self, positions: Mapping[str, QPointF]) -> None:
        """Show cards at other places than the document's, while they are dragged."""
        self.settle()
        for node, place in positions.items():
            self.nodes[node].setPos(place)
        self.route()

    def restore_places(self) -> None:
        """Show every card where the document has it."""
        self.place({node: QPointF(*at) for node, at in placed(self.document.experiment.network, self.columns).items()})

    def route(self) -> None:
        """Lead every wire anew."""
        cards = [card_box(item.pos()) for item in self.nodes.values()]
        taken: list[tuple[Route, str, int]] = []
        for node in self.document.experiment.network.nodes:
            sources = [source for source in node.inputs if source in self.nodes]
            count = self.nodes[node.id].face.inputs if node.id in self.nodes else 1
            for index, source in enumerate(sources):
                wire = self.wires.get((source, node.id))
                if wire is None:
                    continue
                start = output_port(self.nodes[source].pos())
                end = input_port(self.nodes[node.id].pos(), index, count)
                route = plan_route(start, end, cards)
                level = route.level(source, taken)
                taken.append((route, source, level))
                wire.set_path(wire_path(start, end, route, level))
        for frame in self.frames.values():
            frame.place([self.nodes[node].pos() for node in frame.block.nodes if node in self.nodes])
        self.spread_bubbles()
        self.routed.emit()

    def show_window(self, seen: QRectF) -> None:
        """Tell which part of the scene is seen: messages keep within it."""
        if seen != self._seen:
            self._seen = seen
            self.spread_bubbles()

    def spread_bubbles(self) -> None:
        """Let messages beside the cards be as wide as the next message to the right allows, and lie where all of them
        can be seen."""
        talking = [(item.pos(), item) for item in self.nodes.values() if item.message[1]]
        for here, item in talking:
            gaps = [
                at.x() - here.x() for at, _ in talking if at.x() > here.x() and abs(at.y() - here.y()) < CARD_HEIGHT / 2
            ]
            item.set_bubble_room(min([BUBBLE_WIDEST, *(gap - 4.0 for gap in gaps)]))
            item.place_bubble(self._seen)

    # -- what lies where -----------------------------------------------------------------------------------------------

    def hit(self, point: QPointF, reach: float = PORT_REACH) -> Hit:
        """What lies at a point: ports before cards before wires. `reach` is how far a port can be grabbed."""
        found, nearest = Hit("empty"), reach
        for node_id, item in self.nodes.items():
            pos, face = item.pos(), item.face
            if face.gives_output:
                distance = _distance(point, output_port(pos))
                if distance < nearest:
                    found, nearest = Hit("output", node_id), distance
            if face.takes_input:
                for index in range(max(1, face.inputs)):
                    distance = _distance(point, input_port(pos, index, face.inputs))
                    if distance < nearest:
                        found, nearest = Hit("input", node_id, index), distance
        if found.kind != "empty":
            return found
        for node_id, item in reversed(self.nodes.items()):
            if card_rect(item.pos()).contains(point):
                return Hit("node", node_id)
        for first, frame in self.frames.items():
            if frame.label.contains(point):
                return Hit("group", first)
        wire = self.wire_at(point)
        return Hit("wire", wire=wire) if wire is not None else found

    def wire_at(self, point: QPointF, skip: Iterable[str] = ()) -> WireKey | None:
        """The wire at a point, other than those of the nodes `skip`."""
        skip = set(skip)
        for key, wire in self.wires.items():
            if not skip.intersection(key) and wire.boundingRect().adjusted(-4, -4, 4, 4).contains(point):
                if wire.near().contains(point):
                    return key
        return None

    def wire_under(self, card: QRectF, skip: Iterable[str] = ()) -> WireKey | None:
        """The wire that passes the middle of a card, other than those of the nodes `skip`."""
        skip = set(skip)
        core = card.adjusted(24, 24, -24, -24)
        area = QPainterPath()
        area.addRect(core)
        for key, wire in self.wires.items():
            if not skip.intersection(key) and wire.boundingRect().intersects(core) and wire.near().intersects(area):
                return key
        return None

    def hover(self, hit: Hit) -> None:
        """Mark what the mouse is over."""
        for node_id, item in self.nodes.items():
            port = (hit.kind, hit.index) if hit.kind in ("input", "output") and hit.node == node_id else None
            item.set_hovered(node_id == hit.node, port)
        for key, wire in self.wires.items():
            wire.set_state(self._wire_state(key, key == hit.wire))

    def dim(self, nodes: Iterable[str]) -> None:
        """Draw these nodes faint, and no others."""
        faint = set(nodes)
        for node_id, item in self.nodes.items():
            item.set_dimmed(node_id in faint)

    def mark_target(self, node: str = "", wire: WireKey | None = None) -> None:
        """Mark the node or the wire that a drop would change."""
        for node_id, item in self.nodes.items():
            item.set_target(node_id == node)
        for key, line in self.wires.items():
            line.set_state("live" if key == wire else self._wire_state(key))

    def bounds(self) -> QRectF:
        """The rectangle of all cards and their bubbles, when they have come to rest; empty without nodes."""
        found = QRectF()
        for node_id, item in self.nodes.items():
            goal = self._goal.get(node_id)
            found = found.united(item.extent if goal is None else item.extent.translated(goal - item.pos()))
        return found

    def cards_bounds(self) -> QRectF:
        """The rectangle of all cards, when they have come to rest; empty without nodes."""
        found = QRectF()
        for node_id, item in self.nodes.items():
            found = found.united(card_rect(self._goal.get(node_id) or item.pos()))
        return found

    def block_at(self, first: str) -> tuple[str, ...]:
        """The nodes of the group whose first node is `first`."""
        return self.frames[first].block.nodes

    def nodes_in(self, area: QRectF) -> tuple[str, ...]:
        return tuple(node for node, item in self.nodes.items() if area.intersects(card_rect(item.pos())))

    def free_spot(self, wanted: QPointF) -> QPointF:
        """`wanted`, or the nearest place where a card covers no other."""
        return wanted + QPointF(*way_out([(wanted.x(), wanted.y())], self._places(())))

    def uncovered(self, positions: Mapping[str, QPointF]) -> dict[str, QPointF]:
        """Places for cards that stand like `positions` to one another, as near as can be, and cover no other card."""
        moving = [(at.x(), at.y()) for at in positions.values()]
        step = QPointF(*way_out(moving, self._places(positions)))
        return {node: at + step for node, at in positions.items()}

    def _places(self, but: Container[str]) -> list[tuple[float, float]]:
        return [(item.pos().x(), item.pos().y()) for node, item in self.nodes.items() if node not in but]


def _distance(a: QPointF, b: QPointF) -> float:
    return float(((a.x() - b.x()) ** 2 + (a.y() - b.y()) ** 2) ** 0.5)
