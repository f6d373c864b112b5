"""Pooling."""

from __future__ import annotations

from engine import ops
from tests.engine.ops.cases.base import IMAGE, Case, distinct, normal

POOLS = (
    # batch, height, width, channels, size, stride, padding
    (2, 4, 4, 1, 2, 2, 0),
    (1, 5, 7, 3, 2, 2, 0),
    (2, 7, 6, 2, 3, 2, 1),
    (1, 6, 6, 1, 3, 1, 1),
    (3, 5, 5, 2, 3, 3, 0),
    (1, 4, 4, 2, 4, 4, 2),
    (2, 3, 3, 1, 1, 2, 0),
    (1, 8, 5, 2, 2, 3, 1),
    (1, 2, 2, 1, 5, 3, 2),
)


def _cases() -> list[Case]:
    cases = []
    for *x, size, stride, padding in POOLS:
        cases.append(Case(ops.MaxPool(size, stride, padding), (distinct(*x),), label=str(tuple(x))))
        cases.append(Case(ops.AveragePool(size, stride, padding), (normal(*x),), label=str(tuple(x))))
    for x in ([2, 3, 4, 5], [1, 1, 1, 1], [3, 7, 7, 1]):
        cases.append(Case(ops.GlobalAveragePool(), (normal(*x),), label=str(tuple(x))))
    return cases


CASES: list[Case] = _cases()

LARGE: list[Case] = [
    Case(ops.MaxPool(2, 2, 0), (normal(*IMAGE),)),
    Case(ops.MaxPool(3, 2, 1), (normal(*IMAGE),), label="overlapping"),
    Case(ops.AveragePool(3, 2, 1), (normal(*IMAGE),)),
    Case(ops.GlobalAveragePool(), (normal(*IMAGE),)),
]
