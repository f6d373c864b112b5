"""Losses."""

from __future__ import annotations

import numpy as np

from engine import ops
from tests.engine.ops.cases.base import Case, Draw, labels, normal, uniform


def shares(batch: int, classes: int) -> Draw:
    """Rows with the sum 1."""
    return lambda rng: rng.dirichlet(np.ones(classes), batch)


def _cases() -> list[Case]:
    cases = []
    for batch, outputs in ((5, 4), (1, 2), (7, 10)):
        size = f"{batch}x{outputs}"
        cases.append(
            Case(ops.SoftmaxCrossEntropy(), (normal(batch, outputs, scale=3.0), labels(batch, outputs)), label=size)
        )
        cases.append(
            Case(ops.BinaryCrossEntropy(), (normal(batch, outputs, scale=3.0), uniform(batch, outputs)), label=size)
        )
        cases.append(Case(ops.MeanSquaredError(), (normal(batch, outputs), normal(batch, outputs)), label=size))
        cases.append(
            Case(ops.SoftTargetCrossEntropy(), (normal(batch, outputs, scale=3.0), shares(batch, outputs)), label=size)
        )
    cases.append(Case(ops.BinaryCrossEntropy(), (normal(6, 1, scale=3.0), labels(6, 2)), label="classes"))
    cases.append(Case(ops.MeanSquaredError(), (normal(6, 1), normal(6)), label="flat targets"))
    return cases


CASES: list[Case] = _cases()

LARGE: list[Case] = [
    Case(ops.SoftmaxCrossEntropy(), (normal(2000, 200), labels(2000, 200))),
    Case(ops.BinaryCrossEntropy(), (normal(2000, 200), uniform(2000, 200))),
    Case(ops.SoftTargetCrossEntropy(), (normal(2000, 200), shares(2000, 200))),
    Case(ops.MeanSquaredError(), (normal(2000, 200), normal(2000, 200))),
]
