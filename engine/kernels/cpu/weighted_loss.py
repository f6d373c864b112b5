"""Cross-entropy of shares of the classes: soft targets, label smoothing, class weights. See `engine.ops.weighted_loss`
and `SoftTargetCrossEntropy`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.kernels.cpu import functions
from engine.kernels.cpu.interpreter import claim
from engine.kernels.cpu.language import F, f32, f64, i64, kernel, stack
from engine.kernels.cpu.loss import MAXIMA, largest_of, rows_at_once
from engine.kernels.cpu.pieces import is_last
from engine.kernels.cpu.reduction import add_partials
from engine.kernels.cpu.rows import Binding, Row, rows_of
from engine.ops import SoftTargetCrossEntropy, SoftTargetCrossEntropyGradient
from engine.ops.base import Call, DType
from engine.ops.weighted_loss import ClassShares, WeightedCrossEntropy, WeightedCrossEntropyGradient

LEAST = 1e-30
"""What weights are divided by at least, as in `engine.kernels.reference.weighted_loss`."""


@kernel
def class_shares(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared, target, whether it is labels, shares, divisor, rows, classes, rows at a time; factor of each
    class, what is added to each; weight of each class where the divisor is the sum of the labels', else 0."""
    rows, columns = a[5], a[6]
    factor, offset, weight = f32(a[8]), f32(a[9]), f32(a[10])
    labels = i64(a[1])
    while True:
        unit = claim(a[0])
        first = unit * a[7]
        if first >= rows:
            return
        if unit == 0:
            total = 0.0
            if a[10] == 0:
                total = float(rows)
            else:
                for i in range(rows):
                    if 0 <= labels[i] < columns:
                        total += float(weight[labels[i]])
                total = LEAST if total < LEAST else total
            f32(a[4])[0] = F(total)
        for i in range(first, min(first + a[7], rows)):
            t, y = f32(a[1] + i * columns * 4), f32(a[3] + i * columns * 4)
            if a[2] == 0:
                for j in range(columns):
                    y[j] = t[j] * factor[j] + offset[j]
                continue
            for j in range(columns):
                y[j] = offset[j]
            if 0 <= labels[i] < columns:
                y[labels[i]] = factor[labels[i]] + offset[labels[i]]


@kernel
def shares_cross_entropy(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared, logits, shares, divisor (0: as many as there are rows, and each row's shares have the sum 1),
    loss, probabilities, rows, classes, rows at a time, partial sums, counter."""
    rows, columns, at_once = a[6], a[7], a[8]
    partial = stack(MAXIMA)
    pieces = (rows + at_once - 1) // at_once
    while True:
        piece = claim(a[0])
        if piece >= pieces:
            return
        total = 0.0
        for i in range(piece * at_once, min((piece + 1) * at_once, rows)):
            at = i * columns * 4
            z, t, p = f32(a[1] + at), f32(a[2] + at), f32(a[5] + at)
            largest = largest_of(a[1] + at, columns, partial)
            taken, sum_of_shares, powers = F(0), F(0), F(0)
            for j in range(columns):
                shifted = z[j] - largest
                taken += shifted * t[j]
                sum_of_shares += t[j]
                p[j] = functions.exp(shifted)
            for j in range(columns):
                powers += p[j]
            for j in range(columns):
                p[j] = p[j] / powers
            whole = float(sum_of_shares) if a[3] != 0 else 1.0
            total += whole * math.log(float(powers)) - float(taken)
        f64(a[9])[piece] = total
        if is_last(a[10], pieces):
            divisor = float(f32(a[3])[0]) if a[3] != 0 else float(rows)
            f32(a[4])[0] = F(add_partials(a[9], pieces) / divisor)


@kernel
def shares_cross_entropy_gradient(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared, probabilities, shares, divisor as above, dloss, dlogits, rows, classes, rows at a time."""
    rows, columns, at_once = a[6], a[7], a[8]
    factor = f32(a[4])[0] / (f32(a[3])[0] if a[3] != 0 else F(rows))
    while True:
        first = claim(a[0]) * at_once
        if first >= rows:
            return
        for i in range(first, min(first + at_once, rows)):
            at = i * columns * 4
            p, t, dz = f32(a[1] + at), f32(a[2] + at), f32(a[5] + at)
            whole = F(1)
            if a[3] != 0:
                whole = F(0)
                for j in range(columns):
                    whole += t[j]
            for j in range(columns):
                dz[j] = (p[j] * whole - t[j]) * factor


@rows_of(ClassShares)
def _class_shares(call: Call, m: Binding) -> list[Row] | None:
    (target,), (shares, divisor) = call.inputs, call.outputs
    attributes = call.op.attributes()
    is_labels = len(target.shape) == 1
    if is_labels != (target.dtype is DType.INT64):
        return None
    rows, classes = shares.shape
    smoothing = attributes["smoothing"]
    weights = np.array(attributes["weights"] or (1.0,) * classes)
    by_labels = is_labels and bool(attributes["weights"]) and attributes["by_weights"]
    numbers = [m.numbers(weights * (1.0 - smoothing)), m.numbers(weights * smoothing / classes)]
    numbers.append(m.numbers(weights) if by_labels else 0)
    arguments = [m.address(target), int(is_labels), m.address(shares), m.address(divisor)]
    return [Row("class_shares", [m.shared, *arguments, rows, classes, rows_at_once(classes), *numbers])]


def _loss(call: Call, m: Binding) -> list[Row]:
    z, shares, *divisor = call.inputs
    loss, p = call.outputs
    rows, classes = z.shape
    at_once = rows_at_once(classes)
    sums = [m.memory(-(-rows // at_once), np.float64), m.memory(1, np.int64)]
    addresses = [m.address(z), m.address(shares), m.address(divisor[0]) if divisor else 0, m.address(loss)]
    return [Row("shares_cross_entropy", [m.shared, *addresses, m.address(p), rows, classes, at_once, *sums])]


def _gradient(call: Call, m: Binding) -> list[Row]:
    p, shares, *divisor, dloss = call.inputs
    (dz,) = call.outputs
    addresses = [m.address(p), m.address(shares), m.address(divisor[0]) if divisor else 0, m.address(dloss)]
    shape = [*p.shape, rows_at_once(p.shape[1])]
    return [Row("shares_cross_entropy_gradient", [m.shared, *addresses, m.address(dz), *shape])]


rows_of(SoftTargetCrossEntropy)(_loss)
rows_of(WeightedCrossEntropy)(_loss)
rows_of(SoftTargetCrossEntropyGradient)(_gradient)
rows_of(WeightedCrossEntropyGradient)(_gradient)
