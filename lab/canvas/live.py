"""The run on the canvas: takes frames as they come, shows some of them, and only on cards that can be seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace
from PySide6.QtCore import QObject, Signal

from engine.experiment import Experiment, Node
from engine.layers.base import Loss
from engine.training.events import Diverged, Event, Failed, Frame, Started
from lab.canvas.scene import CanvasScene
from lab.canvas.vitals import Vitals, vitals_of
from lab.pacer import Turn

__all__ = ["Fault", "LiveLayer", "fault_of"]

PACE = 0.1
"""Seconds between two frames on the cards."""


class Fault(Struct, frozen=True):
    """Where a run broke, as the card of that node says it; `node` is "" where no single one is at fault."""

    node: str
    message: str


def fault_of(events: Sequence[Event]) -> Fault | None:
    """Where the run of these events broke, if it did and was not continued since."""
    for event in reversed(events):
        match event:
            case Started():
                return None
            case Diverged():
                return Fault(event.node, "The first value that is not finite came from here.")
            case Failed():
                return Fault(event.node, "Training failed here.")
    return None


class LiveLayer(QObject):
    """Keeps the newest frame and puts it on the cards of `scene` that `visible()` names.

    A card shows what was measured only while its node is the one that the run trains: an edited node shows nothing.
    `judged` tells which nodes are unwell, seen or not, when these become others.
    """

    judged = Signal(tuple)

    def __init__(self, scene: CanvasScene, visible: Callable[[], tuple[str, ...]], parent: QObject) -> None:
        super().__init__(parent)
        self._scene, self._visible = scene, visible
        self._frame: Frame | None = None
        self._run: Experiment | None = None
        self._loss: float | None = None
        self._fault: Fault | None = None
        self._unwell: tuple[str, ...] = ()
        self._turn = Turn(self, self.refresh, self._is_told, PACE)

    def set_live(
        self,
        frame: Frame | None,
        run: Experiment | None,
        loss: float | None = None,
        *,
        fault: Fault | None = None,
    ) -> None:
        """Show a frame of a run (soon); None takes everything away (now). `fault` is where the run broke: the frame is
        then of the past, and is shown faintly, without a verdict."""
        self._frame, self._run, self._loss, self._fault = frame, run, loss, fault
        if frame is None:
            self._turn.forget()
            self.refresh()
        else:
            self.schedule()

    def schedule(self) -> None:
        """Refresh when the turn comes."""
        self._turn.ask()

    def _is_told(self) -> bool:
        return self._frame is not None or self._fault is not None

    def refresh(self) -> None:
        """Put the newest frame on the cards now."""
        items = self._scene.nodes
        if self._run is None or (self._frame is None and self._fault is None):
            for card in items.values():
                card.set_vitals(None)
            self._judge(())
            return
        network = self._scene.document.experiment.network
        trained = {node.id: node for node in self._run.network.nodes}
        found = vitals_of(network, self._frame) if self._frame is not None else {}
        shown = set(self._visible())
        unwell = []
        for node in network.nodes:
            item = items.get(node.id)
            if item is None:
                continue
            if not same_node(node, trained.get(node.id)):
                item.set_vitals(None)
                continue
            told = self._told(node.id, found.get(node.id))
            if told is not None and told.health == "bad":
                unwell.append(node.id)
            if node.id in shown:
                text = ""
                if isinstance(node.component, Loss) and self._loss is not None:
                    text = f"loss {self._loss:.3g}"
                item.set_vitals(told, text)
        self._scene.spread_bubbles()
        self._judge(tuple(unwell))

    def _judge(self, unwell: tuple[str, ...]) -> None:
        if unwell != self._unwell:
            self._unwell = unwell
            self.judged.emit(unwell)

    def _told(self, node: str, vitals: Vitals | None) -> Vitals | None:
        """What a card shows, after what is known of the run as a whole."""
        if self._fault is None:
            return vitals
        if vitals is not None and self._frame is not None:
            past = f"measured at step {self._frame.step:,}, before the run broke off"
            vitals = replace(vitals, health=None, message="", stale=True, details=(past, *vitals.details))
        if node == self._fault.node:
            vitals = replace(vitals or Vitals(), health="bad", message=self._fault.message)
        return vitals

    def stop(self) -> None:
        self._turn.forget()


def same_node(node: Node, trained: Node | None) -> bool:
    """Whether a node is, but for its place and title, the one that a run trains."""
    return trained is not None and (node.inputs, node.bypass, node.component) == (
        trained.inputs,
        trained.bypass,
        trained.component,
    )
