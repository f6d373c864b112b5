"""The multi-class hinge loss and its gradient. See `engine.ops.margin_loss`."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.kernels.cpu import functions
from engine.kernels.cpu.interpreter import claim
from engine.kernels.cpu.language import F, device, f32, f64, i64, kernel, number, stack
from engine.kernels.cpu.loss import MAXIMA, largest_of, rows_at_once, to_shares
from engine.kernels.cpu.pieces import is_last
from engine.kernels.cpu.reduction import add_partials
from engine.kernels.cpu.rows import Binding, Row, rows_of
from engine.ops.base import Call
from engine.ops.margin_loss import MultiMargin, MultiMarginGradient


@device
def _violations(z: Any, v: Any, columns: int, label: int, margin: Any) -> None:
    """v = max(0, z_j - z_y + margin), 0 for the right class unless that is no number."""
    right = F(0)
    if 0 <= label < columns:
        right = z[label]
    for j in range(columns):
        d = z[j] - right + margin
        v[j] = F(0) if d < F(0) else d
    if 0 <= label < columns:
        v[label] = v[label] * F(0)


@kernel
def multi_margin(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared, scores, labels, loss, shares, rows, classes, rows at a time, partial sums, counter, margin,
    whether violations are squared, what the sum is divided by."""
    rows, columns, at_once = a[5], a[6], a[7]
    labels = i64(a[2])
    partial = stack(MAXIMA)
    pieces = (rows + at_once - 1) // at_once
    while True:
        piece = claim(a[0])
        if piece >= pieces:
            return
        total = 0.0
        for i in range(piece * at_once, min((piece + 1) * at_once, rows)):
            at = i * columns * 4
            z, p = f32(a[1] + at), f32(a[4] + at)
            _violations(z, p, columns, labels[i], F(number(a[10])))
            here = F(0)
            for j in range(columns):
                here += p[j] * (p[j] if a[11] != 0 else F(1))
            total += float(here)
            largest = largest_of(a[1] + at, columns, partial)
            for j in range(columns):
                p[j] = functions.exp(z[j] - largest)
            to_shares(a[4] + at, columns)
        f64(a[8])[piece] = total
        if is_last(a[9], pieces):
            f32(a[3])[0] = F(add_partials(a[8], pieces) / number(a[12]))


@kernel
def multi_margin_gradient(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: shared, scores, labels, dloss, dscores, rows, classes, rows at a time, margin, whether violations are
    squared, what the sum was divided by."""
    rows, columns, at_once = a[5], a[6], a[7]
    labels = i64(a[2])
    factor = f32(a[3])[0] * F(1.0 / number(a[10]))
    while True:
        first = claim(a[0]) * at_once
        if first >= rows:
            return
        for i in range(first, min(first + at_once, rows)):
            at = i * columns * 4
            dz = f32(a[4] + at)
            _violations(f32(a[1] + at), dz, columns, labels[i], F(number(a[8])))
            total = F(0)
            for j in range(columns):
                sign = F(1) if dz[j] > F(0) else dz[j]
                dz[j] = F(2) * dz[j] if a[9] != 0 else sign
                total += dz[j]
            nothing = total * F(0)
            for j in range(columns):
                dz[j] = (dz[j] - nothing) * factor
            if 0 <= labels[i] < columns:
                dz[labels[i]] = -total * factor


def _shape(call: Call) -> list[int]:
    rows, columns = call.inputs[0].shape
    return [rows, columns, rows_at_once(columns)]


def _numbers(call: Call) -> list[int | float]:
    attributes = call.op.attributes()
    rows, columns = call.inputs[0].shape
    divisor = rows * columns if attributes["mean"] else rows
    return [float(attributes["margin"]), int(attributes["squared"]), float(divisor)]


@rows_of(MultiMargin)
def _multi_margin(call: Call, m: Binding) -> list[Row]:
    addresses = [m.address(value) for value in (*call.inputs, *call.outputs)]
    rows, _, at_once = _shape(call)
    sums = [m.memory(-(-rows // at_once), np.float64), m.memory(1, np.int64)]
    return [Row("multi_margin", [m.shared, *addresses, *_shape(call), *sums, *_numbers(call)])]


@rows_of(MultiMarginGradient)
def _multi_margin_gradient(call: Call, m: Binding) -> list[Row]:
    addresses = [m.address(value) for value in (*call.inputs, *call.outputs)]
    return [Row("multi_margin_gradient", [m.shared, *addresses, *_shape(call), *_numbers(call)])]
