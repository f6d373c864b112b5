"""Losses and their gradients. See `engine.ops.loss`, and `engine.kernels.cpu.reduction` for how sums are taken."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.kernels.cpu import functions
from engine.kernels.cpu.interpreter import claim
from engine.kernels.cpu.language import F, device, f32, f64, fma, i64, kernel, number, stack
from engine.kernels.cpu.pieces import is_last
from engine.kernels.cpu.reduction import add_partials
from engine.kernels.cpu.rows import Binding, Row, rows_of
from engine.ops import (
    BinaryCrossEntropy,
    BinaryCrossEntropyGradient,
    MeanSquaredError,
    MeanSquaredErrorGradient,
    SoftmaxCrossEntropy,
    SoftmaxCrossEntropyGradient,
)
from engine.ops.base import Call, DType, Value
from engine.ops.robust_loss import Huber, HuberGradient, MeanAbsoluteError, MeanAbsoluteErrorGradient

PIECE = 4096
"""Elements that a thread takes at a time, whole rows where they matter."""

MAXIMA = 64
"""Partial maxima of a row, side by side."""


@device
def largest_of(row: int, columns: int, partial: int) -> Any:
    """The largest of `columns` numbers. What is not a number may be passed over."""
    x, best = f32(row), f32(partial)
    largest = x[0]
    whole = columns - columns % MAXIMA
    if whole > 0:
        for j in range(MAXIMA):
            best[j] = x[j]
        for k in range(MAXIMA, whole, MAXIMA):
            here = f32(row + k * 4)
            for j in range(MAXIMA):
                best[j] = here[j] if here[j] > best[j] else best[j]
        for j in range(MAXIMA):
            largest = best[j] if best[j] > largest else largest
    for j in range(whole, columns):
        largest = x[j] if x[j] > largest else largest
    return largest


@device
def _log_probability(logits: int, shifted: int, columns: int, label: int, partial: int) -> Any:
    """shifted = logits - their maximum; returns the label's, zero where there is no such class. Any number that is not
    finite makes it NaN, as the product with a row of zeros and a one does."""
    z, p = f32(logits), f32(shifted)
    largest = largest_of(logits, columns, partial)
    nothing = F(0)
    for j in range(columns):
        p[j] = z[j] - largest
        nothing += p[j] * F(0)
    if 0 <= label < columns:
        nothing += p[label]
    return nothing


@device
def to_shares(row: int, columns: int) -> Any:
    """Divide the row by its sum; returns the sum's logarithm."""
    p = f32(row)
    total = F(0)
    for j in range(columns):
        total += p[j]
    for j in range(columns):
        p[j] = p[j] / total
    return math.log(float(total))


@kernel
def softmax_cross_entropy(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared, logits, labels, loss, probabilities, rows, classes, rows at a time, partial sums, counter."""
    rows, columns, at_once = a[5], a[6], a[7]
    labels = i64(a[2])
    partial = stack(MAXIMA)
    pieces = (rows + at_once - 1) // at_once
    while True:
        piece = claim(a[0])
        if piece >= pieces:
            return
        first = piece * at_once
        last = min(first + at_once, rows)
        total = 0.0
        for i in range(first, last):
            at = i * columns * 4
            total -= float(_log_probability(a[1] + at, a[4] + at, columns, labels[i], partial))
        p = f32(a[4] + first * columns * 4)
        for j in range((last - first) * columns):
            p[j] = functions.exp(p[j])
        for i in range(first, last):
            total += to_shares(a[4] + i * columns * 4, columns)
        f64(a[8])[piece] = total
        if is_last(a[9], pieces):
            f32(a[3])[0] = F(add_partials(a[8], pieces) / rows)


@kernel
def softmax_cross_entropy_gradient(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared, probabilities, labels, dloss, dlogits, rows, classes, rows at a time."""
    rows, columns, at_once = a[5], a[6], a[7]
    labels = i64(a[2])
    factor = f32(a[3])[0] * F(1.0 / rows)
    while True:
        first = claim(a[0]) * at_once
        if first >= rows:
            return
        last = min(first + at_once, rows)
        p, dz = f32(a[1] + first * columns * 4), f32(a[4] + first * columns * 4)
        for j in range((last - first) * columns):
            dz[j] = p[j] * factor
        for i in range(first, last):
            if 0 <= labels[i] < columns:
                place = (i - first) * columns + labels[i]
                dz[place] = (p[place] - F(1)) * factor


@device
def _targets(targets: int, whole_numbers: int, first: int, count: int, buffer: int) -> int:
    """The address of float32 targets from `first` on; int64 are converted into the buffer."""
    if whole_numbers == 0:
        return targets + first * 4
    t, converted = i64(targets + first * 8), f32(buffer)
    for j in range(count):
        converted[j] = F(t[j])
    return buffer


@device
def _log_of_one_plus(e: Any) -> Any:
    """log(1 + e) for 0 <= e <= 1, as 2 artanh(s) with s = e / (2 + e) <= 1/3: the series beyond s^15 is below 2e-9."""
    s = e / (F(2) + e)
    q = s * s
    p = fma(q, F(1 / 15), F(1 / 13))
    p = fma(q, p, F(1 / 11))
    p = fma(q, p, F(1 / 9))
    p = fma(q, p, F(1 / 7))
    p = fma(q, p, F(1 / 5))
    p = fma(q, p, F(1 / 3))
    return F(2) * fma(s * q, p, s)


@device
def _binary_cross_entropy(logits: int, targets: int, probabilities: int, count: int) -> Any:
    """The sum over a piece; see the operation for the formula."""
    z, t, p = f32(logits), f32(targets), f32(probabilities)
    total = F(0)
    for j in range(count):
        e = functions.exp(-abs(z[j]))
        positive = F(0) if z[j] < F(0) else z[j]
        total += positive - z[j] * t[j] + _log_of_one_plus(e)
        p[j] = (F(1) if z[j] >= F(0) else e) / (F(1) + e)
    return total


@kernel
def binary_cross_entropy(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared, logits, targets, whether these are int64, loss, elements, partial sums, counter,
    probabilities."""
    size = a[5]
    buffer = stack(PIECE)
    pieces = (size + PIECE - 1) // PIECE
    while True:
        piece = claim(a[0])
        if piece >= pieces:
            return
        first = piece * PIECE
        count = min(PIECE, size - first)
        t = _targets(a[2], a[3], first, count, buffer)
        f64(a[6])[piece] = float(_binary_cross_entropy(a[1] + first * 4, t, a[8] + first * 4, count))
        if is_last(a[7], pieces):
            f32(a[4])[0] = F(add_partials(a[6], pieces) / size)


SQUARED, ABSOLUTE, HUBER = range(3)
"""What is done with the distance from a target."""


@device
def _distance(y: int, targets: int, count: int, kind: int, delta: Any) -> Any:
    """The sum over a piece."""
    x, t = f32(y), f32(targets)
    total = F(0)
    if kind == SQUARED:
        for j in range(count):
            d = x[j] - t[j]
            total += d * d
        return total
    for j in range(count):
        size = abs(x[j] - t[j])
        if kind == ABSOLUTE:
            total += size
        else:
            least = delta if size > delta else size
            total += size * least - F(0.5) * (least * least)
    return total


@kernel
def distance(a: Any, me: int, team: int, step: int) -> None:
    """The mean over all elements. Arguments: shared, predictions, targets, whether these are int64, loss, elements,
    partial sums, counter, kind of distance, its delta."""
    size = a[5]
    buffer = stack(PIECE)
    pieces = (size + PIECE - 1) // PIECE
    while True:
        piece = claim(a[0])
        if piece >= pieces:
            return
        first = piece * PIECE
        count = min(PIECE, size - first)
        t = _targets(a[2], a[3], first, count, buffer)
        f64(a[6])[piece] = float(_distance(a[1] + first * 4, t, count, a[8], F(number(a[9]))))
        if is_last(a[7], pieces):
            f32(a[4])[0] = F(add_partials(a[6], pieces) / size)


@kernel
def difference(a: Any, me: int, team: int, step: int) -> None:
    """dy = (y - t) factor dloss; or the difference's sign, or the difference within delta, in its place. Arguments:
    shared, y, t, whether it is int64, dloss, elements, factor, dy, kind of distance, its delta."""
    size, kind = a[5], a[8]
    factor, delta = f32(a[4])[0] * F(number(a[6])), F(number(a[9]))
    buffer = stack(PIECE)
    while True:
        first = claim(a[0]) * PIECE
        if first >= size:
            return
        count = min(PIECE, size - first)
        t = f32(_targets(a[2], a[3], first, count, buffer))
        y, dy = f32(a[1] + first * 4), f32(a[7] + first * 4)
        if kind == SQUARED:
            for j in range(count):
                dy[j] = (y[j] - t[j]) * factor
        else:
            for j in range(count):
                d = y[j] - t[j]
                sign = F(1) if d > F(0) else (F(-1) if d < F(0) else d)
                low = -delta if d < -delta else d
                dy[j] = (sign if kind == ABSOLUTE else (delta if low > delta else low)) * factor


def rows_at_once(columns: int) -> int:
    return max(1, PIECE // columns)


@rows_of(SoftmaxCrossEntropy)
def _softmax(call: Call, m: Binding) -> list[Row]:
    (z, labels), (loss, p) = call.inputs, call.outputs
    rows, columns = z.shape
    at_once = rows_at_once(columns)
    sums = [m.memory(-(-rows // at_once), np.float64), m.memory(1, np.int64)]
    addresses = [m.address(value) for value in (z, labels, loss, p)]
    return [Row("softmax_cross_entropy", [m.shared, *addresses, rows, columns, at_once, *sums])]


@rows_of(SoftmaxCrossEntropyGradient)
def _softmax_gradient(call: Call, m: Binding) -> list[Row]:
    addresses = [m.address(value) for value in (*call.inputs, *call.outputs)]
    rows, columns = call.outputs[0].shape
    return [Row("softmax_cross_entropy_gradient", [m.shared, *addresses, rows, columns, rows_at_once(columns)])]


def _operands(call: Call, m: Binding, result: Value) -> list[int | float]:
    """Predictions, targets, whether these are int64, a number, and how many elements there are."""
    y, targets = call.inputs[:2]
    return [m.shared, m.address(y), m.address(targets), int(targets.dtype is DType.INT64), m.address(result), y.size]


def _sums(size: int, m: Binding) -> list[int | float]:
    return [m.memory(-(-size // PIECE), np.float64), m.memory(1, np.int64)]


@rows_of(BinaryCrossEntropy)
def _binary(call: Call, m: Binding) -> list[Row]:
    loss, p = call.outputs
    return [Row("binary_cross_entropy", [*_operands(call, m, loss), *_sums(p.size, m), m.address(p)])]


def _mean(call: Call, m: Binding, kind: int, delta: float = 0.0) -> list[Row]:
    (loss,) = call.outputs
    return [Row("distance", [*_operands(call, m, loss), *_sums(call.inputs[0].size, m), kind, delta])]


@rows_of(MeanSquaredError)
def _squared(call: Call, m: Binding) -> list[Row]:
    return _mean(call, m, SQUARED)


@rows_of(MeanAbsoluteError)
def _absolute(call: Call, m: Binding) -> list[Row]:
    return _mean(call, m, ABSOLUTE)


@rows_of(Huber)
def _huber(call: Call, m: Binding) -> list[Row]:
    return _mean(call, m, HUBER, float(call.op.attributes()["delta"]))


def _difference(call: Call, m: Binding, factor: float, kind: int = SQUARED, delta: float = 0.0) -> list[Row]:
    (dy,) = call.outputs
    arguments = _operands(call, m, call.inputs[2])
    return [Row("difference", [*arguments, factor / dy.size, m.address(dy), kind, delta])]


@rows_of(BinaryCrossEntropyGradient)
def _binary_gradient(call: Call, m: Binding) -> list[Row]:
    return _difference(call, m, 1.0)


@rows_of(MeanSquaredErrorGradient)
def _squared_gradient(call: Call, m: Binding) -> list[Row]:
    return _difference(call, m, 2.0)


@rows_of(MeanAbsoluteErrorGradient)
def _absolute_gradient(call: Call, m: Binding) -> list[Row]:
    return _difference(call, m, 1.0, ABSOLUTE)


@rows_of(HuberGradient)
def _huber_gradient(call: Call, m: Binding) -> list[Row]:
    return _difference(call, m, 1.0, HUBER, float(call.op.attributes()["delta"]))
