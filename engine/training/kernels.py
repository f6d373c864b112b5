"""Waiting for the kernels of the compiled executor, or of a GPU, where a run cannot begin without them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from engine import executors
from engine.compilation import Compilation
from engine.training import events

if TYPE_CHECKING:
    from engine.backend import Backend
    from engine.training.control import Control

__all__ = ["await_gpu_kernels", "await_kernels"]

LISTEN = 0.05  # seconds between two looks at the control


def await_kernels(control: Control, report: Callable[[events.Event], None]) -> bool:
    """Compile the kernels unless they are ready, and tell how far that is; False when the run was stopped meanwhile.

    Raises ExecutorError when they cannot be compiled.
    """
    if executors.compiled():
        return True
    compilation = Compilation()
    told: tuple[int, int] | None = None
    try:
        compilation.start()
        ended = not compilation.active
        while not (ended or control.stopping):
            if compilation.progress != told:
                told = compilation.progress
                report(events.Compiling(run="", step=0, done=told[0], total=told[1]))
            ended = compilation.wait(LISTEN)
    finally:
        compilation.cancel()
    if compilation.state == "failed":
        raise executors.ExecutorError(compilation.message)
    return not control.stopping


def await_gpu_kernels(backend: Backend, control: Control, report: Callable[[events.Event], None]) -> bool:
    """Compile the kernels for the backend's GPU unless that was done before, and tell how far that is; False when the
    run was stopped meanwhile. A machine of one core compiles each file when it is asked for.

    Raises DeviceError when they cannot be compiled.
    """
    from engine.kernels.cuda import nvrtc
    from engine.kernels.cuda.ahead import Ahead

    found = backend.xp.cuda.runtime.getDeviceProperties(backend.index)
    arch = nvrtc.architecture(found["major"], found["minor"])
    names = nvrtc.uncompiled(arch)
    ahead = Ahead(arch, names)
    try:
        ended = not names
        while not (ended or control.stopping):
            report(events.Compiling(run="", step=0, done=len(names) - ahead.left, total=len(names)))
            ended = ahead.wait(LISTEN)
    finally:
        ahead.close()
    return not control.stopping
