"""The menu of devices: what it offers with GPUs and without, and what follows from a choice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication

from engine import devices, executors
from engine.devices import Devices
from lab.gpu_help import GpuHelp
from lab.settings import Settings
from lab.window import Window
from tests.lab.test_devices import CARD, NONE, OLD, TWO

MakeWindow = Callable[..., Window]


@pytest.fixture(autouse=True)
def arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "compiled", lambda: False)


@pytest.fixture
def make(make_window: MakeWindow, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Window]:
    def build(found: Devices, **more: Any) -> Window:
        monkeypatch.setattr(devices, "_found", found)
        return make_window(**more)

    return build


def shown(window: Window) -> dict[str, QAction]:
    """The entries that can be seen, by their texts."""
    menu = window.menus.submenus["device"]
    menu.aboutToShow.emit()
    return {action.text(): action for action in menu.actions() if action.isVisible() and not action.isSeparator()}


def test_every_gpu_has_an_entry(make: Callable[..., Window], qtbot: Any) -> None:
    window = make(Devices(gpus=(CARD, OLD, type(CARD)(**{**_fields(CARD), "index": 2, "name": "T4"}))))
    assert window.top.pill.text() == "CUDA · RTX 4090", "without the maker's name"
    entries = shown(window)
    names = [name for name in entries if not name.startswith(("Executor", "Matrix"))]
    assert names[0] == "Device: automatic" and names[1].startswith("Device: processor · ")
    assert names[2:] == [
        "Device: RTX 4090 · 22.0 GiB of 24.0 GiB free", "GTX 1080 cannot be used (cuda:0)",
        "Device: T4 · 22.0 GiB of 24.0 GiB free (cuda:2)", "Look for devices again", "Benchmark the devices…",
    ]  # fmt: skip
    refused = entries["GTX 1080 cannot be used (cuda:0)"]
    assert not refused.isEnabled() and refused.toolTip() == "It is too old. Take another."
    entries[names[4]].trigger()
    assert window.session.device == window.settings.device == "cuda:2"
    assert shown(window)[names[4]].isChecked() and not window.actions_by_id["device_cuda"].isChecked()
    qtbot.waitUntil(lambda: window.top.pill.text() == "CUDA · T4")
    shown(window)[names[2]].trigger()
    assert window.session.device == "cuda" and window.actions_by_id["device_cuda"].isChecked()
    assert len(window.device_menu.more) == 2, "entries do not pile up"


def _fields(gpu: Any) -> dict[str, Any]:
    return {name: getattr(gpu, name) for name in gpu.__struct_fields__}


def test_without_a_gpu_the_reason_stands_in_the_menu(make: Callable[..., Window]) -> None:
    window = make(NONE)
    entries = shown(window)
    gpu = entries["NVIDIA GPU: there is no driver"]
    assert not gpu.isEnabled() and gpu.toolTip() == "There is no driver. Install one."
    assert not any(name.startswith("Matrix") for name in entries)
    assert not window.actions_by_id["executor_cuda"].isEnabled()
    entries["What to do for a GPU…"].trigger()
    dialog = window.findChild(GpuHelp)
    assert dialog is not None and dialog.isVisible()
    assert (dialog.reason.text(), dialog.remedy.text()) == ("There is no driver.", "Install one.")


def test_after_something_was_installed_it_is_looked_again(
    make: Callable[..., Window], qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = make(NONE)
    monkeypatch.setattr(window.devices, "_look", lambda anew: TWO)
    window.actions_by_id["gpu_help"].trigger()
    dialog = window.findChild(GpuHelp)
    assert dialog is not None
    qtbot.mouseClick(dialog.copy, Qt.MouseButton.LeftButton)
    assert QApplication.clipboard().text() == "There is no driver.\nInstall one."
    qtbot.mouseClick(dialog.again, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dialog.reason.text() == "Ready: NVIDIA GeForce RTX 4090.")
    assert not dialog.copy.isVisible()
    qtbot.waitUntil(lambda: window.top.pill.text() == "CUDA · RTX 4090")
    assert window.actions_by_id["device_cuda"].isEnabled()


def test_matrix_products_are_chosen_and_kept(make: Callable[..., Window], qtbot: Any) -> None:
    settings = Settings()
    window = make(TWO, settings=settings)
    shown(window)["Matrix products: TF32"].trigger()
    assert window.session.math == settings.math == "tf32" and window.actions_by_id["math_tf32"].isChecked()
    qtbot.waitUntil(lambda: window.top.pill.text() == "CUDA · RTX 4090 · TF32")
    window.flow.press()
    qtbot.waitUntil(lambda: bool(window.session._holder))
    assert window.session._holder[0].math == "tf32"
    window.flow.reset()
    window.actions_by_id["device_cpu"].trigger()
    assert not window.actions_by_id["math_tf32"].isEnabled(), "a processor has no such products"
    qtbot.waitUntil(lambda: window.session.state == "idle")
    window.flow.press()
    qtbot.waitUntil(lambda: bool(window.session._holder))
    assert window.session._holder[0].math == "float32"


def test_a_gpu_that_was_chosen_and_is_not_there_is_told(make: Callable[..., Window], qtbot: Any) -> None:
    settings = Settings()
    settings.device = "cuda:3"
    window = make(NONE, settings=settings)
    qtbot.waitUntil(lambda: window.notices.texts == ["There is no driver. Install one."])


def test_who_trains_on_the_processor_is_told_of_gpus_when_the_menu_opens(
    make_window: MakeWindow, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_found", None)
    settings = Settings()
    settings.device = "cpu"
    window = make_window(settings=settings)
    assert window.devices.found is None and not window.devices.busy
    monkeypatch.setattr(window.devices, "_look", lambda anew: TWO)
    assert "Device: NVIDIA GPU · looking for one…" in shown(window)
    qtbot.waitUntil(lambda: not window.devices.busy)
    assert "Device: RTX 4090 · 22.0 GiB of 24.0 GiB free" in shown(window)
    assert window.top.pill.text().startswith("NumPy")
