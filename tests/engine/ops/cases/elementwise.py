"""Operations that treat every element alike, and those that only move."""

from __future__ import annotations

import numpy as np

from engine import ops
from tests.engine.ops.cases.base import IMAGE, Case, away_from_zero, constant, key, normal


def _cases() -> list[Case]:
    cases = []
    for shape in ((3, 5), (1, 1), (2, 3, 3, 2)):
        for op in (ops.ReLU(), ops.LeakyReLU(0.01), ops.LeakyReLU(0.3), ops.LeakyReLU(0.0)):
            cases.append(Case(op, (away_from_zero(*shape),), label=str(shape)))
        for op in (ops.Sigmoid(), ops.Tanh()):
            cases.append(Case(op, (normal(*shape, scale=2.0),), label=str(shape)))
        cases.append(Case(ops.Scale(-0.7), (normal(*shape),), label=str(shape)))
        cases.append(Case(ops.Add(), (normal(*shape), normal(*shape)), (0, 1), label=str(shape)))
        cases.append(Case(ops.Add(), (normal(*shape),) * 3, (0, 1, 2), label=f"3 x {shape}"))
        cases.append(Case(ops.Reshape((int(np.prod(shape)),)), (normal(*shape),), label=str(shape)))
        cases.append(
            Case(
                ops.Dropout(stream=77),
                (normal(*shape), constant(0.3), key(5, 0, 2, 0)),
                label=str(shape),
            )
        )
    return cases


CASES: list[Case] = _cases()

LARGE: list[Case] = [
    *(Case(op, (normal(*IMAGE),)) for op in (ops.ReLU(), ops.LeakyReLU(), ops.Sigmoid(), ops.Tanh(), ops.Scale(2.0))),
    Case(ops.Add(), (normal(*IMAGE),) * 3, (0, 1, 2)),
    Case(ops.Dropout(3), (normal(*IMAGE), constant(0.3), key(1, 0, 2, 0))),
]
