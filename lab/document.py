"""The experiment being built, its undo history and its file; and which nodes are selected.

Views never change an experiment: they make a new value with `engine.edits` and hand it to `Document.apply`. An undo
step is the whole state before and after, a label and a merge key, so that nothing can be half undone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec import Struct, structs
from PySide6.QtCore import QObject, QTimer, Signal, Slot

from engine import files, graph
from engine.data.signature import DataSignature
from engine.diagnostics import Diagnostic, Report
from engine.experiment import Experiment, NetworkSpec
from lab.signatures import DataPeek, DataReader, SignatureLoader

__all__ = ["Document", "Selection"]

UNDO_LIMIT = 500
MERGE_SECONDS = 2.0

AutosaveHook = Callable[[Experiment, Path | None], None]


class Step(Struct, frozen=True):
    """One entry of the undo history."""

    before: Experiment
    after: Experiment
    label: str
    merge_key: str | None


class Document(QObject):
    """What is being built: the current experiment, its check, its data's signature, its history and its file.

    `peek` and `read` find a data set's signature: at once, or by loading (on a worker thread). Tests put their own.
    """

    changed = Signal(object, object)
    """The experiment before and after. `report` is up to date already when it is emitted."""
    reportChanged = Signal()
    signatureChanged = Signal()
    pathChanged = Signal()
    dirtyChanged = Signal()
    historyChanged = Signal()
    """What can be undone or redone, or its label, is different."""

    _loaded = Signal(int, object, str)

    def __init__(
        self,
        experiment: Experiment,
        path: Path | None = None,
        parent: QObject | None = None,
        *,
        peek: DataPeek | None = None,
        read: DataReader | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(parent)
        self._experiment = experiment
        self._saved = experiment
        self._path = Path(path) if path is not None else None
        self._steps: list[Step] = []
        self._position = 0
        self._was_dirty = False
        self._clock = clock
        self._last_apply = -1e9
        self._sealed = True
        self._data = SignatureLoader(self._loaded.emit, peek, read)
        self._signature: DataSignature | None = None
        self._signature_error = ""
        self._autosave: AutosaveHook | None = None
        self._autosave_timer = QTimer(self, singleShot=True)
        self._autosave_timer.timeout.connect(self.flush_autosave)
        self._loaded.connect(self._on_loaded)
        self._request_signature()
        self._report = self._check()

    # -- what there is -------------------------------------------------------------------------------------------------

    @property
    def experiment(self) -> Experiment:
        return self._experiment

    @property
    def report(self) -> Report:
        """What `engine.graph.check_experiment` finds in the current experiment, and why its data cannot be read."""
        return self._report

    @property
    def signature(self) -> DataSignature | None:
        """Shapes and classes of the data, or None while they are being read or cannot be read."""
        return self._signature

    @property
    def signature_error(self) -> str:
        """Why the data could not be read, in words, or an empty string."""
        return self._signature_error

    @property
    def loading(self) -> bool:
        """Whether the data are being read on the worker thread."""
        return self._data.busy

    @property
    def path(self) -> Path | None:
        return self._path

    @property
    def dirty(self) -> bool:
        """Whether the experiment differs from what was last opened or saved."""
        return self._experiment is not self._saved and self._experiment != self._saved

    @property
    def undo_label(self) -> str:
        """The label of the step that `undo` would take back, or an empty string."""
        return self._steps[self._position - 1].label if self._position else ""

    @property
    def redo_label(self) -> str:
        return self._steps[self._position].label if self._position < len(self._steps) else ""

    # -- edits and their history ---------------------------------------------------------------------------------------

    def apply(self, label: str, experiment: Experiment, merge_key: str | None = None) -> None:
        """Make `experiment` the current one, as an undo step called `label`.

        Successive steps with the same `merge_key` become one (a drag, a spinning wheel) until `seal` is called, two
        seconds pass, or something else is done in between.
        """
        before = self._experiment
        if experiment is before or experiment == before:
            return
        now = self._clock()
        last = self._steps[self._position - 1] if self._position else None
        merges = (
            merge_key is not None
            and not self._sealed
            and last is not None
            and last.merge_key == merge_key
            and self._position == len(self._steps)
            and now - self._last_apply <= MERGE_SECONDS
        )
        del self._steps[self._position :]
        if merges:
            assert last is not None
            self._steps.pop()
            if last.before != experiment:
                self._steps.append(Step(last.before, experiment, label, merge_key))
        else:
            self._steps.append(Step(before, experiment, label, merge_key))
            del self._steps[:-UNDO_LIMIT]
        self._position = len(self._steps)
        self._sealed = merge_key is None
        self._last_apply = now
        self._become(experiment)

    def seal(self) -> None:
        """End a merge: the next step stands alone even when its merge key is the same."""
        self._sealed = True

    def undo(self) -> None:
        """Take back the last step, if there is one."""
        if self._position:
            self._position -= 1
            self._sealed = True
            self._become(self._steps[self._position].before)

    def redo(self) -> None:
        """Do again what was taken back last, if there is something."""
        if self._position < len(self._steps):
            self._position += 1
            self._sealed = True
            self._become(self._steps[self._position - 1].after)

    def _become(self, after: Experiment) -> None:
        before, self._experiment = self._experiment, after
        new_data = before.data is not after.data and before.data != after.data
        if new_data:
            self._request_signature()
        checked = (
            new_data
            or not _same_network(before.network, after.network)
            or (before.training is not after.training and before.training != after.training)
        )
        if checked:
            self._report = self._check()
        self.changed.emit(before, after)
        if new_data:
            self.signatureChanged.emit()
        if checked:
            self.reportChanged.emit()
        self._announce_dirty()
        self.historyChanged.emit()
        if self._autosave is not None and not self._autosave_timer.isActive():
            self._autosave_timer.start()

    def _announce_dirty(self) -> None:
        if self.dirty != self._was_dirty:
            self._was_dirty = self.dirty
            self.dirtyChanged.emit()

    # -- files ---------------------------------------------------------------------------------------------------------

    def replace(self, experiment: Experiment, path: Path | None = None, *, saved: bool = True) -> None:
        """Put another experiment in place of this one and forget the history. With `saved` off it counts as unsaved
        work (a recovered copy)."""
        self._steps.clear()
        self._position = 0
        self._saved = experiment if saved else self._saved
        self._become(experiment)
        self._set_path(path)

    def open(self, path: Path | str) -> None:
        """Open an experiment file. Raises what `engine.files.load` raises; then nothing has changed."""
        path = Path(path)
        self.replace(files.load(path), path)

    def save(self) -> None:
        """Save to `path`. Raises ValueError without one, and what `engine.files.save` raises."""
        if self._path is None:
            raise ValueError("This experiment has no file yet. Choose “Save as”.")
        self.save_as(self._path)

    def save_as(self, path: Path | str) -> None:
        """Save to a file, which becomes this document's."""
        path = Path(path)
        files.save(self._experiment, path)
        self._saved = self._experiment
        self._set_path(path)
        self._announce_dirty()

    def _set_path(self, path: Path | None) -> None:
        if path != self._path:
            self._path = path
            self.pathChanged.emit()

    def set_autosave(self, hook: AutosaveHook | None, interval_ms: int = 5000) -> None:
        """Call `hook(experiment, path)` at most every `interval_ms` while the experiment changes; None ends it."""
        self._autosave = hook
        self._autosave_timer.stop()
        self._autosave_timer.setInterval(interval_ms)

    def flush_autosave(self) -> None:
        """Call the autosave hook now."""
        self._autosave_timer.stop()
        if self._autosave is not None:
            self._autosave(self._experiment, self._path)

    # -- the data's signature ------------------------------------------------------------------------------------------

    def reload_data(self) -> None:
        """Read the data's signature again, as after a file has changed on the disk."""
        self._request_signature()
        self._signature_arrived()

    def _request_signature(self) -> None:
        self._signature, self._signature_error = self._data.request(self._experiment.data)

    @Slot(int, object, str)
    def _on_loaded(self, generation: int, signature: DataSignature | None, error: str) -> None:
        if generation == self._data.generation:
            self._signature, self._signature_error = signature, error
            self._signature_arrived()

    def _check(self) -> Report:
        report = graph.check_experiment(self._experiment, self._signature)
        known = any(item.field == "data" and item.severity == "error" for item in report.diagnostics)
        if not self._signature_error or known:
            return report
        words = f"The data cannot be read: {self._signature_error.rstrip('.')}."
        finding = Diagnostic(node="", field="data", severity="error", message=words)
        return structs.replace(report, diagnostics=(finding, *report.diagnostics))

    def _signature_arrived(self) -> None:
        self._report = self._check()
        self.signatureChanged.emit()
        self.reportChanged.emit()

    def close(self) -> None:
        """Stop the timer and wait for the worker thread. The document must not be used afterwards."""
        self._autosave_timer.stop()
        self._data.close()


class Selection(QObject):
    """The ids of the selected nodes, in the order of selection. Nodes that vanish from `document` leave it."""

    changed = Signal()

    def __init__(self, document: Document | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._nodes: tuple[str, ...] = ()
        if document is not None:
            document.changed.connect(self._prune)

    @property
    def nodes(self) -> tuple[str, ...]:
        return self._nodes

    @property
    def current(self) -> str | None:
        """The node selected last, or None."""
        return self._nodes[-1] if self._nodes else None

    def set(self, nodes: Iterable[str]) -> None:
        """Select exactly these nodes."""
        nodes = tuple(dict.fromkeys(nodes))
        if nodes != self._nodes:
            self._nodes = nodes
            self.changed.emit()

    def toggle(self, node: str) -> None:
        """Select a node in addition, or take it out."""
        rest = tuple(item for item in self._nodes if item != node)
        self.set(rest if node in self._nodes else (*rest, node))

    def _prune(self, _before: Experiment, after: Experiment) -> None:
        ids = {node.id for node in after.network.nodes}
        self.set(node for node in self._nodes if node in ids)


def _same_network(a: NetworkSpec, b: NetworkSpec) -> bool:
    """Whether two networks differ at most in where their nodes lie."""
    if a is b:
        return True
    if len(a.nodes) != len(b.nodes):
        return False
    return all(
        x is y
        or (
            (x.id, x.title, x.inputs, x.bypass) == (y.id, y.title, y.inputs, y.bypass)
            and (x.component is y.component or x.component == y.component)
        )
        for x, y in zip(a.nodes, b.nodes, strict=True)
    )
