"""A device that is none: CuPy's arrays by the strict stand-in, kernels on the CPU, and cuBLAS in NumPy.

Stricter than a device: pointers must lead into memory that was allocated and lives, allocations and copies between host
and device are refused while a graph is captured, and what is captured keeps the arguments of that moment. Memory lies
between guards, and new memory holds nonsense.
"""

from __future__ import annotations

import ctypes
import weakref
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np

from engine.backend import Backend
from engine.kernels.cuda.cudnn import Cudnn
from engine.kernels.cuda.signatures import Packed
from tests.support import shim
from tests.support.strict_cupy import DeviceArray, StrictCupy, StrictError

__all__ = ["FakeBlas", "FakeCupy", "FakeDevice", "FakeGraph", "OutOfMemoryError"]

ALIGNMENT, GUARD = 256, 256
NONSENSE = 0xFF  # NaN as float32, and no count that anybody would believe


class OutOfMemoryError(MemoryError):
    """As CuPy's, which is recognized by its name."""


OutOfMemoryError.__module__ = "cupy.cuda.memory"


class FakeArray(DeviceArray):
    """An array of the pretended device, with an address."""

    def _wrap(self, host: np.ndarray, what: str) -> FakeArray:
        if not np.shares_memory(host, self._host) and host.size:
            self._module.allocated(what)
        return FakeArray(host, self._module)

    @property
    def data(self) -> Any:
        return _Address(int(self._host.__array_interface__["data"][0]))

    def copy(self) -> FakeArray:
        fresh = self._module.empty(self.shape, self.dtype)
        fresh._host[...] = self._host
        return fresh


class _Address:
    def __init__(self, ptr: int) -> None:
        self.ptr = ptr


class FakeCupy(StrictCupy):
    """The namespace, with every allocation on record. `limit` is the device's memory in bytes."""

    def __init__(self, limit: int = 1 << 40) -> None:
        super().__init__()
        self.limit = limit
        self.capturing = False
        self.count = 0
        """Allocations so far."""
        self._live: dict[int, int] = {}
        self._starts: list[int] = []
        self.owner: FakeDevice | None = None
        self.cuda = SimpleNamespace(
            Device=lambda index: nullcontext(),
            get_current_stream=lambda: SimpleNamespace(synchronize=lambda: None),
            runtime=SimpleNamespace(memGetInfo=lambda: (self.limit - self.used, self.limit)),
        )

    def get_default_memory_pool(self) -> Any:
        """A pool that holds nothing in reserve."""
        return SimpleNamespace(free_bytes=lambda: 0, free_all_blocks=lambda: None)

    # -- memory --------------------------------------------------------------------------------------------------------

    def empty(self, shape: Any, dtype: Any = np.float64) -> FakeArray:
        self.allocated("empty")
        kind = np.dtype(dtype)
        count = int(np.prod(shape))
        nbytes = count * kind.itemsize
        if self.used + nbytes > self.limit:
            raise OutOfMemoryError(f"Out of memory allocating {nbytes:,} bytes")
        raw = np.full(nbytes + ALIGNMENT + 2 * GUARD, NONSENSE, np.uint8)
        address = int(raw.__array_interface__["data"][0])
        start = GUARD + -(address + GUARD) % ALIGNMENT
        self._live[address + start] = max(nbytes, 1)
        self._starts = sorted(self._live)
        weakref.finalize(raw, self._release, address + start)
        self.count += 1
        host = raw[start : start + nbytes].view(kind).reshape(shape)
        return FakeArray(host, self)

    def _release(self, address: int) -> None:
        self._live.pop(address, None)
        self._starts = sorted(self._live)

    @property
    def used(self) -> int:
        """Bytes that live."""
        return sum(self._live.values())

    def zeros(self, shape: Any, dtype: Any = np.float64) -> FakeArray:
        fresh = self.empty(shape, dtype)
        fresh._host[...] = 0
        return fresh

    def asarray(self, value: Any) -> FakeArray:
        if isinstance(value, DeviceArray):
            return value  # type: ignore[return-value]
        host = np.asarray(value)
        fresh = self.empty(host.shape, host.dtype)
        fresh._host[...] = host
        return fresh

    array = asarray

    def copy(self, value: FakeArray) -> FakeArray:
        return value.copy()

    def allocated(self, what: str) -> None:
        if self.capturing:
            raise StrictError(f"{what} allocates memory while a graph is captured")
        super().allocated(what)

    def transferred(self, what: str) -> None:
        if self.capturing:
            raise StrictError(f"{what} copies between host and device while a graph is captured")
        super().transferred(what)

    def require(self, address: int, what: str) -> None:
        """Refuse an address that leads nowhere."""
        at = bisect_right(self._starts, address) - 1
        if at < 0 or address >= self._starts[at] + self._live.get(self._starts[at], 0):
            raise StrictError(f"{what}: the address {address:#x} leads to no memory of the device")

    def check_guards(self) -> None:
        """Refuse what was written beside an array."""
        for start, nbytes in self._live.items():
            for where, at in (("before", start - GUARD), ("behind", start + nbytes)):
                if ctypes.string_at(at, GUARD) != bytes([NONSENSE]) * GUARD and nbytes > 1:
                    raise StrictError(f"something was written {where} an array of {nbytes} bytes")


class FakeGraph:
    """What was asked for between the beginning and the end of a capture."""

    def __init__(self) -> None:
        self.acts: list[Callable[[], None]] = []

    def __len__(self) -> int:
        return len(self.acts)


class FakeBlas:
    """cuBLAS's products: column by column in memory, as cuBLAS reads and writes them.

    In the modes tf32 and bf16 the factors are rounded as the tensor cores round them (to nearest, ties to even).
    """

    def __init__(self, xp: FakeCupy, act: Callable[[Callable[[], None]], None]) -> None:
        self._xp, self._act = xp, act
        self.calls = 0

    def gemm(
        self, transpose_a: bool, transpose_b: bool, m: int, n: int, k: int, alpha: float, a: int, lda: int, b: int,
        ldb: int, beta: float, c: int, ldc: int, math: str = "float32",
    ) -> None:  # fmt: skip
        self.gemm_batched(transpose_a, transpose_b, m, n, k, alpha, a, lda, 0, b, ldb, 0, beta, c, ldc, 0, 1, math)

    def gemm_batched(
        self, transpose_a: bool, transpose_b: bool, m: int, n: int, k: int, alpha: float, a: int, lda: int,
        stride_a: int, b: int, ldb: int, stride_b: int, beta: float, c: int, ldc: int, stride_c: int, count: int,
        math: str = "float32",
    ) -> None:  # fmt: skip
        self.calls += 1
        for address in (a, b, c):
            self._xp.require(address, "cuBLAS")
        rows_a, columns_a = (k, m) if transpose_a else (m, k)
        rows_b, columns_b = (n, k) if transpose_b else (k, n)
        for leading, rows in ((lda, rows_a), (ldb, rows_b), (ldc, m)):
            if leading < max(1, rows):
                raise StrictError(f"cuBLAS: a leading dimension of {leading} is less than {rows} rows")

        def act() -> None:
            for i in range(count):
                left = self._matrix(a + 4 * i * stride_a, rows_a, columns_a, lda)
                right = self._matrix(b + 4 * i * stride_b, rows_b, columns_b, ldb)
                result = self._matrix(c + 4 * i * stride_c, m, n, ldc)
                x, y = rounded(left.T if transpose_a else left, math), rounded(right.T if transpose_b else right, math)
                with np.errstate(all="ignore"):
                    product = np.float32(alpha) * (x @ y)
                    result[...] = product + np.float32(beta) * result if beta else product

        self._act(act)

    def _matrix(self, address: int, rows: int, columns: int, leading: int) -> np.ndarray:
        """(rows, columns), column by column from the address on."""
        self._xp.require(address + 4 * ((columns - 1) * leading + rows - 1), "cuBLAS")
        flat = np.ctypeslib.as_array((ctypes.c_float * ((columns - 1) * leading + rows)).from_address(address))
        return np.lib.stride_tricks.as_strided(flat, (rows, columns), (4, 4 * leading))


def rounded(x: np.ndarray, math: str) -> np.ndarray:
    """float32 as the matrix products of a mode see it: with 10 bits of mantissa (tf32), or 7 (bf16)."""
    if math == "float32":
        return x
    drop = {"tf32": 13, "bf16": 16}[math]
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    half = np.uint32((1 << (drop - 1)) - 1)
    nearest = (bits + half + (bits >> np.uint32(drop) & np.uint32(1))) & np.uint32(0xFFFFFFFF << drop & 0xFFFFFFFF)
    return np.where(np.isfinite(x), nearest.view(np.float32), x)


class FakeDevice:
    """What `engine.kernels.cuda.device.CudaDevice` is, on the CPU.

    `order` is the order in which threads and blocks run (see the shim); `fail` is called before every launch and may
    raise what a device would.
    """

    def __init__(self, *, limit: int = 1 << 40, order: int = 0) -> None:
        shim.require()
        self.xp = FakeCupy(limit)
        self.xp.owner = self
        self.order = order
        self.name = "Pretended GPU"
        self.software = "of the test's own"
        self.convolutions: Cudnn | None = None
        self.launches = 0
        self.copies = 0
        self.fail: Callable[[], None] = lambda: None
        self._graph: FakeGraph | None = None
        self.blas = FakeBlas(self.xp, self._act)

    @property
    def backend(self) -> Backend:
        """As `engine.backend.choose` gives it."""
        return Backend("cupy", self.xp, f"CuPy · {self.name}", ALIGNMENT, 0)

    def function(self, kernel: str) -> str:
        return kernel

    def launch(self, function: str, grid: tuple[int, int, int], block: int, packed: Packed) -> None:
        self.fail()
        for address in packed.pointers():
            self.xp.require(address, function)
        kept = Packed([type(value).from_buffer_copy(value) for value in packed.values])

        def act() -> None:
            self.launches += 1
            shim.launch(function, grid, block, kept.address, self.order)

        self._act(act)

    @contextmanager
    def capture(self) -> Iterator[FakeGraph]:
        assert self._graph is None, "one graph at a time"
        graph = self._graph = FakeGraph()
        self.xp.capturing = True
        try:
            yield graph
        finally:
            self._graph = None
            self.xp.capturing = False

    def replay(self, graph: FakeGraph) -> None:
        if self._graph is not None:
            raise StrictError("a graph is launched while another is captured")
        self.fail()
        for act in graph.acts:
            act()

    def pinned(self, count: int, dtype: Any) -> np.ndarray:
        self.xp.allocated("pinned memory")
        return np.zeros(count, dtype)

    def to_device(self, target: int, source: np.ndarray) -> None:
        self._copy(target, source, target, source.ctypes.data)

    def to_host(self, target: np.ndarray, source: int) -> None:
        self._copy(source, target, target.ctypes.data, source)

    def _copy(self, device: int, host: np.ndarray, target: int, source: int) -> None:
        if not host.flags.c_contiguous:
            raise StrictError("only contiguous memory is copied")
        if not host.nbytes:
            return
        self.xp.require(device, "a copy")
        self.xp.require(device + host.nbytes - 1, "a copy")
        self.fail()

        def act() -> None:
            self.copies += 1
            ctypes.memmove(target, source, host.nbytes)

        self._act(act)

    def copy_ahead(self, target: int, source: np.ndarray, after: Any, mark: Any) -> None:
        self.to_device(target, source)
        self.record(mark)

    def wait(self, mark: Any) -> None:
        """All is done at once here."""

    def wait_for(self, mark: Any) -> None:
        """Likewise."""

    def free_memory(self) -> int:
        return self.xp.limit - self.xp.used

    def synchronize(self) -> None:
        if self._graph is not None:
            raise StrictError("waiting for the device while a graph is captured")
        self.fail()

    def mark(self) -> Any:
        return [0.0]

    def record(self, mark: Any) -> None:
        import time

        self._act(lambda: mark.__setitem__(0, time.perf_counter()))

    def seconds(self, begin: Any, end: Any) -> float:
        return float(end[0] - begin[0])

    def close(self) -> None:
        """Nothing is held."""

    def _act(self, act: Callable[[], None]) -> None:
        """Do it, or keep it for the graph that is captured."""
        if self._graph is not None:
            self._graph.acts.append(act)
        else:
            act()
