"""Randomness that depends on nothing but its key.

Two kinds. Numbers drawn inside a program (dropout) come from a counter-based integer hash: element i of a stream is a
pure function of (seed, step, stream, i), with the same bits on every device, whatever the number of threads and the
order of layers, so that a resumed run needs no generator state. Numbers drawn on the host before training (weights,
data) come from NumPy's generators, seeded by a path.

The hash, in uint32 arithmetic modulo 2^32 (>> is the logical shift, ^ exclusive or):

    mix(x):    x ^= x >> 16;  x *= 0x7feb352d;  x ^= x >> 15;  x *= 0x846ca68b;  x ^= x >> 16
    v[j]       = counters[j] + stream + j W           j = 0 .. 3: seed low, seed high, step low, step high
    u[j]       = mix(v[j] K + v[j + 2])               j = 0, 1
    key[j]     = u[1 - j] K + u[j]                    j = 0, 1
    x          = key[0] + i W
    x         ^= x >> 16;  x *= 0x7feb352d;  x ^= x >> 15;  x *= 0x846ca68b
    x         += key[1]
    x         ^= x >> 16;  x *= 0x85ebca6b;  x ^= x >> 13;  x *= 0xc2b2ae35;  x ^= x >> 16

with W = 0x9e3779b9 and K = 0x2c1b3c6d. `mix` is lowbias32 (C. Wellons 2018, "Prospecting for Hash Functions"), the
last line the finalizer of MurmurHash3 (A. Appleby). A stream has 2^32 elements.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

__all__ = [
    "Bits",
    "bits",
    "count_into",
    "fill_bits",
    "generator",
    "permutation",
    "permutations",
    "rows_of_bits",
    "stream_of",
]

WEYL = 0x9E3779B9
COMBINE = 0x2C1B3C6D
KEY_LENGTH = 8
"""Elements of the work space for keys."""


def stream_of(node_id: str, purpose: str) -> int:
    """The stream (uint32) of a node's random numbers for one purpose."""
    digest = hashlib.blake2b(f"{node_id}\0{purpose}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little")


def generator(seed: int, path: str) -> np.random.Generator:
    """NumPy's generator for one purpose on the host: independent for every (seed, path), on every machine alike."""
    digest = hashlib.blake2b(path.encode(), digest_size=16).digest()
    words = tuple(int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4))
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=words)))


def count_into(xp: Any, out: Any, step: int = 1) -> None:
    """out[i] = i step, by doubling: the allocation-free `arange`, for any integer type (modulo its range)."""
    size = out.shape[0]
    kind = out.dtype.type
    out[:1].fill(0)
    length = 1
    while length < size:
        more = min(length, size - length)
        xp.add(out[:more], kind((length * step) & 0xFFFFFFFF), out=out[length : length + more])
        length += more


class Bits:
    """A stream of random uint32 for one step, on the device of its work arrays.

    `counters` (4,): low and high word of the seed, low and high word of the step. `steps` and `work` are as long as
    the longest block to be filled (4 at least), `key` has KEY_LENGTH elements; all are uint32.
    """

    def __init__(self, xp: Any, counters: Any, stream: int, steps: Any, work: Any, key: Any) -> None:
        self._xp, self._steps, self._work = xp, steps, work
        self._key, self._base = key[:2], key[6:7]
        word = xp.uint32
        count_into(xp, steps, WEYL)
        v, t = key[:4], work[:4]
        xp.add(counters, word(stream), out=v)
        xp.add(v, steps[:4], out=v)
        u, t = v[:2], t[:2]
        xp.multiply(u, word(COMBINE), out=t)
        xp.add(t, v[2:], out=u)
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
            self._xorshift(u, t, shift)
            xp.multiply(u, word(factor), out=u)
        self._xorshift(u, t, 16)
        xp.multiply(u[::-1], word(COMBINE), out=t)
        xp.add(u, t, out=u)

    def fill(self, start: int, out: Any) -> None:
        """out[i] = element start + i of the stream."""
        xp, t = self._xp, self._work[: out.shape[0]]
        word = xp.uint32
        xp.add(self._key[:1], word((start * WEYL) & 0xFFFFFFFF), out=self._base)
        xp.add(self._steps[: out.shape[0]], self._base, out=out)
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
            self._xorshift(out, t, shift)
            xp.multiply(out, word(factor), out=out)
        xp.add(out, self._key[1:], out=out)
        for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
            self._xorshift(out, t, shift)
            xp.multiply(out, word(factor), out=out)
        self._xorshift(out, t, 16)

    def _xorshift(self, x: Any, t: Any, shift: int) -> None:
        self._xp.right_shift(x, shift, out=t)
        self._xp.bitwise_xor(x, t, out=x)


def fill_bits(xp: Any, out: Any, counters: Any, stream: int, steps: Any, work: Any, key: Any) -> None:
    """Fill a flat uint32 array with the stream's first elements, block by block; work arrays as for `Bits`."""
    source = Bits(xp, counters, stream, steps, work, key)
    for start in range(0, out.shape[0], steps.shape[0]):
        source.fill(start, out[start : start + steps.shape[0]])


def bits(count: int, seed: int, step: int, stream: int) -> np.ndarray:
    """The first `count` elements (uint32) of a stream, on the host. `seed` and `step` may have 64 bits."""
    mask = 0xFFFFFFFF
    counters = np.array([seed & mask, (seed >> 32) & mask, step & mask, (step >> 32) & mask], np.uint32)
    length = max(4, min(count, 1 << 16))
    steps, work, key = np.empty(length, np.uint32), np.empty(length, np.uint32), np.empty(KEY_LENGTH, np.uint32)
    out = np.empty(count, np.uint32)
    fill_bits(np, out, counters, stream, steps, work, key)
    return out


def permutations(count: int, seed: int, first: int, epochs: int) -> np.ndarray:
    """The orders of `count` samples in `epochs` epochs from `first` on, (epochs, count) int64: each a pure function of
    the seed and its epoch. Many at once take hardly longer than one where samples are few.

    Samples are sorted by 64 random bits each, so that every order is equally likely up to ties of probability 2^-64.
    """
    high, low = (
        rows_of_bits(count, seed, first, epochs, stream_of("batches", f"order {part}")).astype(np.uint64)
        for part in ("high", "low")
    )
    high <<= np.uint64(32)
    high |= low
    # Not the stable kind: there are no ties that it would have to settle, and it takes twice as long.
    return np.argsort(high, axis=1).astype(np.int64, copy=False)


def permutation(count: int, seed: int, epoch: int) -> np.ndarray:
    """The order (int64) of `count` samples in one epoch."""
    order: np.ndarray = permutations(count, seed, epoch, 1)[0]
    return order


def rows_of_bits(count: int, seed: int, first: int, steps: int, stream: int) -> np.ndarray:
    """What `bits` gives for each of several steps, uint32 (steps, count)."""
    keys = _keys(seed, np.arange(first, first + steps, dtype=np.uint64), stream)
    x = keys[:, :1] + np.arange(count, dtype=np.uint32) * np.uint32(WEYL)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x ^= x >> np.uint32(shift)
        x *= np.uint32(factor)
    x += keys[:, 1:]
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x ^= x >> np.uint32(shift)
        x *= np.uint32(factor)
    x ^= x >> np.uint32(16)
    return x


def _keys(seed: int, steps: np.ndarray, stream: int) -> np.ndarray:
    """The keys of a stream at steps (uint64), of shape (steps, 2): sums and products of 32 bits, held in 64."""
    mask = np.uint64(0xFFFFFFFF)

    def mix(x: np.ndarray) -> np.ndarray:
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
            x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor) & mask
        return x ^ (x >> np.uint64(16))

    seeds = np.full_like(steps, seed)
    halves = (seeds & mask, seeds >> np.uint64(32), steps & mask, steps >> np.uint64(32))
    v = [half + np.uint64((stream + j * WEYL) & 0xFFFFFFFF) & mask for j, half in enumerate(halves)]
    u = [mix(v[j] * np.uint64(COMBINE) + v[j + 2] & mask) for j in range(2)]
    return np.stack([u[1] * np.uint64(COMBINE) + u[0], u[0] * np.uint64(COMBINE) + u[1]], axis=1).astype(np.uint32)
