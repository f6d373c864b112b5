"""Where the data come from, how they are divided and preprocessed, what came of it, what the network will be fed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec.structs import replace
from PySide6.QtCore import Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QWidget

from engine.data.signature import DataSignature
from engine.data.sources.base import DataSource
from engine.experiment import DataSpec, Experiment
from engine.schema import SchemaError, fields_of, info_of, validate
from lab.inspector.findings import sentence
from lab.loader import Loader
from widgets import theme
from widgets.fields import Combo, TextEditor
from widgets.form import Form, Severity
from widgets.layout import Facts, Section, SidePanel, label
from widgets.samples import Samples
from widgets.switch import Switch
from widgets.text import shape, shortened

if TYPE_CHECKING:
    from engine.data import Dataset, PartName, Preview
    from lab.document import Document

__all__ = ["DataInspector", "signature_facts"]

PARTS: tuple[tuple[PartName, str], ...] = (("train", "training"), ("validation", "validation"), ("test", "test"))
POINTS = 400
IMAGES = 25


def signature_facts(signature: DataSignature) -> list[tuple[str, str]]:
    """What the network learns of the data, as names and values."""
    facts = [
        ("Training", f"{signature.train_size:,} samples"),
        ("Validation", f"{signature.validation_size:,} samples"),
        ("Test", f"{signature.test_size:,} samples"),
    ]
    for name, sizes in signature.inputs.items():
        before = signature.source_shape(name)
        text = shape(sizes) if before == tuple(sizes) else f"{shape(sizes)}, from {shape(before)}"
        facts.append((f"Input “{shortened(name)}”", text))
    for name, target in signature.targets.items():
        name = shortened(name)
        if target.classes:
            listed = [shortened(item, 40) for item in target.class_names[:12]]
            names = ", ".join(listed) + (", …" if len(target.class_names) > 12 else "")
            facts.append(
                (f"Target “{name}”", f"{target.classes} classes: {names}" if names else f"{target.classes} classes")
            )
        else:
            one = target.shape in ((), (1,))
            facts.append((f"Target “{name}”", "a number" if one else f"{shape(target.shape)} numbers"))
    return facts


def note_place(field: str) -> str:
    """Where the form shows what is wrong with a field of the DataSpec: at a step's own field
    ("preprocessing[1].high" stands at "preprocessing.1.high"), or below the list where the step as a whole is meant."""
    place = re.sub(r"\[(\d+)\]", r".\1", field)
    return re.sub(r"\.\d+$", "", place)


class DataInspector(SidePanel):
    """Edits `experiment.data`. Files are read and samples drawn on a worker thread, only while the panel is seen."""

    previewed = Signal()
    """A preview, or the reason why there is none, has just been shown."""

    def __init__(self, document: Document, parent: QWidget | None = None, *, load: Any = None) -> None:
        super().__init__(parent)
        self.document = document
        self._load = load or _load
        self._seed = 0
        self._stale = True
        self._preview: Preview | None = None
        self._dataset: Dataset | None = None
        self._loader = Loader("data-preview", self)
        self._loader.loaded.connect(self._on_loaded)
        self._loader.failed.connect(self._on_failed)
        self._columns = Loader("data-columns", self)
        self._columns.loaded.connect(self._on_columns)
        self._error, self._error_field = "", ""
        form = Section("Data", ruled=False)
        self.form = Form(DataSpec)
        self.form.valueEdited.connect(self._on_edited)
        self.problem = label("", "error", wrap=True)
        self.problem.hide()
        form.body.addWidget(self.form)
        form.body.addWidget(self.problem)
        self.add(form)
        self.summary = Section("What the network gets")
        self.status = label("", "hint", wrap=True)
        self.facts = Facts()
        self.summary.body.addWidget(self.status)
        self.summary.body.addWidget(self.facts)
        self.remarks = label("", "hint", wrap=True)
        self.remarks.hide()
        self.summary.body.addWidget(self.remarks)
        self.add(self.summary)
        self._build_preview()
        document.changed.connect(self._on_changed)
        document.signatureChanged.connect(self._on_signature)
        theme.signals.changed.connect(self._retheme)
        self._retheme()
        self.form.set_value(document.experiment.data)
        self._show_signature()

    def _build_preview(self) -> None:
        section = Section("Samples")
        row = QHBoxLayout()
        row.setSpacing(8)
        self.part = Combo()
        self.part.setAccessibleName("Part")
        for _, text in PARTS:
            self.part.addItem(text)
        self.part.activated.connect(self._on_choice)
        self.fed = Switch()
        self.fed.setChecked(True)
        self.fed.setAccessibleName("As the network is fed")
        self.fed.setToolTip("On: after preprocessing, as the network is fed. Off: as in the source.")
        self.fed.clicked.connect(self._on_fed)
        self.again = QToolButton()
        self.again.setToolTip("Draw other samples")
        self.again.setAccessibleName("Draw other samples")
        self.again.clicked.connect(self._on_again)
        row.addWidget(self.part, 1)
        row.addWidget(self.again)
        section.body.addLayout(row)
        second = QHBoxLayout()
        second.addWidget(label("Preprocessed", "dim"))
        second.addWidget(self.fed)
        second.addStretch(1)
        section.body.addLayout(second)
        self.preview_status = label("", "hint", wrap=True)
        self.samples = Samples()
        section.body.addWidget(self.preview_status)
        section.body.addWidget(self.samples)
        self.add(section)

    def _retheme(self) -> None:
        self.again.setIcon(theme.icon("refresh", "text_dim"))

    # -- the form ------------------------------------------------------------------------------------------------------

    def _on_changed(self, before: Experiment, after: Experiment) -> None:
        if before.data is not after.data:
            self.form.set_value(after.data)
            self._error, self._error_field = "", ""
            self._mark_stale()

    def _on_edited(self, data: Any, key: str) -> None:
        before = self.document.experiment.data
        labels = {spec.name: spec.label.lower() for spec in fields_of(DataSpec)}
        changed = [labels[name] for name in labels if getattr(before, name) is not getattr(data, name)]
        try:
            validate(data, "data")
        except SchemaError as error:
            self.problem.setText(sentence(error.message))
            self.problem.show()
            return
        self.problem.hide()
        what = " and ".join(changed) or "data"
        after = replace(self.document.experiment, data=data)
        self.document.apply(f"Change data: {what}", after, f"data:{key}" if key else None)

    # -- what came of it -----------------------------------------------------------------------------------------------

    def _on_signature(self) -> None:
        self._show_signature()
        self._mark_stale()

    def _show_signature(self) -> None:
        # What the shapes do not tell beforehand, reading the samples does.
        signature, error = self.document.signature, self.document.signature_error or self._error
        notes: dict[str, tuple[Severity, str]] = {}
        if error and self._error_field:
            notes[note_place(self._error_field)] = ("error", error)
        self.form.set_notes(notes)
        if error:
            self._status("error", sentence(error))
        elif signature is None:
            self._status("hint", "Reading the data…")
        else:
            self._status("hint", "")
        self.facts.set_facts(signature_facts(signature) if signature is not None else [])

    def _status(self, role: str, text: str) -> None:
        from widgets.layout import set_role

        set_role(self.status, role)
        self.status.setText(text)
        self.status.setVisible(bool(text))

    # -- samples -------------------------------------------------------------------------------------------------------

    def _mark_stale(self) -> None:
        self._stale = True
        if self.isVisible():
            self._request()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._stale:
            self._request()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        if self._loader.busy:
            self._loader.cancel()
            self._stale = True

    def _on_choice(self, _index: int) -> None:
        self._request()

    def _on_again(self) -> None:
        self._seed += 1
        self._request()

    def _on_fed(self, _on: bool) -> None:
        self._show_preview()

    def _request(self) -> None:
        self._stale = False
        spec, part, seed, load = (
            self.document.experiment.data,
            PARTS[self.part.currentIndex()][0],
            self._seed,
            self._load,
        )
        self.preview_status.setText("Reading the data…")
        self.preview_status.show()

        def job() -> tuple[Any, Any]:
            dataset = load(spec)
            flat = all(len(sizes) == 1 and sizes[0] <= 2 for sizes in dataset.signature.inputs.values())
            return dataset, dataset.preview(part, POINTS if flat else IMAGES, seed)

        self._loader.submit(job)
        source = spec.source
        if isinstance(source, DataSource):
            self._columns.submit(source.columns_found)

    def _on_loaded(self, result: Any) -> None:
        self._dataset, self._preview = result
        self._error, self._error_field = "", ""
        info = self._dataset.info
        remarks = [sentence(note) for note in info.notes]
        counts = info.class_counts.get("train", ())
        if counts and max(counts) > 5 * max(1, min(counts)):
            remarks.append(f"The training part has classes of {min(counts):,} to {max(counts):,} samples.")
        about = info_of(self.document.experiment.data.source)
        if info.licence:
            remarks.append(f"{about.label}: {info.licence}")
        self.remarks.setText("\n".join(remarks))
        self.remarks.setVisible(bool(remarks))
        self._show_signature()
        self._show_preview()
        self.previewed.emit()

    def _on_columns(self, names: tuple[str, ...]) -> None:
        """Say which column an empty target field means, and offer those that there are."""
        below = getattr(self.form.rows["source"].editor, "below", None)
        row = below.form.rows.get("target") if below is not None and below.form is not None else None
        if row is not None and isinstance(row.editor, TextEditor):
            row.editor.entry.setPlaceholderText(f"the last: {names[-1]}" if names else "")
            row.editor.entry.suggest(names)

    def _on_failed(self, error: Exception) -> None:
        self._preview = None
        self._dataset = None
        self._error_field = getattr(error, "field", "")
        self._error = getattr(error, "message", "") or str(error) or type(error).__name__
        words = sentence(self._error)
        self._show_signature()
        self.remarks.hide()
        self.preview_status.setText(f"No samples to show. {words}")
        self.preview_status.show()
        self.samples.set_samples(np.zeros((0, 1)))
        self.previewed.emit()

    def _show_preview(self) -> None:
        preview = self._preview
        if preview is None or self._dataset is None:
            return
        arrays = preview.fed if self.fed.isChecked() else preview.raw
        name = next(iter(arrays))
        values = arrays[name]
        if not len(values):
            text = f"The {dict(PARTS)[preview.part]} part has no samples: give it a share in “Split”."
            self.preview_status.setText(text)
            self.preview_status.show()
            self.samples.set_samples(np.zeros((0, 1)))
            return
        classes = targets = None
        for key, signature in self._dataset.signature.targets.items():
            if signature.classes:
                classes = preview.targets[key]
            elif preview.targets[key].shape[1:] in ((), (1,)):
                targets = preview.targets[key].reshape(-1)
            break
        fed = self.fed.isChecked()
        names = self._dataset.signature.input_names if fed else self._dataset.raw.input_names
        self.samples.set_samples(values, preview.labels, classes=classes, targets=targets, names=names)
        present = values[~np.isnan(values)] if values.dtype.kind == "f" else values
        span = f"values {float(present.min()):.3g} to {float(present.max()):.3g}" if present.size else "no values"
        if present.size < values.size:
            span += f", {values.size - present.size:,} missing"
        self.preview_status.setText(f"{len(values)} of {self._dataset.part(preview.part).size:,}, {span}")
        self.preview_status.show()

    def close_loader(self) -> None:
        """Wait for the worker thread; for the end of the program."""
        self._loader.close()
        self._columns.close()


def _load(spec: DataSpec) -> Dataset:
    from engine.data import load

    return load(spec)
