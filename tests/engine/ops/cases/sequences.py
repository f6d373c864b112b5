"""Embeddings, positions, and the parts of attention."""

from __future__ import annotations

from engine import ops
from tests.engine.ops.cases.base import Case, Draw, normal


def tokens(batch: int, positions: int, vocabulary: int) -> Draw:
    """Whole numbers as floats."""
    return lambda rng: rng.integers(0, vocabulary, (batch, positions)).astype(float)


def _cases() -> list[Case]:
    cases = []
    for batch, positions, vocabulary, width in ((3, 4, 5, 2), (1, 1, 1, 1), (2, 9, 3, 4)):
        label = f"{batch}x{positions} of {vocabulary}x{width}"
        inputs = (tokens(batch, positions, vocabulary), normal(vocabulary, width))
        cases.append(Case(ops.Embedding(), inputs, (1,), label))
    for shape in ((3, 4, 6), (1, 1, 1), (2, 5, 3), (2, 1, 2)):
        cases.append(Case(ops.AddPositions(), (normal(*shape), normal(*shape[1:])), (0, 1), str(shape)))
        cases.append(Case(ops.AddSinusoids(), (normal(*shape),), label=str(shape)))
    for lead in ((3,), (2, 3), (1,)):
        for i, k, j in ((4, 3, 5), (1, 1, 1), (2, 7, 1)):
            inputs = (normal(*lead, i, k), normal(*lead, k, j))
            cases.append(Case(ops.BatchMatMul(), inputs, (0, 1), f"{lead} {i}x{k}x{j}"))
    for shape in ((3, 4, 4), (2, 2, 3, 5), (2, 5, 3), (1, 1, 1), (4, 7)):
        for causal in (False, True):
            op = ops.AttentionWeights(0.7, causal)
            cases.append(Case(op, (normal(*shape, scale=2.0),), label=str(shape)))
    return cases


CASES: list[Case] = _cases()

LARGE: list[Case] = [
    Case(ops.Embedding(), (tokens(64, 128, 40), normal(40, 64)), (1,)),
    Case(ops.AddPositions(), (normal(64, 128, 64), normal(128, 64)), (0, 1)),
    Case(ops.AddSinusoids(), (normal(64, 128, 64),)),
    Case(ops.BatchMatMul(), (normal(64, 96, 64), normal(64, 64, 96)), (0, 1)),
    Case(ops.AttentionWeights(0.3, True), (normal(64, 4, 48, 48),)),
]
