"""Dropout. See `engine.ops.dropout`."""

from __future__ import annotations

from typing import Any

from engine.kernels.reference.blocks import spans
from engine.random import Bits


def dropout(
    xp: Any,
    x: Any,
    rate: Any,
    counters: Any,
    y: Any,
    mask: Any,
    bits: Any,
    steps: Any,
    work: Any,
    key: Any,
    factor: Any,
    *,
    stream: int,
) -> None:
    source = Bits(xp, counters, stream, steps, work, key)
    # Comparing integers gives the same mask in every precision that holds the rate.
    limit = key[-1:]
    xp.multiply(rate, 2.0**32, out=factor)
    xp.copyto(limit, factor, casting="unsafe")
    xp.subtract(1, rate, out=factor)
    xp.reciprocal(factor, out=factor)
    x, y, mask = x.reshape(-1), y.reshape(-1), mask.reshape(-1)
    for here, there in spans(x.size, bits.size):
        t, part = bits[there], mask[here]
        source.fill(here.start, t)
        xp.greater_equal(t, limit, out=part)
        xp.multiply(part, factor, out=part)
        xp.multiply(x[here], part, out=y[here])


def dropout_gradient(xp: Any, mask: Any, dy: Any, dx: Any) -> None:
    xp.multiply(mask, dy, out=dx)


KERNELS = {"dropout": dropout, "dropout_gradient": dropout_gradient}
