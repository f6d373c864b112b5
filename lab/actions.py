"""Every action of the window as data: its words, keys, when it can be done, and what does it.

Menus, buttons, tooltips and the command palette are all made from this one table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QKeySequence

from lab import errands
from lab.devices import gpu_of

if TYPE_CHECKING:
    from lab.window import Window

__all__ = ["ACTIONS", "MENUS", "Action", "ActionSet", "BoundAction"]

Ask = Callable[["Window"], bool]


class Action(Struct, frozen=True, kw_only=True):
    """One thing a person can order. `keys` work in the whole window; `shown` is a key that works on the canvas only.

    `short` is the text on a button, `full` that in the command palette where `text` needs its menu; `words` are more
    words by which the palette finds it.
    """

    id: str
    text: str
    run: Callable[[Window], Any]
    keys: tuple[str, ...] = ()
    shown: str = ""
    short: str = ""
    full: str = ""
    tip: str = ""
    words: str = ""
    icon: str = ""
    enabled: Ask | None = None
    checked: Ask | None = None


def _selected(window: Window) -> bool:
    return bool(window.selection.nodes)


def _first_gpu(window: Window) -> tuple[str, ...]:
    """The devices that stand for the first GPU that can be used."""
    return ("cuda", *(gpu.id for gpu in window.devices.usable[:1]))


def _can_round(window: Window) -> bool:
    """Whether the next run may have rounded matrix products: on a GPU, by the CUDA executor."""
    session = window.session
    return session.executor in ("auto", "cuda") and gpu_of(session.device, window.devices.found) is not None


def _active(window: Window) -> bool:
    return window.session.active and window.session.state != "stopping"


ACTIONS: tuple[Action, ...] = (
    Action(id="new", text="New from preset…", run=lambda w: w.filing.new(), keys=("Ctrl+N",), icon="new",
           words="create experiment example"),
    Action(id="open", text="Open…", run=lambda w: w.filing.ask_open(), keys=("Ctrl+O",), icon="open",
           words="load experiment file"),
    Action(id="save", text="Save", run=lambda w: w.filing.save(), keys=("Ctrl+S",), icon="save"),
    Action(id="save_as", text="Save as…", run=lambda w: w.filing.save_as(), keys=("Ctrl+Shift+S",)),
    Action(id="export", text="Export…", run=lambda w: w.taking.export(), keys=("Ctrl+E",), icon="export",
           words="weights plots pictures csv npz safetensors png svg", enabled=lambda w: w.session.run_id is not None),
    Action(id="load_weights", text="Load weights…", run=lambda w: w.taking.ask_weights(),
           words="import npz safetensors", tip="Start the next run from the weights of a file",
           enabled=lambda w: not w.session.active),
    Action(id="quit", text="Quit", run=lambda w: w.close(), keys=("Ctrl+Q",), words="exit close"),

    Action(id="undo", text="Undo", run=lambda w: w.document.undo(), keys=("Ctrl+Z",), icon="undo",
           enabled=lambda w: bool(w.document.undo_label)),
    Action(id="redo", text="Redo", run=lambda w: w.document.redo(), keys=("Ctrl+Shift+Z", "Ctrl+Y"), icon="redo",
           enabled=lambda w: bool(w.document.redo_label)),
    Action(id="cut", text="Cut", run=lambda w: w.canvas.cut(), keys=("Ctrl+X",), enabled=_selected),
    Action(id="copy", text="Copy", run=lambda w: w.canvas.copy(), keys=("Ctrl+C",), icon="copy", enabled=_selected),
    Action(id="paste", text="Paste", run=lambda w: w.canvas.paste(), keys=("Ctrl+V",), icon="paste"),
    Action(id="duplicate", text="Duplicate", run=lambda w: w.canvas.duplicate(), keys=("Ctrl+D",), enabled=_selected),
    Action(id="delete", text="Delete", run=lambda w: w.canvas.delete(), shown="Del", icon="trash", enabled=_selected),
    Action(id="select_all", text="Select all layers", run=lambda w: w.canvas.commands.select_all(), shown="Ctrl+A"),

    Action(id="add", text="Add a layer…", run=errands.add_layer, keys=("Ctrl+L",), icon="plus",
           tip="Type the name of a layer. On the canvas, simply type."),
    Action(id="bypass", text="Bypass", run=lambda w: w.canvas.bypass(), shown="B", icon="bypass", enabled=_selected,
           tip="Take the selected layers out of the network without deleting them, or back in"),
    Action(id="group", text="Group and repeat", run=lambda w: w.canvas.attempt(w.canvas.commands.group),
           keys=("Ctrl+G",), words="block xN repeat copies", enabled=lambda w: w.canvas.commands.can_group(),
           tip="Repeat the selected layers in a row, each time with weights of their own"),
    Action(id="ungroup", text="Ungroup", run=lambda w: w.canvas.attempt(w.canvas.commands.ungroup),
           keys=("Ctrl+Shift+G",), enabled=lambda w: w.canvas.commands.block is not None),
    Action(id="arrange", text="Arrange", run=lambda w: w.canvas.lay_out(), shown="L", icon="layout",
           words="auto layout"),
    Action(id="inspect", text="Inspect the selected layer", run=lambda w: w.canvas.inspect(), shown="Return",
           enabled=_selected),
    Action(id="next_problem", text="Next problem", run=lambda w: w.canvas.next_problem(), keys=("F8",),
           icon="warning", words="error warning"),
    Action(id="reload_data", text="Read the data again", run=lambda w: w.document.reload_data(), icon="refresh"),

    Action(id="train", text="Train", short="Train", run=lambda w: w.flow.press(), keys=("F5",), icon="play",
           words="train start run pause resume continue", enabled=lambda w: w.flow.primary != "wait"),
    Action(id="step", text="One step", short="Step", run=lambda w: w.flow.step(), keys=("F10",), icon="step",
           tip="Make one step, then pause", enabled=lambda w: w.flow.can_step),
    Action(id="epoch", text="One epoch", short="Epoch", run=lambda w: w.flow.epoch(), keys=("F11",), icon="epoch",
           tip="Go on to the end of the epoch, then pause", enabled=lambda w: w.flow.can_step),
    Action(id="stop", text="Stop", short="Stop", run=lambda w: w.flow.stop(), keys=("Shift+F5",), icon="stop",
           tip="End the run; it can be continued", enabled=_active),
    Action(id="reset", text="Reset", short="Reset", run=lambda w: w.flow.reset(), keys=("Ctrl+R",), icon="reset",
           tip="Forget this run and begin anew. The run stays in the list of runs",
           enabled=lambda w: w.session.state != "idle" or w.flow.weights is not None),
    Action(id="continue", text="Continue the run", run=lambda w: w.flow.carry_on(), keys=("Ctrl+F5",),
           tip="Go on from the last checkpoint", words="resume train on more epochs",
           enabled=lambda w: w.flow.can_continue),
    Action(id="restart", text="Train anew with the edits", short="Edited since run", run=lambda w: w.flow.restart(),
           keys=("Ctrl+Shift+F5",), tip="The run trains what was there when it began. Press to stop it and train the "
           "network as it is now", words="restart", enabled=lambda w: w.session.state != "idle"),
    Action(id="checks", text="Check before training…", run=errands.show_checks, keys=("F6",), icon="search",
           words="initial loss overfit learning rate range test gradient check summary babysitting sanity",
           tip="The first loss, learning by heart, learning rates, gradients, a summary"),
    Action(id="draw_rate", text="Draw the learning rate by hand", run=errands.draw_rate,
           words="schedule points convert piecewise curve", enabled=lambda w: w.document.signature is not None,
           tip="Turn the schedule into points, which are dragged on the curve of the panel “Learning rate”"),
    Action(id="device_auto", text="Device: automatic", run=lambda w: errands.set_device(w, "auto"),
           checked=lambda w: w.session.device == "auto", tip="An NVIDIA GPU where there is one, else the processor"),
    Action(id="device_cpu", text="Device: processor (CPU)", run=lambda w: errands.set_device(w, "cpu"),
           checked=lambda w: w.session.device == "cpu"),
    Action(id="device_cuda", text="Device: NVIDIA GPU", run=lambda w: errands.set_device(w, "cuda"),
           words="cuda cupy graphics card", checked=lambda w: w.session.device in _first_gpu(w),
           enabled=lambda w: bool(w.devices.usable)),
    Action(id="gpu_help", text="What to do for a GPU…", run=errands.show_gpu_help,
           words="cuda cupy nvidia driver install device"),
    Action(id="look_devices", text="Look for devices again", run=lambda w: w.devices.look(anew=True),
           words="gpu cuda nvidia", enabled=lambda w: not w.devices.busy,
           tip="After a driver or CuPy was installed, or to see how much memory is free"),
    Action(id="benchmark", text="Benchmark the devices…", run=errands.show_benchmark,
           words="gflops bandwidth speed gpu processor tf32 bf16 measure",
           tip="How fast this machine multiplies matrices and moves memory"),

    Action(id="executor_auto", text="Executor: automatic", run=lambda w: errands.set_executor(w, "auto"),
           checked=lambda w: w.session.executor == "auto", words="compiled numba kernels speed",
           tip="CUDA kernels on a GPU; on the processor compiled ones where they are ready, else NumPy. It counts from "
           "the next run"),
    Action(id="executor_cpu", text="Executor: compiled (CPU)", run=lambda w: errands.set_executor(w, "cpu"),
           checked=lambda w: w.session.executor == "cpu", enabled=lambda w: not w.kernels.unavailable,
           words="numba kernels threads speed",
           tip="Whole steps in compiled kernels, float32 on the processor’s cores. It counts from the next run"),
    Action(id="executor_cuda", text="Executor: CUDA kernels (GPU)", run=lambda w: errands.set_executor(w, "cuda"),
           checked=lambda w: w.session.executor == "cuda", enabled=lambda w: bool(w.devices.usable), words="graph",
           tip="Whole steps as CUDA graphs, float32 on an NVIDIA GPU. It counts from the next run"),
    Action(id="executor_array", text="Executor: array (NumPy, CuPy)", run=lambda w: errands.set_executor(w, "array"),
           checked=lambda w: w.session.executor == "array", words="reference",
           tip="One array operation after another, also on a GPU. It counts from the next run"),

    Action(id="math_float32", text="Matrix products: float32", run=lambda w: errands.set_math(w, "float32"),
           checked=lambda w: w.session.math == "float32", enabled=_can_round, words="precision",
           tip="Exact, and the same as on the processor to the last digits"),
    Action(id="math_tf32", text="Matrix products: TF32", run=lambda w: errands.set_math(w, "tf32"),
           checked=lambda w: w.session.math == "tf32", enabled=_can_round, words="precision tensor cores",
           tip="Factors rounded to 10 bits for the GPU’s tensor cores; sums in float32. It counts from the next run"),
    Action(id="math_bf16", text="Matrix products: bf16", run=lambda w: errands.set_math(w, "bf16"),
           checked=lambda w: w.session.math == "bf16", enabled=_can_round, words="precision tensor cores bfloat16",
           tip="Factors rounded to 7 bits for the GPU’s tensor cores; sums in float32. It counts from the next run"),

    Action(id="palette", text="Command palette…", run=errands.open_palette, keys=("Ctrl+K",), icon="search",
           tip="Search every action, layer, preset, panel and run"),
    Action(id="tab_layers", text="Layers", run=lambda w: w.show_left("layers"), keys=("Alt+1",)),
    Action(id="tab_runs", text="Runs", run=lambda w: w.show_left("runs"), keys=("Alt+2",), icon="runs"),
    Action(id="tab_layer", text="Layer", run=lambda w: w.show_right("layer"), keys=("Alt+3",)),
    Action(id="tab_training", text="Training", run=lambda w: w.show_right("training"), keys=("Alt+4",)),
    Action(id="tab_data", text="Data", run=lambda w: w.show_right("data"), keys=("Alt+5",)),
    Action(id="tab_notes", text="Notes", run=lambda w: w.show_right("notes"), keys=("Alt+6",)),
    Action(id="focus_canvas", text="Go to the canvas", run=lambda w: w.focus_canvas(), keys=("Alt+0",)),
    Action(id="problems", text="Problems", run=lambda w: w.focus_problems(), keys=("Alt+7",), icon="warning"),
    Action(id="fit", text="Fit the network to the view", run=lambda w: w.canvas.home(), shown="Home", icon="fit"),
    Action(id="zoom_in", text="Zoom in", run=lambda w: w.canvas.zoom_by(1.25), keys=("Ctrl++", "Ctrl+=")),
    Action(id="zoom_out", text="Zoom out", run=lambda w: w.canvas.zoom_by(0.8), keys=("Ctrl+-",)),
    Action(id="actual_size", text="Actual size", run=lambda w: w.canvas.zoom_to(1.0), keys=("Ctrl+0",)),
    Action(id="present", text="Return to the present", run=lambda w: w.session.look(None), words="timeline live",
           enabled=lambda w: w.session.looking is not None),
    Action(id="restore_panels", text="Restore all panels", run=lambda w: w.area.take_back(),
           words="restore maximize", enabled=lambda w: bool(w.area.maximized)),
    Action(id="reset_layout", text="Reset the layout", run=lambda w: w.reset_layout(), words="panels docks arrange"),
    Action(id="theme_dark", text="Dark", full="Theme: dark", run=lambda w: errands.set_theme(w, "dark"),
           icon="moon", words="theme colours", checked=lambda w: w.settings.theme == "dark"),
    Action(id="theme_light", text="Light", full="Theme: light", run=lambda w: errands.set_theme(w, "light"), icon="sun",
           words="theme colours", checked=lambda w: w.settings.theme == "light"),
    Action(id="theme_system", text="Follow the system", full="Theme: follow the system",
           run=lambda w: errands.set_theme(w, "system"), words="theme colours",
           checked=lambda w: w.settings.theme == "system"),
    Action(id="full_screen", text="Full screen", run=errands.toggle_full_screen, keys=("Shift+F11",),
           checked=lambda w: w.isFullScreen()),

    Action(id="keys", text="Keyboard…", run=errands.show_keys, keys=("Ctrl+/", "Ctrl+?"), icon="keyboard",
           words="shortcuts help"),
    Action(id="about", text="About Descent Lab", run=errands.show_about, icon="info", words="version licence"),
)  # fmt: skip

MENUS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("&File", ("new", "open", ">recent", "-", "save", "save_as", "-", "export", "load_weights", "-", "quit")),
    ("&Edit", ("undo", "redo", "-", "cut", "copy", "paste", "duplicate", "delete", "-", "select_all")),
    ("&Network", ("add", "-", "bypass", "group", "ungroup", "arrange", "inspect", "-", "next_problem", "reload_data")),
    ("&Run", ("train", "step", "epoch", "stop", "reset", "-", "continue", "restart", "-", "checks", "draw_rate", "-",
              ">device")),
    ("&View", ("palette", "-", ">panels", ">go", "-", "fit", "zoom_in", "zoom_out", "actual_size", "-", "present",
               "restore_panels", "reset_layout", "-", ">theme", "full_screen")),
    ("&Help", ("keys", "about")),
)  # fmt: skip
"""Menus by title: ids, “-” for a line, “>name” for a menu inside that the window fills."""

SUBMENUS: dict[str, tuple[str, tuple[str, ...]]] = {
    "recent": ("Open recent", ()),
    "device": ("Device and executor", ("device_auto", "device_cpu", "device_cuda", "gpu_help", "look_devices", "-",
                                       "executor_auto", "executor_cpu", "executor_cuda", "executor_array", "-",
                                       "math_float32", "math_tf32", "math_bf16", "-", "benchmark")),
    "panels": ("Panels", ()),
    "go": ("Go to", ("focus_canvas", "tab_layers", "tab_runs", "tab_layer", "tab_training", "tab_data", "tab_notes",
                     "problems")),
    "theme": ("Theme", ("theme_dark", "theme_light", "theme_system")),
}  # fmt: skip


class BoundAction(QAction):
    """A QAction of a window, made from its row of the table."""

    def __init__(self, spec: Action, window: Window) -> None:
        super().__init__(spec.text, window)
        self.spec, self._window = spec, window
        self.setObjectName(spec.id)
        self.setIconText(spec.short or spec.text)
        self.setCheckable(spec.checked is not None)
        if spec.keys:
            self.setShortcuts([QKeySequence(key) for key in spec.keys])
        elif spec.shown:
            # A tab puts the key where shortcuts stand, without making it one.
            self.setText(f"{spec.text}\t{spec.shown}")
        self.set_words(spec.text)
        self.triggered.connect(self._on_triggered)

    @property
    def key_text(self) -> str:
        """The key as a person reads it."""
        if self.spec.keys:
            return QKeySequence(self.spec.keys[0]).toString(QKeySequence.SequenceFormat.NativeText)
        return self.spec.shown

    def set_words(self, text: str, short: str = "", tip: str = "") -> None:
        """Another text, as for Undo and Train."""
        self.setText(f"{text}\t{self.spec.shown}" if self.spec.shown else text)
        if short:
            self.setIconText(short)
        tip = tip or self.spec.tip or text
        self.setToolTip(f"{tip} ({self.key_text})" if self.key_text else tip)

    def _on_triggered(self) -> None:
        self.spec.run(self._window)
        self.refresh()

    def refresh(self) -> None:
        """Ask anew whether it can be done, and whether it is on."""
        if self.spec.enabled is not None:
            self.setEnabled(self.spec.enabled(self._window))
        if self.spec.checked is not None:
            self.setChecked(self.spec.checked(self._window))


class ActionSet(QObject):
    """All actions of a window by id."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self.by_id = {spec.id: BoundAction(spec, window) for spec in ACTIONS}
        for action in self.by_id.values():
            window.addAction(action)

    def __getitem__(self, name: str) -> BoundAction:
        return self.by_id[name]

    def refresh(self, *_: object) -> None:
        """Bring all in line with the window."""
        for action in self.by_id.values():
            action.refresh()
