"""What a window takes out of runs and puts into them: exports, and weights from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QStandardPaths
from PySide6.QtWidgets import QFileDialog, QWidget

from lab.exporting import ExportDialog
from lab.filing import file_name
from lab.flow import Flow
from lab.jobs import Jobs
from lab.notices import Notices
from lab.panelarea import PanelArea
from lab.panels import Panel
from lab.stored import StoredRun

__all__ = ["Taking"]


def documents() -> Path:
    """The user's folder of documents, or the home folder where there is none."""
    found = Path(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation) or Path.home())
    return found if found.is_dir() else Path.home()


class Taking(QObject):
    """Opens the export dialog; loads weights for the runs to come."""

    def __init__(self, flow: Flow, jobs: Jobs, notices: Notices, area: PanelArea, window: QWidget) -> None:
        super().__init__(window)
        self._flow, self._jobs, self._notices, self._area, self._window = flow, jobs, notices, area, window
        area.refused.connect(self._refuse)
        self.dialog: ExportDialog | None = None
        """The export dialog that was opened last."""

    def export(self) -> None:
        """Open the export dialog for the run that is shown."""
        session = self._flow.session
        if session.run_id is not None and session.experiment is not None:
            self._open(session.run_id, session.experiment.name, self._area.panels)

    def export_stored(self, run: StoredRun) -> None:
        """Open it for a run of the list."""
        if run.run == self._flow.session.run_id:
            self.export()
        else:
            self._open(run.run, run.label, ())

    def _open(self, run_id: str, name: str, panels: tuple[Panel, ...]) -> None:
        self.close()
        path = self._flow.document.path
        folder = (path.parent if path is not None else documents()) / f"{file_name(name)}-export"
        store = self._flow.session.store
        self.dialog = ExportDialog(store, run_id, name, panels, self._jobs, folder, self._window)
        self.dialog.open()

    def ask_weights(self) -> None:
        """Choose a file of weights."""
        path, _ = QFileDialog.getOpenFileName(
            self._window, "Load weights", "", "Weights (*.safetensors *.npz);;All files (*)"
        )
        if path:
            self.load_weights(Path(path))

    def load_weights(self, path: Path) -> None:
        """Let new runs start from the weights of a file, if they fit the network."""
        network, report = self._flow.document.experiment.network, self._flow.document.report

        def work() -> dict[str, Any]:
            from engine.export.weights import load_weights, match

            arrays = load_weights(path)
            match(arrays, network, report)
            return arrays

        self._jobs.run(work, lambda arrays: self._on_weights(arrays, path.name), self._refuse)

    def use_best(self, run_id: str) -> None:
        """Let new runs start from the best state of a stored run, if its weights fit the network."""
        network, report = self._flow.document.experiment.network, self._flow.document.report
        store = self._flow.session.store
        if store is None:
            return

        def work() -> tuple[dict[str, Any], str]:
            from engine.export.weights import match, weights_of
            from engine.training.result import TrainingError

            reader = store.open(run_id)
            checkpoint = reader.best_checkpoint() or reader.last_checkpoint()
            if checkpoint is None:
                raise TrainingError("This run has no checkpoint yet, so there are no weights to start from.")
            arrays = weights_of(checkpoint[0])
            match(arrays, network, report)
            return arrays, f"{reader.summary.name}, step {checkpoint[1]['step']:,}"

        self._jobs.run(work, lambda found: self._on_weights(*found), self._refuse)

    def _refuse(self, text: str) -> None:
        self._notices.show_notice(text, "warning")

    def _on_weights(self, arrays: dict[str, Any], name: str) -> None:
        self._flow.set_weights(arrays, name)
        self._notices.show_notice(
            f"New runs start from the weights of “{name}”.",
            "info",
            [("Draw them instead", self._draw_weights)],
            key="weights",
        )

    def _draw_weights(self) -> None:
        self._flow.set_weights(None)

    def close(self) -> None:
        if self.dialog is not None:
            self.dialog.close()
            self.dialog.deleteLater()
            self.dialog = None
