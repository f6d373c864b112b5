"""The update phase. All neighbouring calls of a rule are one launch, whatever number of arrays they update, and so are
the norms; LAMB takes two, and Muon a few for each matrix beside its products."""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine.kernels.cuda.launches import BLOCK, Binding, Launch, Product, Work, blocks, joined_of, launches_of
from engine.kernels.cuda.segments import Pieces, address_table, aligned
from engine.kernels.cuda.signatures import Pointer
from engine.ops.array_rules import COEFFICIENTS, UpdateLAMB, UpdateMuon, matrix_shape
from engine.ops.base import Call
from engine.ops.rules import (
    UpdateAdadelta,
    UpdateAdagrad,
    UpdateAdamax,
    UpdateAMSGrad,
    UpdateCenteredRMSprop,
    UpdateLion,
    UpdateNadam,
    UpdateRAdam,
    UpdateRateInside,
    UpdateRMSprop,
)
from engine.ops.update import COMMON, ClipScale, GradientNorm, PenaltyValue, UpdateAdam, UpdateRule, UpdateSGD

FLAGS = {"has_l1": 1, "has_l2": 2, "has_decay": 4, "has_clip": 8, "nesterov": 16, "inside": 32}
"""The fields of update operations that kernels are told of, as rules.cuh has them."""

SLOTS, NUMBERS = 3, 12
"""Places in a row of addresses: see update.cu."""

NORMS = 3

SMALLEST_NORM = 1e-7
"""By what Muon's direction is divided at least before it is made orthogonal."""


@joined_of(
    UpdateSGD,
    UpdateAdam,
    UpdateRateInside,
    UpdateAdagrad,
    UpdateAdadelta,
    UpdateRMSprop,
    UpdateCenteredRMSprop,
    UpdateAMSGrad,
    UpdateNadam,
    UpdateRAdam,
    UpdateAdamax,
    UpdateLion,
)
def _update(calls: Sequence[Call], b: Binding) -> list[Work]:
    works: list[Work] = []
    for name in dict.fromkeys(call.op.name for call in calls):
        same = [call for call in calls if call.op.name == name]
        pieces, tables = _tables(same, b)
        works.append(Launch(name, [b.halt, *tables, *pieces.sums(b, NORMS)], pieces.count))
    return works


@joined_of(UpdateLAMB)
def _lamb(calls: Sequence[Call], b: Binding) -> list[Work]:
    pieces, tables = _tables(calls, b)
    ratios = b.scratch(len(calls))
    return [
        Launch("lamb_moments", [b.halt, *tables, ratios, *pieces.sums(b, 2)], pieces.count),
        Launch("lamb_step", [b.halt, *tables, ratios, *pieces.sums(b, NORMS)], pieces.count),
    ]


def _tables(calls: Sequence[Call], b: Binding, extra: Sequence[Pointer] = ()) -> tuple[Pieces, list[Pointer]]:
    """The pieces of update calls, and the tables that kernels read: addresses, pieces, segments. `extra` pointers
    follow the slots of each call."""
    rows, flags = [], []
    for call in calls:
        op = call.op
        assert isinstance(op, UpdateRule)
        parameter, gradient, *rest = call.inputs
        count = len(COMMON) + len(op.RULE_SCALARS)
        numbers, slots = b.pointers(*rest[:count]), [*b.pointers(*rest[count:]), *extra]
        norms = b.pointer(call.outputs[0]) if op.norms else None
        arrays = [aligned(pointer) for pointer in (*b.pointers(parameter, gradient), *slots)]
        row = [*arrays[:2], norms, *arrays[2:], *[None] * (SLOTS - len(slots)), *numbers]
        rows.append([*row, *[None] * (NUMBERS - len(numbers))])
        flags.append(sum(bit for name, bit in FLAGS.items() if getattr(op, name, False)))
    pieces = Pieces.of([[call.inputs[0].size] for call in calls], b, flags)
    return pieces, [address_table(rows, b), pieces.pieces, pieces.segments]


@launches_of(UpdateMuon)
def _muon(call: Call, b: Binding) -> list[Work]:
    op, parameter = call.op, call.inputs[0]
    assert isinstance(op, UpdateMuon)
    rows, columns = matrix_shape(parameter.shape)
    side, size = min(rows, columns), parameter.size
    x, y, squared, fourth = (b.scratch(count) for count in (size, size, side * side, side * side))
    norm = b.scratch(1)
    pieces, tables = _tables([call], b, [x])
    works: list[Work] = [
        Launch("muon_direction", [b.halt, *tables, norm, SMALLEST_NORM, *pieces.sums(b, 1)], pieces.count),
        Launch("muon_normalize", [x, norm, size], blocks(size)),
    ]
    for _ in range(op.iterations):
        works += _towards_orthogonal(x, y, squared, fourth, rows, columns)
        x, y = y, x
    factor = 0.2 * math.sqrt(max(rows, columns)) if op.like_adam else math.sqrt(max(1.0, columns / rows))
    pieces, tables = _tables([call], b, [x])
    works.append(Launch("muon_step", [b.halt, *tables, factor, *pieces.sums(b, NORMS)], pieces.count))
    return works


def _towards_orthogonal(
    x: Pointer, y: Pointer, squared: Pointer, fourth: Pointer, rows: int, columns: int
) -> list[Work]:
    """y = (a I + b s + c s²) x with s = x xᵀ, or x (a I + b s + c s²) with s = xᵀ x: the smaller of the two."""
    a, b, c = COEFFICIENTS
    tall, side = rows > columns, min(rows, columns)
    left, right = (x, fourth) if tall else (fourth, x)
    return [
        Product(x, x, squared, side, side, max(rows, columns), transpose_a=tall, transpose_b=not tall),
        Product(squared, squared, fourth, side, side, side, alpha=c),
        Launch("muon_polynomial", [fourth, squared, side, a, b], blocks(side * side, BLOCK)),
        Product(left, right, y, rows, columns, side),
    ]


@joined_of(GradientNorm, PenaltyValue)
def _sums(calls: Sequence[Call], b: Binding) -> list[Work]:
    arrays, results, sizes = [], [], []
    for call in calls:
        op, summed = call.op, call.inputs
        factors: list[Pointer | None] = [None, None]
        if isinstance(op, PenaltyValue):
            l1, l2, *parameters = call.inputs
            summed = tuple(parameters)
            factors = [b.pointer(l1) if op.has_l1 else None, b.pointer(l2) if op.has_l2 else None]
        arrays.append([aligned(pointer) for pointer in b.pointers(*summed)])
        results.append([b.pointer(call.outputs[0]), *factors])
        sizes.append([value.size for value in summed])
    pieces = Pieces.of(sizes, b, [int(isinstance(call.op, GradientNorm)) for call in calls])
    addresses = address_table([[pointer for row in arrays for pointer in row]], b)
    tables = [addresses, address_table(results, b), pieces.pieces, pieces.segments]
    return [Launch("sum_of_arrays", [*tables, *pieces.sums(b, 2)], pieces.count)]


@joined_of(ClipScale)
def _clip_scale(calls: Sequence[Call], b: Binding) -> list[Work]:
    rows = [b.pointers(*call.inputs, *call.outputs) for call in calls]
    return [Launch("clip_scale", [address_table(rows, b), len(rows)], blocks(len(rows)))]
