"""Observers and what fills arrays."""

from __future__ import annotations

from engine import ops
from tests.engine.ops.cases.base import IMAGE, Case, constant, normal, uniform


def _cases() -> list[Case]:
    return [
        Case(ops.Fill((2, 3), 1.5), (), (), label="float"),
        Case(ops.Observe(8), (normal(6, 5),), (), label="normal"),
        Case(ops.Observe(16, -0.97, 0.97), (uniform(3, 4, 4, 2, low=-1.0),), (), label="saturated"),
        Case(ops.Observe(4, None, 0.5), (constant(2.0),), (), label="one"),
        Case(ops.Observe(0), (normal(6, 5),), (), label="no histogram"),
        Case(
            ops.ObserveMany(8, (None, -0.5, None), (None, 0.5, 2.0)),
            (normal(6, 5), uniform(3, 4, 4, 2, low=-1.0), constant(2.0)),
            (),
        ),
        Case(ops.ObserveMany(0, (None,), (None,)), (normal(4),), (), label="no histogram"),
        Case(ops.ObserveUnits(), (normal(3, 5, 4, 6),), (), label="images"),
        Case(ops.ObserveUnits(), (normal(7),), (), label="one row"),
    ]


CASES: list[Case] = _cases()

LARGE: list[Case] = [
    Case(ops.Observe(64, -0.9, 0.9), (normal(*IMAGE),), ()),
    Case(ops.ObserveUnits(), (normal(*IMAGE),), ()),
]
