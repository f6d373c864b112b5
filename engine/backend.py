"""NumPy or CuPy, decided once per run, never per operation."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from engine import devices

__all__ = ["MATH_MODES", "Backend", "BackendError", "Device", "MathMode", "choose", "read_device"]

Device: TypeAlias = str
"""What can be asked for: "auto" (an NVIDIA GPU where one can be used, else the processor), "cpu", "cuda" (the first GPU
that can be used) or "cuda:N" (the GPU with that number). `read_device` refuses everything else."""

MathMode = Literal["float32", "tf32", "bf16"]
"""How a GPU multiplies matrices of a float32 run: exactly as float32, or with operands rounded to TF32 (10 bits of
fraction) or bfloat16 (7 bits), which tensor cores multiply and add up in float32."""
MATH_MODES: tuple[MathMode, ...] = get_args(MathMode)

_NAMES = re.compile(r"(auto|cpu|cuda)(?::(0|[1-9]\d{0,3}))?")


class BackendError(RuntimeError):
    """The device that was asked for cannot be used; the message says why and what to install or do."""


@dataclass(frozen=True)
class Backend:
    """An array namespace and what it runs on. `alignment` is the start of every segment and buffer, in bytes; `index`
    is the GPU's number, None on the processor."""

    name: Literal["numpy", "cupy"]
    xp: Any
    label: str
    alignment: int
    index: int | None = None

    @property
    def device(self) -> Device:
        """What it runs on, as one asks for it: "cpu", "cuda:0"."""
        return "cpu" if self.index is None else f"cuda:{self.index}"

    @property
    def kind(self) -> Literal["cpu", "cuda"]:
        """The kind of device."""
        return "cpu" if self.index is None else "cuda"

    def to_host(self, array: Any) -> np.ndarray:
        """A NumPy copy of an array of this backend."""
        return np.array(array) if self.name == "numpy" else self.xp.asnumpy(array)

    def write(self, target: Any, source: np.ndarray) -> None:
        """Copy a host array into an array of this backend, of the same shape, converting its precision if needed."""
        if self.name == "numpy":
            np.copyto(target, source, casting="same_kind")
        else:
            target.set(np.ascontiguousarray(source, dtype=target.dtype))

    def copy(self, array: Any) -> Any:
        """Another array with the same content. (CuPy's own `copy` is a kernel that it has to compile first.)"""
        fresh = self.xp.empty(array.shape, dtype=array.dtype)
        self.xp.copyto(fresh, array)
        return fresh

    def synchronize(self) -> None:
        """Wait until the device has done what was asked of it."""
        if self.name == "cupy":
            self.xp.cuda.get_current_stream().synchronize()

    def free_memory(self) -> int | None:
        """Bytes of the device that a run may still take, those that CuPy holds in reserve included; None on the
        processor."""
        if self.name == "numpy":
            return None
        with self.xp.cuda.Device(self.index):
            free = int(self.xp.cuda.runtime.memGetInfo()[0])
        return free + int(self.xp.get_default_memory_pool().free_bytes())

    def release(self) -> None:
        """Give back to the device what nobody uses any more and CuPy holds in reserve."""
        if self.name == "cupy":
            self.xp.get_default_memory_pool().free_all_blocks()


def read_device(text: str) -> tuple[Literal["auto", "cpu", "cuda"], int | None]:
    """A device's kind, and the number where it names one of several GPUs. Raises BackendError for anything else."""
    found = _NAMES.fullmatch(text)
    if found is None or (found[2] is not None and found[1] != "cuda"):
        raise BackendError(f"There is no device “{text}”: use auto, cpu, cuda or cuda:N, such as cuda:0.")
    return found[1], int(found[2]) if found[2] is not None else None  # type: ignore[return-value]


def choose(device: Device = "auto") -> Backend:
    """The backend for a device. A GPU becomes the current device of the thread that calls, which CuPy keeps for each
    thread by itself: the thread that trains must call this.

    Raises BackendError when a GPU was asked for and is not to be had.
    """
    kind, index = read_device(device)
    if kind == "cpu":
        return _numpy()
    if kind == "cuda":
        return _cupy(index)
    found = devices.known()
    if found is not None and not found.usable:
        return _numpy()
    try:
        return _cupy(None)
    except BackendError:
        return _numpy()


@cache
def _numpy() -> Backend:
    threads = os.environ.get("OMP_NUM_THREADS") or os.environ.get("OPENBLAS_NUM_THREADS") or str(os.cpu_count() or 1)
    return Backend("numpy", np, f"NumPy · {threads} thread{'' if threads == '1' else 's'}", 64)


def _cupy(index: int | None) -> Backend:
    """CuPy on the GPU `index`; None takes the first that the kernels can use."""
    trouble = devices.missing()
    if trouble is not None:
        raise BackendError(trouble.text)
    cupy = devices.import_cupy()
    runtime = cupy.cuda.runtime
    try:
        count = runtime.getDeviceCount()
        if index is not None and index >= count:
            has = "only cuda:0" if count == 1 else f"cuda:0 to cuda:{count - 1}"
            raise BackendError(f"There is no GPU cuda:{index}: this machine has {has}.")
        refusals = []
        for candidate in range(count) if index is None else (index,):
            found = runtime.getDeviceProperties(candidate)
            name = found["name"].decode()
            unfit = devices.unfit(name, (int(found["major"]), int(found["minor"])))
            if unfit is None:
                cupy.cuda.Device(candidate).use()
                label = f"CuPy · {name}" if count == 1 else f"CuPy · {name} (cuda:{candidate})"
                return Backend("cupy", cupy, label, 256, candidate)
            refusals.append(unfit.text)
    except BackendError:
        raise
    except Exception as error:  # CuPy raises errors of its own, of the driver and of the loader
        raise BackendError(
            f"The GPU cannot be used: {error}. Look what nvidia-smi says of it; after an update of the driver, start "
            "the machine anew."
        ) from error
    raise BackendError(refusals[0])
