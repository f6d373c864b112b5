"""Kernels on arrays, written once for NumPy and CuPy: readable, without allocation, and the measure of all others.

A kernel is a function `(xp, *inputs, *outputs, *scratch, **attributes)`, where `xp` is the array namespace and the
arrays come in the order of the call. It writes every output completely, allocates no arrays, moves nothing between host
and device, and asks no array for a Python number. Where an operation declares `in_place`, that output may be the memory
of that input.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable

Kernel = Callable[..., None]

_MODULES = [importlib.import_module(f"{__name__}.{item.name}") for item in pkgutil.iter_modules(__path__)]

KERNELS: dict[str, Kernel] = {
    name: kernel for module in _MODULES for name, kernel in getattr(module, "KERNELS", {}).items()
}

__all__ = ["KERNELS", "Kernel"]
