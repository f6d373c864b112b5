"""As much of CuPy as the GPU's device asks for, which does nothing but put down what it is asked.

Functions have the parameters of CuPy 14.2, in its order (cupy/cuda/stream.pyx, graph.pyx, function.pyx,
pinned_memory.pyx; cupy_backends/cuda/api/driver.pyx, runtime.pyx).
"""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

__all__ = ["RecordedCupy", "Stream"]


class Stream:
    """A stream, of which one is the thread's current one."""

    def __init__(self, cupy: RecordedCupy, name: str, ptr: int) -> None:
        self._cupy, self.name, self.ptr = cupy, name, ptr

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self.ptr == other.ptr

    def __hash__(self) -> int:
        return self.ptr

    def use(self) -> Stream:
        self._cupy.current = self
        return self

    def synchronize(self) -> None:
        self._cupy.tell("synchronize", self.name)
        if self._cupy.lost:
            raise RuntimeError("cudaErrorLaunchFailure: unspecified launch failure")

    def wait_event(self, event: Event) -> None:
        self._cupy.tell("wait", self.name, event.number)

    def begin_capture(self, mode: int | None = None) -> None:
        self._cupy.tell("begin capture", self.name, mode)

    def end_capture(self) -> Graph:
        self._cupy.tell("end capture", self.name)
        if self._cupy.invalidated:
            raise RuntimeError("cudaErrorStreamCaptureInvalidated: operation failed due to a previous error")
        return Graph(self._cupy)


class Graph:
    def __init__(self, cupy: RecordedCupy) -> None:
        self._cupy = cupy

    def launch(self, stream: Stream | None = None) -> None:
        self._cupy.tell("launch graph", (stream or self._cupy.current).name)

    def upload(self, stream: Stream | None = None) -> None:
        self._cupy.tell("upload graph", (stream or self._cupy.current).name)


class Event:
    def __init__(self, cupy: RecordedCupy, number: int, disable_timing: bool) -> None:
        self._cupy, self.number, self.timed = cupy, number, not disable_timing

    def record(self, stream: Stream | None = None) -> None:
        self._cupy.tell("record", self.number, (stream or self._cupy.current).name)

    def synchronize(self) -> None:
        self._cupy.tell("wait for", self.number)


class RecordedCupy:
    """The namespace. `acts` is what was asked, in order; `lost`: streams cannot be waited for any more; `invalidated`:
    captures cannot be ended."""

    def __init__(self, major: int = 9) -> None:
        self.acts: list[tuple[Any, ...]] = []
        self.lost = self.invalidated = False
        self.current = Stream(self, "null", 0)
        self._streams = self._functions = 0
        self._events = 0
        self._addresses = 0x7F0000000000
        self.cuda = SimpleNamespace(
            Device=lambda device=None: SimpleNamespace(id=1, synchronize=lambda: self.tell("synchronize device")),
            Stream=self._stream,
            Event=self._event,
            get_current_stream=lambda device_id=-1: self.current,
            get_elapsed_time=self._elapsed,
            alloc_pinned_memory=self._pinned,
            function=SimpleNamespace(Module=self._module),
        )
        self.runtime = SimpleNamespace(
            memcpyHostToDevice=1,
            memcpyDeviceToHost=2,
            streamCaptureModeGlobal=0,
            streamCaptureModeThreadLocal=1,
            streamCaptureModeRelaxed=2,
            getDeviceProperties=lambda device: {"name": f"GPU {device}".encode(), "major": major, "minor": 0},
            memcpyAsync=self._copy,
            memGetInfo=lambda: (1000, 5000),
            driverGetVersion=lambda: 13000,
            runtimeGetVersion=lambda: 13020,
        )
        self.driver = SimpleNamespace(launchKernel=self._launch)

    def tell(self, *act: Any) -> None:
        self.acts.append(act)

    def taken(self) -> list[tuple[Any, ...]]:
        """What was asked since the last time."""
        acts, self.acts = self.acts, []
        return acts

    def install(self, monkeypatch: pytest.MonkeyPatch) -> RecordedCupy:
        """Let imports of CuPy's lower modules find this one."""
        api = ModuleType("cupy_backends.cuda.api")
        api.driver, api.runtime = self.driver, self.runtime  # type: ignore[attr-defined]
        for name in ("cupy_backends", "cupy_backends.cuda"):
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
        monkeypatch.setitem(sys.modules, "cupy_backends.cuda.api", api)
        return self

    # -- the namespace -------------------------------------------------------------------------------------------------

    def empty(self, shape: int, dtype: Any = float) -> Any:
        self._addresses += 1 << 30
        return SimpleNamespace(nbytes=shape * np.dtype(dtype).itemsize, data=SimpleNamespace(ptr=self._addresses))

    def get_default_memory_pool(self) -> Any:
        return SimpleNamespace(free_bytes=lambda: 234, free_all_blocks=lambda: self.tell("free memory"))

    def get_default_pinned_memory_pool(self) -> Any:
        return SimpleNamespace(free_all_blocks=lambda: self.tell("free pinned memory"))

    def _stream(
        self, null: bool = False, non_blocking: bool = False, ptds: bool = False, priority: int | None = None
    ) -> Stream:
        assert non_blocking and not null and not ptds
        self._streams += 1
        return Stream(self, f"stream {self._streams}", 0x100 * self._streams)

    def _event(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False) -> Event:
        self._events += 1
        return Event(self, self._events, disable_timing)

    @staticmethod
    def _elapsed(start_event: Event, end_event: Event) -> float:
        """Milliseconds."""
        assert start_event.timed and end_event.timed
        return 1.5 * (end_event.number - start_event.number)

    @staticmethod
    def _pinned(size: int) -> memoryview:
        # The pool hands out powers of two, of 512 bytes at least, with what lay there before.
        return memoryview(bytearray(b"\xff" * max(512, 1 << (size - 1).bit_length())))

    def _module(self) -> Any:
        loaded: list[bytes] = []

        def load(cubin: bytes) -> None:
            assert type(cubin) is bytes
            loaded.append(cubin)
            self.tell("load", cubin)

        def get_function(name: str) -> Any:
            assert loaded
            self._functions += 1
            return SimpleNamespace(ptr=self._functions)

        return SimpleNamespace(load=load, get_function=get_function)

    def _launch(
        self, f: int, grid_dim_x: int, grid_dim_y: int, grid_dim_z: int, block_dim_x: int, block_dim_y: int,
        block_dim_z: int, shared_mem_bytes: int, stream: int, kernel_params: int, extra: int,
    ) -> None:  # fmt: skip
        grid, block = (grid_dim_x, grid_dim_y, grid_dim_z), (block_dim_x, block_dim_y, block_dim_z)
        self.tell("launch", f, grid, block, shared_mem_bytes, stream, kernel_params, extra)

    def _copy(self, dst: int, src: int, size: int, kind: int, stream: int) -> None:
        self.tell("copy", dst, src, size, kind, stream)
