"""The canvas's context menu, for a node, a wire or empty ground."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QApplication, QMenu

from engine.block_edits import block_of
from lab.canvas.scene import Hit

if TYPE_CHECKING:
    from lab.canvas.view import CanvasView

__all__ = ["build_menu"]

REPEATS = (1, 2, 3, 4, 5, 6, 8, 10, 12)
"""What the menu offers; the inspector takes any number."""


def build_menu(view: CanvasView, hit: Hit, point: QPointF) -> QMenu:
    """The menu for what lies at a point of the scene."""
    menu = QMenu(view)

    def entry(text: str, run: Callable[[], object], keys: str = "", enabled: bool = True) -> None:
        action = menu.addAction(text)
        action.triggered.connect(lambda: run())
        action.setEnabled(enabled)
        if keys:
            action.setShortcut(QKeySequence(keys))
            action.setShortcutVisibleInContextMenu(True)

    if hit.node:
        for finding in view.document.report.of(hit.node):
            if finding.fix is not None:
                fix = finding.fix
                entry(f"Fix: {fix.label}", partial(view.apply_fix, fix))
        if not menu.isEmpty():
            menu.addSeparator()
        bypassed = view.commands.network.node(hit.node).bypass
        entry("Inspect", view.inspect, "Return")
        entry("Add a layer after…", lambda: view.ask(view.beside(hit.node)))
        entry("Use again" if bypassed else "Bypass", view.bypass, "B")
        menu.addSeparator()
        if block_of(view.commands.network, hit.node) is not None:
            menu.addMenu(_repeats(view, menu))
            entry("Write the copies out", lambda: view.attempt(view.commands.unroll))
            entry("Ungroup", lambda: view.attempt(view.commands.ungroup), "Ctrl+Shift+G")
        else:
            entry("Group and repeat", lambda: view.attempt(view.commands.group), "Ctrl+G")
        menu.addSeparator()
        entry("Cut", view.cut, "Ctrl+X")
        entry("Copy", view.copy, "Ctrl+C")
        entry("Duplicate", view.duplicate, "Ctrl+D")
        entry("Delete", view.delete, "Del")
    elif hit.wire is not None:
        wire = hit.wire
        entry("Insert a layer…", lambda: view.ask(point, wire=wire))
        entry("Remove wire", lambda: view.commands.disconnect(*wire), "Del")
    else:
        has_text = bool(QApplication.clipboard().text())
        entry("Add a layer…", lambda: view.ask(point, place=True))
        entry("Paste", lambda: view.paste(point), "Ctrl+V", has_text)
        menu.addSeparator()
        some = bool(view.commands.network.nodes)
        entry("Select all", view.commands.select_all, "Ctrl+A", some)
        entry("Arrange", view.lay_out, "L", some)
        entry("Fit to view", view.home, "Home", some)
    return menu


def _repeats(view: CanvasView, parent: QMenu) -> QMenu:
    """How often the group of the selected layers is repeated."""
    menu = QMenu("Repeat", parent)
    block = view.commands.block
    for times in REPEATS:
        action = menu.addAction(f"×{times}")
        action.setCheckable(True)
        action.setChecked(block is not None and block.repeat == times)
        action.triggered.connect(partial(view.attempt, view.commands.repeat, times))
    return menu
