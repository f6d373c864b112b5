"""The weights of attention and their gradient; the products themselves are in `matrix`. See `engine.ops.attention`."""

from __future__ import annotations

from typing import Any

from engine.kernels.cpu import functions
from engine.kernels.cpu.interpreter import claim
from engine.kernels.cpu.language import F, device, f32, kernel, number, stack
from engine.kernels.cpu.loss import MAXIMA, largest_of
from engine.kernels.cpu.rows import Binding, Row, rows_of
from engine.ops.attention import AttentionWeights, AttentionWeightsGradient
from engine.ops.base import Call

PIECE = 4096
"""Elements that a thread takes at a time, in whole rows."""


MASKED = F(-100)
"""A score far enough below the largest one that nothing is left of its exponential."""


@device
def _shift(out: int, x: int, columns: int, seen: int, scale: Any, partial: int) -> None:
    """out = scale x less its largest number, of the first `seen` columns; the others are masked. out may be x."""
    y, z = f32(out), f32(x)
    # Minus infinity is added to what is masked: of any other number that is not finite no number is left.
    beyond = F(0)
    for j in range(seen, columns):
        score = z[j] * scale
        beyond += F(0) if score < F(0) else score * F(0)
    if out == x:
        for j in range(seen):
            y[j] = y[j] * scale
    else:
        for j in range(seen):
            y[j] = z[j] * scale
    largest = largest_of(out, seen, partial) + beyond
    for j in range(seen):
        y[j] = y[j] - largest
    for j in range(seen, columns):
        y[j] = MASKED


@kernel
def attention_weights(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared, scores, weights, rows, columns, rows of a matrix, scale, whether later columns are masked."""
    rows, columns = a[3], a[4]
    scale = F(number(a[6]))
    partial = stack(MAXIMA)
    at_once = max(1, PIECE // columns)
    while True:
        first = claim(a[0]) * at_once
        if first >= rows:
            return
        last = min(first + at_once, rows)
        for row in range(first, last):
            seen = columns if a[7] == 0 else min(columns, row % a[5] + 1)
            _shift(a[2] + row * columns * 4, a[1] + row * columns * 4, columns, seen, scale, partial)
        powers = f32(a[2] + first * columns * 4)
        for j in range((last - first) * columns):
            powers[j] = functions.exp(powers[j])
        for row in range(first, last):
            y = f32(a[2] + row * columns * 4)
            total = F(0)
            for j in range(columns):
                total += y[j]
            share = F(1) / total
            if share == share:
                for j in range(columns):
                    y[j] = y[j] * share
            else:
                for j in range(columns):
                    y[j] = share


@kernel
def attention_weights_gradient(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared, weights, dweights, dscores, rows, columns, scale."""
    rows, columns = a[4], a[5]
    scale = F(number(a[6]))
    at_once = max(1, PIECE // columns)
    while True:
        first = claim(a[0]) * at_once
        if first >= rows:
            return
        for row in range(first, min(first + at_once, rows)):
            at = row * columns * 4
            y, dy, dx = f32(a[1] + at), f32(a[2] + at), f32(a[3] + at)
            total = F(0)
            for j in range(columns):
                total += y[j] * dy[j]
            if a[2] == a[3]:
                for j in range(columns):
                    dx[j] = (dx[j] - total) * y[j] * scale
            else:
                for j in range(columns):
                    dx[j] = (dy[j] - total) * y[j] * scale


@rows_of(AttentionWeights)
def _attention_weights(call: Call, m: Binding) -> list[Row]:
    (x,), (y,) = call.inputs, call.outputs
    attributes = call.op.attributes()
    queries, columns = y.shape[-2:]
    place = [m.shared, m.address(x), m.address(y), y.size // columns, columns, queries]
    return [Row("attention_weights", [*place, float(attributes["scale"]), int(attributes["causal"])])]


@rows_of(AttentionWeightsGradient)
def _attention_weights_gradient(call: Call, m: Binding) -> list[Row]:
    (dx,) = call.outputs
    columns = dx.shape[-1]
    addresses = [m.address(value) for value in (*call.inputs, dx)]
    scale = float(call.op.attributes()["scale"])
    return [Row("attention_weights_gradient", [m.shared, *addresses, dx.size // columns, columns, scale])]
