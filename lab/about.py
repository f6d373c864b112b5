"""The list of keys, and what this program is."""

from __future__ import annotations

import html
import platform
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, qVersion
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QScrollArea, QVBoxLayout, QWidget

from lab import __version__
from widgets import theme

if TYPE_CHECKING:
    from lab.window import Window

__all__ = ["about_dialog", "keys_dialog", "keys_html"]

CANVAS = (
    ("A letter", "Add a layer: type its name, Enter wires it after the selected one"),
    ("Arrows", "Select the next layer; with Shift, more; with Ctrl, move it"),
    ("Tab", "Walk through the layers"),
    ("Space and drag", "Move the view; the wheel zooms"),
    ("Escape", "Deselect"),
)


def _native(key: str) -> str:
    return QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText) or key


def keys_html(window: Window) -> str:
    """Every key, menu by menu, as rich text."""
    from lab.actions import MENUS, SUBMENUS

    look = theme.current()
    rows: list[str] = []

    def heading(text: str) -> None:
        rows.append(f'<tr><td colspan="2" style="padding-top:12px"><b>{html.escape(text)}</b></td></tr>')

    def row(key: str, text: str) -> None:
        rows.append(
            f'<tr><td style="padding-right:18px; color:{look.text_dim}">{html.escape(key)}</td>'
            f"<td>{html.escape(text)}</td></tr>"
        )

    for title, names in MENUS:
        inside = [name for item in names for name in (SUBMENUS[item[1:]][1] if item.startswith(">") else (item,))]
        specs = [window.actions_by_id[name].spec for name in inside if name != "-"]
        keyed = [spec for spec in specs if spec.keys or spec.shown]
        if keyed:
            heading(title.replace("&", ""))
        for spec in keyed:
            row(", ".join(_native(key) for key in (spec.keys or (spec.shown,))), spec.text.rstrip("…"))
    heading("Canvas")
    for key, text in CANVAS:
        row(key, text)
    return f"<table cellspacing=3>{''.join(rows)}</table>"


def _dialog(parent: QWidget, title: str, words: str, size: tuple[int, int]) -> QDialog:
    dialog = QDialog(parent)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setWindowTitle(title)
    dialog.resize(*size)
    label = QLabel(words)
    label.setTextFormat(Qt.TextFormat.RichText)
    label.setWordWrap(True)
    label.setAlignment(Qt.AlignmentFlag.AlignTop)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
    area = QScrollArea()
    area.setWidget(label)
    area.setWidgetResizable(True)
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    buttons.rejected.connect(dialog.close)
    column = QVBoxLayout(dialog)
    column.setContentsMargins(18, 12, 18, 14)
    column.addWidget(area, 1)
    column.addWidget(buttons)
    return dialog


def keys_dialog(window: Window) -> QDialog:
    """The keys, in a window of their own."""
    return _dialog(window, "Keyboard", keys_html(window), (520, 640))


def about_dialog(window: Window) -> QDialog:
    """Version and licences."""
    look = theme.current()
    text = (
        f"<h3>Descent Lab {__version__}</h3>"
        "<p>A laboratory to build neural networks, train them, and see inside them while they train.</p>"
        f'<p style="color:{look.text_dim}">Python {platform.python_version()}, Qt {qVersion()}. '
        "The fonts Inter and JetBrains Mono come under the SIL Open Font License. The licences of the data sets are "
        "shown with them, in the tab “Data”.</p>"
    )
    return _dialog(window, "About Descent Lab", text, (440, 260))
