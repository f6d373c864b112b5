"""The inspector of the selected layer: its fields, what they come to, what is wrong, its weights while it trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace
from PySide6.QtCore import Qt
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QLabel, QToolButton, QWidget

from engine import edits, graph
from engine.experiment import Experiment, Node
from engine.layers.normalization import BatchNorm
from engine.schema import SchemaError, Unknown, fields_of, info_of
from lab.inspector.block import BlockSection
from lab.inspector.channels import ChannelsSection
from lab.inspector.facts import deviation_notes, layer_facts, parameter_facts
from lab.inspector.findings import Findings, sentence
from lab.inspector.group import GroupSection
from lab.inspector.live import differences, plain_text
from lab.inspector.node import NodeSection
from lab.inspector.normalization import NormalizationSection
from lab.inspector.weights import WeightsSection
from lab.pacer import Turn
from widgets import theme
from widgets.form import Form, Severity
from widgets.help import HelpPopover, component_html
from widgets.layout import Facts, Section, SidePanel, label

if TYPE_CHECKING:
    from lab.document import Document, Selection
    from lab.session import Session

__all__ = ["LayerInspector"]

PACE = 0.5
"""Seconds between two frames of the weights."""

NOTHING = (
    "Nothing is selected.\n\nClick a layer on the canvas to see and change it here. "
    "To add one, drag it from the palette, or type its name while the canvas has the focus."
)


class LayerInspector(SidePanel):
    """One selected node: everything about it. Several of one kind: their common fields, edited together. Several of
    different kinds, or none: what can be done."""

    def __init__(
        self, document: Document, selection: Selection, session: Session | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.document, self.selection = document, selection
        self.session: Session | None = None
        self.form: Form | None = None
        self._ids: tuple[str, ...] = ()
        self._popover: HelpPopover | None = None
        self._turn = Turn(self, self.refresh, self.isVisible, PACE)
        self.empty = label(NOTHING, "dim", wrap=True)
        self.empty.setContentsMargins(14, 14, 14, 14)
        self.add(self.empty)
        self._build_head()
        self.findings = Findings(document)
        self.fields.body.addWidget(self.findings)
        self.shapes = Section("Shapes")
        self.shape_facts = Facts()
        self.shapes.body.addWidget(self.shape_facts)
        self.parameters = Section("Parameters")
        self.parameter_facts = Facts()
        self.parameters.body.addWidget(self.parameter_facts)
        self.weights = WeightsSection()
        self.channels = ChannelsSection()
        self.normalization = NormalizationSection()
        self.group = GroupSection(document)
        self.block = BlockSection(document)
        self.node = NodeSection(document)
        self.node.renamed.connect(self._on_renamed)
        for section in (
            self.normalization,
            self.weights,
            self.channels,
            self.parameters,
            self.group,
            self.shapes,
            self.block,
            self.node,
        ):
            self.add(section)
        self._watching = (self.weights, self.normalization, self.channels)
        document.changed.connect(self._on_changed)
        document.reportChanged.connect(self._on_report)
        selection.changed.connect(self._on_selection)
        theme.signals.changed.connect(self._retheme)
        self._retheme()
        self.set_session(session)
        self._on_selection()

    def _build_head(self) -> None:
        self.fields = Section("", "", ruled=False)
        self.help = QToolButton()
        self.help.setToolTip("What this layer does (F1 on a field explains the field)")
        self.help.setAccessibleName("What this layer does")
        self.help.clicked.connect(self._on_help)
        self.fields.head.addWidget(self.help)
        self.summary = label("", "hint", wrap=True)
        self.fields.body.addWidget(self.summary)
        self.formula = QLabel()
        self.formula.setProperty("role", "mono")
        self.formula.setWordWrap(True)
        self.formula.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.fields.body.addWidget(self.formula)
        self.problem = label("", "error", wrap=True)
        self.problem.hide()
        self.fields.body.addWidget(self.problem)
        self.add(self.fields)

    def _retheme(self) -> None:
        self.help.setIcon(theme.icon("help", "text_dim"))

    def set_session(self, session: Session | None) -> None:
        """Show the weights of this session's run beside the layer, and what of it was edited since the run began."""
        if self.session is not None:
            self.session.frameChanged.disconnect(self._turn.ask)
            self.session.lookChanged.disconnect(self.refresh)
            self.session.stateChanged.disconnect(self._on_state)
            self.session.watch(self, frozenset())
        self.session = session
        if session is not None:
            session.frameChanged.connect(self._turn.ask)
            session.lookChanged.connect(self.refresh)
            session.stateChanged.connect(self._on_state)
        self._watch()

    # -- what is selected ----------------------------------------------------------------------------------------------

    def _nodes(self) -> tuple[Node, ...]:
        nodes = {node.id: node for node in self.document.experiment.network.nodes}
        return tuple(nodes[item] for item in self.selection.nodes if item in nodes)

    def _on_selection(self) -> None:
        self._ids = self.selection.nodes
        self.problem.hide()
        self._show()
        self.verticalScrollBar().setValue(0)
        self._watch()

    def _on_renamed(self, node_id: str) -> None:
        # The old id left the selection when its node vanished.
        self.selection.set((node_id,))

    def _on_changed(self, before: Experiment, after: Experiment) -> None:
        if before.network is not after.network or before.training is not after.training:
            self._show()

    def _on_report(self) -> None:
        self._show_report(self._nodes())
        self.refresh()

    def _on_state(self, _state: str) -> None:
        self._show_report(self._nodes())
        self.refresh()

    def _show(self) -> None:
        nodes = self._nodes()
        kinds = {type(node.component) for node in nodes}
        self.empty.setVisible(not nodes)
        self.fields.setVisible(bool(nodes))
        one = len(nodes) == 1
        same = len(kinds) == 1
        self.node.setVisible(one)
        if not nodes:
            for section in (self.shapes, self.parameters, self.group, self.block, *self._watching):
                section.hide()
            self._set_form(None)
            return
        self.block.show_nodes(tuple(node.id for node in nodes))
        last = nodes[-1]
        info = info_of(last.component)
        self.help.setVisible(same)
        if one:
            self.fields.title.setText(graph.title_of(last))
            self.fields.figure.setText(last.id)
            self.summary.setText("")
            self.fields.title.setToolTip(f"<p>{info.summary}</p>")
            self.node.show_node(last)
        elif same:
            self.fields.title.setText(f"{len(nodes)} layers: {info.label}")
            self.fields.figure.setText("")
            self.summary.setText("A change below goes to all of them. " + ", ".join(node.id for node in nodes))
        else:
            self.fields.title.setText(f"{len(nodes)} layers")
            self.fields.figure.setText("")
            self.summary.setText(
                "They are of different kinds: "
                + ", ".join(graph.title_of(node) for node in nodes)
                + ". Select layers of one kind to change them together."
            )
        self.summary.setVisible(bool(self.summary.text()))
        self.formula.setText(info.formula if same else "")
        self.formula.setVisible(same and bool(info.formula))
        self._set_form(last.component if same and not isinstance(last.component, Unknown) else None)
        self._show_report(nodes)
        self.refresh()

    def _set_form(self, component: Any) -> None:
        cls: type[Struct] | None = type(component) if component is not None else None
        if cls is not None and not fields_of(cls):
            cls = None
        if self.form is not None and self.form.cls is not cls:
            self.form.hide()
            self.form.deleteLater()
            self.form = None
        if cls is None:
            return
        if self.form is None:
            self.form = Form(cls)
            self.form.valueEdited.connect(self._on_edited)
            self.fields.body.insertWidget(self.fields.body.indexOf(self.findings), self.form)
        self.form.set_value(component)

    # -- what is known of it -------------------------------------------------------------------------------------------

    def _show_report(self, nodes: tuple[Node, ...]) -> None:
        report = self.document.report
        if not nodes:
            return
        findings = tuple(item for node in nodes for item in report.of(node.id))
        notes: dict[str, tuple[Severity, str]] = {}
        last = nodes[-1]
        node_report = report.nodes.get(last.id) if len(nodes) == 1 else None
        if len(nodes) == 1 and node_report is not None:
            notes |= deviation_notes(last.component, node_report)
        notes |= self._mixed(nodes) or self._edited(last)
        rows = self.form.rows if self.form is not None else {}
        for item in findings:
            if item.field in rows and item.severity != "info":
                notes[item.field] = (item.severity, item.message)
        self.findings.show_findings(tuple(f for f in findings if f.field not in rows or f.fix or f.severity == "info"))
        if self.form is not None:
            self.form.set_notes(notes)
        shapes = layer_facts(node_report) if node_report is not None else []
        self.shape_facts.set_facts(shapes)
        self.shapes.setVisible(bool(shapes))
        counted = node_report is not None and bool(node_report.parameters)
        self.parameters.setVisible(counted)
        reports = {node.id: report.nodes.get(node.id) for node in nodes}
        self.group.show_nodes({key: found.parameters if found is not None else () for key, found in reports.items()})
        if node_report is not None and counted:
            self.parameters.figure.setText(f"{node_report.parameter_count:,}")
            self.parameter_facts.set_facts(parameter_facts(node_report))

    def _mixed(self, nodes: tuple[Node, ...]) -> dict[str, tuple[Severity, str]]:
        """Remarks for the fields in which several selected nodes differ."""
        if len(nodes) < 2 or self.form is None:
            return {}
        notes: dict[str, tuple[Severity, str]] = {}
        for name in self.form.rows:
            values = [getattr(node.component, name) for node in nodes]
            if any(value != values[-1] for value in values):
                notes[name] = ("info", "they differ: " + ", ".join(plain_text(value) for value in values))
        return notes

    def _edited(self, node: Node) -> dict[str, tuple[Severity, str]]:
        """Remarks for the fields that the run which goes on has otherwise."""
        session = self.session
        if session is None or not session.active or session.experiment is None:
            return {}
        before = next((item for item in session.experiment.network.nodes if item.id == node.id), None)
        return differences(before.component, node.component) if before is not None else {}

    # -- editing -------------------------------------------------------------------------------------------------------

    def _on_edited(self, component: Any, key: str) -> None:
        nodes = self._nodes()
        if not nodes:
            return
        last = nodes[-1].component
        changed = [name for name in component.__struct_fields__ if getattr(component, name) is not getattr(last, name)]
        experiment = self.document.experiment
        try:
            for node in nodes:
                values = {name: getattr(component, name) for name in changed}
                if not isinstance(node.component, Unknown):
                    experiment = edits.replace_component(experiment, node.id, replace(node.component, **values))
        except SchemaError as error:
            self.problem.setText(sentence(error.message))
            self.problem.show()
            return
        self.problem.hide()
        cls: type[Struct] = type(component)
        specs = {spec.name: spec for spec in fields_of(cls)}
        what = ", ".join(specs[name].label.lower() for name in changed) or "fields"
        whose = graph.title_of(nodes[-1]) if len(nodes) == 1 else f"{len(nodes)} layers"
        merge = f"layer:{','.join(node.id for node in nodes)}:{key}" if key else None
        self.document.apply(f"Change {what} of {whose}", experiment, merge)

    def _on_help(self) -> None:
        nodes = self._nodes()
        if nodes:
            self._popover = self._popover or HelpPopover(self)
            self._popover.show_at(self.help, component_html(info_of(nodes[-1].component)))

    # -- weights while it trains ---------------------------------------------------------------------------------------

    def _watch(self) -> None:
        if self.session is not None:
            topics = {"weights", "activations"} if self._channels() else {"weights"}
            watching = self.isVisible() and len(self._ids) == 1
            self.session.watch(self, frozenset(topics) if watching else frozenset())

    def _channels(self) -> int:
        """How many channels the selected layer's images have; 0 where it yields no images."""
        report = self.document.report.nodes.get(self._ids[0]) if len(self._ids) == 1 else None
        shape = report.shape if report is not None and report.shape is not None else ()
        return shape[-1] if len(shape) == 3 else 0

    def refresh(self) -> None:
        """Show weights and channels as they were measured last."""
        frame = self.session.moment().frame if self.session is not None else None
        nodes = self._nodes()
        if len(nodes) == 1 and self.isVisible():
            report = self.document.report.nodes.get(nodes[0].id)
            self.weights.show_frame(frame, nodes[0].id, report.parameters if report is not None else ())
            self.channels.show_frame(frame, nodes[0].id, self._channels())
            self.normalization.show_frame(frame, nodes[0].id, isinstance(nodes[0].component, BatchNorm))
        elif len(nodes) != 1:
            for section in self._watching:
                section.hide()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._watch()
        self.refresh()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._turn.forget()
        self._watch()
