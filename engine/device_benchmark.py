"""How fast a device multiplies matrices and moves memory, and how much its shorter numbers round.

    python -m engine.device_benchmark cuda:0    # lines of JSON: progress, and at last what was measured

Another program can end that process at any time; nothing of it is left on the device.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from engine.backend import MATH_MODES, Backend, Device, MathMode, choose
from engine.device_errors import translated

__all__ = ["Failure", "Line", "Measured", "Product", "Progress", "benchmark", "planned", "threads"]

GPU_SIZE, CPU_SIZE, CHECKED_SIZE = 4096, 1024, 512
"""Rows and columns of the matrices that are timed, and of those whose errors are measured."""
ROUND = 0.05
"""Seconds that a round takes at least: far above what the clock and a launch cost."""
ROUNDS = 7
COPIED = 256 << 20
"""Bytes of the array that is copied: more than any cache holds."""


class Product(Struct, frozen=True, kw_only=True):
    """Square matrix products: floating-point operations a second (a multiply-add is 2), the median of `ROUNDS` rounds,
    and the relative error ||C - AB|| / ||AB|| in Frobenius norms against float64, of normally distributed A and B."""

    math: MathMode
    size: int
    flops: float
    error: float


class Measured(Struct, frozen=True, kw_only=True, tag=True):
    """One device. `bandwidth` is bytes a second, read and written, of arrays that lie in its memory."""

    device: Device
    label: str
    products: tuple[Product, ...]
    bandwidth: float


class Progress(Struct, frozen=True, tag=True):
    """How many parts of how many are done, and what is measured now."""

    done: int
    total: int
    what: str


class Failure(Struct, frozen=True, tag=True):
    """Why a device could not be measured, in words."""

    message: str


Line = Measured | Progress | Failure
"""What the process prints, one a line."""


def planned(device: Device) -> tuple[str, ...]:
    """What is measured, in order."""
    modes: tuple[MathMode, ...] = ("float32",) if device == "cpu" else MATH_MODES
    return (*(f"matrix products in {math}" for math in modes), "memory")


def benchmark(device: Device, report: Callable[[Progress], None] = lambda progress: None) -> Measured:
    """Measure a device; takes a few seconds. Raises BackendError where it cannot be used, and DeviceError where it
    fails."""
    try:
        return _benchmark(choose(device), report)
    except Exception as error:
        failure = translated(error)
        if failure is not None:
            raise failure from error
        raise


def _benchmark(backend: Backend, report: Callable[[Progress], None]) -> Measured:
    machine: Any = _Gpu(backend) if backend.kind == "cuda" else _Processor()
    parts = planned(backend.device)
    modes = MATH_MODES if backend.kind == "cuda" else MATH_MODES[:1]
    products = []
    try:
        for done, math in enumerate(modes):
            report(Progress(done, len(parts), parts[done]))
            size = machine.size
            rate = 2.0 * size**3 / machine.seconds_of_product(math)
            products.append(Product(math=math, size=size, flops=rate, error=_error(machine, math)))
        report(Progress(len(modes), len(parts), parts[-1]))
        bandwidth = machine.bandwidth()
    finally:
        machine.close()
    return Measured(device=backend.device, label=backend.label, products=tuple(products), bandwidth=bandwidth)


def threads() -> int:
    """How many threads NumPy computes with."""
    given = os.environ.get("OMP_NUM_THREADS") or os.environ.get("OPENBLAS_NUM_THREADS") or ""
    return int(given) if given.isdigit() and int(given) else os.cpu_count() or 1


def _error(machine: Any, math: MathMode) -> float:
    """The relative error of one product against float64."""
    random = np.random.default_rng(0)
    a, b = (random.standard_normal((CHECKED_SIZE, CHECKED_SIZE), np.float32) for _ in range(2))
    exact = a.astype(np.float64) @ b.astype(np.float64)
    return float(np.linalg.norm(machine.product(a, b, math) - exact) / np.linalg.norm(exact))


class _Processor:
    """The CPU, with NumPy's products and the machine's measured bandwidth."""

    size = CPU_SIZE

    def seconds_of_product(self, math: MathMode) -> float:
        random = np.random.default_rng(1)
        a, b = (random.standard_normal((self.size, self.size), np.float32) for _ in range(2))
        out = np.empty_like(a)

        def multiply(count: int) -> float:
            begun = time.perf_counter()
            for _ in range(count):
                np.matmul(a, b, out=out)
            return time.perf_counter() - begun

        return _median(multiply)

    def product(self, a: np.ndarray, b: np.ndarray, math: MathMode) -> np.ndarray:
        return np.asarray(a @ b, np.float64)

    def bandwidth(self) -> float:
        from engine.peak import measure

        return measure(threads()).levels[-1].rate

    def close(self) -> None:
        """Nothing is held but memory."""


class _Gpu:
    """A GPU, with the products that training uses, timed by the device's own clock."""

    def __init__(self, backend: Backend) -> None:
        from engine.kernels.cuda.device import CudaDevice

        self._xp, self._backend = backend.xp, backend
        free = backend.free_memory() or 0
        self.size = GPU_SIZE
        while self.size > CHECKED_SIZE and 16 * self.size**2 > free // 2:
            self.size //= 2
        self._copied = max(1 << 20, min(COPIED, free // 8))
        self._device = CudaDevice(backend.xp)

    def seconds_of_product(self, math: MathMode) -> float:
        random = np.random.default_rng(1)
        # Of numbers that are all zero a GPU makes quick work: it draws less power and its clock stays high.
        a, b = (self._put(random.standard_normal((self.size, self.size), np.float32)) for _ in range(2))
        out = self._xp.empty((self.size, self.size), np.float32)
        return _median(lambda count: self._timed(lambda: self._multiply(a, b, out, math), count))

    def product(self, a: np.ndarray, b: np.ndarray, math: MathMode) -> np.ndarray:
        out = self._xp.empty(a.shape, np.float32)
        self._multiply(self._put(a), self._put(b), out, math)
        self._device.synchronize()
        return self._backend.to_host(out).astype(np.float64)

    def bandwidth(self) -> float:
        source = self._xp.zeros(self._copied // 4, np.float32)
        target = self._xp.empty_like(source)
        seconds = _median(lambda count: self._timed(lambda: self._xp.copyto(target, source), count))
        return 2.0 * source.nbytes / seconds

    def close(self) -> None:
        self._device.close()

    def _put(self, array: np.ndarray) -> Any:
        found = self._xp.empty(array.shape, np.float32)
        self._backend.write(found, array)
        return found

    def _multiply(self, a: Any, b: Any, out: Any, math: MathMode) -> None:
        n = len(out)
        # Rows one after the other are the columns of the transposed matrices: (A B)' = B' A'.
        self._device.blas.gemm(
            *(False, False, n, n, n, 1.0, b.data.ptr, n, a.data.ptr, n, 0.0, out.data.ptr, n), math=math
        )

    def _timed(self, work: Callable[[], None], count: int) -> float:
        begin, end = self._device.mark(), self._device.mark()
        self._device.record(begin)
        for _ in range(count):
            work()
        self._device.record(end)
        self._device.synchronize()
        return self._device.seconds(begin, end)


def _median(timed: Callable[[int], float]) -> float:
    """Seconds of one call: the median of `ROUNDS` rounds of `timed(count)`, each of at least about `ROUND`."""
    timed(1)  # what is done once: loading code, taking memory
    count = max(1, min(1000, int(ROUND / max(1e-9, timed(1)))))
    timed(count)  # so that the clock is high
    return median(timed(count) for _ in range(ROUNDS)) / count


def main(device: Device) -> int:
    """Measure and print; the exit status."""

    def tell(line: Line) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
        sys.stdout.buffer.flush()

    try:
        tell(benchmark(device, tell))
    except Exception as error:  # whoever started this process has nothing else to go by
        tell(Failure(str(translated(error) or error)))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
