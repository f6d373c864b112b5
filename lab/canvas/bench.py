"""What can be done on the canvas, whichever way it is asked for: by key, by menu, by mouse or from the window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from PySide6.QtCore import QPointF, Signal
from PySide6.QtWidgets import QApplication, QWidget

from engine.diagnostics import Fix
from engine.edits import EditError
from engine.layers.base import Loss, NodeComponent
from lab.canvas.board import Board
from lab.canvas.commands import Commands
from lab.canvas.fitting import fits_after, fits_before
from lab.canvas.geometry import CARD_WIDTH, PORT_Y, card_rect
from lab.canvas.layout import best_columns
from lab.canvas.quickadd import QuickAdd
from lab.canvas.walking import neighbour
from lab.canvas.wire import WireKey
from lab.catalog import lacking_in
from lab.document import Document, Selection

__all__ = ["Bench"]

NUDGE = 20.0


class Where(Struct, frozen=True):
    """Where quick-add was opened and what for."""

    at: QPointF = QPointF()
    source: str = ""
    target: str = ""
    wire: WireKey | None = None
    place: bool = False


class Bench(Board):
    """A board with commands. Refusals are said beside what they concern. `inspectRequested` carries the id of a node
    whose fields a person wants to edit."""

    inspectRequested = Signal(str)

    def __init__(self, document: Document, selection: Selection, parent: QWidget | None = None) -> None:
        super().__init__(document, selection, parent)
        self._where = Where()
        self.quick_add = QuickAdd(self)
        self.quick_add.lacking = lambda: lacking_in(self.document.experiment.network)
        self.quick_add.chosen.connect(self._on_chosen)

    def apply_style(self) -> None:
        super().apply_style()
        if hasattr(self, "quick_add"):
            self.quick_add.apply_style()

    def attempt(self, action: Callable[..., Any], *arguments: Any) -> bool:
        """Do an edit; a refusal is said, not raised."""
        try:
            action(*arguments)
        except EditError as error:
            self.say(error.message, self.anchor_point())
            return False
        return True

    def delete(self) -> None:
        wire = self._net.selected_wire
        if wire is not None:
            self.attempt(self.commands.disconnect, *wire)
        else:
            self.attempt(self.commands.delete)

    def copy(self) -> None:
        words = self.commands.copy_text()
        if words:
            QApplication.clipboard().setText(words)

    def cut(self) -> None:
        words = self.commands.copy_text()
        if words:
            QApplication.clipboard().setText(words)
            self.attempt(self.commands.delete, "Cut")

    def paste(self, at: QPointF | None = None) -> None:
        place = None if at is None else (at.x(), at.y())
        self.attempt(self.commands.paste, QApplication.clipboard().text(), place)

    def duplicate(self) -> None:
        self.attempt(self.commands.duplicate)

    def bypass(self) -> None:
        self.attempt(self.commands.bypass)

    def lay_out(self) -> None:
        room = self.room()
        self.attempt(self.commands.lay_out, best_columns(self.commands.network, room.width(), room.height()))

    def apply_fix(self, fix: Fix) -> None:
        """Apply a finding's remedy as one undo step."""
        self.attempt(lambda: self.document.apply(fix.label, fix.edit(self.document.experiment)))

    def inspect(self) -> None:
        if self.selection.current is not None:
            self.inspectRequested.emit(self.selection.current)

    def next_problem(self) -> None:
        found = self.commands.next_problem()
        if found is None:
            self.say("No problems.", self.anchor_point())
            return
        self.reveal(card_rect(self._net.nodes[found.node].pos()).adjusted(0, 0, 60, 40))
        self.setAccessibleDescription(f"{self.describe_selection()}")

    def escape(self) -> None:
        self.say("")
        if self._net.selected_wire is not None:
            self._net.select_wire(None)
        else:
            self.selection.set(())

    def walk(self, dx: int, dy: int, *, extend: bool = False) -> None:
        """Select the nearest node in a direction."""
        centres = {node: item.pos() for node, item in self._net.nodes.items()}
        found = neighbour(centres, self.selection.current, dx, dy)
        if found is not None:
            self.selection.set((*(n for n in self.selection.nodes if n != found), found) if extend else (found,))
            self.reveal(card_rect(self._net.nodes[found].pos()))

    def nudge(self, dx: int, dy: int) -> None:
        """Move the selected nodes by one dot of the grid."""
        self._net.settle()
        places = {node: self._net.nodes[node].pos() for node in self.selection.nodes}
        if places:
            moved = {node: (at.x() + dx * NUDGE, at.y() + dy * NUDGE) for node, at in places.items()}
            self.commands.move(moved, merge_key=f"nudge {' '.join(self.selection.nodes)}")

    # -- quick-add -----------------------------------------------------------------------------------------------------

    def ask(
        self,
        at: QPointF,
        *,
        typed: str = "",
        source: str = "",
        target: str = "",
        wire: WireKey | None = None,
        place: bool = False,
    ) -> None:
        """Open quick-add at a point of the scene. What is chosen is wired from `source`, to `target`, or into `wire`;
        with `place` it stays unwired there; otherwise it goes after the selection."""
        self._where = Where(at, source, target, wire, place)
        shapes = self.document.report.nodes
        fits, what = None, ""
        title = {node: item.face.title for node, item in self._net.nodes.items()}
        if wire is not None:
            source_shape = shapes[wire[0]].shape if wire[0] in shapes else None
            after = fits_after(source_shape)
            fits = lambda component: fits_before(component) and after(component)  # noqa: E731
            what = f" between “{title[wire[0]]}” and “{title[wire[1]]}”"
        elif source:
            fits, what = fits_after(shapes[source].shape if source in shapes else None), f" after “{title[source]}”"
        elif target:
            fits, what = fits_before, f" before “{title[target]}”"
        elif not place and self.selection.current in title:
            current = self.selection.current
            is_loss = isinstance(self.document.experiment.network.node(current).component, Loss)
            what = f" {'before' if is_loss else 'after'} “{title[current]}”"
        self.quick_add.open_at(self.mapFromScene(at), typed, what, fits)

    def _on_chosen(self, component: NodeComponent) -> None:
        self.attempt(self._add_chosen, self.commands, component, self._where)

    def _add_chosen(self, commands: Commands, component: NodeComponent, where: Where) -> None:
        at = where.at
        if where.wire is not None:
            commands.insert(component, *where.wire, at=(at.x() - CARD_WIDTH / 2, at.y() - PORT_Y))
        elif where.source or where.target:
            shift = 0.0 if where.source else CARD_WIDTH
            spot = self._net.free_spot(QPointF(at.x() - shift, at.y() - PORT_Y))
            commands.add_wired(component, (spot.x(), spot.y()), source=where.source, target=where.target)
        elif where.place:
            spot = self._net.free_spot(at)
            commands.add(component, (spot.x(), spot.y()))
        else:
            commands.add(component)

    def beside(self, node: str) -> QPointF:
        """Where quick-add opens for a node: below its right edge."""
        return self._net.nodes[node].pos() + QPointF(CARD_WIDTH + 12, 8)

    def anchor_point(self) -> QPointF:
        """Where quick-add and texts appear when no mouse says so: beside the selection, else near the middle."""
        current = self.selection.current
        if current in self._net.nodes:
            return self.beside(current)
        return self.exact(QPointF(self.width() / 2 - 150, max(40.0, self.height() / 3)))
