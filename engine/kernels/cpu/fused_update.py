"""A weight's gradient and its update in one: each block of the gradient goes to the optimizer while it is in the cache.

A weight matrix of some size is otherwise written and read once more, as its gradient, than the step needs. The blocks
are large, so that packing pays. The gradient is then nowhere to be had: an observed program, which shows it, clipping,
which needs the norm of all gradients first, and whatever else reads a gradient before its update keep the two apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.kernels.cpu.interpreter import claim
from engine.kernels.cpu.language import clear, i64, kernel, stack
from engine.kernels.cpu.matrix import COLUMNS, DEPTH, ROWS, SCRATCH, multiply_block, product_rows
from engine.kernels.cpu.rows import Binding, Covered, Row, relabelled
from engine.kernels.cpu.update import (
    NUMBERS,
    SUMS,
    SUMS_SPACE,
    adam_numbers,
    adam_rows,
    flags_of,
    scalars_of,
    sgd_numbers,
    sgd_rows,
    update_row,
)
from engine.ops import MatMul
from engine.ops.base import Call, Role, Value
from engine.ops.update import GradientNorm, PenaltyValue, UpdateAdam, UpdateRule, UpdateSGD
from engine.plan import Program

__all__ = ["fuse_updates"]

SMALLEST = 1 << 20
"""Elements of a weight below which the gradient stays in the last cache until the update comes, and is better cut as
any product is."""

BLOCK_ROWS, BLOCK_COLUMNS = 8 * ROWS, 16 * COLUMNS
"""A block of the gradient: with the panel and what it is multiplied with it fits the second-level cache."""

RULE = 16
"""The argument, after those of a product, that holds the address of the rule's: kind, scalars, flags, parameter,
slots."""

KINDS = {UpdateSGD: 0, UpdateAdam: 1}


@kernel
def matmul_update(a: Any, me: int, team: int, step: int) -> None:
    """A parameter and its slots updated with the gradient a b. Arguments: as for `matmul`, with the parameter for c,
    and `RULE`."""
    columns, p_row, rule = a[10], a[8], i64(a[RULE])
    packed = a[14] + me * a[15]
    block = packed + min(a[11], DEPTH) * COLUMNS * 4
    edge, numbers, sums = stack(SCRATCH), stack(NUMBERS), stack(SUMS_SPACE)
    if rule[0] == 0:
        sgd_numbers(numbers, rule[1], rule[2])
    else:
        adam_numbers(numbers, rule[1], rule[2])
    clear(sums, 8 * SUMS)
    across = (columns + BLOCK_COLUMNS - 1) // BLOCK_COLUMNS
    down = (a[9] + BLOCK_ROWS - 1) // BLOCK_ROWS
    while True:
        unit = claim(a[0])
        if unit >= across * down:
            return
        row, column = unit // across * BLOCK_ROWS, unit % across * BLOCK_COLUMNS
        height, width = min(BLOCK_ROWS, a[9] - row), min(BLOCK_COLUMNS, columns - column)
        multiply_block(a, a[4], block, width, row, height, column, column + width, packed, edge)
        at = (row * p_row + column) * 4
        p, first = rule[3] + at, rule[4] + at
        if rule[0] == 0:
            sgd_rows(p, p_row, block, width, first, height, width, numbers, sums)
        else:
            adam_rows(p, p_row, block, width, first, rule[5] + at, height, width, numbers, sums)


@dataclass(frozen=True)
class _Weight:
    """A gradient that one product makes, and its place in the span of an update."""

    item: Covered
    update: Call
    start: int

    @property
    def product(self) -> Call:
        return self.item.calls[0]

    @property
    def stop(self) -> int:
        return self.start + self.product.outputs[0].size


def fuse_updates(covered: Sequence[Covered], binding: Binding) -> list[Covered]:
    """The same work with large weights updated where their gradients arise, behind the last use of the weight."""
    program = binding.program
    if program.observe or any(isinstance(call.op, GradientNorm | PenaltyValue) for call in program.calls):
        return list(covered)
    weights = {index: found for index in range(len(covered)) if (found := _weight(index, covered, binding)) is not None}
    result: list[Covered] = []
    waiting: list[_Weight] = []
    for index, item in enumerate(covered):
        # A weight waits for the one operation behind its gradient, which may still read it.
        if index in weights or item.calls[0].phase == "update":
            result += [_fused(weight, binding) for weight in waiting]
            waiting = [weights[index]] if index in weights else []
            if index not in weights:
                result += _rest(item, list(weights.values()), binding)
            continue
        result += [item, *(_fused(weight, binding) for weight in waiting)]
        waiting = []
    return result


def _weight(index: int, covered: Sequence[Covered], binding: Binding) -> _Weight | None:
    item, program = covered[index], binding.program
    call = item.calls[0]
    output = call.outputs[0] if call.outputs else None
    if len(item.calls) > 1 or output is None or output.role is not Role.GRADIENT or output.size < SMALLEST:
        return None
    if not isinstance(call.op, MatMul) or len(output.shape) != 2:
        return None
    segment = program.locations[output.id]
    writers = [other for other in program.calls if output in other.outputs]
    if len(writers) > 1 or _is_read(output, program):
        return None
    update = next(
        (
            other
            for other in program.calls
            if type(other.op) in KINDS and _covers(program.locations[other.inputs[0].id], segment.start, segment.size)
        ),
        None,
    )
    if update is None or not _may_wait(index, covered, segment.start, segment.size, binding):
        return None
    return _Weight(item, update, segment.start - program.locations[update.inputs[0].id].start)


def _is_read(gradient: Value, program: Program) -> bool:
    """Whether any call but an update reads the gradient, by this name or as a part of its arena."""
    here = program.locations[gradient.id]
    for call in program.calls:
        for value in () if isinstance(call.op, UpdateRule) else call.inputs:
            where = program.locations.get(value.id)
            if where is not None and where.arena == here.arena:
                if where.start < here.start + here.size and here.start < where.start + where.size:
                    return True
    return False


def _covers(span: Any, start: int, size: int) -> bool:
    return bool(span.start <= start and start + size <= span.start + span.size)


def _may_wait(index: int, covered: Sequence[Covered], start: int, size: int, binding: Binding) -> bool:
    """Whether the product may run behind the next operation: what it reads must still be there, and nobody after that
    one may read the weight."""
    program = binding.program
    later = covered[index + 1 :]
    if not later:
        return False
    following = later[0] if later[0].calls[0].phase == "backward" else None
    inputs = [binding.span(value) for value in covered[index].calls[0].inputs]
    for call in following.calls if following else ():
        for value in call.outputs:
            first, last = binding.span(value)
            if any(first < stop and begin < last for begin, stop in inputs):
                return False
    for item in later[1:] if following else later:
        for call in item.calls:
            if call.phase == "update":
                continue
            for value in call.inputs:
                where = program.locations.get(value.id)
                if value.role is Role.PARAMETER and where is not None:
                    if where.start < start + size and start < where.start + where.size:
                        return False
    return True


def _fused(weight: _Weight, binding: Binding) -> Covered:
    op = weight.update.op
    assert isinstance(op, UpdateRule)
    *before, product = product_rows(weight.product, binding)
    at = 4 * weight.start
    slots = weight.update.inputs[len(weight.update.inputs) - len(op.SLOTS) :]
    rule = [KINDS[type(op)], scalars_of(weight.update, binding), flags_of(op)]
    rule += [binding.address(value) + at for value in (weight.update.inputs[0], *slots)]
    depth = int(product.arguments[11])
    memory = binding.scratch(min(depth, DEPTH) * COLUMNS + BLOCK_ROWS * BLOCK_COLUMNS)
    arguments = [*product.arguments[:14], *memory, binding.constants(rule)]
    row = Row("matmul_update", arguments)
    return relabelled(replace(weight.item, rows=(*before, row), suffix=f"+{op.name}"))


def _rest(item: Covered, weights: Sequence[_Weight], binding: Binding) -> list[Covered]:
    """An update without the weights that are updated elsewhere; nothing where none is left."""
    (call,) = item.calls
    taken = sorted((weight.start, weight.stop) for weight in weights if weight.update is call)
    if not taken:
        return [item]
    ends = [0, *(stop for _, stop in taken)]
    starts = [*(start for start, _ in taken), call.inputs[0].size]
    rows = [update_row(call, binding, *span) for span in zip(ends, starts, strict=True) if span[0] < span[1]]
    return [relabelled(replace(item, rows=tuple(rows)))] if rows else []
