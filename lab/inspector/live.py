"""What edits mean for a run that goes on: live fields follow the document at once, others differ until the next run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct
from PySide6.QtCore import QObject

from engine.experiment import Experiment
from engine.groups import ParameterGroup, words
from engine.schema import Component, fields_of, info_of
from engine.training.live import live_changes
from widgets.form import Severity
from widgets.text import full

if TYPE_CHECKING:
    from lab.document import Document
    from lab.session import Session

__all__ = ["LiveLink", "differences", "plain_text"]


def plain_text(value: Any) -> str:
    """A field's value as a person would say it."""
    match value:
        case bool():
            return "on" if value else "off"
        case int():
            return str(value)
        case float():
            return full(value)
        case Component():
            return info_of(value).label
        case ParameterGroup():
            return words(value)
        case tuple():
            return ", ".join(plain_text(item) for item in value) or "none"
    return f"“{value}”" if isinstance(value, str) and not value else str(value)


def differences(run: Struct, now: Struct, prefix: str = "") -> dict[str, tuple[Severity, str]]:
    """Remarks for the fields in which `now` differs from what the run trains with, by path inside the struct."""
    if type(run) is not type(now) or run == now:
        return {}
    notes: dict[str, tuple[Severity, str]] = {}
    for spec in fields_of(type(now)):
        before, after = getattr(run, spec.name), getattr(now, spec.name)
        path = f"{prefix}{spec.name}"
        if before == after:
            continue
        if isinstance(after, Struct) and type(before) is type(after):
            notes |= differences(before, after, f"{path}.")
        else:
            notes[path] = ("info", f"edited since run: it trains with {plain_text(before)}")
    return notes


class LiveLink(QObject):
    """Passes changes of live fields from the document to the run that goes on; undo and redo count as well.

    A change that replaces the data too is another experiment being opened, and none of the run's business.
    """

    def __init__(self, document: Document, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        document.changed.connect(self._on_changed)

    def _on_changed(self, before: Experiment, after: Experiment) -> None:
        session = self._session
        if session.experiment is None or session.state not in ("starting", "running", "paused"):
            return
        if before.data is not after.data:
            return
        for path, value in live_changes(before, after, session.experiment):
            session.set_live(path, value)
