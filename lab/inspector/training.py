"""How the network is trained: the form of the TrainingSpec, and what an edit means for a run that goes on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from PySide6.QtWidgets import QWidget

from engine.experiment import Experiment, TrainingSpec
from engine.results import LOSS
from engine.schema import SchemaError, fields_of, info_of, validate
from lab.inspector.findings import Findings, sentence
from lab.inspector.live import LiveLink, differences
from lab.inspector.scaling import BatchScaling
from widgets.fields import TextEditor
from widgets.form import Form, Severity
from widgets.layout import Section, SidePanel, label

if TYPE_CHECKING:
    from lab.document import Document
    from lab.session import Session

__all__ = ["TrainingInspector"]

SECTIONS = (
    ("", ("optimizer", "clipping", "averaging", "groups")),
    ("Learning rate", ("schedule", "warmup")),
    ("Epochs and batches", ("epochs", "batch_size", "shuffle", "drop_last", "accumulate", "precision")),
    ("", ("penalties", "metrics", "stopping")),
)
"""The fields of the training in the order in which they are thought of."""
SEED_ONLY = frozenset({"data", "network", "training", "name", "notes"})
GOES_ON = (
    "A run goes on. Rates, penalties, clipping and the freezing of groups change it at once; everything else counts "
    "from the next run and is marked below."
)


class TrainingInspector(SidePanel):
    """Edits `experiment.training` and the seed. While a run goes on, live fields change it, and fields that differ from
    what it trains with say so."""

    def __init__(self, document: Document, session: Session | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.document = document
        self.session: Session | None = None
        self._link: LiveLink | None = None
        section = Section("Training", ruled=False)
        # In the head, whose height is the same with and without it: no field may move while a run begins or ends.
        self.banner = section.figure
        self.problem = label("", "error", wrap=True)
        self.problem.hide()
        self.form = Form(TrainingSpec, sections=SECTIONS)
        self.form.valueEdited.connect(self._on_edited)
        self.scaling = BatchScaling(document)
        self.form.insert_below("batch_size", self.scaling)
        section.body.addWidget(self.form)
        section.body.addWidget(self.problem)
        self.findings = Findings(document)
        section.body.addWidget(self.findings)
        self.add(section)
        chance = Section("Randomness")
        self.seed_form = Form(Experiment, hidden=SEED_ONLY)
        self.seed_form.valueEdited.connect(self._on_seed)
        chance.body.addWidget(self.seed_form)
        self.add(chance)
        document.changed.connect(self._on_changed)
        document.reportChanged.connect(self._show_notes)
        self.set_session(session)
        self._show(document.experiment)

    def set_session(self, session: Session | None) -> None:
        """Let edits of live fields change the run of this session."""
        if self.session is not None:
            self.session.stateChanged.disconnect(self._on_session)
            self.session.eventArrived.disconnect(self._on_session)
        if self._link is not None:
            self._link.deleteLater()
            self._link = None
        self.session = session
        if session is not None:
            session.stateChanged.connect(self._on_session)
            session.eventArrived.connect(self._on_session)
            self._link = LiveLink(self.document, session, self)
        self._show_notes()

    def _on_session(self, _what: object) -> None:
        self._show_notes()

    def _on_changed(self, before: Experiment, after: Experiment) -> None:
        if before.training is not after.training or before.seed != after.seed:
            self._show(after)

    def _show(self, experiment: Experiment) -> None:
        self.form.set_value(experiment.training)
        self.seed_form.set_value(experiment)
        self._offer_metrics()
        self._show_notes()

    def _offer_metrics(self) -> None:
        """Let fields that name what is watched offer what there is."""
        taken = (info_of(metric).tag for metric in self.document.experiment.training.metrics)
        offered = (LOSS, *taken)
        for editor in self.form.findChildren(TextEditor):
            if editor.spec.name == "metric":
                editor.entry.suggest(offered)

    def _show_notes(self) -> None:
        notes: dict[str, tuple[Severity, str]] = {}
        session = self.session
        run = session.experiment if session is not None and session.active else None
        self.banner.setText("a run goes on" if run is not None else "")
        self.banner.setToolTip(f"<p>{GOES_ON}</p>" if run is not None else "")
        experiment = self.document.experiment
        if run is not None:
            notes |= differences(run.training, experiment.training)
        rest = []
        for item in self.document.report.diagnostics:
            name = re.sub(r"\[(\d+)\]", r".\1", item.field.removeprefix("training."))
            if item.node or not item.field.startswith("training."):
                continue
            if name.split(".")[0] in self.form.rows and item.severity != "info":
                notes[name] = (item.severity, item.message)
            if item.fix is not None or item.severity == "info":
                rest.append(item)
        self.form.set_notes(notes)
        self.findings.show_findings(tuple(rest))
        other_seed = run is not None and run.seed != experiment.seed
        seed_note: dict[str, tuple[Severity, str]] = {}
        if run is not None and other_seed:
            seed_note["seed"] = ("info", f"edited since run: it trains with {run.seed}")
        self.seed_form.set_notes(seed_note)

    def _on_edited(self, training: Any, key: str) -> None:
        before = self.document.experiment.training
        labels = {spec.name: spec.label for spec in fields_of(TrainingSpec)}
        changed = [labels[name] for name in labels if getattr(before, name) is not getattr(training, name)]
        try:
            validate(training, "training")
        except SchemaError as error:
            self.problem.setText(sentence(error.message))
            self.problem.show()
            return
        self.problem.hide()
        what = ", ".join(text[:1].lower() + text[1:] for text in changed) or "training"
        experiment = replace(self.document.experiment, training=training)
        self.document.apply(f"Change {what}", experiment, f"training:{key}" if key else None)

    def _on_seed(self, experiment: Any, key: str) -> None:
        after = replace(self.document.experiment, seed=experiment.seed)
        self.document.apply("Change seed", after, "seed" if key else None)
