"""The optimizers' operations."""

from __future__ import annotations

from engine import ops
from tests.engine.ops.cases.base import Case, constant, normal, uniform


def _cases() -> list[Case]:
    """The optimizers' operations: parameter, gradient, five common scalars, the rule's scalars, slots."""
    cases = []
    scalars = tuple(constant(value) for value in (0.1, 0.01, 0.02, 0.99, 0.5))
    for flags in ((False,) * 5, (True,) * 5):
        momentum = (constant(0.9),)
        for nesterov in (False, True):
            arrays = (normal(7, 5), normal(7, 5), *scalars, *momentum, normal(7, 5))
            cases.append(Case(ops.update.UpdateSGD(*flags, nesterov), arrays, ()))
        rule = tuple(constant(value) for value in (0.1, 0.999, 0.001, 0.05, 0.5, 1e-3))
        slots = (normal(7, 5), uniform(7, 5))
        cases.append(Case(ops.update.UpdateAdam(*flags), (normal(7, 5), normal(7, 5), *scalars, *rule, *slots), ()))
    cases.append(Case(ops.update.GradientNorm(), (normal(3, 4), normal(5)), ()))
    cases.append(Case(ops.update.ClipScale(), (constant(2.0), constant(1.0)), ()))
    cases.append(Case(ops.update.PenaltyValue(), (constant(0.1), constant(0.2), normal(3, 4), normal(5)), ()))
    return cases


UPDATES: list[Case] = _cases()
