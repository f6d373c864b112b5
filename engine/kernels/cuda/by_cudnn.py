"""Convolutions by cuDNN, as one of the ways that they can go: see cudnn.py.

Nothing is expected of it: it is taken where it was measured to be fastest. Weights are transposed for it before, and
their gradient after, in a pass over as many numbers as there are weights.
"""

from __future__ import annotations

import math
from functools import partial
from typing import cast

import numpy as np

from engine.backend import MathMode
from engine.kernels.cuda.arrange import transposed
from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.choice import Candidate
from engine.kernels.cuda.cudnn import CudnnError, Kind
from engine.kernels.cuda.launches import Library, Work
from engine.kernels.cuda.windows import Filter
from engine.ops.base import Call

__all__ = ["candidates"]

ALIGNMENT = 16
"""Bytes: where arrays begin that cuDNN is told of."""


def candidates(kind: Kind, f: Filter, call: Call, b: Binding) -> list[Candidate]:
    """The way by cuDNN, where the device has it. `f` is how the filter moves over the images, whatever the kind; the
    call's inputs are the operands as `Kind` names them."""
    if b.convolutions is None or f.groups > 1 or b.math == "bf16":
        return []
    return [Candidate("cudnn", partial(_works, kind, f, call), math.inf, single=False, optional=True)]


def _works(kind: Kind, f: Filter, call: Call, b: Binding) -> list[Work]:
    assert b.convolutions is not None
    first, second, result = b.pointers(*call.inputs, *call.outputs)
    plan = b.convolutions.convolution(kind, f, cast(MathMode, b.math))
    weights = b.scratch(f.depth * f.filters)
    workspace = b.scratch(plan.workspace_bytes, np.uint8)
    if kind == "weight_gradient":
        library = Library(plan, first, second, weights, workspace)
        works: list[Work] = [library, transposed(weights, result, f.filters, f.depth)]
    else:
        library = Library(plan, first, weights, result, workspace)
        works = [transposed(second, weights, f.depth, f.filters), library]
    if any(at.address % ALIGNMENT for at in (library.a, library.b, library.y)):
        raise CudnnError(f"an array begins between multiples of {ALIGNMENT} bytes")
    return works
