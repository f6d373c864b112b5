"""Which executor runs a program: the CUDA executor on a GPU, the compiled one where numba is and a CPU computes, the
array executor everywhere.

All run the same programs on the same kind of state, so that a run can go on with another one.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Literal, Protocol, get_args

if TYPE_CHECKING:
    from engine.backend import MathMode
    from engine.executor import BoundProgram
    from engine.plan import Program
    from engine.state import State

__all__ = [
    "EXECUTORS",
    "Executor",
    "ExecutorError",
    "ExecutorKind",
    "Ways",
    "choose",
    "compiled",
    "misfit",
    "on_device",
    "unavailable",
]

ExecutorKind = Literal["auto", "array", "cpu", "cuda"]
Ways = Mapping[str, Mapping[str, str]]
"""By the name of a device, and by operation and sizes, the name of a way; see `engine.kernels.cuda.choice`."""
EXECUTORS: tuple[ExecutorKind, ...] = get_args(ExecutorKind)


class ExecutorError(RuntimeError):
    """The executor that was asked for cannot be used; the message says why and what to do."""


class Executor(Protocol):
    """What runs programs on a state."""

    state: State

    @property
    def kind(self) -> Literal["array", "cpu", "cuda"]:
        """Which of `EXECUTORS` it is."""

    @property
    def label(self) -> str:
        """What it is, for people: "NumPy · 2 threads"."""

    @property
    def ways(self) -> Ways:
        """Which way operations went that can go several; a run that goes on takes them again, for the same bits."""

    def bind(self, program: Program) -> BoundProgram:
        """Give the program its memory, ready to be run. Bind the largest program first."""

    def close(self) -> None:
        """Let its threads go. Bound programs must not be run afterwards; closing twice is harmless."""


def choose(kind: ExecutorKind, state: State, *, math: MathMode = "float32", ways: Ways | None = None) -> Executor:
    """An executor for `state`. "auto" takes the CUDA executor on a GPU and the compiled one on the processor, where it
    can be used and its kernels are ready; else the array executor. `math` is how the CUDA executor multiplies matrices,
    `ways` are those that a run took before.

    Raises ExecutorError when what was asked for is not to be had. What a GPU raises while kernels are compiled and
    memory is taken passes through.
    """
    if kind not in EXECUTORS:
        raise ExecutorError(f"There is no executor “{kind}”: use {', '.join(EXECUTORS)}.")
    from engine.executor import ArrayExecutor

    if kind == "cuda" or (kind == "auto" and state.backend.name == "cupy"):
        reason = misfit(state, "cuda")
        if kind == "cuda" and reason:
            raise ExecutorError(reason)
        if not reason:
            from engine.cuda_executor import CUDAExecutor

            return CUDAExecutor(state, math=math, ways=ways)
    if math != "float32":
        raise ExecutorError(
            f"Matrix products in {math} are computed by the executor “cuda”, on an NVIDIA GPU and in float32: choose "
            "such a device, or --precision float32 (“Matrix products: float32” in the window)."
        )
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


def misfit(state: State, kind: Literal["cpu", "cuda"] = "cpu") -> str:
    """Why the compiled executor ("cpu"), or the CUDA executor, cannot train this state on this machine, in words; empty
    when it can."""
    if kind == "cuda":
        if state.backend.name == "cupy" and state.precision == "float32":
            return ""
        return (
            "The CUDA executor computes float32 on an NVIDIA GPU: choose the device “cuda” and the precision float32, "
            "or the executor “array”."
        )
    if state.backend.name != "numpy" or state.precision != "float32":
        return (
            "The compiled executor computes float32 on the processor: choose the device “cpu” and the precision "
            "float32, or the executor “array”."
        )
    return unavailable()


def on_device(executor: Executor) -> bool:
    """Whether a GPU computes, which may fail."""
    return executor.kind == "cuda" or executor.state.backend.name == "cupy"


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
