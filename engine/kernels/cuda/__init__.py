"""The kernels of the GPU: plain CUDA C++ in the `.cu` files, and beside them what each operation launches.

`declare` imports every module that says `@launches_of` or `@stage_of`.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil

__all__ = ["declare"]


@functools.cache
def declare() -> None:
    """Make the launches of all operations known. Needs neither CuPy nor a GPU."""
    for item in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{item.name}")
