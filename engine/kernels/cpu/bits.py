"""The random streams of `engine.random`, element by element, with the same bits. The formula is written down there."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.kernels.cpu.language import device, u32

U = np.uint32
WEYL, COMBINE = U(0x9E3779B9), U(0x2C1B3C6D)


@device
def _mix(x: Any) -> Any:
    x = U(U(x ^ U(x >> U(16))) * U(0x7FEB352D))
    x = U(U(x ^ U(x >> U(15))) * U(0x846CA68B))
    return U(x ^ U(x >> U(16)))


@device
def _half_key(counters: int, stream: int, j: int) -> Any:
    """u[j] of the formula."""
    c = u32(counters)
    low = U(U(c[j] + U(stream)) + U(U(j) * WEYL))
    high = U(U(c[j + 2] + U(stream)) + U(U(j + 2) * WEYL))
    return _mix(U(U(low * COMBINE) + high))


@device
def stream_key(counters: int, stream: int, j: int) -> Any:
    """key[j], j = 0 or 1, of a stream for the seed and step at the address `counters`."""
    return U(U(_half_key(counters, stream, 1 - j) * COMBINE) + _half_key(counters, stream, j))


@device
def element(i: int, key0: Any, key1: Any) -> Any:
    """Element i of the stream with these keys: a uint32."""
    x = U(key0 + U(U(i) * WEYL))
    x = U(U(x ^ U(x >> U(16))) * U(0x7FEB352D))
    x = U(U(x ^ U(x >> U(15))) * U(0x846CA68B))
    x = U(x + key1)
    x = U(U(x ^ U(x >> U(16))) * U(0x85EBCA6B))
    x = U(U(x ^ U(x >> U(13))) * U(0xC2B2AE35))
    return U(x ^ U(x >> U(16)))
