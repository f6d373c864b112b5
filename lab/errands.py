"""What actions do to the window as a whole, where no single part of it is responsible."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QApplication

from lab.about import about_dialog, keys_dialog
from lab.device_benchmark import BenchmarkDialog
from lab.devices import computing
from lab.gpu_help import GpuHelp
from lab.panels import LearningRatePanel
from widgets import theme

if TYPE_CHECKING:
    from engine.backend import MathMode
    from engine.executors import ExecutorKind
    from lab.window import Window

__all__ = [
    "add_layer",
    "ask_device",
    "draw_rate",
    "open_palette",
    "set_device",
    "set_executor",
    "set_math",
    "set_theme",
    "show_about",
    "show_benchmark",
    "show_checks",
    "show_gpu_help",
    "show_keys",
    "toggle_full_screen",
]


def add_layer(window: Window) -> None:
    """Open quick-add on the canvas."""
    window.focus_canvas()
    window.canvas.ask(window.canvas.anchor_point())


def open_palette(window: Window) -> None:
    """The command palette."""
    window.command_palette.open()


def show_checks(window: Window) -> None:
    """The panel of checks before training, with all the room."""
    window.area.open_panel("checks")
    if not window.area.maximized:
        window.area.toggle_maximized("checks")


def set_theme(window: Window, mode: theme.Mode) -> None:
    """Dress the program in another theme, now and next time."""
    window.settings.theme = mode
    app = QApplication.instance()
    if isinstance(app, QApplication):
        theme.apply(app, mode)
    window.refresh()


def set_device(window: Window, device: str) -> None:
    """Choose the device of the next run."""
    window.settings.device = window.session.device = device
    ask_device(window)
    window.refresh()


def set_executor(window: Window, executor: ExecutorKind) -> None:
    """Choose what runs the next run's programs, and make it ready."""
    window.settings.executor = window.session.executor = executor
    if executor != "array":
        window.kernels.start()
    ask_device(window)
    window.refresh()


def set_math(window: Window, math: MathMode) -> None:
    """Choose how a GPU multiplies the matrices of the next run."""
    window.settings.math = window.session.math = math
    ask_device(window)
    window.refresh()


def ask_device(window: Window) -> None:
    """Find out, off the window's thread, what the next run will compute with, and show it. What devices there are is
    looked for first, unless it is known; this is called again when it is."""
    session, found = window.session, window.devices.found
    if found is None and session.device != "cpu":
        window.devices.look()
        return
    work = partial(computing, session.device, session.executor, session.math, found)
    window.jobs.run(work, window.top.set_device, window.announcer.refuse, key="device")


def show_gpu_help(window: Window) -> None:
    """Why no GPU can be used, and what to do."""
    GpuHelp(window).open()


def show_benchmark(window: Window) -> None:
    """The figures of the devices."""
    window.devices.look()
    BenchmarkDialog(window).open()


def draw_rate(window: Window) -> None:
    """Show the learning rate's panel, with the schedule as points to drag."""
    window.area.open_panel("learning_rate")
    panel = window.area.panel("learning_rate")
    assert isinstance(panel, LearningRatePanel)
    panel.convert_to_points()


def toggle_full_screen(window: Window) -> None:
    """Take the whole screen, or give it back."""
    if window.isFullScreen():
        window.showNormal()
    else:
        window.showFullScreen()
    window.refresh()


def show_keys(window: Window) -> None:
    """The list of keys."""
    keys_dialog(window).open()


def show_about(window: Window) -> None:
    """Version and licences."""
    about_dialog(window).open()
