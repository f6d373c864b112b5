"""Sums down the columns of a matrix: of biases' gradients, over a batch, and of learned activations' numbers.

One launch each. A tall matrix with few columns, which would keep few of the device's processors busy, is cut into
pieces of rows; whichever block is done last adds the pieces' sums up, in their order. How many there are depends on
the shape alone.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.cuda.activations import LEARNED
from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.launches import Launch, Work, launches_of
from engine.kernels.cuda.signatures import NULL, Argument, Pointer
from engine.ops import SumRows
from engine.ops.base import Call, Op
from engine.ops.embedding import SumBatch
from engine.ops.learned import LearnedSwish, LearnedSwishGradient, PReLU, PReLUGradient

__all__ = ["ENOUGH", "cut", "sum_columns"]

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


def _launch(kernel: str, given: list[Argument], rows: int, columns: int, b: Binding) -> list[Work]:
    """The kernel, with what it adds sums up in."""
    width, height, across, down = cut(rows, columns)
    partials = b.scratch(down * columns) if down > 1 else NULL
    finished = b.memory(across, np.uint32) if down > 1 else NULL
    # No more warps than there are numbers.
    block = min(THREADS, -(-height * width // 32) * 32)
    arguments = [*given, partials, finished, rows, columns, width, height]
    return [Launch(kernel, arguments, (across, down), block)]


def sum_columns(x: Pointer, rows: int, columns: int, y: Pointer, b: Binding) -> list[Work]:
    """y (columns) = the sums of x (rows, columns) over its rows."""
    return _launch("column_sums", [x, y], rows, columns, b)


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
    arrays = b.pointers(x, numbers, dy, dx, dnumbers)
    given: list[Argument] = [GRADIENTS[type(call.op)], *arrays]
    return _launch("learned_gradient", given, x.size // numbers.size, numbers.size, b)
