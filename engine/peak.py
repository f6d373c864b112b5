"""Measuring a machine's limits: multiply-adds that wait for nothing, and streams of memory.

With numba both are loops of machine code on as many threads as asked for. Without it NumPy stands in: a large matrix
product, with as many threads as its library was started with, and the sum of two arrays.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache, partial
from threading import Barrier, Thread
from typing import Any

import numpy as np

from engine.roofline import Level, Machine

__all__ = ["SIZES", "measure"]

SIZES = (1 << 19, 1 << 23, 192 << 20)
"""Working sets that bandwidth is measured for, in bytes: within a core's cache, within the shared one, in memory."""
CHAINS = 12
"""Independent sums: more than the multiply-adds that a core has under way at a time."""
TRIALS = 7


def measure(threads: int) -> Machine:
    """The limits of `threads` threads together, in float32. Takes about a second, and two more for the first call."""
    try:
        flops, stream, method = _fma(), _triad(), "multiply-adds"
    except ImportError:
        flops, stream, method = _matmul, _sum, "a matrix product of NumPy"
    # The clock of a core that has rested is low: the first trials count for nothing.
    rate = max(_together(flops, threads) for _ in range(TRIALS))
    levels = []
    for size in SIZES:
        elements = size // threads // 12
        arrays = [[np.full(elements, 1.0, np.float32) for _ in range(3)] for _ in range(threads)]
        repeats = max(1, (64 << 20) // size)
        walk = partial(_walk, stream, arrays, repeats)
        levels.append(Level(size, max(_together(walk, threads) for _ in range(TRIALS))))
    return Machine(threads, rate, tuple(levels), method)


def _walk(stream: Callable[..., float], arrays: list[list[np.ndarray]], repeats: int, index: int) -> float:
    return stream(*arrays[index], repeats)


def _together(work: Callable[[int], float], threads: int) -> float:
    """Work a second of so many threads that begin together; `work(index)` returns how much it has done."""
    if work is _matmul:  # its library brings threads of its own
        threads = 1
    done = [0.0] * threads
    spans: list[tuple[float, float]] = [(0.0, 0.0)] * threads
    gate = Barrier(threads)

    def run(index: int) -> None:
        gate.wait()
        begun = time.perf_counter()
        done[index] = work(index)
        spans[index] = begun, time.perf_counter()

    team = [Thread(target=run, args=(index,), name=f"peak-{index}") for index in range(1, threads)]
    for thread in team:
        thread.start()
    run(0)
    for thread in team:
        thread.join()
    return sum(done) / (max(end for _, end in spans) - min(begun for begun, _ in spans))


def _matmul(index: int) -> float:
    n = 1024
    a, b, c = _square(n)
    np.matmul(a, b, out=c)
    return 2.0 * n**3


@cache
def _square(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.full((n, n), 0.5, np.float32), np.full((n, n), 0.5, np.float32), np.empty((n, n), np.float32)


def _sum(a: np.ndarray, b: np.ndarray, c: np.ndarray, repeats: int) -> float:
    for _ in range(repeats):
        np.add(b, c, out=a)
    return 3.0 * a.nbytes * repeats


@cache
def _triad() -> Callable[[np.ndarray, np.ndarray, np.ndarray, int], float]:
    """a = b + s c, as STREAM has it: three arrays' bytes, whatever the caches add to them."""
    from numba import njit

    @njit(nogil=True, fastmath=True)
    def loop(a: Any, b: Any, c: Any, repeats: int) -> None:
        for turn in range(repeats):
            factor = np.float32(turn)  # another one each time, so that no turn can be left out
            for i in range(a.size):
                a[i] = b[i] + factor * c[i]

    small = np.zeros(8, np.float32)
    loop(small, small.copy(), small.copy(), 1)

    def run(a: np.ndarray, b: np.ndarray, c: np.ndarray, repeats: int) -> float:
        loop(a, b, c, repeats)
        return 3.0 * a.nbytes * repeats

    return run


@cache
def _fma() -> Callable[[int], float]:
    """Sums in registers, each step one multiply-add on a whole vector. The faster of two widths: which one a processor
    prefers is its own affair."""
    from llvmlite import ir
    from numba import njit, types
    from numba.core import cgutils
    from numba.extending import intrinsic

    def kernel(lanes: int) -> Any:
        @intrinsic
        def chains(typing: Any, count: Any) -> Any:
            def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
                vector = ir.VectorType(ir.FloatType(), lanes)
                kind = ir.FunctionType(vector, [vector] * 3)
                fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{lanes}f32")
                factor, term = (ir.Constant(vector, [value] * lanes) for value in (0.5, 1.0))
                starts = [ir.Constant(vector, [float(place)] * lanes) for place in range(CHAINS)]
                sums = [cgutils.alloca_once_value(builder, start) for start in starts]
                with cgutils.for_range(builder, arguments[0]):
                    for place in sums:
                        builder.store(builder.call(fma, [builder.load(place), factor, term]), place)
                total = builder.load(sums[0])
                for place in sums[1:]:
                    total = builder.fadd(total, builder.load(place))
                return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

            return types.float32(types.int64), generate

        return njit(types.float32(types.int64), nogil=True)(lambda count: chains(count))

    def rate(lanes: int, loop: Any) -> float:
        begun = time.perf_counter()
        loop(200_000)
        return lanes / (time.perf_counter() - begun)

    kernels = {lanes: kernel(lanes) for lanes in (4, 8, 16)}
    lanes = max(kernels, key=lambda width: max(rate(width, kernels[width]) for _ in range(TRIALS)))
    loop, count = kernels[lanes], 2_000_000

    def run(index: int) -> float:
        loop(count)
        return 2.0 * lanes * CHAINS * count

    return run
