"""The update phase: norms, clipping, penalties, and the optimizers' rules, each in one pass over its arrays.

The numbers of `engine.ops.update` come to a rule as float32 in one small block, made once for each row. The rules
themselves (`sgd`, `adam`) are functions of plain memory, so that a kernel that has just computed a block of a weight's
gradient can apply them while it is still in the cache (`sgd_rows`, `adam_rows`).

A rule always takes the sums of squares along: next to the memory's speed they cost nothing, and so the parameters' bits
cannot depend on whether anyone asks for them. For the same reason products and sums are fused by hand: an element's
bits must not depend on where in a vector it lies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.kernels.cpu.language import F, clear, device, f32, f64, fma, i64, kernel, stack
from engine.kernels.cpu.pieces import is_last, next_piece
from engine.kernels.cpu.rows import Binding, Row, rows_of
from engine.ops.base import Call, Value
from engine.ops.beside import Average, MaxNorm, SoftThreshold
from engine.ops.update import COMMON, ClipScale, GradientNorm, PenaltyValue, UpdateAdam, UpdateRule, UpdateSGD

__all__ = [
    "NUMBERS",
    "adam",
    "adam_numbers",
    "adam_rows",
    "barrier_behind",
    "common_numbers",
    "effective",
    "flags_of",
    "keep_sums",
    "scalars_of",
    "sgd",
    "sgd_numbers",
    "sgd_rows",
    "update_arguments",
    "update_row",
]

PIECE = 1 << 14
"""Elements that a thread takes at a time."""

RUN = 4096
"""Elements whose squares are summed in float32."""

NUMBERS = 16
"""float32 that a rule's block of numbers takes, at most."""

SUMS = 3
"""Sums that a rule takes: squares of gradient, parameter and update, as float64."""

SUMS_SPACE = 2 * SUMS

# What a rule's block of numbers begins with; the rule's own follow.
RATE, L1, L2, KEEP, CLIP, PENALIZED, OWN = range(7)

HAS_L1, HAS_L2, HAS_DECAY, HAS_CLIP, NESTEROV, INSIDE = (1 << bit for bit in range(6))
FLAG_BITS = {
    "has_l1": HAS_L1,
    "has_l2": HAS_L2,
    "has_decay": HAS_DECAY,
    "has_clip": HAS_CLIP,
    "nesterov": NESTEROV,
    "inside": INSIDE,
}

# The arguments of an update kernel; its slots come last. KEPT are the sums of each piece, and FINISHED counts pieces.
SHARED, PIECES, COUNT, SCALARS, FLAGS, NORMS, KEPT, FINISHED, PARAMETER, GRADIENT, SLOTS = range(11)

ONE = 1
"""In place of an address: the factor is 1."""


@device
def common_numbers(numbers: int, scalars: int, flags: int) -> None:
    """The first of a rule's numbers, from the addresses of the operation's scalars."""
    n, at = f32(numbers), i64(scalars)
    n[RATE] = f32(at[0])[0]
    n[L1] = f32(at[1])[0] if flags & HAS_L1 else F(0)
    n[L2] = F(2) * f32(at[2])[0] if flags & HAS_L2 else F(0)
    n[KEEP] = f32(at[3])[0] if flags & HAS_DECAY else F(1)
    n[CLIP] = f32(at[4])[0] if flags & HAS_CLIP else F(1)
    n[PENALIZED] = F(1) if flags & (HAS_L1 | HAS_L2) else F(0)


@device
def effective(g: Any, p: Any, clip: Any, l1: Any, l2: Any, penalized: bool) -> Any:
    """The gradient that the rule sees: clipped, with the penalties' gradients."""
    clipped = g * clip
    sign = F(1) if p > F(0) else (F(-1) if p < F(0) else p)
    # Without penalties a parameter that is infinite must not make the gradient so: 0 times infinity is not a number.
    return fma(l2, p, fma(l1, sign, clipped)) if penalized else clipped


# -- stochastic gradient descent ---------------------------------------------------------------------------------------


@device
def sgd_numbers(numbers: int, scalars: int, flags: int) -> None:
    """Fill the block of numbers (`NUMBERS` float32) of `sgd` for this step. `scalars`: the addresses, int64, of the
    operation's scalars in their order; `flags`: `HAS_L1` and so on, as `flags_of` puts them together."""
    common_numbers(numbers, scalars, flags)
    n, at = f32(numbers), i64(scalars)
    n[OWN] = f32(at[5])[0]
    n[OWN + 1] = F(1) if flags & NESTEROV else F(0)


@device
def sgd(parameter: int, gradient: int, velocity: int, count: int, numbers: int, sums: int) -> None:
    """Update `count` parameters in place. All are addresses, of float32 but for `sums`: three float64, to which the
    squares of gradient, parameter and update are added, as `engine.ops.update` has them."""
    p, g, v, n, total = f32(parameter), f32(gradient), f32(velocity), f32(numbers), f64(sums)
    rate, keep, clip, l1, l2, penalized = -n[RATE], n[KEEP], n[CLIP], n[L1], n[L2], n[PENALIZED] != F(0)
    momentum, nesterov = n[OWN], n[OWN + 1] != F(0)
    for first in range(0, count, RUN):
        gg, pp, uu = F(0), F(0), F(0)
        for i in range(first, min(first + RUN, count)):
            old = p[i]
            d = effective(g[i], old, clip, l1, l2, penalized)
            moved = fma(momentum, v[i], d)
            new = fma(rate, fma(momentum, moved, d) if nesterov else moved, old * keep)
            gg += g[i] * g[i]
            pp += old * old
            uu += (new - old) * (new - old)
            v[i] = moved
            p[i] = new
        total[0] += float(gg)
        total[1] += float(pp)
        total[2] += float(uu)


@device
def sgd_rows(
    parameter: int, p_row: int, gradient: int, g_row: int, velocity: int, rows: int, width: int, numbers: int, sums: int
) -> None:
    """`sgd` on a block of a matrix: `rows` rows of `width` elements, which lie `p_row` elements apart in the parameter
    and its slots, and `g_row` apart in the gradient. The addresses are those of the block's first element."""
    if width == p_row and width == g_row:
        sgd(parameter, gradient, velocity, rows * width, numbers, sums)
        return
    for i in range(rows):
        at = i * p_row * 4
        sgd(parameter + at, gradient + i * g_row * 4, velocity + at, width, numbers, sums)


@kernel
def update_sgd(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: those named above, and the velocity."""
    numbers, sums = stack(NUMBERS), stack(SUMS_SPACE)
    sgd_numbers(numbers, a[SCALARS], a[FLAGS])
    piece = next_piece(a[SHARED], a[PIECES], me, -1)
    while piece < a[PIECES]:
        at, count = piece * PIECE * 4, min(PIECE, a[COUNT] - piece * PIECE)
        clear(sums, 8 * SUMS)
        sgd(a[PARAMETER] + at, a[GRADIENT] + at, a[SLOTS] + at, count, numbers, sums)
        keep_sums(a, piece, sums)
        piece = next_piece(a[SHARED], a[PIECES], me, piece)


# -- Adam --------------------------------------------------------------------------------------------------------------


@device
def adam_numbers(numbers: int, scalars: int, flags: int) -> None:
    """Fill the block of numbers of `adam`, as `sgd_numbers` does."""
    common_numbers(numbers, scalars, flags)
    n, at = f32(numbers), i64(scalars)
    correction = f32(at[9])[0]
    n[OWN] = f32(at[5])[0]
    n[OWN + 1] = f32(at[6])[0]
    n[OWN + 2] = f32(at[7])[0]
    # m / (sqrt(s) / correction + epsilon), with one division less.
    n[OWN + 3] = f32(at[8])[0] * correction
    n[OWN + 4] = f32(at[10])[0] * correction


@device
def adam(parameter: int, gradient: int, mean: int, square: int, count: int, numbers: int, sums: int) -> None:
    """Update `count` parameters in place; see `sgd`."""
    p, g, m, s, n, total = f32(parameter), f32(gradient), f32(mean), f32(square), f32(numbers), f64(sums)
    keep, clip, l1, l2, penalized = n[KEEP], n[CLIP], n[L1], n[L2], n[PENALIZED] != F(0)
    mean_rest, square_keep, square_rest, size, epsilon = n[OWN], n[OWN + 1], n[OWN + 2], -n[OWN + 3], n[OWN + 4]
    for first in range(0, count, RUN):
        gg, pp, uu = F(0), F(0), F(0)
        for i in range(first, min(first + RUN, count)):
            old = p[i]
            d = effective(g[i], old, clip, l1, l2, penalized)
            moved = fma(mean_rest, d - m[i], m[i])
            spread = fma(square_rest, d * d, square_keep * s[i])
            new = fma(size, moved / (math.sqrt(spread) + epsilon), old * keep)
            gg += g[i] * g[i]
            pp += old * old
            uu += (new - old) * (new - old)
            m[i] = moved
            s[i] = spread
            p[i] = new
        total[0] += float(gg)
        total[1] += float(pp)
        total[2] += float(uu)


@device
def adam_rows(
    parameter: int,
    p_row: int,
    gradient: int,
    g_row: int,
    mean: int,
    square: int,
    rows: int,
    width: int,
    numbers: int,
    sums: int,
) -> None:
    """`adam` on a block of a matrix; see `sgd_rows`."""
    if width == p_row and width == g_row:
        adam(parameter, gradient, mean, square, rows * width, numbers, sums)
        return
    for i in range(rows):
        at = i * p_row * 4
        adam(parameter + at, gradient + i * g_row * 4, mean + at, square + at, width, numbers, sums)


@kernel
def update_adam(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: those named above, and mean and square."""
    numbers, sums = stack(NUMBERS), stack(SUMS_SPACE)
    adam_numbers(numbers, a[SCALARS], a[FLAGS])
    piece = next_piece(a[SHARED], a[PIECES], me, -1)
    while piece < a[PIECES]:
        at, count = piece * PIECE * 4, min(PIECE, a[COUNT] - piece * PIECE)
        clear(sums, 8 * SUMS)
        adam(a[PARAMETER] + at, a[GRADIENT] + at, a[SLOTS] + at, a[SLOTS + 1] + at, count, numbers, sums)
        keep_sums(a, piece, sums)
        piece = next_piece(a[SHARED], a[PIECES], me, piece)


# -- pieces ------------------------------------------------------------------------------------------------------------


@device
def keep_sums(a: Any, piece: int, sums: int) -> None:
    """Keep a piece's sums where the norms are wanted; the last piece adds all of them, in their order."""
    if a[NORMS] == 0:
        return
    kept, own, total = f64(a[KEPT]), f64(sums), f32(a[NORMS])
    for i in range(SUMS):
        kept[piece * SUMS + i] = own[i]
    if is_last(a[FINISHED], a[PIECES]):
        for i in range(SUMS):
            whole = 0.0
            for other in range(a[PIECES]):
                whole += kept[other * SUMS + i]
            total[i] = F(whole)


# -- sums over whole arenas --------------------------------------------------------------------------------------------


@device
def _squares(x: Any, first: int, last: int) -> float:
    total = 0.0
    for start in range(first, last, RUN):
        part = F(0)
        for i in range(start, min(start + RUN, last)):
            part += x[i] * x[i]
        total += float(part)
    return total


@device
def _magnitudes(x: Any, first: int, last: int) -> float:
    total = 0.0
    for start in range(first, last, RUN):
        part = F(0)
        for i in range(start, min(start + RUN, last)):
            part += abs(x[i])
        total += float(part)
    return total


@kernel
def add_up(a: Any, me: int, team: int, step: int) -> None:
    """result = l1 sum |x| + l2 sum x² over several arrays. Arguments: shared, pieces, (address, elements) of each
    piece, sums of the pieces, how many are finished, result, the address of l1 and that of l2 (0: without;
    `ONE`: the factor is 1)."""
    pieces, parts, kept = a[1], i64(a[2]), f64(a[3])
    piece = next_piece(a[0], pieces, me, -1)
    while piece < pieces:
        x, count = f32(parts[2 * piece]), parts[2 * piece + 1]
        kept[2 * piece] = _magnitudes(x, 0, count) if a[6] != 0 else 0.0
        kept[2 * piece + 1] = _squares(x, 0, count) if a[7] != 0 else 0.0
        if is_last(a[4], pieces):
            magnitudes, squares = 0.0, 0.0
            for other in range(pieces):
                magnitudes += kept[2 * other]
                squares += kept[2 * other + 1]
            total = 0.0
            if a[6] != 0:
                total += float(f32(a[6])[0]) * magnitudes
            if a[7] != 0:
                total += squares if a[7] == ONE else float(f32(a[7])[0]) * squares
            f32(a[5])[0] = F(total)
        piece = next_piece(a[0], pieces, me, piece)


@kernel
def clip_scale(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: squared norm, largest norm, scale."""
    if me == 0:
        scale = f32(a[1])[0] / (math.sqrt(f32(a[0])[0]) + F(1e-6))
        f32(a[2])[0] = F(1) if scale > F(1) else scale


# -- rows --------------------------------------------------------------------------------------------------------------


def flags_of(op: UpdateRule) -> int:
    """The flags of an update operation, as `sgd_numbers` and `adam_numbers` take them."""
    return sum(bit for name, bit in FLAG_BITS.items() if getattr(op, name, False))


def scalars_of(call: Call, m: Binding) -> int:
    """The address of the addresses of an update's scalars."""
    op = call.op
    assert isinstance(op, UpdateRule)
    return m.constants([m.address(value) for value in call.inputs[2 : 2 + len(COMMON) + len(op.RULE_SCALARS)]])


@rows_of(UpdateSGD)
@rows_of(UpdateAdam)
def _update(call: Call, m: Binding) -> list[Row]:
    return [update_row(call, m, 0, call.inputs[0].size)]


def update_row(call: Call, m: Binding, first: int, last: int) -> Row:
    """The update of the elements from `first` up to `last` of an update call's span."""
    arguments = update_arguments(call, m, first, last)
    return Row(call.op.name, arguments, barrier=barrier_behind(arguments[PIECES], m))


def barrier_behind(pieces: int, m: Binding) -> int:
    """Whether the threads wait for one another behind an update: where they have taken its pieces from the counter, or
    where something that comes after it in a step reads what it wrote."""
    return int(pieces > 1 or any(isinstance(call.op, Average | MaxNorm | SoftThreshold) for call in m.program.calls))


def update_arguments(call: Call, m: Binding, first: int, last: int) -> list[int]:
    """The arguments of such a row."""
    op = call.op
    assert isinstance(op, UpdateRule)
    slots = call.inputs[len(call.inputs) - len(op.SLOTS) :]
    count, at = last - first, 4 * first
    pieces = -(-count // PIECE)
    arguments: dict[int, int] = {
        SHARED: m.shared,
        PIECES: pieces,
        COUNT: count,
        SCALARS: scalars_of(call, m),
        FLAGS: flags_of(op),
        NORMS: m.address(call.outputs[0]) if op.norms else 0,
        KEPT: m.memory(SUMS * pieces, np.float64) if op.norms else 0,
        FINISHED: m.memory(1, np.int64),
        PARAMETER: m.address(call.inputs[0]) + at,
        GRADIENT: m.address(call.inputs[1]) + at,
    }
    arguments |= {SLOTS + i: m.address(slot) + at for i, slot in enumerate(slots)}
    return [arguments[i] for i in range(len(arguments))]


def _add_up(m: Binding, arrays: Sequence[Value], result: Value, l1: int, l2: int) -> list[Row]:
    parts = [
        number
        for value in arrays
        for first in range(0, value.size, PIECE)
        for number in (m.address(value) + 4 * first, min(PIECE, value.size - first))
    ]
    pieces = len(parts) // 2
    kept, finished = m.memory(2 * pieces, np.float64), m.memory(1, np.int64)
    return [Row("add_up", [m.shared, pieces, m.constants(parts), kept, finished, m.address(result), l1, l2])]


@rows_of(GradientNorm)
def _gradient_norm(call: Call, m: Binding) -> list[Row]:
    return _add_up(m, call.inputs, call.outputs[0], 0, ONE)


@rows_of(PenaltyValue)
def _penalty_value(call: Call, m: Binding) -> list[Row]:
    op, (l1, l2, *parameters) = call.op, call.inputs
    assert isinstance(op, PenaltyValue)
    factors = (m.address(l1) if op.has_l1 else 0, m.address(l2) if op.has_l2 else 0)
    return _add_up(m, parameters, call.outputs[0], *factors)


@rows_of(ClipScale)
def _clip_scale(call: Call, m: Binding) -> list[Row]:
    return [Row("clip_scale", [m.address(value) for value in (*call.inputs, *call.outputs)])]
