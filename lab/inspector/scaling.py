"""The learning rate for another batch size: two rules, and what each would do, before it is done."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from engine.edits import set_path
from engine.experiment import Experiment, TrainingSpec
from engine.schema import SchemaError, Unknown, fields_of
from widgets import theme
from widgets.layout import label
from widgets.number import NumberField
from widgets.text import full

if TYPE_CHECKING:
    from lab.document import Document

__all__ = ["RULES", "BatchScaling", "scaled_rate"]

RULES = {
    "linear": (
        "Linear",
        "<p>The rate grows in proportion to the batch (Goyal et al. 2017): with plain gradient descent the same "
        "samples then move the weights about as far. It holds up to some batch size, beyond which the rate is too high "
        "for any batch; warm-up helps there.</p>",
    ),
    "square_root": (
        "Square root",
        "<p>The rate grows with the square root of the batch, which keeps the noise of the steps the same (Krizhevsky "
        "2014), and is what suits Adam and its kin (Malladi et al. 2022).</p>",
    ),
}
"""Name and help of each rule."""


def scaled_rate(rule: str, rate: float, batch: int, reference: int) -> float:
    """The learning rate that a rule gives to batches of `batch`, where `rate` is right for batches of `reference`; four
    digits of it."""
    ratio = batch / reference
    return float(f"{rate * (ratio if rule == 'linear' else math.sqrt(ratio)):.4g}")


class BatchScaling(QWidget):
    """Stands beneath the batch size. The reference is the batch that the present rate was set for; it can be typed."""

    def __init__(self, document: Document, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._document = document
        self._chosen_for: dict[float, int] = {}
        """The batch size at which each learning rate was first seen: undo finds its reference again."""
        self._typed: int | None = None
        self.fold = QPushButton("Scale the rate with the batch")
        self.fold.setProperty("kind", "fold")
        self.fold.setCheckable(True)
        self.fold.setToolTip("Set the learning rate for this batch size by a rule")
        self.fold.toggled.connect(self._on_fold)
        self.body = QWidget(self)
        self.body.hide()
        spec = next(spec for spec in fields_of(TrainingSpec) if spec.name == "batch_size")
        self.reference = NumberField(spec)
        self.reference.setAccessibleName("Reference batch size")
        self.reference.setToolTip("The batch size that the present learning rate is right for")
        self.reference.edited.connect(self._on_reference)
        self.buttons = {rule: QPushButton() for rule in RULES}
        line = QHBoxLayout()
        line.setSpacing(6)
        line.addWidget(label("The rate is right for batches of", "dim"))
        line.addWidget(self.reference, 1)
        row = QHBoxLayout()
        row.setSpacing(6)
        for rule, button in self.buttons.items():
            button.setToolTip(RULES[rule][1])
            button.setObjectName(rule)
            button.clicked.connect(self._on_pressed)
            row.addWidget(button, 1)
        self.words = label("", "hint", wrap=True)
        column = QVBoxLayout(self.body)
        column.setContentsMargins(12, 2, 0, 4)
        column.setSpacing(5)
        column.addLayout(line)
        column.addLayout(row)
        column.addWidget(self.words)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.fold)
        layout.addWidget(self.body)
        theme.signals.changed.connect(self._retheme)
        self._retheme()
        document.changed.connect(self._on_changed)
        document.pathChanged.connect(self._forget)
        self.refresh()

    # -- what there is -------------------------------------------------------------------------------------------------

    @property
    def _training(self) -> Any:
        return self._document.experiment.training

    @property
    def _rate(self) -> float | None:
        optimizer = self._training.optimizer
        return None if isinstance(optimizer, Unknown) else float(optimizer.learning_rate)

    def reference_batch(self) -> int:
        """The batch size that the present rate was set for."""
        if self._typed is not None:
            return self._typed
        return self._chosen_for.get(self._rate or 0.0, self._training.batch_size)

    def _forget(self) -> None:
        self._chosen_for.clear()
        self._typed = None
        self.refresh()

    def _on_changed(self, before: Experiment, after: Experiment) -> None:
        if before.data is not after.data and before.training is not after.training:
            self._forget()  # another experiment
        elif before.training is not after.training:
            if before.training.optimizer != after.training.optimizer:
                self._typed = None
            self.refresh()

    def refresh(self) -> None:
        """Say what each rule would do."""
        rate, batch = self._rate, self._training.batch_size
        self.setEnabled(rate is not None)
        if rate is None:
            return
        self._chosen_for.setdefault(rate, batch)
        reference = self.reference_batch()
        self.reference.set_value(reference)
        for rule, button in self.buttons.items():
            after = scaled_rate(rule, rate, batch, reference)
            button.setText(f"{RULES[rule][0]}: {full(after)}")
            button.setAccessibleName(f"{RULES[rule][0]}: learning rate {full(rate)} to {full(after)}")
            button.setEnabled(after != rate and 0 < after <= 1e6)
        if batch == reference:
            self.words.setText(f"Batches of {batch} at rate {full(rate)}: change the batch size first.")
        else:
            self.words.setText(
                f"Batch {reference} → {batch} ({batch / reference:.4g} times); the rate is {full(rate)} now."
            )
        if batch != reference and not self.fold.isChecked():
            self.fold.setChecked(True)

    # -- what is done --------------------------------------------------------------------------------------------------

    def _on_fold(self, on: bool) -> None:
        self.body.setVisible(on)
        self._retheme()

    def _on_reference(self, value: int, _merging: bool) -> None:
        self._typed = int(value)
        self.refresh()

    def _on_pressed(self) -> None:
        rule, rate = self.sender().objectName(), self._rate
        if rate is None:
            return
        batch = self._training.batch_size
        after = scaled_rate(rule, rate, batch, self.reference_batch())
        try:
            experiment = set_path(self._document.experiment, "training.optimizer.learning_rate", after)
        except SchemaError as error:  # beyond what the field allows
            self.words.setText(str(error.message))
            return
        self._typed = None
        self._chosen_for[after] = batch
        self._document.apply(f"Scale the learning rate to batches of {batch}", experiment)

    def _retheme(self) -> None:
        name = "chevron-down" if self.fold.isChecked() else "chevron-right"
        self.fold.setIcon(theme.icon(name, "text_dim"))
