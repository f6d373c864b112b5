"""Losses with margins, robust losses, and cross-entropy with smoothing and class weights."""

from __future__ import annotations

import numpy as np

from engine import ops
from tests.engine.ops.cases.base import Case, Draw, constant, labels, normal, uniform


def apart(*shape: int) -> Draw:
    """No two elements nearly equal, nor differing by about 0.7 or 1: away from every kink of the losses below."""
    return lambda rng: rng.permutation(int(np.prod(shape))).reshape(shape) * 0.37 + 0.11


def shares(batch: int, classes: int) -> Draw:
    return lambda rng: rng.dirichlet(np.ones(classes), batch)


def _cases() -> list[Case]:
    cases = []
    for batch, outputs in ((5, 4), (1, 2), (7, 10)):
        size = f"{batch}x{outputs}"
        for op in (ops.MultiMargin(), ops.MultiMargin(0.7, squared=True), ops.MultiMargin(2.0, mean=False)):
            cases.append(Case(op, (apart(batch, outputs), labels(batch, outputs)), label=size))
        pair = (normal(batch, outputs), normal(batch, outputs))
        cases.append(Case(ops.MeanAbsoluteError(), pair, label=size))
        for delta in (0.5, 1.0, 3.0):
            cases.append(Case(ops.Huber(delta), pair, label=size))
        weights = tuple(0.5 + i for i in range(outputs))
        for smoothing, chosen, by_weights in ((0.1, (), True), (0.0, weights, True), (0.2, weights, False)):
            op = ops.ClassShares(outputs, smoothing, chosen, by_weights)
            cases.append(Case(op, (labels(batch, outputs),), (), label=size))
            cases.append(Case(op, (shares(batch, outputs),), (), label=f"{size} shares"))
        inputs = (normal(batch, outputs, scale=3.0), uniform(batch, outputs), constant(2.5))
        cases.append(Case(ops.WeightedCrossEntropy(), inputs, label=size))
    cases.append(Case(ops.MeanAbsoluteError(), (normal(6, 1), normal(6)), label="flat targets"))
    cases.append(Case(ops.Huber(1.0), (normal(6, 1), normal(6)), label="flat targets"))
    return cases


CASES: list[Case] = _cases()

LARGE: list[Case] = [
    Case(ops.MultiMargin(), (normal(2000, 200), labels(2000, 200))),
    Case(ops.MeanAbsoluteError(), (normal(2000, 200), normal(2000, 200))),
    Case(ops.Huber(1.0), (normal(2000, 200), normal(2000, 200))),
    Case(ops.ClassShares(200, 0.1), (labels(2000, 200),), ()),
    Case(ops.WeightedCrossEntropy(), (normal(2000, 200), uniform(2000, 200), constant(2000.0))),
]
