"""Where the update of a layer's parameters differs from all others: its parameter group, and a quick way to one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from PySide6.QtWidgets import QPushButton, QWidget

from engine.groups import ParameterGroup, group_of, own_group, treatment
from engine.schema import SchemaError, validate
from lab.inspector.findings import sentence
from widgets.flow import FlowLayout
from widgets.form import Form
from widgets.layout import Facts, Section, label

if TYPE_CHECKING:
    from engine.layers.base import ParameterSpec
    from lab.document import Document

__all__ = ["GroupSection"]

QUICK: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("Own rate", "A learning rate of its own, as a factor of the others'", {"rate": 0.1}),
    ("Freeze", "Leave the parameters as they are", {"frozen": True}),
    ("Own penalties", "Penalties of its own; at first there are none", {"own_penalties": True}),
)
"""Buttons: text, tooltip, and what the new group is."""


class GroupSection(Section):
    """Says which parameter groups the selected layers are in. A group of just these layers is edited here; without one,
    buttons make it. It comes first then, so that it wins."""

    def __init__(self, document: Document) -> None:
        super().__init__("Parameter group")
        self._document = document
        self._nodes: tuple[str, ...] = ()
        self._index: int | None = None
        self.facts = Facts()
        self.form = Form(ParameterGroup, hidden=frozenset({"nodes"}))
        self.form.valueEdited.connect(self._on_edited)
        self.problem = label("", "error", wrap=True)
        self.problem.hide()
        self.row = QWidget()
        flow = FlowLayout(self.row)
        self.buttons: dict[str, QPushButton] = {}
        for text, tip, values in QUICK:
            button = QPushButton(text)
            button.setToolTip(tip)
            button.clicked.connect(lambda _on=False, text=text, values=values: self._make(text, values))
            flow.addWidget(button)
            self.buttons[text] = button
        self.remove = QPushButton("Remove the group")
        self.remove.setToolTip("Update the parameters as all others again")
        self.remove.clicked.connect(self._on_remove)
        flow.addWidget(self.remove)
        for widget in (self.facts, self.form, self.problem, self.row):
            self.body.addWidget(widget)

    def show_nodes(self, parameters: dict[str, tuple[ParameterSpec, ...]]) -> None:
        """Show how the parameters of some nodes, by id, are updated; nothing where they have none."""
        nodes = tuple(node for node, specs in parameters.items() if specs)
        self.setVisible(bool(nodes))
        if nodes != self._nodes:
            self.problem.hide()
        self._nodes = nodes
        if not nodes:
            return
        groups = self._groups()
        self._index = own_group(groups, nodes)
        own = groups[self._index] if self._index is not None else None
        numbers = {
            (spec.name if len(nodes) == 1 else f"{node} {spec.name}"): group_of(groups, node, spec.decay)
            for node in nodes
            for spec in parameters[node]
        }
        found = set(numbers.values())
        named = [str(number + 1) for number in sorted(found) if number >= 0]
        self.figure.setText(f"group{'' if len(named) == 1 else 's'} {', '.join(named)}" if named else "none")
        plain = not named or (own is not None and found == {self._index})
        self.facts.set_facts([] if plain else [(name, _words(groups, number)) for name, number in numbers.items()])
        self.form.setVisible(own is not None)
        if own is not None:
            self.form.set_value(own)
            self.form.rows["penalties"].setVisible(own.own_penalties)
        self.remove.setVisible(own is not None)
        for button in self.buttons.values():
            button.setVisible(own is None)

    @property
    def _whose(self) -> str:
        return self._nodes[0] if len(self._nodes) == 1 else f"{len(self._nodes)} layers"

    def _groups(self) -> tuple[ParameterGroup, ...]:
        return self._document.experiment.training.groups

    def _make(self, text: str, values: dict[str, Any]) -> None:
        self._apply(f"{text}: {self._whose}", (ParameterGroup(nodes=self._nodes, **values), *self._groups()))

    def _on_edited(self, group: Any, key: str) -> None:
        index, groups = self._index, self._groups()
        if index is None:
            return
        try:
            validate(group, "group")
        except SchemaError as error:
            self.problem.setText(sentence(error.message))
            self.problem.show()
            return
        self.problem.hide()
        merge = f"group:{','.join(self._nodes)}:{key}" if key else ""
        self._apply(f"Change the group of {self._whose}", (*groups[:index], group, *groups[index + 1 :]), merge)

    def _on_remove(self) -> None:
        index, groups = self._index, self._groups()
        if index is not None:
            self._apply(f"Remove the group of {self._whose}", (*groups[:index], *groups[index + 1 :]))

    def _apply(self, text: str, groups: tuple[ParameterGroup, ...], merge: str = "") -> None:
        experiment = self._document.experiment
        training = replace(experiment.training, groups=groups)
        self._document.apply(text, replace(experiment, training=training), merge or None)


def _words(groups: tuple[ParameterGroup, ...], number: int) -> str:
    return f"group {number + 1}: {treatment(groups[number])}" if number >= 0 else "as all others"
