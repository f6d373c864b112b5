"""Statistics of arrays in one walk, and the search for units that are never other than zero.

The walk goes in runs that stay in the first-level cache: sum, extremes and zeros in one loop, then the squared
deviations from the run's own mean. Means and squares of runs and pieces are combined as Chan, Golub and LeVeque say
("Updating formulae and a pairwise algorithm for computing sample variances", 1979), in float64, so that nothing cancels
and no mean need be known beforehand. Extremes are taken of the floats' bits as whole numbers in the same order, where
everything that is not finite lies at the ends: a run with such a value is found out by its extremes, and then done
anew without it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.kernels.cpu.language import F, clear, device, f32, f64, u8, u32

__all__ = ["FINITE", "KNOWN", "KNOWN_SPACE", "LIMIT", "RUN", "ZEROS", "begin", "find_alive"]
__all__ += ["fold_alive", "join", "marked", "only_finite", "survey", "write_statistics"]

RUN = 2048
"""Elements of which sums and counts are taken in float32."""

Int = np.int32
MASK = Int(0x7FFFFFFF)
BEYOND = Int(0x7E7FFFFF)
"""The bits of a quarter of the greatest float32: from there on a number counts as not finite."""

LIMIT = F(8.507058730234616e37)
"""The same as a number."""

# What is known of some elements, as float64: how many are finite, their mean and squared deviations, and so on.
FINITE, MEAN, SQUARES, LEAST, GREATEST, ZEROS, SATURATED = range(7)
KNOWN = 8
KNOWN_SPACE = 2 * KNOWN
"""The same in float32, as the stack counts."""


@device
def begin(known: int) -> None:
    """Nothing is known yet."""
    clear(known, 8 * KNOWN)
    f64(known)[LEAST] = math.inf
    f64(known)[GREATEST] = -math.inf


@device
def _combine(known: int, count: float, mean: float, squares: float) -> None:
    """Add elements with this mean and squared deviations."""
    if count == 0.0:
        return
    k = f64(known)
    whole = k[FINITE] + count
    apart = mean - k[MEAN]
    k[MEAN] += apart * (count / whole)
    k[SQUARES] += squares + apart * apart * (k[FINITE] * count / whole)
    k[FINITE] = whole


@device
def join(known: int, other: int) -> None:
    """Add what is known of other elements."""
    k, o = f64(known), f64(other)
    _combine(known, o[FINITE], o[MEAN], o[SQUARES])
    k[LEAST] = min(k[LEAST], o[LEAST])
    k[GREATEST] = max(k[GREATEST], o[GREATEST])
    k[ZEROS] += o[ZEROS]
    k[SATURATED] += o[SATURATED]


@device
def _float_of(key: int, place: int) -> float:
    """The number whose bits were made the whole number `key`; `place` is memory for one float32."""
    u32(place)[0] = np.uint32(Int(Int(key) ^ Int(Int(Int(key) >> Int(31)) & MASK)))
    return float(f32(place)[0])


@device
def only_finite(target: int, source: int, count: int) -> int:
    """Copy the finite elements; returns how many there are."""
    x, y = f32(source), f32(target)
    kept = 0
    for i in range(count):
        if abs(x[i]) < LIMIT:
            y[kept] = x[i]
            kept += 1
    return kept


@device
def survey(at: int, count: int, low: Any, high: Any, known: int, work: int) -> None:
    """Add `count` elements to what is `known`. From `low` downwards and from `high` upwards (float32; infinite: none)
    an element counts as saturated. `work` is memory for `RUN` float32."""
    k = f64(known)
    for start in range(0, count, RUN):
        here, many = at + start * 4, min(RUN, count - start)
        x, raw = f32(here), u32(here)
        least, greatest = MASK, -MASK
        total, zeros = F(0), F(0)
        for i in range(many):
            b = Int(raw[i])
            key = Int(b ^ Int(Int(b >> Int(31)) & MASK))
            least = key if key < least else least
            greatest = key if key > greatest else greatest
            total += x[i]
            zeros += F(1) if x[i] == F(0) else F(0)
        if greatest >= BEYOND or least <= -BEYOND - 1:
            many = only_finite(work, here, many)
            if many == 0:
                continue
            x, raw = f32(work), u32(work)
            least, greatest, total = MASK, -MASK, F(0)
            for i in range(many):
                b = Int(raw[i])
                key = Int(b ^ Int(Int(b >> Int(31)) & MASK))
                least = key if key < least else least
                greatest = key if key > greatest else greatest
                total += x[i]
        k[ZEROS] += float(zeros)
        if low > -math.inf or high < math.inf:
            saturated = F(0)
            for i in range(many):
                saturated += F(1) if (x[i] <= low) | (x[i] >= high) else F(0)
            k[SATURATED] += float(saturated)
        exact = float(total)
        if not abs(total) < LIMIT:
            exact = 0.0
            for i in range(many):
                exact += float(x[i])
        # The deviations from a mean that is rounded add up to what it lacks.
        mean = F(exact / many)
        rest, squares = F(0), F(0)
        for i in range(many):
            rest += x[i] - mean
            squares += (x[i] - mean) * (x[i] - mean)
        lacking = float(rest) / many
        _combine(known, float(many), float(mean) + lacking, max(float(squares) - lacking * float(rest), 0.0))
        k[LEAST] = min(k[LEAST], _float_of(least, work))
        k[GREATEST] = max(k[GREATEST], _float_of(greatest, work))


# -- units that are never other than zero ------------------------------------------------------------------------------


@device
def _see(seen: int, width: int, at: int, first: int, last: int) -> int:
    """Mark the columns, `width` of them, that are other than zero in the elements from `first` to `last`, which begin
    with a whole row. Returns how many are marked."""
    flags = u8(seen)
    for row in range(first, last, width):
        x = f32(at + row * 4)
        for j in range(min(width, last - row)):
            flags[j] = flags[j] | (np.uint8(1) if x[j] != F(0) else np.uint8(0))
    return marked(seen, width)


@device
def marked(seen: int, width: int) -> int:
    """How many columns are marked."""
    flags = u8(seen)
    count = np.uint32(0)
    for j in range(width):
        count = np.uint32(count + np.uint32(flags[j]))
    return int(count)


@device
def find_alive(seen: int, width: int, at: int, count: int, zeros: bool) -> None:
    """Mark in `seen` (uint8, `width` of them) the columns that are other than zero somewhere in `count` elements at the
    address `at`. Twice as many rows each time: as a rule a few of them tell all. `zeros`: whether there are any."""
    if not zeros and count >= width:
        flags = u8(seen)
        for j in range(width):
            flags[j] = np.uint8(1)
        return
    first, rows = 0, 2
    while first < count:
        last = min(count, first + rows * width)
        if _see(seen, width, at, first, last) == width:
            return
        first, rows = last, 2 * rows


@device
def fold_alive(alive: int, units: int, seen: int, width: int) -> int:
    """alive (units,) = which units are marked in one of the rows that were joined to one of `width`; returns how many
    are not."""
    flags, result = u8(seen), u8(alive)
    for j in range(units):
        result[j] = flags[j]
    for row in range(units, width, units):
        for j in range(units):
            result[j] = result[j] | flags[row + j]
    return units - marked(alive, units)


# -- results -----------------------------------------------------------------------------------------------------------


@device
def write_statistics(known: int, dead: int, stats: int, apart: int) -> None:
    """The eight statistics, `apart` elements from one another."""
    k, s = f64(known), f32(stats)
    some = k[FINITE] > 0.0
    s[0] = F(k[MEAN])
    s[apart] = F(k[SQUARES])
    s[2 * apart] = F(k[LEAST]) if some else F(0)
    s[3 * apart] = F(k[GREATEST]) if some else F(0)
    s[4 * apart] = F(k[ZEROS])
    s[5 * apart] = F(k[SATURATED])
    s[6 * apart] = F(k[FINITE])
    s[7 * apart] = F(dead)
