"""Waiting for the kernels of the compiled executor, or of a GPU, where a run cannot begin without them."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from engine import executors
from engine.compilation import Compilation
from engine.training import events

if TYPE_CHECKING:
    from engine.backend import Backend
    from engine.training.control import Control

__all__ = ["await_gpu_kernels", "await_kernels"]

LISTEN = 0.05  # seconds between two looks at the control
THREADS = 4  # that compile for a GPU: one file takes as long as many of the others


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
    run was stopped meanwhile, which waits for the files that are being compiled.

    Raises DeviceError when they cannot be compiled.
    """
    from engine.kernels.cuda import nvrtc

    found = backend.xp.cuda.runtime.getDeviceProperties(backend.index)
    arch = nvrtc.architecture(found["major"], found["minor"])
    names = nvrtc.uncompiled(arch)
    if not names:
        return True
    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1), thread_name_prefix="gpu-kernels") as pool:
        waiting = {pool.submit(nvrtc.compile, name, arch) for name in names}
        while waiting and not control.stopping:
            report(events.Compiling(run="", step=0, done=len(names) - len(waiting), total=len(names)))
            done, waiting = wait(waiting, LISTEN)
            for one in done:
                if one.exception() is not None:
                    pool.shutdown(cancel_futures=True)
                one.result()
        pool.shutdown(cancel_futures=True)
    return not control.stopping
