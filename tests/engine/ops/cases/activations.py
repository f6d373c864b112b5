"""Activations beyond ReLU, sigmoid and tanh: plain ones, those with learned numbers, maxout, softmax."""

from __future__ import annotations

import numpy as np

from engine.ops import learned, maxout, pointwise, softmax
from tests.engine.ops.cases.base import IMAGE, Case, Draw, away_from_zero, distinct, normal

SMOOTH = (
    pointwise.ELU(1.0),
    pointwise.ELU(1.6732632423543772, 1.0507009873554805),
    pointwise.Swish(1.0),
    pointwise.Swish(0.0),
    pointwise.Swish(3.0),
    pointwise.GELU(),
    pointwise.TanhGELU(),
    pointwise.Softplus(1.0),
    pointwise.Softplus(2.5),
    pointwise.Mish(),
)


def away_from_one(*shape: int) -> Draw:
    """No element near the corners of the hard tanh."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        x = rng.standard_normal(shape)
        return x + np.sign(x) * np.where(np.abs(x) > 0.9, 0.2, 0.0)

    return draw


def _cases() -> list[Case]:
    cases = []
    for shape in ((3, 5), (1, 1), (2, 3, 3, 2)):
        for op in SMOOTH:
            cases.append(Case(op, (away_from_zero(*shape),), label=str(shape)))
        cases.append(Case(pointwise.ELU(0.3, 2.0), (away_from_zero(*shape),), label=str(shape)))
        cases.append(Case(pointwise.HardTanh(), (away_from_one(*shape),), label=str(shape)))
        for size in ((1,), shape[-1:]):
            label = f"{shape}{size}"
            cases.append(Case(learned.PReLU(), (away_from_zero(*shape), normal(*size)), (0, 1), label=label))
            cases.append(Case(learned.LearnedSwish(), (normal(*shape), normal(*size)), (0, 1), label=label))
        cases.append(Case(softmax.Softmax(), (normal(*shape, scale=2.0),), label=str(shape)))
    for pieces, shape in ((2, (3, 6)), (3, (1, 3)), (2, (2, 3, 2, 4)), (1, (4, 2))):
        cases.append(Case(maxout.Maxout(pieces), (distinct(*shape),), label=str(shape)))
    # Many rows of few channels, which are joined to tiles.
    cases.append(Case(learned.PReLU(), (away_from_zero(300, 3), normal(3)), (0, 1), label="joined"))
    cases.append(Case(learned.PReLU(), (away_from_zero(307, 3), normal(1)), (0, 1), label="a prime number of rows"))
    return cases


CASES: list[Case] = _cases()

WIDE = (
    pointwise.ELU(),
    pointwise.Swish(),
    pointwise.GELU(),
    pointwise.TanhGELU(),
    pointwise.Softplus(),
    pointwise.Mish(),
    pointwise.HardTanh(),
    softmax.Softmax(),
    maxout.Maxout(4),
)

LARGE: list[Case] = [Case(op, (normal(*IMAGE),)) for op in WIDE]
LARGE += [Case(learned.PReLU(), (normal(*IMAGE), normal(n)), (0, 1), label=f"{n}") for n in (1, IMAGE[-1])]
LARGE += [Case(learned.LearnedSwish(), (normal(*IMAGE), normal(1)), (0, 1))]
