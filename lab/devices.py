"""The machine's devices in a window: looked for off its thread, in a process of their own, and put into words."""

from __future__ import annotations

import threading
from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from engine import devices
from engine.backend import BackendError, Device, MathMode, read_device
from engine.devices import Devices, Gpu
from engine.executors import ExecutorKind
from engine.text import bytes_text

__all__ = ["DeviceList", "computing", "gpu_of", "gpu_words", "math_for", "short"]


class DeviceList(QObject):
    """What there is to train on. `changed` tells that `found` is another.

    CuPy takes a second to import and a driver may hang, so that a thread waits for the process that looks.
    """

    changed = Signal()
    _arrived = Signal(object)

    def __init__(self, parent: QObject | None = None, *, look: Callable[..., Devices] = devices.detected) -> None:
        super().__init__(parent)
        self.found = devices.known()
        """The devices, or None as long as nobody knows."""
        self._look = look
        self._thread: threading.Thread | None = None
        self._closed = False
        self._arrived.connect(self._take)

    @property
    def busy(self) -> bool:
        """Whether somebody looks."""
        return self._thread is not None

    @property
    def usable(self) -> tuple[Gpu, ...]:
        """The GPUs that can be used."""
        return self.found.usable if self.found is not None else ()

    def look(self, *, anew: bool = False) -> None:
        """Find out what there is, unless it is known or somebody is at it; `anew`, after something was installed."""
        if self._thread is not None or (self.found is not None and not anew):
            return
        self._thread = threading.Thread(target=self._work, args=(anew,), name="devices", daemon=True)
        self._thread.start()
        self.changed.emit()

    def _work(self, anew: bool) -> None:
        found = self._look(anew=anew)
        if not self._closed:
            self._arrived.emit(found)

    def _take(self, found: Devices) -> None:
        self._thread = None
        if not self._closed:
            self.found = found
            self.changed.emit()

    def close(self) -> None:
        """Take no more news. The thread is not waited for: it may be a driver that hangs."""
        self._closed = True


def gpu_of(device: Device, found: Devices | None) -> Gpu | None:
    """The GPU that a device stands for, or None."""
    kind, index = read_device(device)
    usable = found.usable if found is not None else ()
    if kind == "cpu":
        return None
    return next((gpu for gpu in usable if index is None or gpu.index == index), None)


def gpu_words(gpu: Gpu) -> str:
    """A GPU and its memory: "RTX 4090 · 22.1 GiB of 24.0 GiB free"."""
    return f"{short(gpu.name)} · {bytes_text(gpu.free)} of {bytes_text(gpu.total)} free"


def short(text: str) -> str:
    """A device's name without those of its maker and its series, which every one of them has."""
    return text.replace("NVIDIA ", "").replace("GeForce ", "")


def math_for(device: Device, executor: ExecutorKind, math: MathMode, found: Devices | None) -> MathMode:
    """How matrices are multiplied there: `math` where the CUDA executor computes, else in float32."""
    computes = executor in ("auto", "cuda") and gpu_of(device, found) is not None
    return math if computes else "float32"


def computing(device: Device, executor: ExecutorKind, math: MathMode, found: Devices | None) -> str:
    """What a run with these computes with, in words: "CUDA · RTX 4090 · TF32". Raises BackendError where a GPU was
    asked for that is not to be had."""
    from engine import executors
    from engine.backend import choose

    gpu = None if executor == "cpu" and read_device(device)[0] == "auto" else gpu_of(device, found)
    if gpu is not None:
        rounded = math_for(device, executor, math, found)
        kind = "CUDA" if executor in ("auto", "cuda") else "CuPy"
        return f"{kind} · {gpu.name}{'' if rounded == 'float32' else f' · {rounded.upper()}'}"
    kind, index = read_device(device)
    if kind == "cuda" and found is not None:
        if found.trouble is not None:
            raise BackendError(found.trouble.text)
        refused = next((gpu.trouble for gpu in found.gpus if gpu.index == index and gpu.trouble is not None), None)
        if refused is not None:
            raise BackendError(refused.text)
        raise BackendError(f"There is no GPU {device}: this machine has {', '.join(gpu.id for gpu in found.gpus)}.")
    label = choose("cpu").label
    if executor == "array" or executors.unavailable():
        return label
    return "Compiled" if executor == "cpu" or executors.compiled() else label
