"""Operations in sizes at which compiled kernels change their ways: one row, one column, just beyond a tile, a vector or
a piece of work, strides, and long sums."""

from __future__ import annotations

import numpy as np

from engine import ops
from tests.engine.ops.cases import Case, Draw, constant, key, labels, normal, uniform

PRODUCTS = ((1, 1, 1), (13, 31, 33), (15, 64, 17), (29, 300, 65), (1, 700, 1), (130, 5, 257), (3, 4099, 40))
"""Rows, inner, columns: a tile has 14 rows of 32 columns, and 4096 steps are taken at once."""

MATRICES = ((1, 1), (1, 4099), (4099, 1), (33, 600), (513, 70), (20_011, 7), (5_000, 3), (300, 1_030), (1, 513))

POOLS = (
    # batch, height, width, channels, size, stride, padding
    (3, 9, 11, 1, 2, 2, 0),
    (2, 8, 8, 3, 2, 2, 0),
    (2, 10, 6, 8, 2, 2, 0),
    (1, 12, 12, 17, 3, 3, 0),
    (2, 6, 6, 300, 2, 2, 0),
    (2, 7, 9, 33, 3, 2, 1),
    (2, 7, 7, 300, 3, 1, 1),
    (40, 13, 13, 5, 3, 2, 0),
    (1, 5, 5, 16, 2, 4, 1),
    (5, 64, 64, 4, 2, 2, 0),
)

IMAGES = ((3, 20, 20, 5), (2, 33, 17, 1), (1, 3, 3, 600), (9, 14, 14, 40), (64, 8, 8, 16))

CONVOLUTIONS = (
    # batch, height, width, channels in, channels out, kernel, stride, padding
    (2, 15, 15, 3, 33, 3, 1, 1),
    (3, 17, 13, 16, 17, 3, 2, 1),
    (1, 31, 9, 1, 8, 5, 1, 2),
    (5, 12, 12, 8, 40, 1, 1, 0),
    (2, 9, 9, 35, 5, 3, 1, 0),
    (7, 8, 8, 4, 16, 2, 2, 0),
)

BY_CHANNEL = (
    # batch, height, width, channels, kernel, stride, padding, dilation
    (2, 9, 8, 20, 3, 1, 1, 1),
    (2, 9, 8, 20, 3, 2, 1, 1),
    (3, 10, 10, 33, 3, 1, 2, 2),
    (1, 12, 11, 5, 5, 1, 2, 1),
    (40, 14, 14, 8, 3, 1, 0, 1),
)


def _statistics(columns: int) -> tuple[Draw, ...]:
    return normal(columns, shift=1.0), normal(columns), normal(columns), uniform(columns, low=0.5)


def rounded(*shape: int) -> Draw:
    """Many equal numbers, as behind a ReLU: it matters which of them is the largest."""
    return lambda rng: np.maximum(np.round(rng.standard_normal(shape)), 0.0)


def _cases() -> list[Case]:
    cases = []
    for rows, inner, columns in PRODUCTS:
        for ta, tb in ((False, False), (True, False), (False, True)):
            a = (inner, rows) if ta else (rows, inner)
            b = (columns, inner) if tb else (inner, columns)
            cases.append(Case(ops.MatMul(ta, tb), (normal(*a), normal(*b)), (), label=f"{rows}x{inner}x{columns}"))
    for shape in MATRICES:
        label, columns = str(shape), shape[-1]
        x = normal(*shape, shift=0.5)
        cases += [
            Case(ops.SumRows(), (x,), (), label),
            Case(ops.AddBias(), (x, normal(columns)), (), label),
            Case(ops.Tanh(), (x,), (0,), label),
            Case(ops.Add(), (x, *(normal(*shape) for _ in range(8))), (), label),
            Case(ops.Dropout(7), (x, constant(0.2), key(3, 0, 9, 0)), (0,), label),
            Case(ops.SoftmaxCrossEntropy(), (normal(*shape, scale=3.0), labels(*shape)), (0,), label),
            Case(ops.BinaryCrossEntropy(), (normal(*shape, scale=3.0), uniform(*shape)), (0,), label),
            Case(ops.MeanSquaredError(), (x, normal(*shape)), (0,), label),
        ]
        if shape[0] > 1:
            far = normal(*shape, scale=2.0, shift=50.0)  # a mean far from zero must not cost digits
            cases.append(Case(ops.BatchNorm(0.1, 1e-3), (far, *_statistics(columns)), (0,), label))
        cases.append(Case(ops.BatchNormInference(1e-3), (x, *_statistics(columns)), (0,), label))
        affine = (x, normal(columns), normal(columns))
        cases.append(Case(ops.group_norm.GroupNorm(1, 1e-3, True), affine, (0, 1, 2), label))
    for *image, size, stride, padding in POOLS:
        label = str(tuple(image))
        cases.append(Case(ops.MaxPool(size, stride, padding), (rounded(*image),), label=label))
        cases.append(Case(ops.AveragePool(size, stride, padding), (normal(*image),), label=label))
    for shape in IMAGES:
        label = str(shape)
        cases.append(Case(ops.GlobalAveragePool(), (normal(*shape),), label=label))
        cases.append(Case(ops.BatchNorm(0.1, 1e-3), (normal(*shape), *_statistics(shape[-1])), (0,), label))
        for groups in {1, shape[-1] // 5 if shape[-1] % 5 == 0 else 2 if shape[-1] % 2 == 0 else 1}:
            affine = (normal(*shape, shift=20.0), normal(shape[-1]), normal(shape[-1]))
            cases.append(Case(ops.group_norm.GroupNorm(groups, 1e-3, True), affine, (0, 1, 2), label))
    for batch, height, width, c_in, c_out, kernel, stride, padding in CONVOLUTIONS:
        x, w = (batch, height, width, c_in), (kernel, kernel, c_in, c_out)
        cases.append(Case(ops.Conv2d(stride, padding), (normal(*x), normal(*w)), (0, 1), label=f"{x}{w}"))
    for batch, height, width, channels, kernel, *options, dilation in BY_CHANNEL:
        x, w = (batch, height, width, channels), (kernel, kernel, 1, channels)
        op = ops.grouped_convolution.GroupedConv2d(*options, channels, dilation)
        cases.append(Case(op, (normal(*x), normal(*w)), (0, 1), label=f"{x}{w}"))
    return cases


SIZES: list[Case] = _cases()
