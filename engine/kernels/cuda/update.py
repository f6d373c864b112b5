"""The update phase. All neighbouring calls of a rule are one launch, whatever number of arrays they update, and so are
the norms; LAMB takes two. For Muon see `muon`."""

from __future__ import annotations

from collections.abc import Sequence

from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.launches import Launch, Work, blocks, joined_of
from engine.kernels.cuda.segments import Pieces, address_table, aligned
from engine.kernels.cuda.signatures import Pointer
from engine.ops.array_rules import UpdateLAMB
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

__all__ = ["NORMS", "tables_of"]

FLAGS = {"has_l1": 1, "has_l2": 2, "has_decay": 4, "has_clip": 8, "nesterov": 16, "inside": 32}
"""The fields of update operations that kernels are told of, as rules.cuh has them."""

SLOTS, NUMBERS = 3, 12
"""Places in a row of addresses: see update.cu."""

NORMS = 3
"""Sums that a rule takes where they are wanted."""


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
        pieces, tables = tables_of(same, b)
        works.append(Launch(name, [b.halt, *tables, *pieces.sums(b, NORMS)], pieces.count))
    return works


@joined_of(UpdateLAMB)
def _lamb(calls: Sequence[Call], b: Binding) -> list[Work]:
    pieces, tables = tables_of(calls, b)
    ratios = b.scratch(len(calls))
    return [
        Launch("lamb_moments", [b.halt, *tables, ratios, *pieces.sums(b, 2)], pieces.count),
        Launch("lamb_step", [b.halt, *tables, ratios, *pieces.sums(b, NORMS)], pieces.count),
    ]


def tables_of(calls: Sequence[Call], b: Binding, extra: Sequence[Pointer] = ()) -> tuple[Pieces, list[Pointer]]:
    """The pieces of update calls, and the tables that kernels read: addresses, pieces, segments. The `extra`
    pointers, one for each call, follow its slots."""
    rows, flags = [], []
    for index, call in enumerate(calls):
        op = call.op
        assert isinstance(op, UpdateRule)
        parameter, gradient, *rest = call.inputs
        count = len(COMMON) + len(op.RULE_SCALARS)
        numbers, slots = b.pointers(*rest[:count]), [*b.pointers(*rest[count:]), *extra[index : index + 1]]
        norms = b.pointer(call.outputs[0]) if op.norms else None
        arrays = [aligned(pointer) for pointer in (*b.pointers(parameter, gradient), *slots)]
        row = [*arrays[:2], norms, *arrays[2:], *[None] * (SLOTS - len(slots)), *numbers]
        rows.append([*row, *[None] * (NUMBERS - len(numbers))])
        flags.append(sum(bit for name, bit in FLAGS.items() if getattr(op, name, False)))
    pieces = Pieces.of([[call.inputs[0].size] for call in calls], b, flags)
    return pieces, [address_table(rows, b), pieces.pieces, pieces.segments]


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
