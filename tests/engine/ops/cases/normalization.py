"""Normalizations."""

from __future__ import annotations

from engine import ops
from tests.engine.ops.cases.base import IMAGE, Case, normal, uniform


def _cases() -> list[Case]:
    cases = []
    for shape in ((6, 3), (2, 1), (5, 7), (2, 3, 4, 2), (1, 5, 5, 1), (4, 6, 6, 5)):
        c = shape[-1]
        inputs = (normal(*shape, scale=1.5, shift=0.5), normal(c, shift=1.0), normal(c), normal(c), uniform(c, low=0.5))
        cases.append(Case(ops.BatchNorm(0.1, 1e-3), inputs, (0, 1, 2), label=str(shape)))
        cases.append(Case(ops.BatchNormInference(1e-3), inputs, (0, 1, 2), label=str(shape)))
    return cases


CASES: list[Case] = _cases()

_C = IMAGE[-1]
_STATISTICS = (normal(_C), normal(_C), normal(_C), uniform(_C, low=0.5))

LARGE: list[Case] = [
    Case(ops.BatchNorm(), (normal(*IMAGE), *_STATISTICS), (0, 1, 2)),
    Case(ops.BatchNormInference(), (normal(*IMAGE), *_STATISTICS), (0, 1, 2)),
]
