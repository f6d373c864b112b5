"""A real GPU for tests marked `gpu`: one device for the whole session, on the thread that runs the tests."""

from __future__ import annotations

from functools import cache
from typing import Any

__all__ = ["real_device"]


@cache
def real_device() -> Any:
    """The GPU. It is never closed: what is bound to it lives as long as the tests."""
    import cupy

    from engine.kernels.cuda.device import CudaDevice

    return CudaDevice(cupy)
