"""Compiled kernels: the same operations as `engine.kernels.reference`, as machine code for this processor.

A module here holds the kernels of one subject and says which rows of the interpreter's table its operations become. A
new operation is one kernel and one `@rows_of` (or `@stage_of`) in the module of its subject.
"""

from __future__ import annotations

from importlib import import_module

__all__ = ["MODULES", "declare", "names"]

MODULES = ("interpreter", "steps", "elementwise", "matrix")
"""The modules that declare kernels."""


def declare() -> None:
    """Import all of them, so that every kernel and every operation's rows are known."""
    for name in MODULES:
        import_module(f"{__name__}.{name}")


def names() -> tuple[str, ...]:
    """Every kernel's name."""
    from engine.kernels.cpu.language import KERNELS

    declare()
    return tuple(sorted(KERNELS))
