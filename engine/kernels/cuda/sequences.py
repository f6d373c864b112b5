"""Token numbers to vectors and back, and positions. See `engine.ops.embedding`.

A table's gradient needs no sums by atomic operations, whose order would change from run to run: the tokens are sorted
first, each finding its place by counting who comes before it, and each row of the table then adds up its own. With n
tokens that is about 3 n whole-number operations for each, where a product with a single (512, 512) matrix takes 524,288
a token: little up to some ten thousand tokens a batch.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.cuda import stages
from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.columns import ENOUGH
from engine.kernels.cuda.launches import BLOCK, WARP, Launch, Work, blocks, launches_of
from engine.kernels.cuda.signatures import Argument, Pointer
from engine.kernels.cuda.stages import Stage
from engine.ops.base import Call
from engine.ops.embedding import AddPositions, AddSinusoids, Embedding, EmbeddingGradient

WIDE = 4


@launches_of(Embedding)
def _embedding(call: Call, b: Binding) -> list[Work]:
    tokens, table = call.inputs
    (y,) = call.outputs
    vocabulary, width = table.shape
    unit = WIDE if width % WIDE == 0 else 1
    count = y.size // unit
    arguments: list[Argument] = [*b.pointers(tokens, table, y), count, width // unit, vocabulary, int(unit == WIDE)]
    return [Launch("embedding", arguments, blocks(count))]


@launches_of(EmbeddingGradient)
def _embedding_gradient(call: Call, b: Binding) -> list[Work]:
    tokens, dy = call.inputs
    (dtable,) = call.outputs
    vocabulary, width = dtable.shape
    count = tokens.size
    found, order = b.scratch(count, np.int32), b.scratch(count, np.int32)
    stripes = max(1, min(-(-width // WARP), ENOUGH // vocabulary))
    return [
        Launch("order_tokens", [b.pointer(tokens), found, order, count, vocabulary], -(-count // WARP)),
        Launch("embedding_gradient", [found, order, *b.pointers(dy, dtable), count, width], (vocabulary, stripes)),
    ]


def _to_each(call: Call, b: Binding, positions: Pointer) -> list[Work]:
    """x + p for the numbers p of one sample: a bias, with all elements of a sample for columns."""
    x, (y,) = call.inputs[0], call.outputs
    stage = Stage(stages.ADD_BIAS, positions)
    grid = blocks(y.size, WIDE * BLOCK)
    columns = x.size // x.shape[0]
    return [Launch("elementwise", [*b.pointers(x, y), y.size], grid, output=1, columns=columns, stages=[stage])]


@launches_of(AddPositions)
def _add_positions(call: Call, b: Binding) -> list[Work]:
    return _to_each(call, b, b.pointer(call.inputs[1]))


@launches_of(AddSinusoids)
def _add_sinusoids(call: Call, b: Binding) -> list[Work]:
    _, positions, width = call.inputs[0].shape
    waves = np.arange(width) // 2 * 2
    angles = np.arange(positions)[:, None] * call.op.attributes()["base"] ** (-waves / width)
    table = np.where(np.arange(width) % 2, np.cos(angles), np.sin(angles))
    return _to_each(call, b, b.constants(table.astype(np.float32)))
