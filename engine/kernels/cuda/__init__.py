"""The kernels of the GPU: plain CUDA C++ in the `.cu` files, and beside them what each operation launches.

`declare` imports every module that says `@launches_of` or `@stage_of`.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.plan import Program

__all__ = ["declare", "plan_names"]


@functools.cache
def declare() -> None:
    """Make the launches of all operations known. Needs neither CuPy nor a GPU."""
    for item in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{item.name}")


def plan_names(program: Program) -> list[str]:
    """For each group of the program, what is launched for it on a GPU: kernels by name, "cuBLAS" for a matrix product.
    What several groups have in common stands with the first of them. Needs neither CuPy nor a GPU."""
    from engine.cuda_executor import paper_binding
    from engine.kernels.cuda.launches import Launch, cover

    names: list[list[str]] = [[] for _ in program.groups]
    for item in cover(paper_binding(program)):
        names[item.group] += [work.kernel if isinstance(work, Launch) else work.library for work in item.works]
    return [", ".join(items) for items in names]
