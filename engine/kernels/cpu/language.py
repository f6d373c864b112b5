"""What kernels are written in: plain Python functions of numbers and addresses, compiled ahead by `build`.

A kernel is a function `(a, me, team, step)` that returns nothing:

    a       pointer to the int64 arguments of its row in the program's table (addresses, sizes, bits of numbers)
    me      which of the `team` threads runs it, from 0
    step    which step of the chunk is under way, from 0

All threads call it with the same arguments; how it divides its work among them is its own business. A kernel must not
raise, allocate, or call anything but what is declared here, by `@device`, or by `math`. Numbers are int64, float32 and
float64; a float32 kernel keeps its constants float32 (`F(0.5)`), because Python's own are float64.

Nothing in this module needs numba: the names below are only declared, and `build` teaches numba what they mean.
Kernels can therefore be looked up and bound where numba was never imported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["DEVICE", "KERNELS", "PRIMITIVES", "F", "device", "kernel"]

F = np.float32

Function = Callable[..., Any]

KERNELS: dict[str, Function] = {}
"""Every kernel by its name, filled by `@kernel`."""

DEVICE: list[Function] = []
"""The functions that kernels may call, filled by `@device`."""

PRIMITIVES: list[Function] = []
"""The functions that `build` generates instructions for, filled below."""


def kernel(function: Function) -> Function:
    """Declare a kernel under its function's name."""
    assert function.__name__ not in KERNELS, function.__name__
    KERNELS[function.__name__] = function
    return function


def device(function: Function) -> Function:
    """Declare a function that kernels call; arguments and results are numbers and pointers."""
    DEVICE.append(function)
    return function


def _primitive(function: Function) -> Function:
    PRIMITIVES.append(function)
    __all__.append(function.__name__)
    return function


# -- memory ----------------------------------------------------------------------------------------------------------


@_primitive
def f32(address: int) -> Any:
    """The float32 array at an address; index it as x[i], 0 <= i."""


@_primitive
def f64(address: int) -> Any:
    """The float64 array at an address."""


@_primitive
def u32(address: int) -> Any:
    """The uint32 array at an address."""


@_primitive
def i64(address: int) -> Any:
    """The int64 array at an address."""


@_primitive
def u8(address: int) -> Any:
    """The uint8 array at an address."""


@_primitive
def stack(count: int) -> int:
    """The address of `count` float32 on the thread's stack, 64-byte aligned, alive until the kernel returns. `count`
    is a constant, and the call stands outside of loops."""
    raise NotImplementedError


@_primitive
def copy(target: int, source: int, count: int) -> None:
    """Copy `count` bytes between addresses that do not overlap."""


@_primitive
def clear(target: int, count: int) -> None:
    """Set `count` bytes at an address to zero."""


# -- numbers ---------------------------------------------------------------------------------------------------------


@_primitive
def number(bits: int) -> float:
    """The float64 whose bits are an int64: how a row carries a number."""
    raise NotImplementedError


@_primitive
def power_of_two(n: Any) -> Any:
    """2^n of a whole float32 from -126 to 127, by its exponent bits."""


@_primitive
def exponent(x: Any) -> Any:
    """The whole float32 n with 2^n <= x < 2^(n+1), of a positive normal float32."""


@_primitive
def round_even(x: Any) -> Any:
    """The nearest whole float32."""


@_primitive
def fma(a: Any, b: Any, c: Any) -> Any:
    """a b + c of float32, rounded once where the processor can."""


# -- vectors ---------------------------------------------------------------------------------------------------------


@_primitive
def vector(address: int) -> Any:
    """The float32 at an address, as many as a register holds (`LANES`). Vectors are added, subtracted and multiplied by
    one float32; they are for what the compiler does not vectorize by itself, because many addresses are in play."""


@_primitive
def broadcast(x: Any) -> Any:
    """The vector of one float32 over and over."""


@_primitive
def put(address: int, x: Any) -> None:
    """Write a vector to an address."""


# -- threads ---------------------------------------------------------------------------------------------------------


@_primitive
def atomic_add(address: int, value: int) -> int:
    """Add to the int64 at an address; returns what stood there. Sequentially consistent, as are the next two."""
    raise NotImplementedError


@_primitive
def atomic_load(address: int) -> int:
    """The int64 at an address."""
    raise NotImplementedError


@_primitive
def atomic_store(address: int, value: int) -> None:
    """Write the int64 at an address."""


@_primitive
def pause() -> None:
    """Tell the core that this is a waiting loop."""


@_primitive
def yield_core() -> None:
    """Let another thread have the core."""


@_primitive
def nap(microseconds: int) -> None:
    """Sleep."""


@_primitive
def flush_denormals() -> int:
    """From here on, this thread takes and yields zero where a number is below the least normal one. Returns the mode
    there was, for `restore_mode`. Denormals cost a hundred cycles each."""
    raise NotImplementedError


@_primitive
def restore_mode(mode: int) -> None:
    """Undo `flush_denormals`."""


@_primitive
def ticks() -> int:
    """A counter that runs at a constant rate, as cheap as it gets."""
    raise NotImplementedError


# -- calls -----------------------------------------------------------------------------------------------------------


@_primitive
def call(kernel: int, arguments: int, me: int, team: int, step: int) -> None:
    """Call the kernel at an address."""


# -- matrices --------------------------------------------------------------------------------------------------------


@_primitive
def tile(
    rows: int,
    vectors: int,
    accumulate: int,
    c: int,
    c_row: int,
    a: int,
    a_row: int,
    a_step: int,
    a_run: int,
    b: int,
    b_step: int,
    b_run: int,
    length: int,
    runs: int,
) -> None:
    """The innermost piece of every product, in registers: for i < rows and j < vectors * LANES,

        c[i c_row + j] (+)= sum over r < runs, k < length of a[i a_row + k a_step + r a_run] b[k b_step + r b_run + j]

    1 <= rows <= ROWS, 1 <= vectors <= VECTORS (see `engine.kernels.cpu.target`); addresses in bytes, strides in
    elements of float32. With `accumulate` the sum is added to what c holds."""


@_primitive
def transpose(target: int, target_row: int, source: int, source_row: int) -> None:
    """target[j target_row + i] = source[i source_row + j] for i, j < LANES, in registers; strides in elements."""
