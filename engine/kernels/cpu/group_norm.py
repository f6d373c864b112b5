"""Normalization within each sample, and of weights. See `engine.ops.group_norm`.

A piece of work is some whole samples, or some groups of their channels where there are few samples. Sums are taken by
channel first, then over the channels of a group; squares are only taken of distances from a mean. What gain and shift
get is added up sample by sample within a piece, and the pieces in their order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.kernels.cpu.interpreter import claim
from engine.kernels.cpu.language import F, clear, copy, device, f32, f64, kernel, number, stack
from engine.kernels.cpu.normalization import normalize_rows, sum_squares
from engine.kernels.cpu.pieces import is_last
from engine.kernels.cpu.reduction import WIDE, combine, fold, joined_rows, repeat, sum_columns
from engine.kernels.cpu.rows import STAGES_ARGUMENT, Binding, Row, rows_of
from engine.kernels.cpu.stages import apply
from engine.ops.base import Call, Value
from engine.ops.group_norm import GroupNorm, GroupNormGradient, StandardizeWeights, StandardizeWeightsGradient

PIECE = 8192
"""Elements that are summed in float32 before their sums go to float64, and about as many as a piece of work has."""

NARROW = 64
"""Channels of a piece of work, about, where samples are few."""

FEW = 8
"""Up to so many samples their channels are divided among the threads."""

WORK = 2 * WIDE
"""The float32 of two sums."""

# Where both rows keep what they work on.
X, SAMPLES, PLACES, CHANNELS, OF_GROUP, WIDTH, AT_ONCE, MEAN, DEVIATION, GAMMA = range(2, 12)


@device
def _column_sums(total: int, center: int, x: int, x_row: int, rows: int, columns: int, work: int) -> None:
    """total (columns, float64) = the sums of x's columns; of the squared distances from `center`, repeated as
    `joined_rows` says, where that is not 0. `work` has room for WIDE elements."""
    clear(total, columns * 8)
    for first in range(0, columns, WIDE):
        width = min(WIDE, columns - first)
        t, part = f64(total + first * 8), f32(work)
        at_once = max(WIDE, PIECE // width)
        for row in range(0, rows, at_once):
            here = min(at_once, rows - row)
            at = x + (row * x_row + first) * 4
            if center == 0:
                sum_columns(work, at, x_row, here, width)
            else:
                sum_squares(work, center + first * 4, at, x_row, here, width)
            for j in range(width):
                t[j] = t[j] + float(part[j])


@device
def _sum(total: Any, first: int, count: int) -> Any:
    result = 0.0
    for j in range(first, first + count):
        result += total[j]
    return result


@device
def _normalize_row(a: Any, sample: int, length: int) -> None:
    """A sample that is one group at one place."""
    x, y = f32(a[X] + sample * length * 4), f32(a[1] + sample * length * 4)
    gamma, beta = f32(a[GAMMA]), f32(a[12])
    total, squares = F(0), F(0)
    for j in range(length):
        total += x[j]
    mean = total * F(1.0 / length)
    for j in range(length):
        d = x[j] - mean
        squares += d * d
    deviation = F(1.0 / math.sqrt(float(squares) / length + number(a[13])))
    f32(a[MEAN])[sample] = mean
    f32(a[DEVIATION])[sample] = deviation
    if a[GAMMA] == 0:
        for j in range(length):
            y[j] = (x[j] - mean) * deviation
    else:
        for j in range(length):
            y[j] = (x[j] - mean) * deviation * gamma[j] + beta[j]


@kernel
def group_norm(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared, y, x, samples, places, channels, channels of a group; channels and samples of a piece; mean,
    reciprocal deviation (both (samples, groups)), gamma, beta (0: none), epsilon; work memory, its bytes for each
    thread: vectors of as many elements as a piece has channels, WIDE at least."""
    samples, places, channels, of_group, at_once = a[SAMPLES], a[PLACES], a[CHANNELS], a[OF_GROUP], a[AT_ONCE]
    groups = channels // of_group
    room = max(WIDE, a[WIDTH]) * 4
    center = a[14] + me * a[15]
    factor, offset, total = center + room, center + 2 * room, center + 3 * room
    work = stack(WIDE)
    across = (channels + a[WIDTH] - 1) // a[WIDTH]
    share = 1.0 / (places * of_group)
    while True:
        unit = claim(a[0])
        start, first = unit // across * at_once, unit % across * a[WIDTH]
        if start >= samples:
            return
        width = min(a[WIDTH], channels - first)
        stop = min(start + at_once, samples)
        if places == 1 and groups == 1:
            for sample in range(start, stop):
                _normalize_row(a, sample, channels)
            apply(a, STAGES_ARGUMENT, a[1] + start * channels * 4, channels, start, stop - start, 0, channels)
            continue
        joined = joined_rows(width, places) if width == channels else 1
        c, f, o, t = f32(center), f32(factor), f32(offset), f64(total)
        gamma, beta = f32(a[GAMMA] + first * 4), f32(a[12] + first * 4)
        for sample in range(start, stop):
            at = (sample * places * channels + first) * 4
            mean = f32(a[MEAN] + (sample * groups + first // of_group) * 4)
            deviation = f32(a[DEVIATION] + (sample * groups + first // of_group) * 4)
            _column_sums(total, 0, a[X] + at, channels, places, width, work)
            for g in range(width // of_group):
                mean[g] = F(_sum(t, g * of_group, of_group) * share)
                for j in range(g * of_group, (g + 1) * of_group):
                    c[j] = mean[g]
            repeat(center, joined, width)
            _column_sums(total, center, a[X] + at, channels, places, width, work)
            for g in range(width // of_group):
                variance = _sum(t, g * of_group, of_group) * share
                deviation[g] = F(1.0 / math.sqrt(variance + number(a[13])))
                for j in range(g * of_group, (g + 1) * of_group):
                    f[j] = deviation[g] if a[GAMMA] == 0 else deviation[g] * gamma[j]
                    o[j] = F(0) if a[GAMMA] == 0 else beta[j]
            repeat(factor, joined, width)
            repeat(offset, joined, width)
            normalize_rows(a[1] + at, a[X] + at, channels, places, joined, width, center, factor, offset)
            apply(a, STAGES_ARGUMENT, a[1] + at, channels, sample * places, places, first, width)


@device
def _pass_row_back(a: Any, sample: int, length: int, dgamma: int, dbeta: int) -> None:
    """A sample that is one group at one place; adds to dgamma and dbeta (float64) where there is a gain."""
    at = sample * length * 4
    dx, x, dy, gamma = f32(a[1] + at), f32(a[X] + at), f32(a[12] + at), f32(a[GAMMA])
    mean, deviation = f32(a[MEAN])[sample], f32(a[DEVIATION])[sample]
    total, products = F(0), F(0)
    if a[GAMMA] == 0:
        copy(a[1] + at, a[12] + at, length * 4)
    else:
        p, t = f64(dgamma), f64(dbeta)
        for j in range(length):
            p[j] = p[j] + float(dy[j] * ((x[j] - mean) * deviation))
            t[j] = t[j] + float(dy[j])
        # Rounded for itself, so that what cancels leaves nothing.
        for j in range(length):
            dx[j] = dy[j] * gamma[j]
    for j in range(length):
        total += dx[j]
        products += dx[j] * ((x[j] - mean) * deviation)
    shift, slope = total * F(1.0 / length), products * F(1.0 / length)
    for j in range(length):
        dx[j] = (dx[j] - shift - (x[j] - mean) * deviation * slope) * deviation


@device
def _gradient_sums(
    products: int, total: int, center: int, room: int, dy: int, x: int, x_row: int, rows: int, columns: int, work: int
) -> None:
    """products, total (columns, float64) = the sums over rows of dy (x - center) factor and of dy; factors lie `room`
    bytes behind their centers. `work` has room for two times WIDE elements."""
    clear(products, columns * 8)
    clear(total, columns * 8)
    some, others = f32(work), f32(work + WIDE * 4)
    for first in range(0, columns, WIDE):
        width = min(WIDE, columns - first)
        c, f = f32(center + first * 4), f32(center + room + first * 4)
        p, t = f64(products + first * 8), f64(total + first * 8)
        joined = joined_rows(width, rows) if x_row == width else 1
        at_once = max(1, PIECE // width) // joined * joined
        for row in range(0, rows, at_once):
            here = min(at_once, rows - row)
            clear(work, 2 * WIDE * 4)
            for r in range(row, row + here, joined):
                at = (r * x_row + first) * 4
                g, z = f32(dy + at), f32(x + at)
                for j in range(min(joined, row + here - r) * width):
                    some[j] = some[j] + g[j] * ((z[j] - c[j]) * f[j])
                    others[j] = others[j] + g[j]
            fold(work, joined, width)
            fold(work + WIDE * 4, joined, width)
            for j in range(width):
                p[j] = p[j] + float(some[j])
                t[j] = t[j] + float(others[j])


@device
def _pass_back(
    dx: int, dy: int, x: int, x_row: int, rows: int, joined: int, columns: int, coefficients: int, room: int
) -> None:
    """dx = (dy gain - shift - (x - center) factor slope) factor, with these five vectors repeated `joined` times and
    `room` bytes apart."""
    c, f, o = f32(coefficients), f32(coefficients + room), f32(coefficients + 2 * room)
    k, gain = f32(coefficients + 3 * room), f32(coefficients + 4 * room)
    for row in range(0, rows, joined):
        at = row * x_row * 4
        result, g, z = f32(dx + at), f32(dy + at), f32(x + at)
        for j in range(min(joined, rows - row) * columns):
            result[j] = (g[j] * gain[j] - o[j] - (z[j] - c[j]) * f[j] * k[j]) * f[j]


@kernel
def group_norm_gradient(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared, dx, x, samples, places, channels, channels of a group; channels and samples of a piece; mean,
    reciprocal deviation, gamma (0: none); dy; dgamma, dbeta, partial sums (2, blocks of samples, channels), a counter
    for each block of channels; work memory, its bytes for each thread."""
    samples, places, channels, of_group, at_once = a[SAMPLES], a[PLACES], a[CHANNELS], a[OF_GROUP], a[AT_ONCE]
    groups = channels // of_group
    room = max(WIDE, a[WIDTH]) * 4
    center = a[17] + me * a[18]
    factor, offset, slope, gain = center + room, center + 2 * room, center + 3 * room, center + 4 * room
    products, total = center + 5 * room, center + 7 * room
    dgamma, dbeta = center + 9 * room, center + 11 * room
    work = stack(WORK)
    across = (channels + a[WIDTH] - 1) // a[WIDTH]
    down = (samples + at_once - 1) // at_once
    share = 1.0 / (places * of_group)
    while True:
        unit = claim(a[0])
        block, first = unit // across, unit % across * a[WIDTH]
        if block >= down:
            return
        start = block * at_once
        stop = min(start + at_once, samples)
        width = min(a[WIDTH], channels - first)
        clear(dgamma, width * 8)
        clear(dbeta, width * 8)
        c, f, o, k, q = f32(center), f32(factor), f32(offset), f32(slope), f32(gain)
        p, t, dg, db = f64(products), f64(total), f64(dgamma), f64(dbeta)
        gamma = f32(a[GAMMA] + first * 4)
        joined = joined_rows(width, places) if width == channels else 1
        for sample in range(start, stop):
            if places == 1 and groups == 1:
                _pass_row_back(a, sample, channels, dgamma, dbeta)
                continue
            at = (sample * places * channels + first) * 4
            mean = f32(a[MEAN] + (sample * groups + first // of_group) * 4)
            deviation = f32(a[DEVIATION] + (sample * groups + first // of_group) * 4)
            for g in range(width // of_group):
                for j in range(g * of_group, (g + 1) * of_group):
                    c[j] = mean[g]
                    f[j] = deviation[g]
            repeat(center, joined, width)
            repeat(factor, joined, width)
            _gradient_sums(products, total, center, room, a[12] + at, a[X] + at, channels, places, width, work)
            for j in range(width):
                q[j] = F(1)
            if a[GAMMA] != 0:
                for j in range(width):
                    dg[j] = dg[j] + p[j]
                    db[j] = db[j] + t[j]
                    p[j] = p[j] * float(gamma[j])
                    t[j] = t[j] * float(gamma[j])
                    q[j] = gamma[j]
            for g in range(width // of_group):
                ahead, steep = F(_sum(t, g * of_group, of_group) * share), F(_sum(p, g * of_group, of_group) * share)
                for j in range(g * of_group, (g + 1) * of_group):
                    o[j] = ahead
                    k[j] = steep
            repeat(offset, joined, width)
            repeat(slope, joined, width)
            repeat(gain, joined, width)
            _pass_back(a[1] + at, a[12] + at, a[X] + at, channels, places, joined, width, center, room)
        if a[GAMMA] == 0:
            continue
        gains, shifts = (
            f32(a[15] + (block * channels + first) * 4),
            f32(a[15] + ((down + block) * channels + first) * 4),
        )
        for j in range(width):
            gains[j] = F(dg[j])
            shifts[j] = F(db[j])
        if is_last(a[16] + unit % across * 8, down):
            combine(dgamma, a[15] + first * 4, channels, down, width)
            combine(dbeta, a[15] + (down * channels + first) * 4, channels, down, width)
            whole_gains, whole_shifts = f32(a[13] + first * 4), f32(a[14] + first * 4)
            for j in range(width):
                whole_gains[j] = F(dg[j])
                whole_shifts[j] = F(db[j])


def _shape(x: Value, groups: int, whole: bool = False) -> list[int]:
    """Samples, places, channels, channels of a group, channels and samples of a piece; one sample where the array is a
    `whole` of weights."""
    samples, channels = 1 if whole else x.shape[0], x.shape[-1]
    places, of_group = x.size // (samples * channels), channels // groups
    width = min(channels, -(-NARROW // of_group) * of_group) if samples <= FEW else channels
    return [samples, places, channels, of_group, width, max(1, PIECE // (places * channels))]


def _forward(
    m: Binding, x: Value, outputs: tuple[Value, ...], shape: list[int], affine: list[int], epsilon: float
) -> Row:
    y, mean, deviation = (m.address(value) for value in outputs)
    memory = m.scratch(5 * max(WIDE, shape[4]))
    rest = [mean, deviation, *affine, epsilon, *memory]
    return Row("group_norm", [m.shared, y, m.address(x), *shape, *rest], output=1)


def _backward(
    m: Binding, x: Value, statistics: tuple[Value, ...], dy: Value, dx: Value, shape: list[int], affine: list[int]
) -> Row:
    samples, _, channels, _, width, at_once = shape
    gamma, *results = affine
    down = -(-samples // at_once)
    sums = [m.memory(2 * down * channels), m.memory(-(-channels // width), np.int64)] if gamma else [0, 0]
    memory = m.scratch(13 * max(WIDE, width))
    addresses = [m.address(value) for value in statistics]
    rest = [*addresses, gamma, m.address(dy), *results, *sums, *memory]
    return Row("group_norm_gradient", [m.shared, m.address(dx), m.address(x), *shape, *rest])


@rows_of(GroupNorm)
def _group_norm(call: Call, m: Binding) -> list[Row]:
    x, *affine = call.inputs
    attributes = call.op.attributes()
    places = [m.address(value) for value in affine] or [0, 0]
    shape = _shape(x, attributes["groups"])
    return [_forward(m, x, call.outputs, shape, places, float(attributes["epsilon"]))]


@rows_of(StandardizeWeights)
def _standardize(call: Call, m: Binding) -> list[Row]:
    (w,) = call.inputs
    shape = _shape(w, w.shape[-1], whole=True)
    return [_forward(m, w, call.outputs, shape, [0, 0], float(call.op.attributes()["epsilon"]))]


@rows_of(GroupNormGradient)
def _group_norm_gradient(call: Call, m: Binding) -> list[Row]:
    x, *gamma, mean, deviation, dy = call.inputs
    affine = [m.address(value) for value in (*gamma, *call.outputs[1:])] or [0, 0, 0]
    shape = _shape(x, call.op.attributes()["groups"])
    return [_backward(m, x, (mean, deviation), dy, call.outputs[0], shape, affine)]


@rows_of(StandardizeWeightsGradient)
def _standardize_gradient(call: Call, m: Binding) -> list[Row]:
    w, mean, deviation, dy = call.inputs
    shape = _shape(w, w.shape[-1], whole=True)
    return [_backward(m, w, (mean, deviation), dy, call.outputs[0], shape, [0, 0, 0])]
