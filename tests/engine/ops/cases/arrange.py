"""Pieces, arrays side by side, orders of axes, and products element by element."""

from __future__ import annotations

from itertools import permutations

from engine import ops
from tests.engine.ops.cases.base import IMAGE, Case, normal

PIECES: tuple[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]], ...] = (
    # whole, begin, piece
    ((3, 5), (0, 1), (3, 2)),
    ((1, 1), (0, 0), (1, 1)),
    ((2, 6, 7, 3), (0, 1, 2, 0), (2, 4, 5, 3)),
    ((2, 4, 6), (1, 0, 5), (1, 4, 1)),
)


def _cases() -> list[Case]:
    cases = []
    for whole, begin, piece in PIECES:
        cases.append(Case(ops.Crop(begin, piece), (normal(*whole),), label=str(whole)))
        cases.append(Case(ops.Pad(begin, whole), (normal(*piece),), label=str(piece)))
    for lead in ((3,), (1,), (2, 3, 4)):
        for widths in ((2, 3), (1, 1), (1, 4, 2)):
            inputs = tuple(normal(*lead, width) for width in widths)
            cases.append(Case(ops.Concatenate(), inputs, tuple(range(len(widths))), f"{lead} {widths}"))
    for axes in (*permutations(range(3)), (0, 2, 1, 3), (0, 3, 1, 2), (0, 1)):
        cases.append(Case(ops.Permute(axes), (normal(*range(2, 2 + len(axes))),)))
    for shape in ((3, 5), (1, 1), (2, 3, 3, 2)):
        cases.append(Case(ops.Multiply(), (normal(*shape), normal(*shape)), (0, 1), str(shape)))
    return cases


CASES: list[Case] = _cases()

_HALF = (*IMAGE[:-1], IMAGE[-1] // 2)

LARGE: list[Case] = [
    Case(ops.Crop((0, 0, 0, 1), (*IMAGE[:-1], IMAGE[-1] - 1)), (normal(*IMAGE),)),
    Case(ops.Pad((0, 1, 1, 0), (IMAGE[0], IMAGE[1] + 2, IMAGE[2] + 2, IMAGE[3])), (normal(*IMAGE),)),
    Case(ops.Concatenate(), (normal(*_HALF), normal(*_HALF)), (0, 1)),
    Case(ops.Permute((0, 3, 1, 2)), (normal(*IMAGE),)),
    Case(ops.Multiply(), (normal(*IMAGE), normal(*IMAGE)), (0, 1)),
]
