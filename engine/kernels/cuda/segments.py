"""Many arrays in one launch: the tables by which each block finds its piece of one of them. See segments.cuh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.signatures import NULL, Argument, Pointer

__all__ = ["Pieces", "address_table", "aligned"]

SHORTEST, LONGEST = 1024, 1 << 14
"""Elements of a piece. Long ones save what each block begins with; short ones let more blocks take part."""

MANY = 1024
"""Pieces that are enough for every card."""

LANES = 4
"""Elements that a thread reads at once."""


@dataclass(frozen=True)
class Pieces:
    """A table of pieces, a block each, and one of the segments that they belong to, both on the device."""

    count: int
    pieces: Pointer
    segments: Pointer
    segment_count: int

    @classmethod
    def of(cls, sizes: Sequence[Sequence[int]], binding: Binding, flags: Sequence[int] = (), length: int = 0) -> Pieces:
        """Segments whose arrays have `sizes`; each has `flags`, and pieces are `length` elements long where that is
        given. Arrays are numbered through, over all segments."""
        total = sum(sum(arrays) for arrays in sizes)
        length = length or piece_length(total)
        pieces: list[tuple[int, int, int, int]] = []
        segments = []
        array = 0
        for index, arrays in enumerate(sizes):
            begin = len(pieces)
            for size in arrays:
                pieces += [(index, array, at, min(length, size - at)) for at in range(0, size, length)]
                array += 1
            segments.append((begin, len(pieces) - begin, flags[index], 0))
        on_device, own = (binding.constants(np.array(table, np.int32)) for table in (pieces, segments))
        return cls(len(pieces), on_device, own, len(segments))

    def sums(self, binding: Binding, each: int) -> list[Argument]:
        """Memory for `each` sums of every piece, and the count of the pieces done of every segment."""
        return [binding.scratch(each * self.count), binding.memory(self.segment_count, np.uint32)]


def piece_length(total: int) -> int:
    """Elements of a piece where all of them are `total`: it decides in which order sums are taken."""
    length = SHORTEST
    while length < LONGEST and total > length * MANY:
        length *= 2
    return length


def address_table(rows: Sequence[Sequence[Pointer | None]], binding: Binding) -> Pointer:
    """A table of addresses on the device, 0 for None."""
    addresses = [[(item or NULL).address for item in row] for row in rows]
    return binding.constants(np.array(addresses, np.uint64))


def aligned(pointer: Pointer) -> Pointer:
    """The pointer, to what is read four elements at a time: segments of the state begin where that is allowed."""
    assert pointer.address % (LANES * 4) == 0
    return pointer
