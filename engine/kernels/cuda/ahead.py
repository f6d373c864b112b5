"""Kernels that are compiled before they are asked for, several sources at a time: the first time, that takes half a
minute altogether.

NVRTC may be called by several threads, each of which has a program of its own (NVIDIA, "NVRTC", CUDA Toolkit
Documentation 13, "Thread safety").
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from engine.kernels.cuda import nvrtc
from engine.kernels.cuda.nvrtc import Compiled

__all__ = ["Ahead"]

MOST = 4
"""Sources at a time: more would not be done earlier, as the longest takes a quarter of the time."""

FIRST = ("implicit", "update", "losses", "normalization")
"""What takes long and is often needed; products, the first that a program asks for, are compiled by who asks."""


class Ahead:
    """Compiles sources for an architecture ("sm_90") in the background, on half of the machine's cores at most: all of
    them, or those that are named."""

    def __init__(self, arch: str, names: Sequence[str] | None = None) -> None:
        self._arch = arch
        self._begun: dict[str, Future[Compiled]] = {}
        self._pool: ThreadPoolExecutor | None = None
        if threads := min(MOST, (os.cpu_count() or 1) // 2):
            pool = self._pool = ThreadPoolExecutor(threads, thread_name_prefix="nvrtc")
            names = sorted(
                nvrtc.sources() if names is None else names,
                key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST),
            )
            self._begun = {name: pool.submit(nvrtc.compile, name, arch) for name in names}
            # Its threads go when all is done.
            pool.shutdown(wait=False)

    def get(self, name: str) -> Compiled:
        """The machine code of `name`.cu. Raises what `nvrtc.compile` does."""
        begun = self._begun.get(name)
        if begun is None or begun.cancel():  # nobody is at it yet
            return nvrtc.compile(name, self._arch)
        return begun.result()

    @property
    def left(self) -> int:
        """How many sources are not compiled yet."""
        return sum(not one.done() for one in self._begun.values())

    def wait(self, seconds: float) -> bool:
        """Wait until all is compiled, but no longer than that; whether all is. Raises what `nvrtc.compile` does."""
        done, left = wait(self._begun.values(), seconds)
        for one in done:
            one.result()
        return not left

    def close(self) -> None:
        """Begin with no further one."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
