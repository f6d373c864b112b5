"""Batch normalization. See `engine.ops.normalization`, and the module `normalization_gradient` for the way back.

Where columns are short, a thread takes some of them from their sums to the normalized values while they lie in its
cache. Where they are long, pieces of rows leave a sum and a sum of squared distances from their own mean; whoever
finishes the last piece combines them, and a second row of the table normalizes. Squares are only taken of distances
from a mean, so that nothing cancels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.kernels.cpu.interpreter import claim
from engine.kernels.cpu.language import F, clear, copy, device, f32, f64, kernel, number, stack
from engine.kernels.cpu.pieces import is_last
from engine.kernels.cpu.reduction import DOUBLE, WIDE, blocks, combine, fold, joined_rows, repeat, sum_columns
from engine.kernels.cpu.rows import STAGES_ARGUMENT, Binding, Row, rows_of
from engine.kernels.cpu.stages import apply
from engine.ops import BatchNorm, BatchNormInference
from engine.ops.base import Call, Value

__all__ = ["AT_ONCE", "deviations", "matrix", "normalize_rows", "sum_squares"]

AT_ONCE = 4096
"""Elements that are normalized before their stages follow: they stay in the first-level cache."""


@device
def sum_squares(total: int, center: int, x: int, x_row: int, rows: int, columns: int) -> None:
    """total (columns) = the sum over rows of (x - center)^2, where `center` repeats its columns as `joined_rows` says.
    Otherwise as `sum_columns`."""
    joined = joined_rows(columns, rows) if x_row == columns else 1
    length, apart = joined * columns, joined * x_row
    count = rows // joined
    t, c = f32(total), f32(center)
    clear(total, length * 4)
    r = 0
    while r + 2 <= count:
        x0, x1 = f32(x + r * apart * 4), f32(x + (r + 1) * apart * 4)
        for j in range(length):
            d0, d1 = x0[j] - c[j], x1[j] - c[j]
            t[j] = t[j] + (d0 * d0 + d1 * d1)
        r += 2
    # One whole row more where their number is odd, and the rows that do not make a whole one.
    while r <= count:
        rest = f32(x + r * apart * 4)
        for j in range(length if r < count else (rows - count * joined) * columns):
            d = rest[j] - c[j]
            t[j] = t[j] + d * d
        r += 1
    fold(total, joined, columns)


@device
def _statistics(total: int, squares: int, center: int, x: int, x_row: int, rows: int, columns: int) -> None:
    """total (columns) = the sums of x's columns; squares (columns) = the sums of squared distances from their means;
    center (columns) = these means. There is room for WIDE elements in each."""
    sum_columns(total, x, x_row, rows, columns)
    t, c = f32(total), f32(center)
    share = F(1.0 / rows)
    for j in range(columns):
        c[j] = t[j] * share
    if x_row == columns:
        repeat(center, joined_rows(columns, rows), columns)
    sum_squares(squares, center, x, x_row, rows, columns)


# Where a row that takes statistics keeps what they go to, and by how much the running ones move.
RUNNING_MEAN, RUNNING_VARIANCE, MEAN, DEVIATION, MOMENTUM, EPSILON = range(6, 12)


@device
def _keep(a: Any, first: int, columns: int, means: int, squares: int) -> None:
    """What follows from the means of some columns and the sums of squared distances from them, both float64."""
    rows, momentum, epsilon = a[3], number(a[MOMENTUM]), number(a[EPSILON])
    unbiased = momentum / max(rows - 1, 1)
    m, s = f64(means), f64(squares)
    running_mean, running_variance = f32(a[RUNNING_MEAN] + first * 4), f32(a[RUNNING_VARIANCE] + first * 4)
    mean, deviation = f32(a[MEAN] + first * 4), f32(a[DEVIATION] + first * 4)
    for j in range(columns):
        mean[j] = F(m[j])
        deviation[j] = F(1.0 / math.sqrt(s[j] / rows + epsilon))
        running_mean[j] = F(running_mean[j] * (1.0 - momentum) + m[j] * momentum)
        running_variance[j] = F(running_variance[j] * (1.0 - momentum) + s[j] * unbiased)


@kernel
def batch_norm(a: Any, me: int, team: int, step: int) -> None:
    """All rows of some columns at a time. Arguments: shared, y, x, rows, columns, columns at a time; running mean,
    running variance, mean, reciprocal deviation, momentum, epsilon; gamma, beta."""
    rows, columns, at_once = a[3], a[4], a[5]
    total, squares, center = stack(WIDE), stack(WIDE), stack(WIDE)
    factor, offset = stack(WIDE), stack(WIDE)
    means, wide_squares = stack(DOUBLE), stack(DOUBLE)
    while True:
        first = claim(a[0]) * at_once
        if first >= columns:
            return
        width = min(at_once, columns - first)
        _statistics(total, squares, center, a[2] + first * 4, columns, rows, width)
        t, s, mean, square = f32(total), f32(squares), f64(means), f64(wide_squares)
        for j in range(width):
            mean[j] = float(t[j]) / rows
            square[j] = float(s[j])
        _keep(a, first, width, means, wide_squares)
        copy(center, a[MEAN] + first * 4, width * 4)
        copy(offset, a[13] + first * 4, width * 4)
        gamma, deviation, f = f32(a[12]), f32(a[DEVIATION]), f32(factor)
        for j in range(width):
            f[j] = gamma[first + j] * deviation[first + j]
        joined = 1
        if width == columns:
            joined = joined_rows(columns, rows)
            repeat(center, joined, columns)
            repeat(factor, joined, columns)
            repeat(offset, joined, columns)
        count = max(joined, AT_ONCE // width // joined * joined)
        for row in range(0, rows, count):
            here = min(count, rows - row)
            out = a[1] + (row * columns + first) * 4
            normalize_rows(
                out, a[2] + (row * columns + first) * 4, columns, here, joined, width, center, factor, offset
            )
            apply(a, STAGES_ARGUMENT, out, columns, row, here, first, width)


@device
def normalize_rows(
    out: int, x: int, x_row: int, rows: int, joined: int, columns: int, center: int, factor: int, offset: int
) -> None:
    """out = (x - center) factor + offset, with each of these repeated `joined` times; out may be x."""
    c, f, o = f32(center), f32(factor), f32(offset)
    for row in range(0, rows, joined):
        length = min(joined, rows - row) * columns
        y, z = f32(out + row * x_row * 4), f32(x + row * x_row * 4)
        if out == x:
            # Under one name: two that meet would keep the loop from using vectors.
            for j in range(length):
                y[j] = (y[j] - c[j]) * f[j] + o[j]
        else:
            for j in range(length):
                y[j] = (z[j] - c[j]) * f[j] + o[j]


@kernel
def batch_norm_statistics(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared, partial sums (2, blocks, columns), x, rows, columns, columns of a block; running mean, running
    variance, mean, reciprocal deviation, momentum, epsilon; rows of a block, a counter for each block of columns."""
    partials, rows, columns, block_columns, block_rows = a[1], a[3], a[4], a[5], a[12]
    total, squares, center = stack(WIDE), stack(WIDE), stack(WIDE)
    combined, between = stack(DOUBLE), stack(DOUBLE)
    across = (columns + block_columns - 1) // block_columns
    down = (rows + block_rows - 1) // block_rows
    second = partials + down * columns * 4
    while True:
        unit = claim(a[0])
        if unit >= across * down:
            return
        block, first = unit // across, unit % across * block_columns
        width = min(block_columns, columns - first)
        row = block * block_rows
        at = a[2] + (row * columns + first) * 4
        _statistics(total, squares, center, at, columns, min(block_rows, rows - row), width)
        copy(partials + (block * columns + first) * 4, total, width * 4)
        copy(second + (block * columns + first) * 4, squares, width * 4)
        if is_last(a[13] + unit % across * 8, down):
            combine(combined, partials + first * 4, columns, down, width)
            mean = f64(combined)
            for j in range(width):
                mean[j] = mean[j] / rows
            _combine_squares(between, combined, partials + first * 4, second + first * 4, a, width)
            _keep(a, first, width, combined, between)


@device
def _combine_squares(between: int, means: int, sums: int, squares: int, a: Any, width: int) -> None:
    """between (width, float64) = the sum of all squared distances from the means (float64), from the pieces' sums and
    their squared distances from means of their own (Chan, Golub and LeVeque 1983)."""
    rows, columns, block_rows = a[3], a[4], a[12]
    b, mean = f64(between), f64(means)
    clear(between, width * 8)
    for row in range(0, rows, block_rows):
        count = float(min(block_rows, rows - row))
        here = row // block_rows * columns * 4
        t, s = f32(sums + here), f32(squares + here)
        for j in range(width):
            d = float(t[j]) / count - mean[j]
            b[j] = b[j] + (float(s[j]) + count * d * d)


@device
def deviations(target: int, spread: int, columns: int, is_variance: int, epsilon: Any) -> None:
    """target = 1 / sqrt(variance + epsilon), where `spread` is the variance and not that number already."""
    if is_variance == 0:
        copy(target, spread, columns * 4)
        return
    variance, deviation = f32(spread), f32(target)
    for j in range(columns):
        deviation[j] = F(1.0 / math.sqrt(float(variance[j]) + epsilon))


@kernel
def normalize(a: Any, me: int, team: int, step: int) -> None:
    """Some rows at a time. Arguments: shared, y, x, rows, columns, rows at a time; mean; reciprocal deviation or
    variance, whether it is the variance, epsilon; gamma, beta; work memory, its bytes for each thread."""
    rows, columns, at_once = a[3], a[4], a[5]
    joined = joined_rows(columns, at_once)
    center = a[12] + me * a[13]
    factor, offset = center + joined * columns * 4, center + 2 * joined * columns * 4
    ready = False
    while True:
        row = claim(a[0]) * at_once
        if row >= rows:
            return
        if not ready:
            copy(center, a[6], columns * 4)
            copy(offset, a[11], columns * 4)
            deviations(factor, a[7], columns, a[8], number(a[9]))
            gamma, f = f32(a[10]), f32(factor)
            for j in range(columns):
                f[j] = f[j] * gamma[j]
            repeat(center, joined, columns)
            repeat(factor, joined, columns)
            repeat(offset, joined, columns)
            ready = True
        here = min(at_once, rows - row)
        out = a[1] + row * columns * 4
        normalize_rows(out, a[2] + row * columns * 4, columns, here, joined, columns, center, factor, offset)
        apply(a, STAGES_ARGUMENT, out, columns, row, here, 0, columns)


def matrix(x: Value) -> tuple[int, int]:
    """(rows, columns) of a value whose last axis holds the channels."""
    return x.size // x.shape[-1], x.shape[-1]


def _normalizing(m: Binding, x: Value, y: Value, statistics: list[int | float], gamma: Value, beta: Value) -> Row:
    rows, columns = matrix(x)
    at_once = max(1, AT_ONCE // columns)
    shape = [m.address(x), rows, columns, at_once]
    rest = [m.address(gamma), m.address(beta), *m.scratch(3 * max(WIDE, columns))]
    return Row("normalize", [m.shared, m.address(y), *shape, *statistics, *rest], output=1)


@rows_of(BatchNorm)
def _batch_norm(call: Call, m: Binding) -> list[Row]:
    x, gamma, beta, *running = call.inputs
    y, mean, deviation = call.outputs
    attributes = call.op.attributes()
    rows, columns = matrix(x)
    height, width = blocks(rows, columns)
    shape = [m.address(x), rows, columns, width]
    results: list[int | float] = [m.address(value) for value in (*running, mean, deviation)]
    results += [float(attributes["momentum"]), float(attributes["epsilon"])]
    if height == rows:
        addresses = [m.address(gamma), m.address(beta)]
        return [Row("batch_norm", [m.shared, m.address(y), *shape, *results, *addresses], output=1)]
    partials = m.memory(2 * -(-rows // height) * columns)
    counters = m.memory(-(-columns // width), np.int64)
    statistics: list[int | float] = [m.address(mean), m.address(deviation), 0, 0.0]
    return [
        Row("batch_norm_statistics", [m.shared, partials, *shape, *results, height, counters]),
        _normalizing(m, x, y, statistics, gamma, beta),
    ]


@rows_of(BatchNormInference)
def _batch_norm_inference(call: Call, m: Binding) -> list[Row]:
    x, gamma, beta, mean, variance = call.inputs
    statistics = [m.address(mean), m.address(variance), 1, float(call.op.attributes()["epsilon"])]
    return [_normalizing(m, x, call.outputs[0], statistics, gamma, beta)]
