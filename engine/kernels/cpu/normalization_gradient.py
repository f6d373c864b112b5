"""Batch normalization backwards. See `engine.ops.normalization`; work is divided as in the module `normalization`.

dgamma and dbeta are sums over rows, on which dx depends: where columns are short a thread goes on to dx while what it
read lies in its cache, else a second row of the table reads x and dy once more.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.kernels.cpu.interpreter import claim
from engine.kernels.cpu.language import F, clear, copy, device, f32, f64, kernel, number, stack
from engine.kernels.cpu.normalization import AT_ONCE, deviations, matrix
from engine.kernels.cpu.pieces import is_last
from engine.kernels.cpu.reduction import DOUBLE, WIDE, blocks, combine, fold, joined_rows, repeat
from engine.kernels.cpu.rows import STAGES_ARGUMENT, Binding, Row, rows_of
from engine.kernels.cpu.stages import apply
from engine.ops import BatchNormGradient, BatchNormInferenceGradient
from engine.ops.base import Call

# Where every row keeps what the sums go to, and what they are made of.
ROWS, COLUMNS, MEAN, SPREAD, IS_VARIANCE, EPSILON, DGAMMA, DBETA = 4, 5, 7, 8, 9, 10, 11, 12
# Where rows that compute dx keep gamma, and whether the statistics are constants.
GAMMA, CONSTANT = 13, 14

FOUR = 4 * WIDE


@device
def _sums(products: int, total: int, center: int, dy: int, x: int, x_row: int, rows: int, columns: int) -> None:
    """total (columns) = the sum of dy over rows, products (columns) = that of dy (x - center), where `center` repeats
    its columns as `joined_rows` says. There is room for WIDE elements in each."""
    joined = joined_rows(columns, rows) if x_row == columns else 1
    length, apart = joined * columns, joined * x_row
    count = rows // joined
    p, t, c = f32(products), f32(total), f32(center)
    clear(products, length * 4)
    clear(total, length * 4)
    r = 0
    while r + 2 <= count:
        x0, x1 = f32(x + r * apart * 4), f32(x + (r + 1) * apart * 4)
        g0, g1 = f32(dy + r * apart * 4), f32(dy + (r + 1) * apart * 4)
        for j in range(length):
            t[j] = t[j] + (g0[j] + g1[j])
            p[j] = p[j] + (g0[j] * (x0[j] - c[j]) + g1[j] * (x1[j] - c[j]))
        r += 2
    # One whole row more where their number is odd, and the rows that do not make a whole one.
    while r <= count:
        x0, g0 = f32(x + r * apart * 4), f32(dy + r * apart * 4)
        for j in range(length if r < count else (rows - count * joined) * columns):
            t[j] = t[j] + g0[j]
            p[j] = p[j] + g0[j] * (x0[j] - c[j])
        r += 1
    fold(products, joined, columns)
    fold(total, joined, columns)


@device
def _keep(a: Any, first: int, columns: int, products: int, totals: int, buffer: int) -> None:
    """What follows from the sums of dy (x - mean) and of dy over some columns, both float64."""
    p, t, deviation = f64(products), f64(totals), f32(buffer)
    dgamma, dbeta = f32(a[DGAMMA] + first * 4), f32(a[DBETA] + first * 4)
    deviations(buffer, a[SPREAD] + first * 4, columns, a[IS_VARIANCE], number(a[EPSILON]))
    for j in range(columns):
        dgamma[j] = F(p[j] * float(deviation[j]))
        dbeta[j] = F(t[j])


@device
def _coefficients(a: Any, target: int, length: int, first: int, columns: int, joined: int) -> None:
    """target (4, length): mean, slope, shift and factor of dx = (dy - shift - (x - mean) slope) factor for `columns`
    columns from `first` on, each repeated `joined` times."""
    share = F(1.0 / a[ROWS])
    gamma, dgamma, dbeta = f32(a[GAMMA] + first * 4), f32(a[DGAMMA] + first * 4), f32(a[DBETA] + first * 4)
    slope, shift, factor = f32(target + length * 4), f32(target + length * 8), f32(target + length * 12)
    copy(target, a[MEAN] + first * 4, columns * 4)
    deviations(target + length * 12, a[SPREAD] + first * 4, columns, a[IS_VARIANCE], number(a[EPSILON]))
    for j in range(columns):
        slope[j] = dgamma[j] * factor[j] * share
        shift[j] = dbeta[j] * share
        factor[j] = factor[j] * gamma[j]
    for k in range(4):
        repeat(target + k * length * 4, joined, columns)


@device
def _pass_back(
    a: Any, row: int, rows: int, first: int, columns: int, joined: int, coefficients: int, length: int
) -> None:
    """dx of some rows and columns, and the stages behind it; dx may be dy. Coefficients are as `_coefficients` says."""
    x_row = a[COLUMNS]
    place = (row * x_row + first) * 4
    out, dy, x = a[1] + place, a[2] + place, a[3] + place
    center, slope = f32(coefficients), f32(coefficients + length * 4)
    shift, factor = f32(coefficients + length * 8), f32(coefficients + length * 12)
    for r in range(0, rows, joined):
        count = min(joined, rows - r) * columns
        at = r * x_row * 4
        dx, g, z = f32(out + at), f32(dy + at), f32(x + at)
        # What is changed in place has one name: two that meet would keep the loop from using vectors.
        if a[CONSTANT] != 0 and out == dy:
            for j in range(count):
                dx[j] = dx[j] * factor[j]
        elif a[CONSTANT] != 0:
            for j in range(count):
                dx[j] = g[j] * factor[j]
        elif out == dy:
            for j in range(count):
                dx[j] = (dx[j] - shift[j] - (z[j] - center[j]) * slope[j]) * factor[j]
        else:
            for j in range(count):
                dx[j] = (g[j] - shift[j] - (z[j] - center[j]) * slope[j]) * factor[j]
    apply(a, STAGES_ARGUMENT, out, x_row, row, rows, first, columns)


@kernel
def batch_norm_gradient(a: Any, me: int, team: int, step: int) -> None:
    """All rows of some columns at a time. Arguments: shared, dx, dy, x, rows, columns, columns at a time; mean;
    reciprocal deviation or variance, whether it is the variance, epsilon; dgamma, dbeta, gamma; whether the statistics
    are constants."""
    rows, columns, at_once = a[ROWS], a[COLUMNS], a[6]
    products, total, center = stack(WIDE), stack(WIDE), stack(WIDE)
    coefficients, wide_products, wide_total = stack(FOUR), stack(DOUBLE), stack(DOUBLE)
    while True:
        first = claim(a[0]) * at_once
        if first >= columns:
            return
        width = min(at_once, columns - first)
        joined = joined_rows(columns, rows) if width == columns else 1
        copy(center, a[MEAN] + first * 4, width * 4)
        repeat(center, joined, width)
        _sums(products, total, center, a[2] + first * 4, a[3] + first * 4, columns, rows, width)
        p, t, wide_p, wide_t = f32(products), f32(total), f64(wide_products), f64(wide_total)
        for j in range(width):
            wide_p[j] = float(p[j])
            wide_t[j] = float(t[j])
        _keep(a, first, width, wide_products, wide_total, center)
        _coefficients(a, coefficients, WIDE, first, width, joined)
        count = max(joined, AT_ONCE // width // joined * joined)
        for row in range(0, rows, count):
            _pass_back(a, row, min(count, rows - row), first, width, joined, coefficients, WIDE)


@kernel
def batch_norm_gradient_sums(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared, partial sums (2, blocks, columns), dy, x, rows, columns, columns of a block; mean; reciprocal
    deviation or variance, whether it is the variance, epsilon; dgamma, dbeta; rows of a block, a counter for each block
    of columns."""
    partials, rows, columns, block_columns, block_rows = a[1], a[ROWS], a[COLUMNS], a[6], a[13]
    products, total, center = stack(WIDE), stack(WIDE), stack(WIDE)
    combined, combined_total = stack(DOUBLE), stack(DOUBLE)
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
        copy(center, a[MEAN] + first * 4, width * 4)
        if width == columns:
            repeat(center, joined_rows(columns, block_rows), columns)
        at = (row * columns + first) * 4
        _sums(products, total, center, a[2] + at, a[3] + at, columns, min(block_rows, rows - row), width)
        copy(partials + (block * columns + first) * 4, products, width * 4)
        copy(second + (block * columns + first) * 4, total, width * 4)
        if is_last(a[14] + unit % across * 8, down):
            combine(combined, partials + first * 4, columns, down, width)
            combine(combined_total, second + first * 4, columns, down, width)
            _keep(a, first, width, combined, combined_total, center)


@kernel
def batch_norm_gradient_rest(a: Any, me: int, team: int, step: int) -> None:
    """dx, some rows at a time, the sums being known. Arguments: as of `batch_norm_gradient`, with rows at a time, then
    work memory, its bytes for each thread."""
    rows, columns, at_once = a[ROWS], a[COLUMNS], a[6]
    joined = joined_rows(columns, at_once)
    coefficients = a[15] + me * a[16]
    ready = False
    while True:
        row = claim(a[0]) * at_once
        if row >= rows:
            return
        if not ready:
            _coefficients(a, coefficients, joined * columns, 0, columns, joined)
            ready = True
        _pass_back(a, row, min(at_once, rows - row), 0, columns, joined, coefficients, joined * columns)


def _rows(call: Call, m: Binding, statistics: list[int | float], constant: bool) -> list[Row]:
    x, gamma, *_, dy = call.inputs
    dx, dgamma, dbeta = call.outputs
    rows, columns = matrix(x)
    height, width = blocks(rows, columns)
    matrices = [m.address(dy), m.address(x), rows, columns]
    sums = [m.address(dgamma), m.address(dbeta)]
    rest = [*statistics, *sums, m.address(gamma), int(constant)]
    if height == rows:
        return [Row("batch_norm_gradient", [m.shared, m.address(dx), *matrices, width, *rest], output=1)]
    partials = m.memory(2 * -(-rows // height) * columns)
    counters = m.memory(-(-columns // width), np.int64)
    at_once = max(1, AT_ONCE // columns)
    work = m.scratch(4 * max(WIDE, columns))
    return [
        Row(
            "batch_norm_gradient_sums",
            [m.shared, partials, *matrices, width, *statistics, *sums, height, counters],
        ),
        Row("batch_norm_gradient_rest", [m.shared, m.address(dx), *matrices, at_once, *rest, *work], output=1),
    ]


@rows_of(BatchNormGradient)
def _batch_norm_gradient(call: Call, m: Binding) -> list[Row]:
    _, _, mean, deviation, _ = call.inputs
    return _rows(call, m, [m.address(mean), m.address(deviation), 0, 0.0], constant=False)


@rows_of(BatchNormInferenceGradient)
def _batch_norm_inference_gradient(call: Call, m: Binding) -> list[Row]:
    _, _, mean, variance, _ = call.inputs
    epsilon = float(call.op.attributes()["epsilon"])
    return _rows(call, m, [m.address(mean), m.address(variance), 1, epsilon], constant=True)
