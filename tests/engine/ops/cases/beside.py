"""The operations beside the optimizers' rules: their first input changes, and nothing is differentiated."""

from __future__ import annotations

from engine.ops.beside import Accumulate, AddAccumulated, Average, ClipValue, MaxNorm, SoftThreshold
from engine.ops.tiling import BLOCK
from tests.engine.ops.cases.base import Case, constant, normal

LONG = BLOCK + 7

UPDATES: list[Case] = [
    *(
        Case(op, (normal(*shape), constant(0.4)), (), label=f"-{len(shape)}")
        for op in (ClipValue(), SoftThreshold())
        for shape in ((7, 5), (LONG,))
    ),
    *(
        Case(MaxNorm(), (normal(*shape), constant(bound)), (), label=f"-{len(shape)}-{bound}")
        for shape, bound in (((7, 5), 2.5), ((3, 2, 4, 6), 4.0), ((1, 3), 0.5), ((BLOCK // 5 + 3, 5), 20.0))
    ),
    *(
        Case(op, (normal(*shape), normal(*shape), constant(0.3)), (), label=f"-{len(shape)}")
        for op in (Average(), Accumulate(), AddAccumulated())
        for shape in ((7, 5), (LONG,))
    ),
]
