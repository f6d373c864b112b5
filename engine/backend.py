"""NumPy or CuPy, decided once per run, never per operation."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np

Device = Literal["auto", "cpu", "cuda"]


class BackendError(RuntimeError):
    """The device that was asked for cannot be used; the message says why and what to install or do."""


@dataclass(frozen=True)
class Backend:
    """An array namespace and what it runs on. `alignment` is the start of every segment and buffer, in bytes."""

    name: Literal["numpy", "cupy"]
    xp: Any
    label: str
    alignment: int

    def to_host(self, array: Any) -> np.ndarray:
        """A NumPy copy of an array of this backend."""
        return np.array(array) if self.name == "numpy" else self.xp.asnumpy(array)

    def write(self, target: Any, source: np.ndarray) -> None:
        """Copy a host array into an array of this backend, of the same shape, converting its precision if needed."""
        if self.name == "numpy":
            np.copyto(target, source, casting="same_kind")
        else:
            target.set(np.ascontiguousarray(source, dtype=target.dtype))

    def synchronize(self) -> None:
        """Wait until the device has done what was asked of it."""
        if self.name == "cupy":
            self.xp.cuda.get_current_stream().synchronize()


def choose(device: Device = "auto") -> Backend:
    """The backend for a device name. "auto" takes an NVIDIA GPU where CuPy finds one, the CPU otherwise.

    Raises BackendError when "cuda" was asked for and is not to be had.
    """
    if device == "cpu":
        return _numpy()
    if device not in ("auto", "cuda"):
        raise BackendError(f"There is no device “{device}”: use auto, cpu or cuda.")
    try:
        return _cupy()
    except BackendError:
        if device == "cuda":
            raise
        return _numpy()


@cache
def _numpy() -> Backend:
    threads = os.environ.get("OMP_NUM_THREADS") or os.environ.get("OPENBLAS_NUM_THREADS") or str(os.cpu_count() or 1)
    return Backend("numpy", np, f"NumPy · {threads} thread{'' if threads == '1' else 's'}", 64)


@cache
def _cupy() -> Backend:
    try:
        import cupy
    except ImportError:
        raise BackendError(
            f"CuPy is not installed for Python {platform.python_version()}: run {sys.executable} -m pip install "
            "cupy-cuda13x (or cupy-cuda12x for CUDA 12)."
        ) from None
    except Exception as error:  # a broken installation: of CUDA's libraries, of another NumPy, ...
        raise BackendError(f"CuPy is installed but cannot be loaded: {error}") from error
    try:
        available = cupy.cuda.is_available()
        name = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)["name"].decode() if available else ""
    except Exception as error:  # CuPy raises errors of its own, of the driver and of the loader
        raise BackendError(f"CuPy is installed but cannot reach a GPU: {error}") from error
    if not available:
        raise BackendError("CuPy is installed, but no NVIDIA GPU with a working driver was found: check nvidia-smi.")
    return Backend("cupy", cupy, f"CuPy · {name}", 256)
