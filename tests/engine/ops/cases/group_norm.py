"""Normalization within each sample, and of weights."""

from __future__ import annotations

from engine import ops
from tests.engine.ops.cases.base import IMAGE, Case, normal

SHAPES = (
    # the shape of x, groups
    ((5, 6), 1),
    ((3, 6), 3),
    ((1, 2), 1),
    ((2, 3, 4, 6), 1),
    ((2, 3, 4, 6), 2),
    ((3, 4, 3, 5), 5),
    ((1, 5, 5, 1), 1),
    ((2, 1, 7, 4), 4),
    ((70, 31, 31, 2), 1),  # more than one block
)


def _cases() -> list[Case]:
    cases = []
    for shape, groups in SHAPES:
        c = shape[-1]
        x, gamma = normal(*shape, scale=1.5, shift=0.5), normal(c, shift=1.0)
        affine = ops.group_norm.GroupNorm(groups, 1e-3, True)
        cases.append(Case(affine, (x, gamma, normal(c)), (0, 1, 2), label=str(shape)))
        cases.append(Case(ops.group_norm.GroupNorm(groups, 1e-3, False), (x,), label=str(shape)))
    for shape in ((7, 3), (2, 1), (3, 3, 2, 5), (3, 2, 1, 4)):
        cases.append(Case(ops.group_norm.StandardizeWeights(1e-3), (normal(*shape, shift=0.3),), label=str(shape)))
    return cases


CASES: list[Case] = _cases()

_C = IMAGE[-1]

LARGE: list[Case] = [
    Case(ops.group_norm.GroupNorm(4), (normal(*IMAGE), normal(_C), normal(_C)), (0, 1, 2)),
    Case(ops.group_norm.StandardizeWeights(), (normal(640, 640),)),
]
