"""Token numbers to vectors and back, and positions. See `engine.ops.embedding`."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.kernels.cpu import stages
from engine.kernels.cpu.interpreter import claim
from engine.kernels.cpu.language import F, clear, copy, device, f32, f64, kernel, round_even, stack
from engine.kernels.cpu.reduction import sum_rows_row
from engine.kernels.cpu.rows import Binding, Row, Stage, rows_of
from engine.kernels.reference.embedding import SPARSE
from engine.ops.base import Call
from engine.ops.embedding import AddPositions, AddSinusoids, Embedding, EmbeddingGradient, SumBatch

PIECE = 4096
"""Elements that a thread takes at a time."""

STRIPE = 16
"""Columns of the table whose gradient a thread adds up at a time: a line of the cache."""


@device
def _token(tokens: Any, i: int, vocabulary: int) -> int:
    """The row of the table for token i: the nearest one that there is, the first where it is no number."""
    t = round_even(tokens[i])
    last = F(vocabulary - 1)
    t = t if t > F(0) else F(0)
    return int(last if t > last else t)


@kernel
def embedding(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared, tokens, table, y, tokens' number, width, vocabulary."""
    count, width = a[4], a[5]
    tokens = f32(a[1])
    at_once = max(1, PIECE // width)
    while True:
        first = claim(a[0]) * at_once
        if first >= count:
            return
        for i in range(first, min(first + at_once, count)):
            copy(a[3] + i * width * 4, a[2] + _token(tokens, i, a[6]) * width * 4, width * 4)


@kernel
def embedding_gradient(a: Any, me: int, team: int, step: int) -> None:
    """Some columns at a time, in float64. Arguments: shared, tokens, dy, dtable, tokens' number, width, vocabulary,
    whether what is not finite reaches every token; work memory, its bytes for each thread."""
    count, width, vocabulary = a[4], a[5], a[6]
    tokens = f32(a[1])
    work = a[8] + me * a[9]
    besides = stack(STRIPE)
    nothing = f32(besides)
    while True:
        first = claim(a[0]) * STRIPE
        if first >= width:
            return
        here = min(STRIPE, width - first)
        clear(work, vocabulary * STRIPE * 8)
        clear(besides, STRIPE * 4)
        for i in range(count):
            total = f64(work + _token(tokens, i, vocabulary) * STRIPE * 8)
            dy = f32(a[2] + (i * width + first) * 4)
            for j in range(here):
                total[j] = total[j] + float(dy[j])
                nothing[j] = nothing[j] + dy[j] * F(0)
        for v in range(vocabulary):
            total, row = f64(work + v * STRIPE * 8), f32(a[3] + (v * width + first) * 4)
            for j in range(here):
                # Zeros times infinity go to all tokens but the one that infinity belongs to.
                own = F(total[j])
                row[j] = own + (nothing[j] if a[7] != 0 and own - own == F(0) else F(0))


@rows_of(Embedding)
def _embedding(call: Call, m: Binding) -> list[Row]:
    tokens, table = call.inputs
    vocabulary, width = table.shape
    addresses = [m.address(value) for value in (*call.inputs, *call.outputs)]
    return [Row("embedding", [m.shared, *addresses, tokens.size, width, vocabulary])]


@rows_of(EmbeddingGradient)
def _embedding_gradient(call: Call, m: Binding) -> list[Row]:
    vocabulary, width = call.outputs[0].shape
    addresses = [m.address(value) for value in (*call.inputs, *call.outputs)]
    # Below this size the reference kernel multiplies by zeros and ones.
    shape = [call.inputs[0].size, width, vocabulary, int(vocabulary < SPARSE)]
    return [Row("embedding_gradient", [m.shared, *addresses, *shape, *m.scratch(2 * STRIPE * vocabulary)])]


def _to_each(call: Call, m: Binding, positions: int) -> list[Row]:
    """x + p for the numbers p of one sample at an address."""
    x, (y,) = call.inputs[0], call.outputs
    columns = x.size // x.shape[0]
    work = [Stage(stages.LOAD, m.address(x)), Stage(stages.ADD_BIAS, positions)]
    return [Row("elementwise", [m.shared, m.address(y), x.shape[0], columns], stages=work)]


@rows_of(AddPositions)
def _add_positions(call: Call, m: Binding) -> list[Row]:
    return _to_each(call, m, m.address(call.inputs[1]))


@rows_of(AddSinusoids)
def _add_sinusoids(call: Call, m: Binding) -> list[Row]:
    _, positions, width = call.inputs[0].shape
    waves = np.arange(width) // 2 * 2
    angles = np.arange(positions)[:, None] * call.op.attributes()["base"] ** (-waves / width)
    return _to_each(call, m, m.numbers(np.where(np.arange(width) % 2, np.cos(angles), np.sin(angles))))


@rows_of(SumBatch)
def _sum_batch(call: Call, m: Binding) -> list[Row]:
    (x,), (y,) = call.inputs, call.outputs
    return [sum_rows_row(m, m.address(x), x.shape[0], x.size // x.shape[0], m.address(y))]
