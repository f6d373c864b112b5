"""What a run measures, on the canvas: the session's frames and the moments that are looked back at."""

from __future__ import annotations

from PySide6.QtCore import QObject

from lab.canvas import CanvasView, fault_of
from lab.pacer import Turn
from lab.session import Session

__all__ = ["CanvasFeed"]

PACE = 0.4
"""Seconds between two frames of a run that goes on."""
WATCHED = frozenset({"activations", "gradients"})


class CanvasFeed(QObject):
    """Keeps the canvas up to date with the session; what nobody sees is not measured."""

    def __init__(self, session: Session, canvas: CanvasView, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._canvas = session, canvas
        self._turn = Turn(self, self.refresh, canvas.isVisible, PACE)
        session.frameChanged.connect(self._turn.ask)
        for signal in (session.lookChanged, session.runChanged, session.eventArrived):
            signal.connect(self.refresh)

    def refresh(self, *_: object) -> None:
        """Show the present, or the moment that is looked back at."""
        session = self._session
        moment = session.moment()
        fault = fault_of(session.events) if session.looking is None else None
        self._canvas.set_live(moment.frame, session.experiment, session.train_loss(), fault=fault)

    def watch(self, shown: bool) -> None:
        """Whether anybody can see the canvas."""
        self._session.watch(self._canvas, WATCHED if shown else frozenset())
        if shown:
            self._turn.ask()
        else:
            self._turn.forget()
