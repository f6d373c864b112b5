"""What a node has beside its component: its title on the canvas, its id, and whether it is bypassed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal

from engine import edits
from engine.experiment import Experiment, Node
from engine.schema import SchemaError
from lab.inspector.findings import sentence
from widgets import theme
from widgets.fields import Entry
from widgets.layout import Section, label, titled
from widgets.switch import Switch

if TYPE_CHECKING:
    from lab.document import Document

__all__ = ["NodeSection"]


class NodeSection(Section):
    """The section of the layer inspector that edits a node's own keys. `renamed` carries the new id."""

    renamed = Signal(str)

    def __init__(self, document: Document) -> None:
        super().__init__("On the canvas")
        self._document = document
        self._node: Node | None = None
        self.name = Entry()
        self.name.setAccessibleName("Title")
        self.name.setToolTip("The text that the node shows; empty for its usual one.")
        self.name.committed.connect(self._on_title)
        self.id = Entry()
        self.id.setFont(theme.mono_font())
        self.id.setAccessibleName("Id")
        self.id.setToolTip(
            "The node's name in files and exports. Random numbers are keyed by it: another id draws other weights."
        )
        self.id.committed.connect(self._on_id)
        self.bypass = Switch()
        self.bypass.setAccessibleName("Bypass")
        self.bypass.setToolTip("Take the node out of the network without deleting it.")
        self.bypass.clicked.connect(self._on_bypass)
        self.words = label("", "error", wrap=True)
        self.words.hide()
        grid = titled((("Title", self.name), ("Id", self.id), ("Bypass", self.bypass)))
        grid.addWidget(self.words, 3, 1)
        self.body.addLayout(grid)

    def show_node(self, node: Node) -> None:
        """Show a node."""
        if self._node is None or node.id != self._node.id:
            self.words.hide()
        self._node = node
        self.name.keep(node.title)
        self.id.keep(node.id)
        self.bypass.setChecked(node.bypass)

    def _on_title(self, text: str) -> None:
        if self._node is not None:
            self._apply(f"Change the title of {self._node.id}", edits.set_title, self._node.id, text)

    def _on_id(self, text: str) -> None:
        if self._node is not None:
            new = text.strip()
            if self._apply(f"Rename {self._node.id}", edits.rename, self._node.id, new):
                self.renamed.emit(new)

    def _on_bypass(self, on: bool) -> None:
        if self._node is not None:
            verb = "Bypass" if on else "Put back"
            self._apply(f"{verb} {self._node.id}", edits.bypass, [self._node.id], on)

    def _apply(self, text: str, edit: object, *arguments: object) -> bool:
        experiment: Experiment = self._document.experiment
        try:
            after = edit(experiment, *arguments)  # type: ignore[operator]
        except SchemaError as error:
            self.words.setText(sentence(error.message))
            self.words.show()
            return False
        self.words.hide()
        self._document.apply(text, after)
        return True
