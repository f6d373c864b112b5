"""The canvas's context menu, for a node, a wire or empty ground."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QApplication, QMenu

from lab.canvas.scene import Hit

if TYPE_CHECKING:
    from lab.canvas.view import CanvasView

__all__ = ["build_menu"]


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
