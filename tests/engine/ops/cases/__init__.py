"""Operations with inputs, for gradient checks, namespaces, precisions and allocation: one module a family.

Each module may have `CASES` (odd sizes, a batch of one, strides, padding, one channel), `UPDATES` (the optimizers'
operations) and `LARGE` (arrays of at least 1.5 MB in float32, beside which a temporary array cannot hide).
"""

from __future__ import annotations

import importlib
import pkgutil

from tests.engine.ops.cases.base import Case, Draw, away_from_zero, constant, distinct, key, labels, normal, uniform

__all__ = [
    "ALL",
    "DIFFERENTIABLE",
    "LARGE",
    "UPDATES",
    "Case",
    "Draw",
    "away_from_zero",
    "constant",
    "distinct",
    "key",
    "labels",
    "normal",
    "uniform",
]

_MODULES = [importlib.import_module(f"{__name__}.{item.name}") for item in pkgutil.iter_modules(__path__)]


def _gathered(name: str) -> list[Case]:
    return [case for module in _MODULES for case in getattr(module, name, ())]


ALL: list[Case] = _gathered("CASES")
DIFFERENTIABLE: list[Case] = [case for case in ALL if case.wanted]
UPDATES: list[Case] = _gathered("UPDATES")
LARGE: list[Case] = _gathered("LARGE")
