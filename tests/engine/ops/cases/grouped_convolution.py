"""Convolutions in groups, with gaps, and transposed."""

from __future__ import annotations

from engine import ops
from tests.engine.ops.cases.base import IMAGE, Case, normal

GROUPED = (
    # batch, height, width, channels, filters, kernel, stride, padding, groups, dilation
    (2, 5, 5, 4, 6, (3, 3), 1, 1, 2, 1),
    (1, 7, 6, 3, 3, (3, 2), 1, 0, 3, 1),
    (3, 6, 7, 3, 6, (3, 3), 2, 1, 3, 1),
    (2, 8, 7, 2, 3, (3, 3), 1, 2, 1, 2),
    (2, 9, 9, 4, 4, (3, 3), 2, 3, 2, 3),
    (2, 8, 8, 3, 3, (2, 2), 1, 0, 3, 2),
    (2, 4, 4, 6, 4, (1, 1), 1, 0, 2, 1),
    (2, 5, 5, 2, 4, (1, 1), 2, 0, 2, 1),
    (1, 5, 5, 1, 4, (3, 3), 1, 1, 1, 2),
    (2, 4, 4, 4, 2, (1, 2), 1, 1, 2, 1),  # more margin than the filter reaches
    (2, 5, 4, 48, 48, (3, 2), 1, 1, 3, 2),  # groups that are multiplied apart
    (1, 4, 4, 16, 64, (3, 3), 1, 1, 8, 1),  # and some together
    (70, 32, 32, 2, 4, (1, 2), 1, 0, 2, 1),  # more than one block
    (70, 32, 32, 4, 4, (3, 3), 1, 1, 2, 1),
    (70, 32, 32, 2, 2, (3, 3), 1, 1, 1, 2),
)


def _cases() -> list[Case]:
    cases = []
    for batch, height, width, c, f, kernel, stride, padding, groups, dilation in GROUPED:
        x, w = (batch, height, width, c), (*kernel, c // groups, f)
        op = ops.grouped_convolution.GroupedConv2d(stride, padding, groups, dilation)
        cases.append(Case(op, (normal(*x), normal(*w)), (0, 1), label=f"{x}{w}"))
    for shape, kernel, filters, stride, padding in (
        ((2, 6, 7, 2), (3, 3), 3, 2, 1),
        ((1, 4, 4, 2), (2, 2), 2, 2, 0),
        ((2, 5, 5, 3), (3, 3), 2, 1, 1),
        ((2, 3, 4, 3), (1, 1), 2, 1, 0),
    ):
        # The transposed convolution: what is a gradient elsewhere has one of its own here.
        y = ops.Conv2d(stride, padding).infer(ops.Tensor(shape), ops.Tensor((*kernel, shape[3], filters)))[0].shape
        op = ops.Conv2dInputGradient(shape, stride, padding)
        cases.append(Case(op, (normal(*y), normal(*kernel, shape[3], filters)), (0, 1), label=f"{y}{kernel}"))
    return cases


CASES: list[Case] = _cases()

_C = IMAGE[-1]
_GROUPED = ops.grouped_convolution.GroupedConv2d

LARGE: list[Case] = [
    Case(_GROUPED(1, 1, 4, 1), (normal(*IMAGE), normal(3, 3, _C // 4, _C)), (0, 1), label="groups"),
    Case(_GROUPED(1, 2, 1, 2), (normal(*IMAGE), normal(3, 3, _C, _C)), (0, 1), label="gaps"),
    Case(_GROUPED(1, 1, _C, 1), (normal(*IMAGE), normal(3, 3, 1, _C)), (0, 1), label="by channel"),
    Case(_GROUPED(1, 1, _C, 1), (normal(*IMAGE), normal(3, 3, 1, 2 * _C)), (0, 1), label="two filters a channel"),
]
