"""The group that the selected layer belongs to: its name, how often it is repeated, and how to take it apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QHBoxLayout, QPushButton

from engine import block_edits
from engine.experiment import MOST_REPEATS, Block, Experiment
from engine.schema import FieldSpec, SchemaError
from lab.inspector.findings import sentence
from widgets.fields import Entry, NumberEditor
from widgets.layout import Section, label, titled

if TYPE_CHECKING:
    from lab.document import Document

__all__ = ["BlockSection"]

Edit = Callable[[Experiment, str], Experiment]
"""An edit of the group that a node belongs to."""

TIMES = FieldSpec(
    name="repeat",
    kind="int",
    label="Repeated",
    help="How often the group comes in a row; each time its layers have weights of their own.",
    default=2,
    minimum=1,
    maximum=MOST_REPEATS,
    integer=True,
    unit="times",
)


class BlockSection(Section):
    """Shown for layers of one group only."""

    def __init__(self, document: Document) -> None:
        super().__init__("Group")
        self._document = document
        self.block: Block | None = None
        self.name = Entry()
        self.name.setAccessibleName("Name of the group")
        self.name.setToolTip("Stands beside the number on the canvas; may be empty.")
        self.name.committed.connect(self._on_name)
        self.times = NumberEditor(TIMES)
        self.times.edited.connect(self._on_times)
        self.ungroup = QPushButton("Ungroup")
        self.ungroup.setToolTip("The layers stay, once (Ctrl+Shift+G)")
        self.ungroup.clicked.connect(self._on_ungroup)
        self.unroll = QPushButton("Write the copies out")
        self.unroll.setToolTip("Every copy becomes layers of its own on the canvas")
        self.unroll.clicked.connect(self._on_unroll)
        self.words = label("", "error", wrap=True)
        self.words.hide()
        grid = titled((("Name", self.name), (TIMES.label, self.times)))
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.ungroup)
        buttons.addWidget(self.unroll, 1)
        grid.addLayout(buttons, 2, 0, 1, 2)
        grid.addWidget(self.words, 3, 0, 1, 2)
        self.body.addLayout(grid)

    def show_nodes(self, nodes: tuple[str, ...]) -> None:
        """Show the group that all these nodes belong to, if there is one."""
        network = self._document.experiment.network
        found = {block_edits.block_of(network, node) for node in nodes}
        block = next(iter(found)) if len(found) == 1 else None
        self.setVisible(block is not None)
        if block is None:
            self.block = None
            return
        if self.block is None or self.block.nodes != block.nodes:
            self.words.hide()
        self.block = block
        count = len(block.nodes)
        self.figure.setText(f"{count} layer{'s' if count != 1 else ''}")
        self.name.keep(block.title)
        self.times.set_value(block.repeat)

    def _on_name(self, text: str) -> None:
        if self.block is not None:
            self._apply("Name the group", lambda value, node: block_edits.entitle(value, node, text))

    def _on_times(self, value: object, key: str) -> None:
        if self.block is not None and isinstance(value, int):
            merge = f"block:{self.block.nodes[0]}" if key else None
            self._apply(f"Repeat ×{value}", lambda before, node: block_edits.repeat(before, node, value), merge)

    def _on_ungroup(self) -> None:
        self._apply("Ungroup", block_edits.ungroup)

    def _on_unroll(self) -> None:
        self._apply("Write the copies out", block_edits.unroll)

    def _apply(self, text: str, edit: Edit, merge: str | None = None) -> None:
        if self.block is None:
            return
        before: Experiment = self._document.experiment
        try:
            after = edit(before, self.block.nodes[0])
        except SchemaError as error:
            self.words.setText(sentence(error.message))
            self.words.show()
            return
        self.words.hide()
        self._document.apply(text, after, merge)
