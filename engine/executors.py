"""Which executor runs a program: the array executor everywhere, the compiled one where numba is and a CPU computes.

Both run the same programs on the same state, so that a run can go on with the other one.
"""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from typing import TYPE_CHECKING, Literal, Protocol, get_args

if TYPE_CHECKING:
    from engine.executor import BoundProgram
    from engine.plan import Program
    from engine.state import State

__all__ = ["EXECUTORS", "Executor", "ExecutorError", "ExecutorKind", "choose", "compiled", "misfit", "unavailable"]

ExecutorKind = Literal["auto", "array", "cpu"]
EXECUTORS: tuple[ExecutorKind, ...] = get_args(ExecutorKind)


class ExecutorError(RuntimeError):
    """The executor that was asked for cannot be used; the message says why and what to do."""


class Executor(Protocol):
    """What runs programs on a state."""

    state: State

    @property
    def kind(self) -> Literal["array", "cpu"]:
        """Which of `EXECUTORS` it is."""

    @property
    def label(self) -> str:
        """What it is, for people: "NumPy · 2 threads"."""

    def bind(self, program: Program) -> BoundProgram:
        """Give the program its memory, ready to be run. Bind the largest program first."""

    def close(self) -> None:
        """Let its threads go. Bound programs must not be run afterwards; closing twice is harmless."""


def choose(kind: ExecutorKind, state: State) -> Executor:
    """An executor for `state`. "auto" takes the compiled one where it can be used and its kernels are ready.

    Raises ExecutorError when "cpu" was asked for and is not to be had.
    """
    if kind not in EXECUTORS:
        raise ExecutorError(f"There is no executor “{kind}”: use {', '.join(EXECUTORS)}.")
    from engine.executor import ArrayExecutor

    reason = "" if kind == "array" else misfit(state)
    if kind == "cpu" and reason:
        raise ExecutorError(reason)
    if kind == "array" or reason or (kind == "auto" and not compiled()):
        return ArrayExecutor(state)
    from engine.cpu_executor import CPUExecutor
    from engine.kernels.cpu.library import LibraryError

    try:
        return CPUExecutor(state, keep_gradients=False)
    except LibraryError as error:
        if kind == "auto":
            return ArrayExecutor(state)
        raise ExecutorError(str(error)) from error


def misfit(state: State) -> str:
    """Why the compiled executor cannot train this state on this machine, in words; empty when it can."""
    if state.backend.name != "numpy" or state.precision != "float32":
        return (
            "The compiled executor computes float32 on the processor: choose the device “cpu” and the precision "
            "float32, or the executor “array”."
        )
    return unavailable()


def unavailable() -> str:
    """Why the compiled executor cannot be used on this machine, in words; empty when it can."""
    if sys.platform == "win32":
        return "The compiled executor runs on Linux and macOS; on Windows the array executor computes."
    if importlib.util.find_spec("llvmlite") is None:
        return f"The compiled executor needs numba: run {sys.executable} -m pip install numba."
    return _refusal()


@cache
def _refusal() -> str:
    """Why llvmlite, which is installed, cannot be used, in words; empty when it can."""
    try:
        import llvmlite.binding  # noqa: F401
    except (ImportError, OSError) as error:  # OSError: its shared library lacks one that it needs
        return (
            f"The compiled executor needs llvmlite, which cannot be imported: {error}. Run {sys.executable} -m pip "
            "install --force-reinstall llvmlite numba."
        )
    return ""


def compiled() -> bool:
    """Whether the compiled executor's kernels lie ready, so that it starts at once."""
    if unavailable():
        return False
    from engine.kernels.cpu.library import is_compiled

    return is_compiled()
