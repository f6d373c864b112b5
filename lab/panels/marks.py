"""Live changes and drops of the rate on an epoch axis: a thin upright line at each, with what became what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from engine.differences import CLOSE
from engine.schema import Component, info_of
from engine.training.events import Changed, RateDropped
from widgets.plot import Guide, Plot
from widgets.text import number

if TYPE_CHECKING:
    from engine.training.events import Started
    from lab.session import Session

__all__ = ["ChangeMarks", "Mark", "change_words", "marks_of"]

HEIGHTS = (0.80, 0.70, 0.60)
"""How high the texts stand, as shares of the plot's height."""
DROPPED = "plateau.learning_rate"
"""What stands for the path where the schedule itself has dropped the rate."""
LABELLED = 8
"""Of more marks only so many bear their text, the latest."""


class Mark(Struct, frozen=True):
    """One live change. `epoch` is where the run stood, in epochs."""

    epoch: float
    path: str
    text: str


def change_words(path: str, value: Any) -> str:
    """A change in words: "learning rate 0.3", "dropout_1 rate 0.5"."""
    *places, name = path.split(".")
    name = name.replace("_", " ")
    if places[:1] == ["nodes"] and len(places) > 1:
        name = f"{places[1]} {name}"
    elif places and places[-1].startswith("penalties"):
        name = f"penalty {name}"
    elif places and places[-1].startswith("groups"):
        name = f"group {int(re.sub(r'[^0-9]', '', places[-1])) + 1} {name}"
    elif places[1:] == ["clipping"]:
        name = f"clipping {name}"
    elif places[1:] == ["schedule"] and isinstance(value, tuple | list):
        return "points moved"
    return f"{name} {_shown(value)}"


def _shown(value: Any) -> str:
    match value:
        case bool():
            return "on" if value else "off"
        case int() | float():
            return number(value, 3)
        case Component():
            return info_of(value).label.lower()
        case {"type": str(tag)}:  # a component, as a run keeps it
            return tag.replace("_", " ")
    return str(value)


def marks_of(turns: Sequence[Changed | RateDropped], started: Started | None, span: float = 0.0) -> list[Mark]:
    """The changes of a run and the drops of its rate; of those that follow within `span` epochs on another of the same
    value, the last."""
    if started is None:
        return []
    marks: list[Mark] = []
    for event in turns:
        path = event.path if isinstance(event, Changed) else DROPPED
        mark = Mark(event.step / started.steps_per_epoch, path, change_words(path, event.after))
        if marks and marks[-1].path == mark.path and mark.epoch - marks[-1].epoch <= span:
            marks.pop()
        marks.append(mark)
    return marks


class ChangeMarks:
    """The marks in one plot: those of the run, with their texts, and faint ones of the runs laid over it."""

    def __init__(self, plot: Plot) -> None:
        self._plot = plot
        self._own: list[Guide] = []
        self._others: list[Guide] = []

    def show(self, session: Session) -> None:
        """Bring the marks up to date."""
        span = CLOSE * float(session.epochs or 0)
        own = marks_of(session.live.turns, session.started, span)
        # A schedule drops the rate again and again, and each drop says no more than the one before it.
        told = [i for i, mark in enumerate(own) if mark.path != DROPPED]
        told = sorted([*told, *[i for i, mark in enumerate(own) if mark.path == DROPPED][-1:]])[-LABELLED:]
        self._place(self._own, [(mark.epoch, mark.text if i in told else "") for i, mark in enumerate(own)])
        others = [
            (mark.epoch, f"{run.label}: {mark.text}")
            for run in session.overlays.values()
            for mark in marks_of(run.history.turns, run.started, span)
        ]
        self._place(self._others, [(epoch, text if len(others) <= LABELLED else "") for epoch, text in others], "dot")

    def shown(self) -> list[tuple[float, str]]:
        """(epoch, text) of every mark that is drawn."""
        guides = [*self._own, *self._others]
        return [(guide.value, guide.item.label.format) for guide in guides if guide.value == guide.value]

    def _place(self, guides: list[Guide], wanted: list[tuple[float, str]], style: Any = "solid") -> None:
        while len(guides) < len(wanted):
            guides.append(self._plot.guide(float("nan"), "", axis="x", tint="text_dim", style=style))
        nowhere = [(float("nan"), "")] * (len(guides) - len(wanted))
        for guide, (epoch, text) in zip(guides, [*wanted, *nowhere], strict=True):
            if guide.value != epoch or guide.item.label.format != text:
                guide.move(epoch, text)
        for i, guide in enumerate(guides):
            height = HEIGHTS[i % len(HEIGHTS)]  # texts that stand side by side do not overlap
            if guide.item.label.orthoPos != height:
                guide.item.label.setPosition(height)
