"""Losses and their gradients: one launch each, whose last block adds up what the others found."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.launches import BLOCK, MOST_BLOCKS, WARP, Launch, Work, blocks, launches_of
from engine.kernels.cuda.signatures import NULL, Argument, Pointer
from engine.ops import (
    BinaryCrossEntropy,
    BinaryCrossEntropyGradient,
    ClassShares,
    Huber,
    HuberGradient,
    MeanAbsoluteError,
    MeanAbsoluteErrorGradient,
    MeanSquaredError,
    MeanSquaredErrorGradient,
    MultiMargin,
    MultiMarginGradient,
    SoftmaxCrossEntropy,
    SoftmaxCrossEntropyGradient,
    SoftTargetCrossEntropy,
    SoftTargetCrossEntropyGradient,
    WeightedCrossEntropy,
    WeightedCrossEntropyGradient,
)
from engine.ops.base import Call, DType, Value

LONG_ROW = 512
"""Columns above which a row has a block of its own."""

LARGEST_BLOCK = 1024

SQUARED, ABSOLUTE, HUBER = range(3)
"""Distances, as losses.cu has them."""


def _rows(value: Value) -> tuple[int, int, int, dict[str, Any]]:
    """Rows and columns of a matrix, the threads of each row, and the grid and block of a kernel that walks over it."""
    rows, columns = value.shape
    if columns > LONG_ROW:
        # Large blocks for very long rows: few are under way at a time, and the second reading finds them in the cache.
        block = LARGEST_BLOCK if columns >= 8 * LONG_ROW else BLOCK
        return rows, columns, block, {"grid": min(rows, MOST_BLOCKS), "block": block}
    lanes = min(WARP, 1 << (columns - 1).bit_length())
    return rows, columns, lanes, {"grid": blocks(rows, BLOCK // lanes)}


def _totals(b: Binding, grid: int) -> list[Argument]:
    """A partial sum of each block, and the count of those that are done."""
    return [b.scratch(grid), b.memory(1, np.uint32)]


@launches_of(SoftmaxCrossEntropy, SoftTargetCrossEntropy, WeightedCrossEntropy)
def _cross_entropy(call: Call, b: Binding) -> list[Work]:
    rows, columns, lanes, sizes = _rows(call.inputs[0])
    arguments: list[Argument] = [
        *b.pointers(*call.inputs, *call.outputs),
        rows,
        columns,
        lanes,
        *_totals(b, sizes["grid"]),
    ]
    return [Launch(call.op.name, arguments, **sizes)]


@launches_of(SoftmaxCrossEntropyGradient)
def _cross_entropy_gradient(call: Call, b: Binding) -> list[Work]:
    (dz,) = call.outputs
    rows, columns = dz.shape
    arguments: list[Argument] = [*b.pointers(*call.inputs, dz), dz.size, columns, 1.0 / rows]
    return [Launch(call.op.name, arguments, blocks(dz.size, 4 * BLOCK), output=3, columns=columns)]


@launches_of(WeightedCrossEntropyGradient)
def _weighted_gradient(call: Call, b: Binding) -> list[Work]:
    (dz,) = call.outputs
    rows, columns, lanes, sizes = _rows(dz)
    arguments: list[Argument] = [*b.pointers(*call.inputs, dz), rows, columns, lanes]
    return [Launch(call.op.name, arguments, output=4, columns=columns, **sizes)]


@launches_of(MultiMargin)
def _multi_margin(call: Call, b: Binding) -> list[Work]:
    rows, columns, lanes, sizes = _rows(call.inputs[0])
    arguments: list[Argument] = [*b.pointers(*call.inputs, *call.outputs), rows, columns, lanes, *_margin(call)]
    return [Launch(call.op.name, [*arguments, *_totals(b, sizes["grid"])], **sizes)]


@launches_of(MultiMarginGradient)
def _multi_margin_gradient(call: Call, b: Binding) -> list[Work]:
    (dz,) = call.outputs
    rows, columns, lanes, sizes = _rows(dz)
    arguments: list[Argument] = [*b.pointers(*call.inputs, dz), rows, columns, lanes, *_margin(call)]
    return [Launch(call.op.name, arguments, output=3, columns=columns, **sizes)]


def _margin(call: Call) -> list[Argument]:
    """The margin, whether violations count squared, and the factor before their sum."""
    attributes, scores = call.op.attributes(), call.inputs[0]
    factor = 1.0 / (scores.size if attributes["mean"] else scores.shape[0])
    return [attributes["margin"], int(attributes["squared"]), factor]


@launches_of(ClassShares)
def _class_shares(call: Call, b: Binding) -> list[Work]:
    op, (target,), (shares, divisor) = call.op, call.inputs, call.outputs
    assert isinstance(op, ClassShares)
    labels = target.dtype is DType.INT64
    weights = b.constants(np.array(op.weights, np.float32)) if op.weights else NULL
    keep, spread = 1.0 - op.smoothing, op.smoothing / op.classes
    by_weights = int(labels and bool(op.weights) and op.by_weights)
    given = (b.pointer(target), NULL) if labels else (NULL, b.pointer(target))
    grid = blocks(shares.size)
    arguments: list[Argument] = [*given, weights, *b.pointers(shares, divisor), *shares.shape, keep, spread, by_weights]
    return [Launch("class_shares", [*arguments, *_totals(b, grid)], grid)]


@launches_of(MeanSquaredError, MeanAbsoluteError, Huber)
def _distance(call: Call, b: Binding) -> list[Work]:
    y, targets = call.inputs
    grid = blocks(y.size, 4 * BLOCK)
    arguments: list[Argument] = [
        *_targets(y, targets, b),
        b.pointer(call.outputs[0]),
        y.size,
        *_kind(call),
        1.0 / y.size,
        *_totals(b, grid),
    ]
    return [Launch("distance_loss", arguments, grid)]


@launches_of(MeanSquaredErrorGradient, MeanAbsoluteErrorGradient, HuberGradient)
def _distance_gradient(call: Call, b: Binding) -> list[Work]:
    factor = 2.0 if isinstance(call.op, MeanSquaredErrorGradient) else 1.0
    return [_slope(call, b, *_kind(call), factor / call.inputs[0].size)]


@launches_of(BinaryCrossEntropyGradient)
def _binary_gradient(call: Call, b: Binding) -> list[Work]:
    return [_slope(call, b, SQUARED, 0.0, 1.0 / call.inputs[0].size)]


@launches_of(SoftTargetCrossEntropyGradient)
def _soft_target_gradient(call: Call, b: Binding) -> list[Work]:
    return [_slope(call, b, SQUARED, 0.0, 1.0 / call.inputs[0].shape[0])]


def _slope(call: Call, b: Binding, kind: int, delta: float, factor: float) -> Launch:
    (y, targets, dloss), (result,) = call.inputs, call.outputs
    arguments: list[Argument] = [*_targets(y, targets, b), *b.pointers(dloss, result), y.size, kind, delta, factor]
    columns = result.shape[-1]
    return Launch("distance_gradient", arguments, blocks(y.size, 4 * BLOCK), output=4, columns=columns)


def _kind(call: Call) -> tuple[int, float]:
    if isinstance(call.op, Huber | HuberGradient):
        return HUBER, call.op.delta
    return (SQUARED if isinstance(call.op, MeanSquaredError | MeanSquaredErrorGradient) else ABSOLUTE), math.inf


def _targets(y: Value, targets: Value, b: Binding) -> tuple[Pointer, Pointer, int]:
    """Predictions, their targets, and whether those are whole numbers."""
    return b.pointer(y), b.pointer(targets), int(targets.dtype is DType.INT64)


@launches_of(BinaryCrossEntropy)
def _binary_cross_entropy(call: Call, b: Binding) -> list[Work]:
    (z, targets), (loss, p) = call.inputs, call.outputs
    grid = blocks(z.size)
    arguments: list[Argument] = [*_targets(z, targets, b), *b.pointers(loss, p), z.size, *_totals(b, grid)]
    return [Launch("binary_cross_entropy", arguments, grid)]
