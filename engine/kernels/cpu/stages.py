"""Elementwise work on a piece of a matrix that was just computed and still lies in the cache.

A product, a normalization or a plain pass ends with a list of stages; each changes the piece in place. That is how a
bias, an activation, dropout, and the same backwards become part of the operation before them: the piece is read from
main memory never, where operations of their own would read all of it anew.

In a row of the table a list of stages is its length, followed by `ENTRY` int64 each.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.kernels.cpu import activation_stages, bits, functions
from engine.kernels.cpu.activation_stages import PRELU, PRELU_LAYER
from engine.kernels.cpu.bits import stream_key
from engine.kernels.cpu.language import F, copy, device, f32, number

__all__ = ["ENTRY", "apply", "draw_mask"]


# The codes of the stages. `other` is the array at the stage's address, of the matrix's shape where not said otherwise;
# c is the piece.
LOAD = 1  # c = other
KEEP = 2  # other = c
ADD_BIAS = 3  # c += other[column]
ADD = 4  # c += other
MULTIPLY = 5  # c *= other
SCALE = 6  # c *= number
RELU = 7
LEAKY_RELU = 8  # number: slope
SIGMOID = 9
TANH = 10
RELU_GRADIENT = 11  # other: y
LEAKY_RELU_GRADIENT = 12  # other: y, number: slope
SIGMOID_GRADIENT = 13  # other: y
TANH_GRADIENT = 14  # other: y
DROPOUT = 15  # other: the mask to be written, number: flags; then the addresses of rate and counters, and the stream

PLAIN, SURVIVAL = 1, 2
"""Flags of a mask: what is kept is multiplied by 1, not 1 / (1 - rate); 1 - rate is given."""

ENTRY = 6
"""int64 of one stage in a row: code, address, bits of the number, and three more."""


@device
def apply(
    arguments: Any, at: int, c: int, c_row: int, first_row: int, rows: int, first_column: int, width: int
) -> None:
    """Run the list of stages that begins at index `at` of a row's arguments on the piece of `rows` rows and `width`
    columns at the address `c`, whose rows lie `c_row` elements apart. The piece begins at (first_row, first_column) of
    a matrix whose rows are as long in the other arrays as `c_row` says."""
    for index in range(arguments[at]):
        entry = at + 1 + index * ENTRY
        if width == c_row and arguments[entry] != ADD_BIAS and arguments[entry] != PRELU:
            # Whole rows lie behind one another.
            _stage(arguments, entry, c, first_row * c_row, 0, rows * width)
            continue
        for i in range(rows):
            element = (first_row + i) * c_row + first_column
            _stage(arguments, entry, c + i * c_row * 4, element, first_column, width)


@device
def _stage(a: Any, entry: int, at: int, element: int, first_column: int, width: int) -> None:
    """One stage on one row of the piece."""
    code, other, value = a[entry], a[entry + 1], F(number(a[entry + 2]))
    x, y = f32(at), f32(other + element * 4)
    if code >= PRELU_LAYER:
        y = f32(other if code == PRELU_LAYER else other + first_column * 4)
    if code >= activation_stages.FIRST:
        activation_stages.activation(code, x, y, value, F(number(a[entry + 3])), width)
    elif code == LOAD:
        copy(at, other + element * 4, width * 4)
    elif code == KEEP:
        copy(other + element * 4, at, width * 4)
    elif code == ADD_BIAS:
        bias = f32(other + first_column * 4)
        for j in range(width):
            x[j] = x[j] + bias[j]
    elif code == ADD:
        for j in range(width):
            x[j] = x[j] + y[j]
    elif code == MULTIPLY:
        for j in range(width):
            x[j] = x[j] * y[j]
    elif code == SCALE:
        for j in range(width):
            x[j] = x[j] * value
    elif code == RELU:
        for j in range(width):
            # The comparison this way round keeps what is not a number.
            x[j] = F(0) if x[j] < F(0) else x[j]
    elif code == LEAKY_RELU:
        for j in range(width):
            x[j] = x[j] * value if x[j] < F(0) else x[j]
    elif code == SIGMOID:
        for j in range(width):
            x[j] = functions.sigmoid(x[j])
    elif code == TANH:
        for j in range(width):
            x[j] = functions.tanh(x[j])
    elif code == RELU_GRADIENT:
        for j in range(width):
            x[j] = x[j] * (F(1) if y[j] > F(0) else F(0))
    elif code == LEAKY_RELU_GRADIENT:
        for j in range(width):
            x[j] = x[j] * (F(1) if y[j] > F(0) else value)
    elif code == SIGMOID_GRADIENT:
        for j in range(width):
            x[j] = x[j] * (y[j] * (F(1) - y[j]))
    elif code == TANH_GRADIENT:
        for j in range(width):
            x[j] = x[j] * (F(1) - y[j] * y[j])
    elif code == DROPOUT:
        draw_mask(y, f32(a[entry + 3])[0], a[entry + 4], a[entry + 5], int(value), element, width)
        for j in range(width):
            x[j] = x[j] * y[j]


@device
def draw_mask(mask: Any, rate: Any, counters: int, stream: int, flags: int, first: int, width: int) -> None:
    """Write the mask of the stream's elements from `first` on: 0 for what is dropped."""
    key0, key1 = stream_key(counters, stream, 0), stream_key(counters, stream, 1)
    share = F(1) - rate if flags >= SURVIVAL else rate
    limit = np.uint32(F(4294967296.0) * share)
    factor = F(1) if flags % 2 == PLAIN else F(1) / (F(1) - share)
    for j in range(width):
        mask[j] = factor if bits.element(first + j, key0, key1) >= limit else F(0)
