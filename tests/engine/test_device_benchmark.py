"""What is measured of a device, and that the figures are those of the work."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from engine import device_benchmark, peak
from engine.backend import Backend
from engine.device_benchmark import Failure, Line, Measured, Progress, benchmark, planned
from engine.device_errors import OutOfDeviceMemory
from engine.roofline import Level, Machine

ROOT = Path(device_benchmark.__file__).parents[1]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_benchmark, "ROUND", 0.0)
    monkeypatch.setattr(peak, "measure", lambda threads: Machine(2, 1e12, (Level(1, 9e11), Level(1 << 30, 2e10)), ""))


def test_the_processor() -> None:
    told: list[Progress] = []
    found = benchmark("cpu", told.append)
    assert planned("cpu") == ("matrix products in float32", "memory")
    assert told == [Progress(0, 2, "matrix products in float32"), Progress(1, 2, "memory")]
    (product,) = found.products
    assert (found.device, product.math, product.size, found.bandwidth) == ("cpu", "float32", 1024, 2e10)
    assert product.flops > 0 and 1e-9 < product.error < 1e-5


class Device:
    """A GPU whose clock counts the floating-point operations and copies: a nanosecond for each, and whose products are
    rounded as asked for."""

    bits = {"float32": 23, "tf32": 10, "bf16": 7}

    def __init__(self, xp: Any) -> None:
        self.xp, self.clock, self.blas, self.closed = xp, 0.0, self, False
        xp.device = self

    def gemm(self, ta: bool, tb: bool, m: int, n: int, k: int, alpha: float, a: int, lda: int, b: int, ldb: int,
             beta: float, c: int, ldc: int, *, math: str) -> None:  # fmt: skip
        assert (ta, tb, alpha, beta) == (False, False, 1.0, 0.0) and m == n == k == lda == ldb == ldc
        self.clock += 1e-9 * 2 * m * n * k / {"float32": 1, "tf32": 4, "bf16": 8}[math]
        if n == device_benchmark.CHECKED_SIZE:
            # By columns: what is stored row by row is the transposed matrix.
            left, right = (self._rounded(self.xp.memory[address], math).T for address in (a, b))
            self.xp.memory[c][:] = (left @ right).T

    def _rounded(self, array: np.ndarray, math: str) -> np.ndarray:
        fraction, exponent = np.frexp(array)
        scale = 2.0 ** (self.bits[math] + 1)
        return np.ldexp(np.round(fraction * scale) / scale, exponent)

    def mark(self) -> list[float]:
        return []

    def record(self, mark: list[float]) -> None:
        mark.append(self.clock)

    def seconds(self, begin: list[float], end: list[float]) -> float:
        return end[0] - begin[0]

    def synchronize(self) -> None:
        assert not self.closed

    def close(self) -> None:
        self.closed = True


class Arrays(types.SimpleNamespace):
    """NumPy's arrays with addresses."""

    def __init__(self) -> None:
        super().__init__(memory={}, device=None)

    def empty(self, shape: Any, dtype: Any) -> Any:
        class Array(np.ndarray):
            @property
            def data(self) -> Any:  # type: ignore[override]
                return types.SimpleNamespace(ptr=id(self))

        found = np.zeros(shape, dtype).view(Array)
        self.memory[id(found)] = found
        return found

    zeros = empty

    def empty_like(self, array: Any) -> Any:
        return self.empty(array.shape, array.dtype)

    def copyto(self, target: Any, source: Any) -> None:
        self.device.clock += 1e-9 * source.nbytes


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Arrays:
    arrays = Arrays()

    class Memory(Backend):
        def to_host(self, array: Any) -> np.ndarray:
            return np.array(array)

        def write(self, target: Any, source: np.ndarray) -> None:
            target[:] = source

        def free_memory(self) -> int:
            return 1 << 26

    module = types.ModuleType("engine.kernels.cuda.device")
    module.CudaDevice = Device  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "engine.kernels.cuda.device", module)
    monkeypatch.setattr(device_benchmark, "choose", lambda device: Memory("cupy", arrays, "CuPy · X", 256, 1))
    return arrays


def test_a_gpu(gpu: Arrays) -> None:
    told: list[Progress] = []
    found = benchmark("cuda:1", told.append)
    assert (found.device, found.label) == ("cuda:1", "CuPy · X")
    assert [item.what for item in told] == list(planned("cuda:1")) and len(told) == 4
    assert [product.math for product in found.products] == ["float32", "tf32", "bf16"]
    assert [product.flops for product in found.products] == pytest.approx([1e9, 4e9, 8e9])
    assert {product.size for product in found.products} == {1024}, "so large that half of the memory holds four"
    assert found.bandwidth == pytest.approx(2e9), "read and written"
    exact, tf32, bf16 = (product.error for product in found.products)
    assert exact < 1e-6 < 1e-4 < tf32 < 1e-3 < bf16 < 1e-2
    assert gpu.device.closed


def test_a_gpu_that_fails(gpu: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Device, *arguments: Any, **more: Any) -> None:
        raise OutOfDeviceMemory("The GPU's memory is full.")

    monkeypatch.setattr(Device, "gemm", fail)
    with pytest.raises(OutOfDeviceMemory):
        benchmark("cuda:1")
    assert gpu.device.closed


def test_a_process_prints_lines() -> None:
    program = "import sys; from engine import device_benchmark as b; b.ROUNDS = 1; sys.exit(b.main(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", program, "cpu"], cwd=ROOT, capture_output=True, check=True)
    lines = [msgspec.json.decode(line, type=Line) for line in done.stdout.splitlines()]
    assert [type(line) for line in lines] == [Progress, Progress, Measured]
    failed = subprocess.run([sys.executable, "-c", program, "tpu"], cwd=ROOT, capture_output=True)
    (line,) = failed.stdout.splitlines()
    assert failed.returncode == 1 and msgspec.json.decode(line, type=Line) == Failure(
        "There is no device “tpu”: use auto, cpu, cuda or cuda:N, such as cuda:0."
    )


@pytest.mark.parametrize(("value", "count"), [("3", 3), ("many", None), ("0", None)])
def test_threads(monkeypatch: pytest.MonkeyPatch, value: str, count: int | None) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    monkeypatch.setattr(device_benchmark.os, "cpu_count", lambda: 7)
    assert device_benchmark.threads() == (count or 7)
