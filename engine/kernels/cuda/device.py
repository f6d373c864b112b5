"""An NVIDIA GPU by way of CuPy: streams, kernels, cuBLAS, pinned memory, and graphs.

This is all that the executor asks of a device, so that tests can put another one in its place. One thread owns it:
what CuPy does on that thread goes to the same stream. CuPy's own `Stream`, `Event`, `Module` and memory are used;
kernels are launched by the driver's function directly, with arguments that were packed when the program was bound.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import numpy as np

from engine.kernels.cuda import cudnn, nvrtc
from engine.kernels.cuda.ahead import Ahead
from engine.kernels.cuda.cublas import Cublas
from engine.kernels.cuda.signatures import Packed, signatures

__all__ = ["CudaDevice", "Device", "Graph"]

HOPPER_WORKSPACE, WORKSPACE = 32 << 20, 4 << 20
"""Bytes that cuBLAS may work in: what NVIDIA recommends for compute capability 9 and above, and before."""


class Graph:
    """What was asked for during a capture, ready to be launched again; CuPy's graph once the capture is over."""

    def __init__(self) -> None:
        self.graph: Any = None


class Device(Protocol):
    """What the executor asks of a device. Everything but `synchronize` and `wait_for` returns at once, and happens in
    the order in which it was asked for."""

    xp: Any
    name: str
    software: str
    blas: Any

    @property
    def convolutions(self) -> cudnn.Cudnn | None:
        """Convolutions by cuDNN, where it can be used."""

    def function(self, kernel: str) -> Any:
        """What `launch` takes for a kernel."""

    def launch(self, function: Any, grid: tuple[int, int, int], block: int, packed: Packed) -> None:
        """Run a kernel. `packed` is read at once, but what it points to later."""

    def capture(self) -> Any:
        """A context in which nothing is done, but put down: its value is what `replay` takes afterwards."""

    def replay(self, graph: Any) -> None:
        """Do again what was captured."""

    def pinned(self, count: int, dtype: Any) -> np.ndarray:
        """Host memory, flat, that a device reads and writes without a stop."""

    def to_device(self, target: int, source: np.ndarray) -> None:
        """Copy pinned memory to an address on the device. The source must stay as it is until that is done."""

    def to_host(self, target: np.ndarray, source: int) -> None:
        """Copy from an address on the device into pinned memory, which holds it once `synchronize` has returned."""

    def copy_ahead(self, target: int, source: np.ndarray, after: Any, mark: Any) -> None:
        """As `to_device`, beside what is being done, but not before `after`; `mark` is its end."""

    def wait(self, mark: Any) -> None:
        """What is asked for from now on begins after the mark."""

    def wait_for(self, mark: Any) -> None:
        """Return once the mark is reached."""

    def synchronize(self) -> None:
        """Return once all that was asked for is done."""

    def mark(self) -> Any:
        """A point in time, not yet set."""

    def record(self, mark: Any) -> None:
        """Set the mark behind what was asked for so far."""

    def seconds(self, begin: Any, end: Any) -> float:
        """From one mark to another, both of which were reached."""

    def free_memory(self) -> int:
        """Bytes that can still be had."""

    def close(self) -> None:
        """Let streams and memory go."""


class CudaDevice:
    """The device that is CuPy's current one on this thread. Raises what CuPy, NVRTC and cuBLAS raise."""

    def __init__(self, xp: Any) -> None:
        from cupy_backends.cuda.api import driver, runtime

        self.xp, self._driver, self._runtime = xp, driver, runtime
        cuda = xp.cuda
        index = cuda.Device().id
        properties = runtime.getDeviceProperties(index)
        self.name = properties["name"].decode()
        self._arch = nvrtc.architecture(properties["major"], properties["minor"])
        self._kernels: Ahead | None = None
        self._convolutions: list[cudnn.Cudnn | None] = []
        # What was asked for so far went to another stream, which ours does not wait for.
        cuda.Device().synchronize()
        self._before = cuda.get_current_stream()
        self._stream = cuda.Stream(non_blocking=True)
        self._copies = cuda.Stream(non_blocking=True)
        self._modules: dict[str, Any] = {}
        self._functions: dict[str, int] = {}
        workspace = HOPPER_WORKSPACE if properties["major"] >= 9 else WORKSPACE
        self._workspace = xp.empty(workspace, dtype=np.uint8)
        self.blas = Cublas(self._stream.ptr, int(self._workspace.data.ptr), workspace)
        versions = runtime.driverGetVersion(), runtime.runtimeGetVersion(), self.blas.version()
        self.software = "driver {}, runtime {}, cuBLAS {}".format(*versions)
        self._stream.use()

    @property
    def convolutions(self) -> cudnn.Cudnn | None:
        # Looked for when somebody asks: that loads a large library.
        if not self._convolutions:
            self._convolutions.append(cudnn.find(self._stream.ptr))
        return self._convolutions[0]

    # -- kernels -------------------------------------------------------------------------------------------------------

    def function(self, kernel: str) -> int:
        found = self._functions.get(kernel)
        if found is None:
            source = signatures()[kernel].source
            module = self._modules.get(source)
            if module is None:
                module = self.xp.cuda.function.Module()
                self._kernels = self._kernels or Ahead(self._arch)
                module.load(self._kernels.get(source).cubin)
                self._modules[source] = module
            found = self._functions[kernel] = module.get_function(kernel).ptr
        return found

    def launch(self, function: int, grid: tuple[int, int, int], block: int, packed: Packed) -> None:
        self._driver.launchKernel(function, *grid, block, 1, 1, 0, self._stream.ptr, packed.address, 0)

    @contextmanager
    def capture(self) -> Iterator[Graph]:
        found = Graph()
        with _nothing_collected():
            # Relaxed: libraries may take memory of their own, and other threads may do what they like.
            self._stream.begin_capture(self._runtime.streamCaptureModeRelaxed)
            try:
                yield found
            except BaseException:
                # The capture is broken off; what it was asked to be is of no interest any more.
                with suppress(Exception):
                    self._stream.end_capture()
                raise
            found.graph = self._stream.end_capture()
        found.graph.upload(self._stream)

    def replay(self, graph: Graph) -> None:
        graph.graph.launch(self._stream)

    # -- memory --------------------------------------------------------------------------------------------------------

    def pinned(self, count: int, dtype: Any) -> np.ndarray:
        kind = np.dtype(dtype)
        memory = self.xp.cuda.alloc_pinned_memory(max(1, count) * kind.itemsize)
        # The array keeps the memory alive: it is its base.
        return np.frombuffer(memory, kind, count)

    def to_device(self, target: int, source: np.ndarray) -> None:
        self._copy(target, source.ctypes.data, source, self._runtime.memcpyHostToDevice, self._stream)

    def to_host(self, target: np.ndarray, source: int) -> None:
        self._copy(target.ctypes.data, source, target, self._runtime.memcpyDeviceToHost, self._stream)

    def copy_ahead(self, target: int, source: np.ndarray, after: Any, mark: Any) -> None:
        self._copies.wait_event(after)
        self._copy(target, source.ctypes.data, source, self._runtime.memcpyHostToDevice, self._copies)
        mark.record(self._copies)

    def _copy(self, target: int, source: int, host: np.ndarray, kind: int, stream: Any) -> None:
        if host.nbytes:
            self._runtime.memcpyAsync(target, source, host.nbytes, kind, stream.ptr)

    def free_memory(self) -> int:
        pool = self.xp.get_default_memory_pool()
        return int(self._runtime.memGetInfo()[0]) + int(pool.free_bytes())

    # -- time ----------------------------------------------------------------------------------------------------------

    def wait(self, mark: Any) -> None:
        self._stream.wait_event(mark)

    def wait_for(self, mark: Any) -> None:
        mark.synchronize()

    def synchronize(self) -> None:
        self._stream.synchronize()

    def mark(self) -> Any:
        return self.xp.cuda.Event()

    def record(self, mark: Any) -> None:
        mark.record(self._stream)

    def seconds(self, begin: Any, end: Any) -> float:
        return float(self.xp.cuda.get_elapsed_time(begin, end)) / 1e3

    def close(self) -> None:
        cuda = self.xp.cuda
        if self._kernels is not None:
            self._kernels.close()
        try:
            self._copies.synchronize()
            self._stream.synchronize()
            self.blas.close()
            for found in filter(None, self._convolutions):
                found.close()
        finally:
            # Unless someone else has made another stream current since.
            if cuda.get_current_stream() == self._stream:
                self._before.use()
            self._functions.clear()
            self._modules.clear()
        self.xp.get_default_memory_pool().free_all_blocks()
        self.xp.get_default_pinned_memory_pool().free_all_blocks()


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Put garbage collection off: what it lets go of may be a module or memory of the device, and letting those go
    waits for the device, which breaks a capture off."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
