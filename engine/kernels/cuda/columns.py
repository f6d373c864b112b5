"""Sums down the columns of a matrix: of biases' gradients, over a batch, and of learned activations' numbers.

A short matrix is one launch. A tall one with few columns, which would keep few of the device's processors busy, is
cut into pieces of rows; a second launch adds the pieces' sums up. How many there are depends on the shape alone.
"""

from __future__ import annotations

from engine.kernels.cuda.activations import LEARNED
from engine.kernels.cuda.launches import Binding, Launch, Work, launches_of
from engine.kernels.cuda.signatures import Argument, Pointer
from engine.ops import SumRows
from engine.ops.base import Call, Op
from engine.ops.embedding import SumBatch
from engine.ops.learned import LearnedSwish, LearnedSwishGradient, PReLU, PReLUGradient

__all__ = ["cut", "sum_columns"]

THREADS = 512
WIDE = 32
"""The most columns of a block: neighbouring threads read a whole line of the cache."""

EACH = 16
"""Rows that a thread adds up before a matrix is cut."""

ENOUGH = 1024
"""Blocks that keep a large device busy."""

MOST = 512
"""Pieces at the most, so that adding up their sums is short."""

GRADIENTS: dict[type[Op], int] = {PReLUGradient: LEARNED[PReLU], LearnedSwishGradient: LEARNED[LearnedSwish]}


def cut(rows: int, columns: int) -> tuple[int, int, int, int]:
    """Of a matrix's blocks: columns and rows of each, how many across and down."""
    across = -(-columns // WIDE)
    width = -(-columns // across)
    at_once = THREADS // width
    pieces = max(1, min(-(-rows // (EACH * at_once)), ENOUGH // across, MOST))
    height = -(-rows // pieces)
    return width, height, across, -(-rows // height)


def _block(rows: int, width: int) -> int:
    """Threads of a block: no more warps than there are numbers."""
    return min(THREADS, -(-rows * width // 32) * 32)


def sum_columns(x: Pointer, rows: int, columns: int, y: Pointer, b: Binding) -> list[Work]:
    """y (columns) = the sums of x (rows, columns) over its rows."""
    width, height, across, down = cut(rows, columns)
    sums = y if down == 1 else b.scratch(down * columns)
    arguments: list[Argument] = [x, sums, rows, columns, width, height]
    works: list[Work] = [Launch("column_sums", arguments, (across, down), _block(height, width))]
    return works + _finish(sums, down, columns, y)


def _finish(sums: Pointer, rows: int, columns: int, y: Pointer) -> list[Work]:
    """What adds the pieces' sums up, where there are several."""
    if rows == 1:
        return []
    across = -(-columns // WIDE)
    width = -(-columns // across)
    return [Launch("column_sums", [sums, y, rows, columns, width, rows], across, _block(rows, width))]


@launches_of(SumRows)
def _sum_rows(call: Call, b: Binding) -> list[Work]:
    (x,), (y,) = call.inputs, call.outputs
    return sum_columns(b.pointer(x), x.size // y.size, y.size, b.pointer(y), b)


@launches_of(SumBatch)
def _sum_batch(call: Call, b: Binding) -> list[Work]:
    (x,), (y,) = call.inputs, call.outputs
    return sum_columns(b.pointer(x), x.shape[0], y.size, b.pointer(y), b)


@launches_of(PReLUGradient, LearnedSwishGradient)
def _learned_gradient(call: Call, b: Binding) -> list[Work]:
    x, numbers, dy = call.inputs
    dx, dnumbers = call.outputs
    columns = numbers.size
    rows = x.size // columns
    width, height, across, down = cut(rows, columns)
    result = b.pointer(dnumbers)
    sums = result if down == 1 else b.scratch(down * columns)
    arrays = [*b.pointers(x, numbers, dy, dx), sums]
    arguments: list[Argument] = [GRADIENTS[type(call.op)], *arrays, rows, columns, width, height]
    work = Launch("learned_gradient", arguments, (across, down), _block(height, width))
    return [work, *_finish(sums, down, columns, result)]
