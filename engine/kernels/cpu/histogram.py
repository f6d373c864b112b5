"""Histograms of arrays in equal bins: positions as vectors, then one counter at a time in several histograms."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.kernels.cpu.language import F, atomic_add, device, f32, i64, u8, u32
from engine.kernels.cpu.statistics import LIMIT, RUN, Int, only_finite

__all__ = ["INDEX_SPACE", "MOST_BINS", "SHARES_SPACE", "add_shares", "bins_per_unit", "one_by_one", "tally"]

MOST_BINS = 128

SHARES = 8
"""Histograms that are filled side by side: adding to one counter twice in a row would wait for the memory."""

SHARES_SPACE = SHARES * MOST_BINS
INDEX_SPACE = RUN // 4
"""Memory for one byte an element, in float32, as the stack counts."""


@device
def one_by_one(histogram: int, at: int, count: int, least: Any, factor: Any, bins: int) -> None:
    """Count a few elements straight into a histogram of int64."""
    x, counts = f32(at), i64(histogram)
    for i in range(count):
        if abs(x[i]) < LIMIT:
            counts[min(int((x[i] - least) * factor), bins - 1)] += 1


@device
def _tally(shares: int, at: int, count: int, least: Any, factor: Any, bins: int, index: int) -> None:
    """Count `count` finite elements into `SHARES` histograms of uint32; `index` is memory for `RUN` bytes."""
    x, positions, top = f32(at), u8(index), Int(bins - 1)
    for i in range(count):
        b = Int((x[i] - least) * factor)
        positions[i] = np.uint8(b if b < top else top)
    c = u32(shares)
    eight = i64(index)
    whole = count // 8
    for i in range(whole):
        w = eight[i]
        for share in range(8):
            place = share * MOST_BINS + (w & 127)
            c[place] = c[place] + np.uint32(1)
            w >>= 8
    for i in range(8 * whole, count):
        place = int(positions[i])
        c[place] = c[place] + np.uint32(1)


@device
def tally(
    shares: int, at: int, count: int, least: Any, factor: Any, bins: int, masked: bool, work: int, index: int
) -> None:
    """Count elements. `masked`: not all of them are finite. `work` is memory for `RUN` float32; for the rest see
    `_tally`."""
    for start in range(0, count, RUN):
        here, many = at + start * 4, min(RUN, count - start)
        if masked:
            many = only_finite(work, here, many)
            here = work
        _tally(shares, here, many, least, factor, bins, index)


@device
def bins_per_unit(least: Any, greatest: Any, bins: int) -> Any:
    """Bins per unit; 0 puts everything into the first bin, where the range is zero or as good as zero."""
    extent = greatest - least
    if extent < F(1.1754943508222875e-38) * F(4 * bins + 4):
        return F(0)
    return F(bins) / extent


@device
def add_shares(histogram: int, shares: int, bins: int, alone: bool) -> None:
    """Add the histograms of a thread to the common one."""
    c, counts = u32(shares), i64(histogram)
    for j in range(bins):
        total = 0
        for share in range(SHARES):
            total += int(c[share * MOST_BINS + j])
        if alone:
            counts[j] += total
        elif total != 0:
            atomic_add(histogram + 8 * j, total)
