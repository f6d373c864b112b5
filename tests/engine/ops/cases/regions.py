"""Pooling over regions, adaptive and fractional."""

from __future__ import annotations

from engine import ops
from tests.engine.ops.cases.base import IMAGE, Case, distinct, key, normal

ADAPTIVE = (
    # batch, height, width, channels, rows, columns
    (2, 4, 6, 3, 2, 3),
    (1, 7, 5, 2, 3, 2),
    (2, 5, 5, 1, 1, 1),
    (3, 4, 4, 2, 4, 4),
    (2, 3, 2, 2, 5, 3),  # more than there are pixels
    (40, 41, 41, 3, 6, 7),  # more than one block
)

FRACTIONAL = (
    # batch, height, width, channels, rows, columns
    (2, 6, 7, 3, 4, 5),
    (1, 3, 2, 1, 2, 1),
    (2, 9, 9, 2, 8, 5),
    (40, 41, 41, 3, 29, 30),
)


def _cases() -> list[Case]:
    cases = []
    for *x, rows, columns in ADAPTIVE:
        size = (rows, columns)
        cases.append(Case(ops.regions.AdaptiveMaxPool(size), (distinct(*x),), label=str(tuple(x))))
        cases.append(Case(ops.regions.AdaptiveAveragePool(size), (normal(*x),), label=str(tuple(x))))
    for *x, rows, columns in FRACTIONAL:
        for kind in ("fixed", "disjoint", "overlapping"):
            for offset in (-1, 1 << 23):
                op = ops.regions.FractionalMaxPool((rows, columns), kind, 77, offset)  # type: ignore[arg-type]
                cases.append(Case(op, (distinct(*x), key(5, 0, 2, 0)), label=str(tuple(x))))
    return cases


CASES: list[Case] = _cases()

LARGE: list[Case] = [
    Case(ops.regions.AdaptiveMaxPool((7, 7)), (normal(*IMAGE),)),
    Case(ops.regions.AdaptiveMaxPool((1, 1)), (normal(*IMAGE),)),
    Case(ops.regions.AdaptiveAveragePool((5, 5)), (normal(*IMAGE),)),
    Case(ops.regions.FractionalMaxPool((20, 20), "overlapping"), (normal(*IMAGE), key(5, 0, 2, 0))),
]
