"""Compiled kernels: the same operations as `engine.kernels.reference`, as machine code for this processor.

A module here holds the kernels of one subject and says which rows of the interpreter's table its operations become. A
new operation is one kernel and one `@rows_of` (or `@stage_of`) in the module of its subject.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.plan import Program

__all__ = ["ALONE", "MODULES", "declare", "names", "plan_names"]

MODULES = (
    "interpreter",
    "steps",
    "elementwise",
    "noise",
    "arrange",
    "matrix",
    "convolution",
    "winograd",
    "depthwise",
    "smooth",
    "reduction",
    "prelu",
    "loss",
    "weighted_loss",
    "margin_loss",
    "sequences",
    "attention",
    "pooling",
    "regions",
    "normalization",
    "normalization_gradient",
    "group_norm",
    "update",
    "rules",
    "beside",
    "fused_update",
    "observe",
    "units",
)
"""The modules that declare kernels."""

ALONE = b"alone\n"
"""What the process that compiles is told when nobody waits for its end any more; see `__main__`."""


def declare() -> None:
    """Import all of them, so that every kernel and every operation's rows are known."""
    for name in MODULES:
        import_module(f"{__name__}.{name}")


def names() -> tuple[str, ...]:
    """Every kernel's name."""
    from engine.kernels.cpu.language import KERNELS

    declare()
    return tuple(sorted(KERNELS))


def plan_names(program: Program) -> list[str]:
    """For each group of the program, what the compiled executor runs it with: "matmul+add_bias+relu" is one row of its
    table, "sum_rows, matmul" are two, "array: <operation>" is left to the reference kernel. Needs no compiled kernels.
    """
    from engine.cpu_executor import paper_binding
    from engine.kernels.cpu.rows import cover

    declare()
    names: list[list[str]] = [[] for _ in program.groups]
    for item in cover(paper_binding(program), keep_gradients=False):
        names[item.group].append(item.name)
    return [", ".join(items) for items in names]
