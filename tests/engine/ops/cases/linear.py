"""Matrix products and biases."""

from __future__ import annotations

from engine import ops
from tests.engine.ops.cases.base import IMAGE, Case, normal


def _cases() -> list[Case]:
    cases = []
    for ta in (False, True):
        for tb in (False, True):
            for rows, inner, columns in ((5, 3, 4), (1, 7, 1), (1, 1, 6)):
                a = (inner, rows) if ta else (rows, inner)
                b = (columns, inner) if tb else (inner, columns)
                op = ops.MatMul(ta, tb)
                cases.append(Case(op, (normal(*a), normal(*b)), (0, 1), label=f"{rows}x{inner}x{columns}"))
    for shape in ((4, 3), (1, 1), (7, 5), (2, 3, 5, 2), (3, 4, 4, 1), (1, 1, 1, 9), (64, 12, 12, 3)):
        cases.append(Case(ops.AddBias(), (normal(*shape), normal(shape[-1])), (0, 1), label=str(shape)))
        cases.append(Case(ops.SumRows(), (normal(*shape),), (), label=str(shape)))
    return cases


CASES: list[Case] = _cases()

LARGE: list[Case] = [
    Case(ops.MatMul(), (normal(640, 640), normal(640, 640)), (0, 1)),
    Case(ops.AddBias(), (normal(*IMAGE), normal(IMAGE[-1])), (0, 1)),
]
