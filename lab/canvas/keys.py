"""The keyboard on the canvas: every key and what it does, in one table; menus and tooltips read it too."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent, QKeySequence

if TYPE_CHECKING:
    from lab.canvas.view import CanvasView

__all__ = ["KEYS", "TYPED_THROUGH", "Key", "key_for", "opens_quick_add"]


class Key(Struct, frozen=True):
    """A key, what it does in words, and the method of the view that does it."""

    sequence: str
    label: str
    run: Callable[[CanvasView], None]


KEYS: tuple[Key, ...] = (
    Key("Del", "Delete", lambda view: view.delete()),
    Key("Backspace", "Delete", lambda view: view.delete()),
    Key("Ctrl+C", "Copy", lambda view: view.copy()),
    Key("Ctrl+X", "Cut", lambda view: view.cut()),
    Key("Ctrl+V", "Paste", lambda view: view.paste()),
    Key("Ctrl+D", "Duplicate", lambda view: view.duplicate()),
    Key("Ctrl+A", "Select all", lambda view: view.commands.select_all()),
    Key("B", "Bypass", lambda view: view.bypass()),
    Key("L", "Arrange", lambda view: view.lay_out()),
    Key("Home", "Fit to view", lambda view: view.home()),
    Key("F8", "Next problem", lambda view: view.next_problem()),
    Key("Return", "Inspect", lambda view: view.inspect()),
    Key("Enter", "Inspect", lambda view: view.inspect()),
    Key("F2", "Inspect", lambda view: view.inspect()),
    Key("Escape", "Deselect", lambda view: view.escape()),
    Key("Left", "Layer to the left", lambda view: view.walk(-1, 0)),
    Key("Right", "Layer to the right", lambda view: view.walk(1, 0)),
    Key("Up", "Layer above", lambda view: view.walk(0, -1)),
    Key("Down", "Layer below", lambda view: view.walk(0, 1)),
    Key("Shift+Left", "Extend to the left", lambda view: view.walk(-1, 0, extend=True)),
    Key("Shift+Right", "Extend to the right", lambda view: view.walk(1, 0, extend=True)),
    Key("Shift+Up", "Extend upwards", lambda view: view.walk(0, -1, extend=True)),
    Key("Shift+Down", "Extend downwards", lambda view: view.walk(0, 1, extend=True)),
    Key("Ctrl+Left", "Move left", lambda view: view.nudge(-1, 0)),
    Key("Ctrl+Right", "Move right", lambda view: view.nudge(1, 0)),
    Key("Ctrl+Up", "Move up", lambda view: view.nudge(0, -1)),
    Key("Ctrl+Down", "Move down", lambda view: view.nudge(0, 1)),
    Key("Ctrl++", "Zoom in", lambda view: view.zoom_by(1.25)),
    Key("Ctrl+=", "Zoom in", lambda view: view.zoom_by(1.25)),
    Key("Ctrl+-", "Zoom out", lambda view: view.zoom_by(0.8)),
    Key("Ctrl+0", "Actual size", lambda view: view.zoom_to(1.0)),
)

TYPED_THROUGH = frozenset({"B", "L"})
"""Keys that are commands and also begin names (BatchNorm, Leaky ReLU): when another letter follows at once, the command
is taken back and both letters go to quick-add."""

_BY_SEQUENCE = {QKeySequence(key.sequence).toString(): key for key in KEYS}


def key_for(event: QKeyEvent) -> Key | None:
    """The table's entry for a key event."""
    modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
    sequence = QKeySequence(modifiers.value | event.key()).toString()
    return _BY_SEQUENCE.get(sequence)


def opens_quick_add(event: QKeyEvent) -> bool:
    """Whether the key types a character that a layer's name can begin with."""
    text = event.text()
    plain = not event.modifiers() & (
        Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.MetaModifier
    )
    return bool(plain and len(text) == 1 and text.isprintable() and not text.isspace())
