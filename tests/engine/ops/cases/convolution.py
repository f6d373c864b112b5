"""Convolutions."""

from __future__ import annotations

from engine import ops
from tests.engine.ops.cases.base import IMAGE, Case, normal

CONVOLUTIONS = (
    # batch, height, width, channels in, channels out, kernel, stride, padding
    (2, 5, 5, 1, 2, (3, 3), 1, 1),
    (1, 7, 6, 2, 3, (3, 3), 1, 0),
    (3, 6, 7, 3, 1, (3, 3), 2, 1),
    (2, 8, 8, 2, 2, (2, 2), 2, 0),
    (1, 9, 5, 1, 1, (5, 5), 3, 2),
    (2, 4, 4, 3, 4, (1, 1), 1, 0),
    (2, 5, 5, 2, 3, (1, 1), 2, 0),
    (1, 4, 4, 2, 2, (1, 1), 1, 1),
    (2, 4, 5, 2, 2, (4, 4), 1, 1),
    (1, 3, 3, 2, 2, (3, 3), 1, 3),
    (2, 6, 6, 2, 2, (3, 2), 1, 1),
    (2, 7, 7, 1, 2, (2, 2), 3, 0),
    (1, 5, 5, 4, 5, (5, 5), 1, 2),
)


def _cases() -> list[Case]:
    cases = []
    for batch, height, width, c_in, c_out, kernel, stride, padding in CONVOLUTIONS:
        x, w = (batch, height, width, c_in), (*kernel, c_in, c_out)
        cases.append(Case(ops.Conv2d(stride, padding), (normal(*x), normal(*w)), (0, 1), label=f"{x}{w}"))
    return cases


CASES: list[Case] = _cases()

C = IMAGE[-1]

LARGE: list[Case] = [
    Case(ops.Conv2d(1, 1), (normal(*IMAGE), normal(3, 3, C, C)), (0, 1)),
    Case(ops.Conv2d(2, 1), (normal(*IMAGE), normal(3, 3, C, C)), (0, 1), label="strided"),
    Case(ops.Conv2d(1, 2), (normal(512, 28, 28, 1), normal(5, 5, 1, 2)), (0, 1), label="one channel"),
    Case(ops.Conv2d(1, 0), (normal(*IMAGE), normal(1, 1, C, C)), (0, 1), label="pointwise"),
]
