"""Dropped parts and added noise."""

from __future__ import annotations

from engine import ops
from tests.engine.ops.cases.base import IMAGE, Case, constant, key, normal

PARTS = ("element", "channel", "sample", "batch")


def _cases() -> list[Case]:
    cases = []
    for shape in ((3, 5), (1, 1), (6, 3, 4), (4, 3, 3, 2)):
        x = normal(*shape)
        for part in PARTS:
            for inverted, survival in ((True, False), (False, True)):
                op = ops.Drop(5, part, inverted, survival)
                cases.append(Case(op, (x, constant(0.375), key(5, 0, 2, 0)), label=str(shape)))
        for survival in (False, True):
            cases.append(Case(ops.Expected(survival), (x, constant(0.3)), label=str(shape)))
        cases.append(Case(ops.GaussianNoise(3, 4), (x, constant(0.7), key(5, 0, 2, 0)), label=str(shape)))
    return cases


CASES: list[Case] = _cases()

LARGE: list[Case] = [
    *(Case(ops.Drop(3, part), (normal(*IMAGE), constant(0.25), key(1, 0, 2, 0))) for part in PARTS),
    Case(ops.Expected(), (normal(*IMAGE), constant(0.25))),
    Case(ops.GaussianNoise(3, 4), (normal(*IMAGE), constant(0.25), key(1, 0, 2, 0))),
]
