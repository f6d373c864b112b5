"""What stands beside the optimizer's rule; neighbouring calls are one launch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.launches import Launch, Work, joined_of
from engine.kernels.cuda.segments import Pieces, address_table, aligned
from engine.ops.base import Call, Op
from engine.ops.beside import Accumulate, AddAccumulated, Average, ClipValue, MaxNorm, SoftThreshold

WHAT: dict[type[Op], int] = {ClipValue: 0, SoftThreshold: 1, Average: 2, Accumulate: 3, AddAccumulated: 4}
"""Operations, as beside.cu has them."""

COLUMNS = 8
"""Columns of a matrix that a block of `max_norm` takes."""

LANES = 64
"""Threads of such a block for each column."""


@joined_of(*WHAT)
def _beside(calls: Sequence[Call], b: Binding) -> list[Work]:
    rows = []
    for call in calls:
        changed, *others, number = call.inputs
        other = aligned(b.pointer(others[0])) if others else None
        rows.append([aligned(b.pointer(changed)), other, b.pointer(number)])
    what = [WHAT[type(call.op)] for call in calls]
    pieces = Pieces.of([[call.inputs[0].size] for call in calls], b, what)
    return [Launch("beside", [b.halt, address_table(rows, b), pieces.pieces, pieces.segments], pieces.count)]


@joined_of(MaxNorm)
def _max_norm(calls: Sequence[Call], b: Binding) -> list[Work]:
    pieces: list[tuple[int, int, int, int]] = []
    segments = []
    for index, call in enumerate(calls):
        weights = call.inputs[0]
        columns, begin = weights.shape[-1], len(pieces)
        pieces += [(index, index, at, min(COLUMNS, columns - at)) for at in range(0, columns, COLUMNS)]
        segments.append((begin, len(pieces) - begin, weights.size // columns, columns))
    tables = [b.constants(np.array(table, np.int32)) for table in (pieces, segments)]
    rows = [b.pointers(*call.inputs) for call in calls]
    return [Launch("max_norm", [b.halt, address_table(rows, b), *tables], len(pieces), COLUMNS * LANES)]
