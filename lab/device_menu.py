"""The menu of devices: every GPU with its memory, or why there is none, executors, matrix products."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu

from engine.devices import host_memory, processor_name
from engine.text import after_colon, bytes_text, shortened
from lab import errands
from lab.devices import gpu_words, short

if TYPE_CHECKING:
    from lab.window import Window

__all__ = ["DeviceMenu"]

REASON = 58
"""Characters of a reason that stand in the menu; the tip has all of it."""
ROUNDED = ("math_float32", "math_tf32", "math_bf16")


class DeviceMenu(QObject):
    """Keeps the menu in line with what was found. Its entries are actions of the window, but for the GPUs beyond the
    first that can be used."""

    def __init__(self, window: Window, menu: QMenu) -> None:
        super().__init__(window)
        self._window, self._menu = window, menu
        total, _ = host_memory()
        self._processor = f"{processor_name()}{f' · {bytes_text(total)}' if total else ''}"
        self.more: list[QAction] = []
        """The entries of the other GPUs."""
        window.devices.changed.connect(self.refresh)
        menu.aboutToShow.connect(self._on_show)
        self.refresh()

    def _on_show(self) -> None:
        self._window.devices.look()  # whoever always trains on the processor was not asked to wait for it before
        self.refresh()

    def refresh(self) -> None:
        """Say what there is."""
        window, actions, found = self._window, self._window.actions_by_id, self._window.devices.found
        usable = window.devices.usable
        actions["device_cpu"].set_words(f"Device: processor · {self._processor}")
        first = actions["device_cuda"]
        if window.devices.busy:
            first.set_words("Device: NVIDIA GPU · looking for one…")
        elif found is None:
            first.set_words("Device: NVIDIA GPU")
        elif usable:
            first.set_words(f"Device: {gpu_words(usable[0])}", tip=_tip(usable[0].name, usable[0].capability))
        else:
            assert found.trouble is not None
            reason = after_colon(shortened(found.trouble.reason, REASON)).rstrip(".")
            first.set_words(f"NVIDIA GPU: {reason}", tip=found.trouble.text)
        actions["gpu_help"].setVisible(found is not None and not usable)
        for name in ROUNDED:
            actions[name].setVisible(bool(usable))
        self._show_others()
        actions.refresh()

    def _show_others(self) -> None:
        """The GPUs other than the first that can be used, each with an entry of its own."""
        window, found = self._window, self._window.devices.found
        for action in self.more:
            self._menu.removeAction(action)
            action.deleteLater()
        self.more.clear()
        usable = window.devices.usable
        if found is None or not usable:
            return
        following = self._menu.actions().index(window.actions_by_id["device_cuda"]) + 1
        before = self._menu.actions()[following]
        for gpu in found.gpus:
            if gpu is usable[0]:
                continue
            if gpu.trouble is None:
                action = QAction(f"Device: {gpu_words(gpu)} ({gpu.id})", self)
                action.setCheckable(True)
                action.setChecked(window.session.device == gpu.id)
                action.setToolTip(_tip(gpu.name, gpu.capability))
                action.triggered.connect(partial(self._choose, gpu.id))
            else:
                action = QAction(f"{short(gpu.name)} cannot be used ({gpu.id})", self)
                action.setEnabled(False)
                action.setToolTip(gpu.trouble.text)
            self._menu.insertAction(before, action)
            self.more.append(action)

    def _choose(self, device: str, *_: object) -> None:
        errands.set_device(self._window, device)
        self.refresh()


def _tip(name: str, capability: tuple[int, int]) -> str:
    return f"{name}, compute capability {capability[0]}.{capability[1]}"
