"""The main window: it puts the parts together and carries their signals from one to another. Nothing else does."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QHideEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QApplication, QMainWindow

from engine.experiment import Experiment
from engine.layers.base import NodeComponent
from engine.training.store import RunStore
from lab.actions import ActionSet
from lab.announcer import Announcer
from lab.arrangement import Arrangement
from lab.canvas import CanvasView
from lab.commands import CommandPalette
from lab.compiling import CompilingBar, Kernels
from lab.device_menu import DeviceMenu
from lab.devices import DeviceList
from lab.document import Document, Selection
from lab.errands import ask_device
from lab.feed import CanvasFeed
from lab.filing import Filing, dropped_file
from lab.flow import PRIMARY, WAITING, Flow
from lab.inspector import DataInspector, LayerInspector, NotesInspector, TrainingInspector
from lab.jobs import Jobs
from lab.keeper import Keeper
from lab.menus import Menus
from lab.notices import Notices
from lab.pacer import attend
from lab.palette import Palette
from lab.panelarea import PanelArea
from lab.panels import Timeline
from lab.problems import Problems
from lab.recovery import Recovery
from lab.runs import RunsTab
from lab.session import Session, TrainerFactory, default_trainer
from lab.settings import Settings
from lab.shelf import Shelf
from lab.statusbar import StatusBar
from lab.stored import StoredRun
from lab.taking import Taking
from lab.transport import TopBar
from widgets.text import shortened

if TYPE_CHECKING:
    from engine.training.replay import Replay

__all__ = ["Window"]

SIZE = (1600, 1000)
CLOSE_MS = 2000


class Window(QMainWindow):
    """One document, one session, and everything that shows them. `closed` is emitted when it has let go of both."""

    closed = Signal()

    # Declared here for the type checker: the actions, which this module imports, are lambdas over a window.
    settings: Settings
    document: Document
    session: Session
    flow: Flow
    filing: Filing
    taking: Taking
    canvas: CanvasView
    area: PanelArea
    kernels: Kernels
    devices: DeviceList

    def __init__(
        self,
        experiment: Experiment,
        path: Path | None = None,
        *,
        settings: Settings | None = None,
        store: RunStore | None = None,
        recovery: Recovery | None = None,
        trainer_factory: TrainerFactory = default_trainer,
    ) -> None:
        super().__init__()
        self.settings = settings or Settings()
        self.document = Document(experiment, path, self)
        self.selection = Selection(self.document, self)
        self.session = Session(self, trainer_factory=trainer_factory, store=store, device=self.settings.device)
        self.session.executor, self.session.math = self.settings.executor, self.settings.math
        self.devices = DeviceList(self)
        self.jobs = Jobs(self)
        self.flow = Flow(self.document, self.session, self)
        self.filing = Filing(self.document, self.settings, self)
        self._closing = self._ready = self._shown = self._deadline_passed = False
        self._deadline = QTimer(self, singleShot=True, interval=CLOSE_MS)
        self._deadline.timeout.connect(self._give_up_waiting)
        self._build()
        self.announcer = Announcer(self.flow, self.notices, self.status, self.runs, self)
        self.keeper = Keeper(self.document, self.filing, self.jobs, self.notices, recovery, self)
        self.taking = Taking(self.flow, self.jobs, self.notices, self.area, self)
        self.actions_by_id = ActionSet(self)
        self.top = TopBar(self.document, self.session, self.actions_by_id.by_id, self)  # type: ignore[arg-type]
        self.menus = Menus(self)
        self.device_menu = DeviceMenu(self, self.menus.submenus["device"])
        self._lay_out()
        self.command_palette = CommandPalette(self)
        self._connect()
        self._select_first()
        self.refresh()
        self._show_title()

    # -- assembly ------------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        document, selection, session = self.document, self.selection, self.session
        self.shelf = Shelf(self.settings, self)
        self.palette_tab = Palette(self.shelf)
        self.runs = RunsTab(session, self.jobs)
        self.canvas = CanvasView(document, selection)
        self.canvas.quick_add.first = self.shelf.offered
        self.feed = CanvasFeed(session, self.canvas, self)
        self.area = PanelArea(document, selection, session)
        self.timeline = Timeline()
        self.timeline.set_session(session)
        self.layer_tab = LayerInspector(document, selection, session)
        self.training_tab = TrainingInspector(document, session)
        self.data_tab = DataInspector(document)
        self.notes_tab = NotesInspector(document)
        self.problems = Problems(document, selection)
        self.notices = Notices()
        self.status = StatusBar(document)
        self.kernels = Kernels(self.notices, self)
        self.status.addPermanentWidget(CompilingBar(self.kernels))

    def _lay_out(self) -> None:
        self.places = Arrangement(
            top=self.top,
            notices=self.notices,
            left={"Layers": self.palette_tab, "Runs": self.runs},
            canvas=self.canvas,
            area=self.area,
            timeline=self.timeline,
            right={
                "Layer": self.layer_tab,
                "Training": self.training_tab,
                "Data": self.data_tab,
                "Notes": self.notes_tab,
            },
            problems=self.problems,
        )
        self.left, self.right = self.places.left, self.places.right
        self.setCentralWidget(self.places)
        self.setStatusBar(self.status)
        self.setAcceptDrops(True)
        self.resize(*SIZE)
        geometry = self.settings.bytes("geometry")
        if geometry is not None:
            self.restoreGeometry(geometry)
        self.places.reset(self.size())
        self.places.restore(self.settings)

    def _connect(self) -> None:
        document, session, flow, filing = self.document, self.session, self.flow, self.filing
        for signal in (
            flow.changed, document.historyChanged, document.signatureChanged, self.selection.changed,
            session.lookChanged, self.area.maximizedChanged,
        ):  # fmt: skip
            signal.connect(self.refresh)
        for signal in (document.changed, document.pathChanged, document.dirtyChanged):
            signal.connect(self._show_title)
        attend(session.stateChanged, (document.changed, self.selection.changed, session.lookChanged))
        session.stateChanged.connect(self._on_state)
        self.announcer.nodeWanted.connect(self._on_problem)
        self.announcer.problemsWanted.connect(self.focus_problems)
        filing.before_open = self._before_open
        filing.opened.connect(self._on_opened)
        filing.saved.connect(self.status.mark_saved)
        filing.refused.connect(self.announcer.refuse)
        self.jobs.problem.connect(self.announcer.refuse)
        self.runs.opened.connect(self._on_run_opened)
        self.runs.exportRequested.connect(self.taking.export_stored)
        self.runs.replayRequested.connect(self._on_replay)
        self.runs.weightsRequested.connect(self.taking.use_best)
        self.palette_tab.addRequested.connect(self.add_component)
        document.changed.connect(self.shelf.look)
        self.canvas.inspectRequested.connect(self._on_inspect)
        self.canvas.live.judged.connect(self.problems.show_run)
        self.problems.activated.connect(self._on_problem)
        self.problems.placeActivated.connect(self.show_right)
        self.area.maximizedChanged.connect(self._on_maximized)
        self.top.deviceRequested.connect(partial(self.menus.pop_up, "device", self.top.pill))
        self.kernels.ready.connect(partial(ask_device, self))
        self.devices.changed.connect(self._on_devices)

    # -- keeping things in line ----------------------------------------------------------------------------------------

    def refresh(self, *_: object) -> None:
        """Bring actions and buttons in line with what can be done."""
        actions, document, flow = self.actions_by_id, self.document, self.flow
        actions.refresh()
        actions["undo"].set_words(f"Undo {document.undo_label}".strip())
        actions["redo"].set_words(f"Redo {document.redo_label}".strip())
        text, tip, icon = PRIMARY[flow.primary]
        if flow.primary == "wait":
            text = WAITING["pause" if self.session.pausing else "stop"]
        actions["train"].set_words(text, text, tip)
        self.top.train.set_icon(icon)
        self.top.set_edited(flow.edited and self.session.state != "idle")

    def _show_title(self, *_: object) -> None:
        name = shortened(self.document.experiment.name).replace("[*]", "[*][*]")
        self.setWindowTitle(f"{name}[*] – Descent Lab")
        self.setWindowModified(self.document.dirty)

    def _watch(self) -> None:
        self.feed.watch(self.isVisible() and self.canvas.isVisible())

    def _on_state(self, state: str) -> None:
        if self._closing and not self.session.active:
            # The session is still busy with the event that tells of the end.
            QTimer.singleShot(0, self.close)

    def _on_devices(self) -> None:
        if not self.devices.busy:
            ask_device(self)

    def _on_problem(self, node: str) -> None:
        known = any(item.id == node for item in self.document.experiment.network.nodes)
        if known:
            self.selection.set([node])
            self.canvas.show_node(node)
            self.show_right("layer")

    def _on_inspect(self, node: str) -> None:
        self.show_right("layer")
        form = self.layer_tab.form
        if form is not None:
            form.setFocus(Qt.FocusReason.OtherFocusReason)

    # -- files ---------------------------------------------------------------------------------------------------------

    def _before_open(self) -> None:
        if self.session.active:
            self.status.say("The run was stopped. It can be continued from “Runs”.")
        self.flow.reset()
        for run_id in tuple(self.session.overlays):
            self.session.remove_overlay(run_id)
        self.notices.clear("run")
        self.notices.clear("weights")

    def _on_opened(self, name: str) -> None:
        self.status.forget_saved()
        self._select_first()
        self.canvas.home()
        self.status.say(f"Opened “{shortened(name)}”.")
        self.refresh()

    def _select_first(self) -> None:
        """Select the first layer with parameters, so that there is something to look at."""
        report = self.document.report
        counted = [node for node in report.order if report.nodes[node].parameter_count]
        self.selection.set(counted[:1])

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if dropped_file(event.mimeData()) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        path = dropped_file(event.mimeData())
        if path is not None:
            event.acceptProposedAction()
            self.filing.open(path)

    # -- runs ----------------------------------------------------------------------------------------------------------

    def _on_run_opened(self, run: StoredRun, go_on: bool) -> None:
        if self.session.active:
            self.announcer.refuse("A run goes on. Stop it before another one is shown.")
            return
        if go_on and run.run == self.session.run_id:
            self.flow.carry_on()  # it is on the screen, and the document may have gone on with it
            return
        if self.document.experiment != run.experiment:
            if not self.filing.may_leave():
                return
            self.filing.put(run.experiment, None)
        self.session.show_run(run)
        if go_on:
            self.flow.carry_on()

    def _on_replay(self, replay: Replay) -> None:
        if self.session.active:
            self.announcer.refuse("A run goes on. Stop it before another one is replayed.")
            return
        if self.document.experiment != replay.experiment:
            if not self.filing.may_leave():
                return
            self.filing.put(replay.experiment, None)
        if self.flow.replay(replay):
            self.status.say(f"Replaying the run {replay.run} with {len(replay.acts)} edits.")

    # -- what actions call ---------------------------------------------------------------------------------------------

    def add_component(self, component: NodeComponent) -> None:
        """Add a layer after the selection."""
        self.canvas.attempt(self.canvas.commands.add, component)
        self.focus_canvas()

    def focus_canvas(self) -> None:
        self.area.take_back()
        self.canvas.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def show_left(self, name: str) -> None:
        """Show a tab at the left and put the focus into it."""
        self.area.take_back()
        self.left.setCurrentIndex({"layers": 0, "runs": 1}[name])
        if name == "layers":
            self.palette_tab.focus_search()
        else:
            self.runs.list.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def show_right(self, name: str) -> None:
        """Show a tab at the right."""
        self.area.take_back()
        self.right.setCurrentIndex(("layer", "training", "data", "notes").index(name))
        self.right.currentWidget().setFocus(Qt.FocusReason.ShortcutFocusReason)

    def focus_problems(self) -> None:
        self.area.take_back()
        cards = self.problems.cards
        (cards[0] if cards else self.problems).setFocus(Qt.FocusReason.ShortcutFocusReason)

    def reset_layout(self) -> None:
        """Put panels, columns and rows back to where they were at first."""
        self.places.reset(self.size())
        self.area.arrange()

    def _on_maximized(self, on: bool) -> None:
        self.places.set_maximized(on)
        self._watch()

    # -- beginning and end ---------------------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if not self._shown:
            self._shown = True
            if not self.places.restored:
                self.places.reset(self.size())
                QTimer.singleShot(0, self.area.even_out)
            self.canvas.setFocus(Qt.FocusReason.OtherFocusReason)
            ask_device(self)
            self.runs.refresh()
            self.keeper.offer()
        self._watch()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._watch()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        # Keys that nobody in the window wanted: Space trains and pauses, Escape returns to the present, then takes a
        # maximized panel back.
        if event.key() == Qt.Key.Key_Space and not event.modifiers() and not event.isAutoRepeat():
            self.actions_by_id["train"].trigger()
        elif event.key() == Qt.Key.Key_Escape and self.session.looking is not None:
            self.session.look(None)
        elif event.key() == Qt.Key.Key_Escape and self.area.maximized:
            self.area.take_back()
        else:
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        if self._ready:
            event.accept()
            return
        # While the question stands the system may end the program: then the answer does not matter.
        if not self._closing and not self.filing.may_leave() and not self._closing:
            event.ignore()
            return
        self._closing = True
        if self.session.active and not self._deadline_passed:
            # The run ends at its next step and writes a checkpoint; the window stays alive until then.
            self.flow.stop()  # also what was to follow, such as the next run
            self.status.say("Stopping the run…")
            self._deadline.start()
            event.ignore()
            return
        self._end()
        event.accept()

    def close_at_once(self) -> None:
        """Close without a question, as when the system ends the program: unsaved changes stay as a recovery copy."""
        if self.document.dirty:
            self.keeper.leave_behind()
        self._closing = True
        dialog = QApplication.activeModalWidget()
        if dialog is not None:
            dialog.close()  # a question that nobody will answer, which may itself be asked by an earlier `close`
        self.close()

    def discard(self) -> None:
        """Close without a question and without a copy."""
        self._closing = True
        self.close()

    @property
    def ended(self) -> bool:
        """Whether the window has let go of everything."""
        return self._ready

    def _give_up_waiting(self) -> None:
        self._deadline_passed = True
        self.hide()
        self.close()

    def _end(self) -> None:
        self._ready = True
        self._deadline.stop()
        self.places.save(self.settings)
        self.settings.set_bytes("geometry", self.saveGeometry())
        self.settings.sync()
        self.taking.close()
        self.session.close()
        self.area.stop()
        self.timeline.set_session(None)
        self.status.stop()
        self.data_tab.close_loader()
        for part in (self.jobs, self.kernels, self.keeper, self.document, self.devices):
            part.close()
        self.closed.emit()
