"""The threads that run programs: plain threads of Python that spend their time in machine code, without its lock.

The thread that asks for a run takes part in it; the others watch for the next order for a fraction of a millisecond and
then sleep until they are woken, so that an idle team costs nothing. They end with the team: when it is closed, when
nobody holds it any more, or with the process.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
import weakref
from typing import Any

import numpy as np

from engine.kernels.cpu.interpreter import CLOSING, HOLD, SHARED_BYTES
from engine.kernels.cpu.library import Library

__all__ = ["Team", "default_threads"]

LOWER = 1
"""By how much the helpers' priority lies below the process's own, where the system allows it: a window that wants to
draw comes first."""


def default_threads() -> int:
    """One thread for each core that this process may use; `DESCENT_THREADS` says otherwise.

    Of two logical processors that share a core one is counted: they share its arithmetic units.
    """
    if (chosen := os.environ.get("DESCENT_THREADS", "")).isdecimal() and int(chosen) > 0:
        return int(chosen)
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    cores = set()
    for index in os.sched_getaffinity(0):
        siblings = str(index)
        with contextlib.suppress(OSError):
            with open(f"/sys/devices/system/cpu/cpu{index}/topology/thread_siblings_list", encoding="ascii") as file:
                siblings = file.read().strip()
        cores.add(siblings)
    return max(1, len(cores))


class _Memory:
    """What the threads share; kept by each of them, so that it outlives the team."""

    def __init__(self) -> None:
        raw = np.zeros(SHARED_BYTES + 128, np.uint8)
        start = -raw.ctypes.data % 128
        self.cells = raw[start : start + SHARED_BYTES].view(np.int64)
        self.address = int(self.cells.ctypes.data)

    def __getitem__(self, offset: int) -> int:
        return int(self.cells[offset // 8])

    def __setitem__(self, offset: int, value: int) -> None:
        self.cells[offset // 8] = value


class Team:
    """`threads` threads, the caller's among them. Only one thread at a time may ask for runs."""

    def __init__(self, library: Library, threads: int) -> None:
        self.threads = max(1, threads)
        self._library = library
        self._memory = _Memory()
        self._closed = False
        self._begin()

    @property
    def shared(self) -> int:
        """The address of what the threads share."""
        return self._memory.address

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def run(self, arguments: np.ndarray, steps: int, threads: int | None = None) -> None:
        """Run `steps` steps of a table (see `engine.kernels.cpu.interpreter.interpret` for the arguments) on all
        threads (threads=None), or on the caller's alone (1)."""
        threads = threads or self.threads
        if threads > 1:
            if self.closed:
                raise RuntimeError("the team is closed")
            if self._process != os.getpid():
                self._begin()  # a fork took the memory along, and no thread
        try:
            if threads > 1:
                self._library.post(int(arguments[5]), 0, threads, steps)
                if arguments[6]:
                    # A ring too many does no harm: whoever hears it looks for orders once more.
                    for bell in self._bells:
                        bell.put(None)
            self._library.lead(int(arguments[5]), 0, threads, steps)
        except BaseException:
            # An interrupt may come between any two calls: nobody has begun before `lead`, and they may sleep again.
            self._memory[HOLD] = 0
            raise

    def close(self) -> None:
        """Send the threads away and wait for them. Closing twice is harmless."""
        self._closed = True
        self._finalizer()

    def _begin(self) -> None:
        self._process = os.getpid()
        memory = self._memory
        memory.cells[:] = 0
        bells: list[queue.SimpleQueue[None]] = [queue.SimpleQueue() for _ in range(self.threads - 1)]
        workers = [
            threading.Thread(
                target=_work,
                args=(self._library, memory, bell, me + 1, self.threads),
                name=f"team {me + 1}",
                daemon=True,
            )
            for me, bell in enumerate(bells)
        ]
        self._bells = bells
        self._finalizer = weakref.finalize(self, _end, memory, bells, workers, self._process)
        for worker in workers:
            worker.start()


def _work(library: Library, memory: _Memory, bell: Any, me: int, threads: int) -> None:
    if sys.platform == "linux":  # elsewhere the number would be taken for a process
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + LOWER)
    arguments = np.array([memory.address, 0, 0], np.int64)
    while not memory[CLOSING]:
        library.follow(arguments.ctypes.data, me, threads, 0)
        bell.get()


def _end(memory: _Memory, bells: list[Any], workers: list[threading.Thread], process: int) -> None:
    if process != os.getpid():
        return
    memory[CLOSING] = 1
    for bell in bells:
        bell.put(None)
    for worker in workers:
        if worker is not threading.current_thread():
            worker.join()
