"""The batch preview: training samples as the network gets them, after augmentation, before any run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from engine.data.augmentation.preview import BatchPreview, preview_batch
from lab.loader import Loader
from lab.panels.base import Panel, Rows
from lab.panels.batch_chart import BatchChart
from widgets import theme
from widgets.layout import label

if TYPE_CHECKING:
    from engine.experiment import Experiment
    from lab.document import Document

__all__ = ["BatchPanel"]


class BatchPanel(Panel):
    """A batch of the experiment that is being built, drawn anew when its data, seed or batch size change. Batches are
    made on a worker thread, only while the panel is seen."""

    name: ClassVar[str] = "batch"
    title: ClassVar[str] = "Batch preview"
    tab: ClassVar[str] = "Batch"
    behind: ClassVar[str] = "gradients"
    closed: ClassVar[bool] = True
    listens: ClassVar[tuple[str, ...]] = ()
    empty: ClassVar[str] = (
        "Shows the samples of a batch as the network gets them, after augmentation, with their targets.\n"
        "It appears as soon as the data have been read; Train then begins with the first of these batches."
    )

    def build(self) -> None:
        self.step = 0
        self._asked: tuple[Any, ...] | None = None
        self._problem = ""
        self._loader = Loader("batch-preview", self)
        self._loader.loaded.connect(self.take)
        self._loader.failed.connect(self._on_failed)
        self.chart = BatchChart()
        self.next = QPushButton("Draw again")
        self.next.setProperty("kind", "fold")
        self.next.setToolTip("Show the batch of the next step")
        self.next.clicked.connect(self._on_next)
        self.hint = label("", "hint")
        bar = QHBoxLayout()
        bar.setContentsMargins(8, 0, 12, 0)
        bar.setSpacing(8)
        bar.addWidget(self.next)
        bar.addStretch(1)
        bar.addWidget(self.hint)
        view = QWidget()
        column = QVBoxLayout(view)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(bar)
        column.addWidget(self.chart, 1)
        self.stack.addWidget(view)
        self.pairs = self.toggle("pairs", "Each sample beside what it was", True)

    def restyle(self) -> None:
        self.next.setIcon(theme.icon("refresh", "text_dim"))

    # -- what is shown -------------------------------------------------------------------------------------------------

    def set_document(self, document: Document | None) -> None:
        super().set_document(document)
        if document is not None:
            document.changed.connect(self._on_changed)
            document.signatureChanged.connect(self._ask)
        self._ask()

    def _on_changed(self, _before: Experiment, _after: Experiment) -> None:
        self._ask()

    def _on_next(self) -> None:
        self.step += 1
        self._ask()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._ask()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        if self._loader.busy:
            self._loader.cancel()
            self._asked = None

    def _ask(self) -> None:
        """Have the batch made that is to be shown, unless it is."""
        if self.document is None or not self.isVisible():
            return
        experiment = self.document.experiment
        training = experiment.training
        wanted = (
            experiment.data, experiment.seed, training.batch_size, training.shuffle, training.drop_last, self.step,
            self.document.signature,
        )  # fmt: skip
        if wanted == self._asked:
            return
        self._asked = wanted
        self._loader.submit(_job(experiment, self.step))

    @property
    def busy(self) -> bool:
        return self._loader.busy

    def take(self, preview: BatchPreview) -> None:
        """Show a batch that has been made."""
        self._problem = ""
        self.chart.set_preview(preview)
        self.hasten()

    def _on_failed(self, error: Exception) -> None:
        self._problem = getattr(error, "message", "") or str(error) or type(error).__name__
        self.chart.set_preview(None)
        self.hasten()

    # -- drawing -------------------------------------------------------------------------------------------------------

    def has_data(self) -> bool:
        return self.chart.preview is not None

    def empty_text(self) -> str:
        if not self._problem:
            return self.empty
        words = self._problem[0].upper() + self._problem[1:].rstrip(".")
        return f"{self.empty.splitlines()[0]}\nThere is none: {words}."

    def draw(self) -> None:
        self.chart.pairs = self.pairs.isChecked()
        preview = self.chart.preview
        assert preview is not None
        steps = () if self.document is None else self.document.experiment.data.augmentation
        active = any(getattr(item, "probability", 0) > 0 for item in steps)
        self.hint.setText(self.chart.words() if active or self.document is None else "no augmentation")
        self.chart.update()

    def caption(self) -> str:
        preview = self.chart.preview
        if preview is None:
            return ""
        epoch, place = divmod(preview.step, preview.steps_per_epoch)
        return (
            f"epoch {epoch + 1} · batch {place + 1:,} of {preview.steps_per_epoch:,} · {len(preview.after):,} samples"
        )

    def table(self) -> Rows:
        preview = self.chart.preview
        assert preview is not None
        flat = [array.reshape(len(array), -1) for array in (preview.before, preview.after)]
        names = ("sample", "state", "target", *(f"x{column}" for column in range(flat[0].shape[1])))
        rows = [
            (int(preview.indices[index]), state, preview.labels[index], *map(float, values[index]))
            for index in range(len(preview.labels))
            for state, values in zip(("before", "after"), flat, strict=True)
        ]
        return names, rows

    def stop(self) -> None:
        super().stop()
        self._loader.close()


def _job(experiment: Experiment, step: int) -> Callable[[], BatchPreview]:
    def job() -> BatchPreview:
        from engine.data import load

        return preview_batch(experiment, load(experiment.data), step)

    return job
