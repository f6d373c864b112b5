"""Muon's rule: products that bring each step near to an orthogonal matrix, batched over the matrices of a shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.launches import Launch, Product, Work, blocks, joined_of
from engine.kernels.cuda.segments import LANES
from engine.kernels.cuda.signatures import Pointer
from engine.kernels.cuda.update import NORMS, tables_of
from engine.ops.array_rules import COEFFICIENTS, UpdateMuon, matrix_shape
from engine.ops.base import Call

TOGETHER = 1 << 22
"""Elements of the matrices that are made orthogonal at once: they take four times as much work memory."""

SMALLEST_NORM = 1e-7
"""By what a direction is divided at least before it is made orthogonal."""


@joined_of(UpdateMuon)
def _muon(calls: Sequence[Call], b: Binding) -> list[Work]:
    batches = _batches(calls)
    # One after the other they use the same work memory.
    size = max(batch.count * batch.step for batch in batches)
    squares = max(batch.count * batch.square for batch in batches)
    x, y, squared, fourth = (b.scratch(count) for count in (size, size, squares, squares))
    return [work for batch in batches for work in _muon_batch(batch, b, x, y, squared, fourth)]


@dataclass(frozen=True)
class _Batch:
    """Updates of matrices of one shape by the same rule. In work memory each begins where four numbers may be read at
    once, `step` elements behind the one before; square matrices of the shorter side's length lie without gaps."""

    calls: tuple[Call, ...]
    rows: int
    columns: int

    @property
    def count(self) -> int:
        return len(self.calls)

    @property
    def side(self) -> int:
        return min(self.rows, self.columns)

    @property
    def square(self) -> int:
        return self.side * self.side

    @property
    def step(self) -> int:
        return -(-self.rows * self.columns // LANES) * LANES

    @property
    def rule(self) -> UpdateMuon:
        op = self.calls[0].op
        assert isinstance(op, UpdateMuon)
        return op


def _batches(calls: Sequence[Call]) -> list[_Batch]:
    """Matrices of a shape together, unless they are so large that this saves nothing."""
    alike: dict[tuple[int, int, int, bool], list[Call]] = {}
    for call in calls:
        op, (rows, columns) = call.op, matrix_shape(call.inputs[0].shape)
        assert isinstance(op, UpdateMuon)
        alike.setdefault((rows, columns, op.iterations, op.like_adam), []).append(call)
    batches = []
    for (rows, columns, *_), found in alike.items():
        most = max(1, TOGETHER // (rows * columns))
        batches += [_Batch(tuple(found[at : at + most]), rows, columns) for at in range(0, len(found), most)]
    return batches


def _muon_batch(batch: _Batch, b: Binding, x: Pointer, y: Pointer, squared: Pointer, fourth: Pointer) -> list[Work]:
    op, norms = batch.rule, b.scratch(batch.count)
    pieces, tables = tables_of(batch.calls, b, [x + i * batch.step for i in range(batch.count)])
    works: list[Work] = [
        Launch("muon_direction", [b.halt, *tables, norms, SMALLEST_NORM, *pieces.sums(b, 1)], pieces.count),
        Launch("muon_normalize", [*tables[:2], norms], pieces.count),
    ]
    for _ in range(op.iterations):
        works += _towards_orthogonal(batch, x, y, squared, fourth)
        x, y = y, x
    longer, wider = max(batch.rows, batch.columns), batch.columns / batch.rows
    factor = 0.2 * math.sqrt(longer) if op.like_adam else math.sqrt(max(1.0, wider))
    pieces, tables = tables_of(batch.calls, b, [x + i * batch.step for i in range(batch.count)])
    works.append(Launch("muon_step", [b.halt, *tables, factor, *pieces.sums(b, NORMS)], pieces.count))
    return works


def _towards_orthogonal(batch: _Batch, x: Pointer, y: Pointer, squared: Pointer, fourth: Pointer) -> list[Work]:
    """y = (a I + b s + c s²) x with s = x xᵀ, or x (a I + b s + c s²) with s = xᵀ x: whichever s is smaller."""
    a, b, c = COEFFICIENTS
    rows, columns, side, count, whole, square = (
        batch.rows, batch.columns, batch.side, batch.count, batch.step, batch.square,
    )  # fmt: skip
    tall = rows > columns
    left, right, steps = (x, fourth, (whole, square, whole)) if tall else (fourth, x, (square, whole, whole))
    longer = max(rows, columns)
    return [
        Product(x, x, squared, side, side, longer, tall, not tall, count=count, steps=(whole, whole, square)),
        Product(squared, squared, fourth, side, side, side, alpha=c, count=count, steps=(square, square, square)),
        Launch("muon_polynomial", [fourth, squared, count, side, a, b], blocks(count * square)),
        Product(left, right, y, rows, columns, side, count=count, steps=steps),
    ]
