"""Rows of a table by number, and positions. See `engine.ops.embedding`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.kernels.reference.blocks import on_host, spans
from engine.random import count_into

SPARSE = 256
"""From this vocabulary on the host adds row by row; below, products with a matrix of zeros and ones are faster."""


def _whole(xp: Any, tokens: Any, vocabulary: int, out: Any) -> None:
    """out = the tokens, rounded and held within the vocabulary."""
    xp.rint(tokens, out=out)
    # What is no number counts as the first token, so that no index is left undefined.
    xp.fmax(out, 0, out=out)
    xp.fmin(out, vocabulary - 1, out=out)


def embedding(xp: Any, tokens: Any, table: Any, y: Any, numbers: Any, indices: Any) -> None:
    _whole(xp, tokens, table.shape[0], numbers)
    xp.copyto(indices, numbers, casting="unsafe")
    if on_host(table):
        # NumPy writes straight into `out` only where it need not complain about indices.
        np.take(table, indices, axis=0, out=y, mode="clip")
    else:
        xp.take(table, indices, axis=0, out=y)


def embedding_gradient(
    xp: Any,
    tokens: Any,
    dy: Any,
    dtable: Any,
    numbers: Any,
    indices: Any,
    count: Any,
    one_hot: Any,
    part: Any,
    *,
    vocabulary: int,
) -> None:
    dy = dy.reshape(-1, dtable.shape[1])
    _whole(xp, tokens.reshape(-1), vocabulary, numbers)
    if vocabulary >= SPARSE and on_host(dtable):
        xp.copyto(indices, numbers, casting="unsafe")
        dtable.fill(0)
        np.add.at(dtable, indices, dy)
        return
    # Adding where tokens meet would need atomic sums on a device, whose order changes from run to run.
    count_into(xp, count)
    for here, there in spans(numbers.size, one_hot.shape[0]):
        flags = one_hot[there]
        xp.equal(numbers[here].reshape(-1, 1), count, out=flags)
        xp.matmul(flags.T, dy[here], out=part if here.start else dtable)
        if here.start:
            xp.add(dtable, part, out=dtable)


def add_positions(xp: Any, x: Any, p: Any, y: Any) -> None:
    xp.add(x, p, out=y)


def sum_batch(xp: Any, x: Any, y: Any) -> None:
    xp.sum(x, axis=0, out=y)


def add_sinusoids(xp: Any, x: Any, y: Any, places: Any, waves: Any, angles: Any, p: Any, *, base: float) -> None:
    width = x.shape[2]
    count_into(xp, places)
    count_into(xp, waves, 2)
    xp.multiply(waves, -math.log(base) / width, out=waves)
    xp.exp(waves, out=waves)
    xp.multiply(places.reshape(-1, 1), waves, out=angles)
    xp.sin(angles, out=p[:, 0::2])
    xp.cos(angles[:, : width // 2], out=p[:, 1::2])
    xp.add(x, p, out=y)


KERNELS = {
    "embedding": embedding,
    "embedding_gradient": embedding_gradient,
    "add_positions": add_positions,
    "sum_batch": sum_batch,
    "add_sinusoids": add_sinusoids,
}
