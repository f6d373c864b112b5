"""The runs that are kept: a list to open, continue, lay over the present one, export and delete from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QEvent, QItemSelectionModel, QObject, QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from engine.differences import Change, LiveChange, summary
from lab.jobs import Jobs
from lab.run_listing import Listing, ListReader, delete_runs
from lab.run_row import LOOK, SUMMARY, RowLook, RunDelegate, run_heading, status_words
from lab.session import Session
from lab.stored import StoredRun, stored_history
from widgets import theme
from widgets.text import number, shortened

if TYPE_CHECKING:
    from engine.training.store import RunSummary

__all__ = ["RunsTab"]

SOON_MS = 1000
REASONS = 3
"""So many different reasons why runs could not be deleted are told."""


class RunsTab(QWidget):
    """`opened(run, go_on)` carries a stored run whose experiment and curves are to be shown, and whether it is to be
    continued; `exportRequested` a stored run to export; `replayRequested` what it takes to make a run anew;
    `weightsRequested` the id of a run whose best weights new runs are to start from; `listed` follows every reading of
    the list."""

    opened = Signal(object, bool)
    exportRequested = Signal(object)
    replayRequested = Signal(object)
    weightsRequested = Signal(str)
    listed = Signal()
    said = Signal(str)

    def __init__(self, session: Session, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session, self._jobs = session, jobs
        self.summaries: list[RunSummary] = []
        self.changes: dict[str, tuple[Change, ...]] = {}
        """What each run has otherwise than the one before it of the same name."""
        self.live: dict[str, tuple[LiveChange, ...]] = {}
        """What was changed during each run."""
        self._reader = ListReader()
        self.setAccessibleName("Runs")
        self._filling = False
        self._positions: dict[str, int] = {}
        self.list = QListWidget(self)
        self.list.setItemDelegate(RunDelegate(self.list))
        self.list.setMouseTracking(True)
        self.list.setAccessibleName("List of runs")
        self.list.installEventFilter(self)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.list.customContextMenuRequested.connect(self._on_menu)
        self.list.itemActivated.connect(self._on_activated)
        self.list.itemChanged.connect(self._on_item_changed)
        self.list.itemSelectionChanged.connect(self._sync)
        self.hint = QLabel("Every run is kept here: to look at again, to compare, to continue.\n\nPress Train.", self)
        self.hint.setWordWrap(True)
        self.hint.setProperty("role", "dim")
        self.hint.setContentsMargins(14, 14, 14, 14)
        self.note = QLabel("Tick runs to lay their curves over this one’s.", self)
        self.note.setWordWrap(True)
        self.note.setProperty("role", "hint")
        self.note.setContentsMargins(12, 8, 12, 2)
        self.open_button = self._button("Open", "Show this run’s curves and its experiment", self._on_open)
        self.resume_button = self._button("Continue", "Go on from the run’s last checkpoint", self._on_resume)
        self.delete_button = self._button("Delete", "Remove the selected runs for good", self._on_delete)
        row = QHBoxLayout()
        row.setContentsMargins(10, 6, 10, 10)
        row.setSpacing(6)
        for button in (self.open_button, self.resume_button):
            row.addWidget(button, 1)
        self.delete_button.setText("")
        self.delete_button.setAccessibleName("Delete")
        row.addWidget(self.delete_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.hint, 0, Qt.AlignmentFlag.AlignTop)
        column.addWidget(self.note)
        column.addWidget(self.list, 1)
        column.addLayout(row)
        self._menu: QMenu | None = None
        delete = QAction("Delete", self.list)
        delete.setShortcut("Del")
        delete.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        delete.triggered.connect(self._on_delete)
        self.list.addAction(delete)
        self._soon = QTimer(self, singleShot=True, interval=SOON_MS)
        self._soon.timeout.connect(self.refresh)
        session.stateChanged.connect(self.refresh)
        session.epochEnded.connect(self._on_epoch)
        session.runChanged.connect(self._sync)
        session.overlaysChanged.connect(self._sync)
        theme.signals.changed.connect(self._restyle)
        self._restyle()
        self._show_list([])

    def _button(self, text: str, tip: str, method: Callable[[], None]) -> QPushButton:
        button = QPushButton(text, self)
        button.setToolTip(tip)
        button.clicked.connect(method)
        return button

    # -- the list ------------------------------------------------------------------------------------------------------

    def refresh(self, *_: object) -> None:
        """Read the list anew, off the window's thread."""
        self._soon.stop()
        if self.session.store is not None:
            store = self.session.store
            self._jobs.run(lambda: self._reader.read(store), self._show_read, self.said.emit, key="runs")

    def _on_epoch(self, *_: object) -> None:
        """The run that goes on has come further: the list says so within a second."""
        if self.isVisible() and not self._soon.isActive():
            self._soon.start()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.refresh()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._soon.stop()

    def _show_read(self, listing: Listing) -> None:
        _, self.changes, self.live = listing
        self._show_list(listing.runs)

    def _show_looks(self) -> None:
        filling, self._filling = self._filling, True
        for row, run in enumerate(self.summaries):
            item = self.list.item(row)
            changes: list[Change | LiveChange] = [*self.live.get(run.id, ()), *self.changes.get(run.id, ())]
            look = RowLook(self._position(run), summary(changes), self.session.series_of(run.id))
            if item is not None and item.data(LOOK) != look:
                item.setData(LOOK, look)
        self._filling = filling

    def _show_list(self, summaries: list[RunSummary]) -> None:
        chosen = {run.id for run in self.selected()}
        current = self.list.currentItem()
        current_id = current.data(SUMMARY).id if current is not None else ""
        self.summaries = summaries
        counts: dict[str, int] = {}
        for run in reversed(summaries):
            counts[run.name] = counts.get(run.name, 0) + 1
            self._positions[run.id] = counts[run.name]
        self._filling = True
        # Rows are kept where they can be, so that the list does not jump while a run goes on.
        while self.list.count() > len(summaries):
            self.list.takeItem(self.list.count() - 1)
        for row, run in enumerate(summaries):
            item = self.list.item(row)
            if item is None:
                item = QListWidgetItem()
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                self.list.addItem(item)
            item.setData(SUMMARY, run)
            item.setText(shortened(run.name))
            spoken = f"{shortened(run.name)} {run_heading(run, self._position(run))}, {status_words(run.status)[0]}"
            item.setData(Qt.ItemDataRole.AccessibleTextRole, spoken)
            item.setToolTip(self._tip(run))
            ticked = Qt.CheckState.Checked if run.id in self.session.overlays else Qt.CheckState.Unchecked
            if item.checkState() != ticked or item.data(Qt.ItemDataRole.CheckStateRole) is None:
                item.setCheckState(ticked)
            item.setSelected(run.id in chosen)
            if run.id == current_id and self.list.currentRow() != row:
                self.list.setCurrentItem(item)
                item.setSelected(run.id in chosen)
        self._show_looks()
        self._filling = False
        self.hint.setVisible(not summaries)
        self.list.setVisible(bool(summaries))
        self.note.setVisible(bool(summaries))
        self._sync()
        self.listed.emit()

    def _tip(self, run: RunSummary) -> str:
        lines = [f"{shortened(run.name)} {run_heading(run, self._position(run))}"]
        lines.append(f"Run {run.id}, {status_words(run.status)[0]}")
        epochs = f"{run.epochs:,} epoch{'' if run.epochs == 1 else 's'}"
        lines.append(f"{epochs}, {run.steps:,} steps, {run.seconds:,.1f} s on {run.device}")
        lines += [f"{tag.replace('_', ' ')} {number(value, 4)}" for tag, value in run.metrics.items()]
        if run.best_validation_loss is not None:
            lines.append(f"best validation loss {number(run.best_validation_loss, 4)}")
        changes = self.changes.get(run.id)
        if changes is not None:
            lines.append("")
            lines.append("Since the run before it:" if changes else "The same experiment as the run before it.")
            lines += [f"  {change.words}" for change in changes[:12]]
            lines += [f"  and {len(changes) - 12} more"] if len(changes) > 12 else []
        live = self.live.get(run.id, ())
        if live:
            lines += ["", "Changed while it ran:", *(f"  {change.words}" for change in live[:12])]
            lines += [f"  and {len(live) - 12} more"] if len(live) > 12 else []
        return "\n".join(lines)

    def number_of(self, run_id: str) -> tuple[int, str] | None:
        """Which run of its experiment's name a run is, counted from 1 by time, and that name."""
        run = next((item for item in self.summaries if item.id == run_id), None)
        if run is None:
            return None
        return self._position(run), shortened(run.name)

    def _position(self, run: RunSummary) -> int:
        return self._positions.get(run.id, 0)

    def selected(self) -> list[RunSummary]:
        return [item.data(SUMMARY) for item in self.list.selectedItems()]

    def select(self, run_id: str) -> None:
        """Make one run the selected one."""
        for row in range(self.list.count()):
            item = self.list.item(row)
            item.setSelected(item.data(SUMMARY).id == run_id)
            if item.isSelected():
                self.list.setCurrentItem(item)

    def _sync(self) -> None:
        runs = self.selected()
        one = runs[0] if len(runs) == 1 else None
        self.open_button.setEnabled(one is not None)
        why = self.why_not_resume(one) if one is not None else "Select one run."
        self.resume_button.setEnabled(not why)
        self.resume_button.setToolTip(f"Go on from the run’s last checkpoint.\n{why}".strip())
        self._show_looks()
        self.delete_button.setEnabled(bool(runs) and all(run.status != "running" for run in runs))

    def can_resume(self, run: RunSummary) -> bool:
        """Whether a run stopped short and can go on now."""
        return not self.why_not_resume(run)

    def why_not_resume(self, run: RunSummary) -> str:
        """Why a run cannot go on now, in words, or an empty string."""
        if run.status == "running":
            return "This run is going on."
        if run.status == "done":
            return "This run is done: it has trained all its epochs, or a stop condition has ended it."
        if not run.resumable:
            return "This run has no checkpoint to go on from: it ended before its first epoch did."
        return "Another run goes on: stop it first." if self.session.active else ""

    def _restyle(self) -> None:
        self.delete_button.setIcon(theme.icon("trash"))
        self.list.viewport().update()

    # -- what is done with a run ---------------------------------------------------------------------------------------

    def _read(self, run_id: str, done: Callable[[StoredRun], None], label: str = "") -> None:
        store = self.session.store
        if store is not None:
            self._jobs.run(lambda: stored_history(store.open(run_id), label=label), done, self.said.emit)

    def open_run(self, run_id: str) -> None:
        """Show a run's curves and its experiment."""
        self._read(run_id, lambda run: self.opened.emit(run, False))

    def resume_run(self, run_id: str) -> None:
        """Continue a run that stopped short."""
        self._read(run_id, lambda run: self.opened.emit(run, True))

    def replay_run(self, run_id: str) -> None:
        """Train a run anew, with its edits at their steps."""
        from engine.training.replay import replay_of

        store = self.session.store
        if store is not None:
            self._jobs.run(lambda: replay_of(store.open(run_id)), self.replayRequested.emit, self.said.emit)

    def export_run(self, run_id: str) -> None:
        self._read(run_id, self.exportRequested.emit)

    def overlay(self, run_id: str, on: bool) -> None:
        """Lay a run's curves over the present one's, or take them away."""
        if not on:
            self.session.remove_overlay(run_id)
        elif run_id not in self.session.overlays:
            numbered = self.number_of(run_id)
            label = f"#{numbered[0]} {numbered[1]}" if numbered is not None else run_id
            self._read(run_id, self.session.add_overlay, label)

    def delete_runs(self, run_ids: list[str]) -> None:
        """Remove runs for good, without a question. Those that cannot be removed stay, and it is said why."""
        store = self.session.store
        if store is None:
            return
        chosen = tuple(run_ids)

        self._jobs.run(
            lambda: delete_runs(store, chosen), lambda found: self._on_deleted(len(chosen), *found), self.said.emit
        )

    def _on_deleted(self, asked: int, deleted: tuple[str, ...], refusals: tuple[str, ...]) -> None:
        for run_id in deleted:
            self.session.remove_overlay(run_id)
            if run_id == self.session.run_id and not self.session.active:
                self.session.reset()
        self.refresh()
        if refusals:
            count = f"{len(deleted)} of {asked} runs were deleted." if asked > 1 else "The run was not deleted."
            more = f"And {len(refusals) - REASONS} more." if len(refusals) > REASONS else ""
            self.said.emit(" ".join((count, *refusals[:REASONS], more)).strip())

    # -- mouse and keys ------------------------------------------------------------------------------------------------

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """A list that gets the focus shows on which row it is."""
        if watched is self.list and event.type() == QEvent.Type.FocusIn and self.list.currentRow() < 0:
            self.list.setCurrentRow(0, QItemSelectionModel.SelectionFlag.NoUpdate)
        return super().eventFilter(watched, event)

    def _on_open(self) -> None:
        for run in self.selected()[:1]:
            self.open_run(run.id)

    def _on_resume(self) -> None:
        for run in self.selected()[:1]:
            self.resume_run(run.id)

    def _on_weights(self) -> None:
        for run in self.selected()[:1]:
            self.weightsRequested.emit(run.id)

    def _on_replay(self) -> None:
        for run in self.selected()[:1]:
            self.replay_run(run.id)

    def _on_export(self) -> None:
        for run in self.selected()[:1]:
            self.export_run(run.id)

    def _on_overlay(self) -> None:
        for run in self.selected():
            self.overlay(run.id, run.id not in self.session.overlays)
        self.refresh()

    def _on_delete(self) -> None:
        runs = [run for run in self.selected() if run.status != "running"]
        if not runs:
            return
        what = f"the run “{shortened(runs[0].name)}”" if len(runs) == 1 else f"{len(runs)} runs"
        box = QMessageBox(self)
        box.setWindowTitle("Delete")
        box.setText(f"Delete {what}? Curves and checkpoints are removed for good.")
        buttons = QMessageBox.StandardButton
        box.setStandardButtons(buttons.Yes | buttons.Cancel)
        box.button(buttons.Yes).setText("Delete")
        answer = box.exec()
        box.deleteLater()
        if answer == buttons.Yes:
            self.delete_runs([run.id for run in runs])

    def _on_activated(self, item: QListWidgetItem) -> None:
        self.open_run(item.data(SUMMARY).id)

    def _on_item_changed(self, item: QListWidgetItem) -> None:
        if not self._filling:
            run: Any = item.data(SUMMARY)
            self.overlay(run.id, item.checkState() == Qt.CheckState.Checked)

    def _on_menu(self, point: QPoint) -> None:
        runs = self.selected()
        if not runs:
            return
        if self._menu is not None:
            self._menu.deleteLater()
        self._menu = QMenu(self)
        one = len(runs) == 1
        shown = all(run.id in self.session.overlays for run in runs)
        idle = all(run.status != "running" for run in runs)
        for text, method, enabled in (
            ("Open", self._on_open, one),
            ("Continue", self._on_resume, one and self.can_resume(runs[0])),
            ("Replay with its edits", self._on_replay, one and idle and not self.session.active),
            ("Start new runs from its best weights", self._on_weights, one and runs[0].checkpoints > 0),
            ("Hide the curves" if shown else "Overlay the curves", self._on_overlay, True),
            ("Export…", self._on_export, one),
            ("Delete…", self._on_delete, idle),
        ):
            action = self._menu.addAction(text)
            action.setEnabled(enabled)
            action.triggered.connect(method)
        self._menu.popup(self.list.viewport().mapToGlobal(point))
