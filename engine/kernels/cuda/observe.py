"""The instruments: statistics, living units and histograms of arrays, each in one or two launches.

A large array is read twice, as its mean and its range must be known before the squared deviations and the histogram can
be: that is all the memory traffic there is. What blocks find is joined by the last of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.launches import BLOCK, WARP, Launch, Work, launches_of
from engine.kernels.cuda.signatures import NULL, Argument, Pointer, SignatureError
from engine.ops import Observe, ObserveMany, ObserveUnits
from engine.ops.base import Call, Value

ONE_BLOCK = 1 << 14
"""Up to so many elements an array is observed by one block: a second launch would take longer."""

FEW = 1 << 10
"""Up to so many elements, a block of `BLOCK` threads does; else one of `WIDE`."""

WIDE = 512

MOST_BLOCKS = 1024
"""Blocks of a walk. They fill the largest card, and what they find is joined in no time."""

COUNTERS = 4096
"""Counters of a block for its histogram: as many copies of it as there is room for, up to one for each lane."""

WARPS = BLOCK // WARP

ROWS = 128
"""Rows that the blocks of `observe_units` take at least."""


@launches_of(Observe)
def _observe(call: Call, b: Binding) -> list[Work]:
    op, (x,), (stats, alive, histogram) = call.op, call.inputs, call.outputs
    assert isinstance(op, Observe)
    if x.size <= ONE_BLOCK:
        return [_small([x], [op.low], [op.high], op.bins, call.outputs, b)]
    units, bins = x.shape[-1], op.bins
    span = span_of(x.size, units)
    grid = -(-span // (4 * BLOCK))
    sums, numbers = b.scratch(2 * grid, np.float64), b.scratch(3 * grid, np.uint32)
    seen, ticket = b.memory(units, np.bool_), b.memory(1, np.uint32)
    array: list[Argument] = [b.pointer(x), x.size, units, span]
    limits = [_limit(op.low, -math.inf), _limit(op.high, math.inf)]
    first: list[Argument] = [*array, *limits, sums, b.scratch(2 * grid), numbers, seen, ticket, b.pointer(stats)]
    results: list[Argument] = [*b.pointers(stats, alive), _histogram(histogram, b)]
    tallies = b.memory(bins, np.int64)
    second: list[Argument] = [*array, bins, copies_of(bins), sums, numbers, seen, tallies, ticket, *results]
    return [Launch("observe_first", first, grid), Launch("observe_second", second, grid)]


@launches_of(ObserveMany)
def _observe_many(call: Call, b: Binding) -> list[Work]:
    op = call.op
    assert isinstance(op, ObserveMany)
    return [_small(call.inputs, op.lows, op.highs, op.bins, call.outputs, b)]


def _small(
    arrays: Sequence[Value],
    lows: Sequence[float | None],
    highs: Sequence[float | None],
    bins: int,
    results: Sequence[Value],
    b: Binding,
) -> Launch:
    """Each array by one block."""
    addresses = np.array([_floats(x, b) for x in arrays], np.uint64)
    sizes = np.array([(x.size, x.shape[-1]) for x in arrays], np.int32)
    limits = np.array([(_limit(low, -math.inf), _limit(high, math.inf)) for low, high in zip(lows, highs, strict=True)])
    tables = [b.constants(addresses), b.constants(sizes), b.constants(limits.astype(np.float32))]
    stats, alive, histogram = results
    at: list[Argument] = [*b.pointers(stats, alive), _histogram(histogram, b)]
    arguments = [*tables, bins, copies_of(bins), alive.shape[-1], *at]
    threads = BLOCK if max(x.size for x in arrays) <= FEW else WIDE
    return Launch("observe_many", arguments, len(arrays), threads)


@launches_of(ObserveUnits)
def _observe_units(call: Call, b: Binding) -> list[Work]:
    (x,), (result,) = call.inputs, call.outputs
    units = x.shape[-1]
    width = units * max(1, min(x.size // units, WARP // units))
    columns, rows = -(-width // WARP), -(-x.size // width)
    each = -(-rows // max(1, min(rows // ROWS, MOST_BLOCKS // columns)))
    # Whole rounds of the block, of four rows for each warp.
    each = -(-each // (4 * WARPS)) * 4 * WARPS
    parts = -(-rows // each)
    count = parts * units
    tickets = b.memory(columns, np.uint32)
    array: list[Argument] = [b.pointer(x), x.size, units, width, each]
    sums, at = b.scratch(2 * count, np.float64), b.pointer(result)
    first = [*array, sums, b.scratch(2 * count), b.scratch(3 * count, np.uint32), tickets, at]
    works: list[Work] = [Launch("observe_units", first, (columns, parts))]
    if parts > 1:
        works.append(Launch("observe_units_second", [*array, sums, tickets, at], (columns, parts)))
    return works


def span_of(size: int, units: int) -> int:
    """Elements that all blocks take at a time: a multiple of four, and whole rows where that is not far too many, so
    that a thread stays in its columns."""
    wanted = max(1, min(-(-size // (8 * BLOCK)), MOST_BLOCKS)) * 4 * BLOCK
    step = math.lcm(units, 4)
    span = max(1, round(wanted / step)) * step
    return span if span <= 2 * wanted else wanted


def copies_of(bins: int) -> int:
    """Copies of a histogram in a block's memory, a power of two. Raises SignatureError for more bins than fit."""
    if bins > COUNTERS:
        raise SignatureError(f"a histogram of {bins:,} bins does not fit: choose at most {COUNTERS:,}")
    return min(WARP, 1 << (COUNTERS // max(1, bins)).bit_length() - 1)


def _histogram(result: Value, b: Binding) -> Pointer:
    """Where it goes; nowhere if it has no bins."""
    return b.pointer(result) if result.size else NULL


def _floats(x: Value, b: Binding) -> int:
    """The address of an array, which must be of floats."""
    at: Pointer = b.pointer(x)
    if at.dtype != np.float32:
        raise SignatureError(f"observe_many: the arrays are float32, not {at.dtype}")
    return at.address


def _limit(limit: float | None, none: float) -> float:
    """A limit as the float32 that elements are compared with."""
    return none if limit is None else float(np.float32(limit))
