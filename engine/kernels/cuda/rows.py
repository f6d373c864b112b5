"""What treats each row of a matrix by itself: softmax, the weights of attention, maxout.

A row of up to 512 numbers is held by lanes of a warp: it is read once, and several short rows share a warp. A longer
one has a block.
"""

from __future__ import annotations

from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.launches import BLOCK, WARP, Launch, Work, blocks, launches_of
from engine.kernels.cuda.signatures import Argument, Pointer
from engine.ops.attention import AttentionWeights, AttentionWeightsGradient
from engine.ops.base import Call
from engine.ops.maxout import Maxout, MaxoutGradient
from engine.ops.softmax import Softmax, SoftmaxGradient

WIDE = 4
HELD = (4, 16)
"""Numbers of a row that a lane can hold: there is a kernel for each."""

LONG = 4096
"""Columns from which on a row's block is as large as can be."""


def _by_rows(kernel: str, arrays: list[Pointer], shape: tuple[int, int], queries: list[int], scale: float) -> Launch:
    """The kernel of this name for rows of this length."""
    rows, columns = shape
    lanes = min(WARP, 1 << (columns - 1).bit_length())
    for held in HELD:
        if columns <= held * lanes:
            given: list[Argument] = [*arrays, rows, columns, *queries, lanes, scale]
            return Launch(f"{kernel}_{held}", given, -(-rows * lanes // BLOCK), BLOCK)
    block = BLOCK if columns <= LONG else 4 * BLOCK
    return Launch(f"{kernel}_long", [*arrays, columns, *queries, scale], rows, block)


def _weights(call: Call, b: Binding, scale: float = 1.0, causal: bool = False) -> list[Work]:
    (x,), (y,) = call.inputs, call.outputs
    columns = x.shape[-1]
    queries = x.shape[-2] if causal else 0
    return [_by_rows("weights", b.pointers(x, y), (x.size // columns, columns), [queries], scale)]


def _weights_gradient(call: Call, b: Binding, scale: float = 1.0) -> list[Work]:
    y, dy = call.inputs
    columns = y.shape[-1]
    arrays = b.pointers(y, dy, call.outputs[0])
    return [_by_rows("weights_gradient", arrays, (y.size // columns, columns), [], scale)]


@launches_of(Softmax, AttentionWeights)
def _forward(call: Call, b: Binding) -> list[Work]:
    return _weights(call, b, **call.op.attributes())


@launches_of(SoftmaxGradient, AttentionWeightsGradient)
def _backward(call: Call, b: Binding) -> list[Work]:
    return _weights_gradient(call, b, **call.op.attributes())


@launches_of(Maxout)
def _maxout(call: Call, b: Binding) -> list[Work]:
    (y,) = call.outputs
    pieces = call.op.attributes()["pieces"]
    return [
        Launch(
            "maxout",
            [*b.pointers(*call.inputs, y), y.size, y.shape[-1], pieces],
            blocks(y.size, BLOCK if y.shape[-1] % WIDE else WIDE * BLOCK),
        )
    ]


@launches_of(MaxoutGradient)
def _maxout_gradient(call: Call, b: Binding) -> list[Work]:
    y = call.inputs[1]
    pieces = call.op.attributes()["pieces"]
    arguments = [*b.pointers(*call.inputs, *call.outputs), y.size, y.shape[-1], pieces]
    return [Launch("maxout_gradient", arguments, blocks(y.size, BLOCK if y.shape[-1] % WIDE else WIDE * BLOCK))]
