"""What actions do to the window as a whole, where no single part of it is responsible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QApplication

from lab.about import about_dialog, keys_dialog
from widgets import theme

if TYPE_CHECKING:
    from lab.window import Window

__all__ = [
    "add_layer",
    "ask_device",
    "open_palette",
    "set_device",
    "set_theme",
    "show_about",
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


def ask_device(window: Window) -> None:
    """Find out, off the window's thread, what the chosen device is called here, and show it."""
    device = window.session.device

    def work() -> str:
        from engine.backend import choose

        return choose(device).label  # type: ignore[arg-type]

    window.jobs.run(work, window.top.set_device, window.announcer.refuse, key="device")


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
