"""The rules of `engine.ops.rules`: one kernel for all of them.

What comes before a rule is done block by block into the thread's own memory, and so are the sums after it; a rule
itself is one small loop over a block that is in the cache. As in `update`, products and sums are fused by hand: an
element's bits must not depend on where in a vector it lies.
"""

from __future__ import annotations

import math
from typing import Any

from engine.kernels.cpu.language import F, clear, device, f32, f64, fma, i64, kernel, stack
from engine.kernels.cpu.pieces import next_piece
from engine.kernels.cpu.rows import Binding, Row, rows_of
from engine.kernels.cpu.update import (
    CLIP,
    COUNT,
    FLAGS,
    GRADIENT,
    INSIDE,
    KEEP,
    L1,
    L2,
    NESTEROV,
    NORMS,
    NUMBERS,
    OWN,
    PARAMETER,
    PENALIZED,
    PIECE,
    PIECES,
    RATE,
    SCALARS,
    SHARED,
    SLOTS,
    SUMS,
    SUMS_SPACE,
    barrier_behind,
    common_numbers,
    effective,
    keep_sums,
    update_arguments,
)
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
from engine.ops.update import COMMON, UpdateRule

BLOCK = 1024
"""Elements that a rule takes at a time."""

# Behind the arguments of every update, with room for three slots.
SECOND, THIRD, KIND, OWN_COUNT = SLOTS + 1, SLOTS + 2, SLOTS + 3, SLOTS + 4

CHOICE = NUMBERS - 1
"""The last of a rule's numbers: 1 where its operation is `nesterov` or has epsilon `inside` the root."""

OWN_SCALARS = 5
"""Where a rule's own scalars begin among the operation's."""
assert len(COMMON) == OWN_SCALARS  # not taken from there: kernels are kept under a digest of this folder

KINDS: dict[type[UpdateRule], int] = {
    UpdateRateInside: 0,
    UpdateAdagrad: 1,
    UpdateAdadelta: 2,
    UpdateRMSprop: 3,
    UpdateCenteredRMSprop: 4,
    UpdateAMSGrad: 5,
    UpdateNadam: 6,
    UpdateRAdam: 7,
    UpdateAdamax: 8,
    UpdateLion: 9,
}


# -- before and after --------------------------------------------------------------------------------------------------


@device
def _before(parameter: int, gradient: int, seen: int, old: int, count: int, numbers: int) -> None:
    """The gradient that the rule sees, a copy of the parameters, and their decoupled decay."""
    p, g, d, o, n = f32(parameter), f32(gradient), f32(seen), f32(old), f32(numbers)
    keep, clip, l1, l2, penalized = n[KEEP], n[CLIP], n[L1], n[L2], n[PENALIZED] != F(0)
    for i in range(count):
        d[i] = effective(g[i], p[i], clip, l1, l2, penalized)
        o[i] = p[i]
        p[i] = p[i] * keep


@device
def _add_sums(parameter: int, gradient: int, old: int, count: int, sums: int) -> None:
    p, g, o, total = f32(parameter), f32(gradient), f32(old), f64(sums)
    gg, pp, uu = F(0), F(0), F(0)
    for i in range(count):
        gg += g[i] * g[i]
        pp += o[i] * o[i]
        uu += (p[i] - o[i]) * (p[i] - o[i])
    total[0] += float(gg)
    total[1] += float(pp)
    total[2] += float(uu)


# -- the rules: addresses of parameter, gradient seen, slots and numbers -----------------------------------------------


@device
def _rate_inside(parameter: int, seen: int, displacement: int, count: int, numbers: int) -> None:
    p, d, v, n = f32(parameter), f32(seen), f32(displacement), f32(numbers)
    rate, momentum, nesterov = -n[RATE], n[OWN], n[CHOICE] != F(0)
    for i in range(count):
        moved = fma(momentum, v[i], rate * d[i])
        v[i] = moved
        p[i] += fma(momentum, moved, rate * d[i]) if nesterov else moved


@device
def _adagrad(parameter: int, seen: int, squares: int, count: int, numbers: int) -> None:
    p, d, s, n = f32(parameter), f32(seen), f32(squares), f32(numbers)
    rate, inside = -n[RATE], n[CHOICE]
    inner, outer = n[OWN] * inside, n[OWN] * (F(1) - inside)
    for i in range(count):
        total = fma(d[i], d[i], s[i])
        s[i] = total
        p[i] = fma(rate, d[i] / (math.sqrt(total + inner) + outer), p[i])


@device
def _adadelta(parameter: int, seen: int, square: int, delta: int, count: int, numbers: int) -> None:
    p, d, s, u, n = f32(parameter), f32(seen), f32(square), f32(delta), f32(numbers)
    rate, rho, rest, epsilon = -n[RATE], n[OWN], n[OWN + 1], n[OWN + 2]
    for i in range(count):
        spread = fma(rest, d[i] * d[i], rho * s[i])
        step = d[i] * (math.sqrt(u[i] + epsilon) / math.sqrt(spread + epsilon))
        s[i] = spread
        u[i] = fma(rest, step * step, rho * u[i])
        p[i] = fma(rate, step, p[i])


@device
def _rmsprop(parameter: int, seen: int, square: int, velocity: int, count: int, numbers: int) -> None:
    p, d, s, v, n = f32(parameter), f32(seen), f32(square), f32(velocity), f32(numbers)
    rate, alpha, rest, momentum, inside = -n[RATE], n[OWN], n[OWN + 1], n[OWN + 2], n[CHOICE]
    inner, outer = n[OWN + 3] * inside, n[OWN + 3] * (F(1) - inside)
    for i in range(count):
        spread = fma(rest, d[i] * d[i], alpha * s[i])
        moved = fma(momentum, v[i], d[i] / (math.sqrt(spread + inner) + outer))
        s[i] = spread
        v[i] = moved
        p[i] = fma(rate, moved, p[i])


@device
def _centered_rmsprop(
    parameter: int, seen: int, square: int, mean: int, velocity: int, count: int, numbers: int
) -> None:
    p, d, s, m, v, n = f32(parameter), f32(seen), f32(square), f32(mean), f32(velocity), f32(numbers)
    rate, alpha, rest, momentum, inside = -n[RATE], n[OWN], n[OWN + 1], n[OWN + 2], n[CHOICE]
    inner, outer = n[OWN + 3] * inside, n[OWN + 3] * (F(1) - inside)
    for i in range(count):
        spread = fma(rest, d[i] * d[i], alpha * s[i])
        centre = fma(rest, d[i] - m[i], m[i])
        left = fma(-centre, centre, spread)
        left = F(0) if left < F(0) else left
        moved = fma(momentum, v[i], d[i] / (math.sqrt(left + inner) + outer))
        s[i] = spread
        m[i] = centre
        v[i] = moved
        p[i] = fma(rate, moved, p[i])


@device
def _amsgrad(parameter: int, seen: int, mean: int, square: int, largest: int, count: int, numbers: int) -> None:
    p, d, m, s, u, n = f32(parameter), f32(seen), f32(mean), f32(square), f32(largest), f32(numbers)
    mean_rest, square_keep, square_rest, correction = n[OWN], n[OWN + 1], n[OWN + 2], n[OWN + 4]
    # m / (sqrt(s) / correction + epsilon), with one division less; so too below.
    size, epsilon = -n[OWN + 3] * correction, n[OWN + 5] * correction
    for i in range(count):
        moved = fma(mean_rest, d[i] - m[i], m[i])
        spread = fma(square_rest, d[i] * d[i], square_keep * s[i])
        most = u[i] if u[i] > spread else spread
        m[i] = moved
        s[i] = spread
        u[i] = most
        p[i] = fma(size, moved / (math.sqrt(most) + epsilon), p[i])


@device
def _nadam(parameter: int, seen: int, mean: int, square: int, count: int, numbers: int) -> None:
    p, d, m, s, n = f32(parameter), f32(seen), f32(mean), f32(square), f32(numbers)
    mean_rest, square_keep, square_rest, correction = n[OWN], n[OWN + 1], n[OWN + 2], n[OWN + 5]
    of_gradient, of_mean, epsilon = n[OWN + 3] * correction, n[OWN + 4] * correction, n[OWN + 6] * correction
    for i in range(count):
        moved = fma(mean_rest, d[i] - m[i], m[i])
        spread = fma(square_rest, d[i] * d[i], square_keep * s[i])
        m[i] = moved
        s[i] = spread
        p[i] -= fma(of_gradient, d[i], of_mean * moved) / (math.sqrt(spread) + epsilon)


@device
def _radam(parameter: int, seen: int, mean: int, square: int, count: int, numbers: int) -> None:
    p, d, m, s, n = f32(parameter), f32(seen), f32(mean), f32(square), f32(numbers)
    mean_rest, square_keep, square_rest = n[OWN], n[OWN + 1], n[OWN + 2]
    plain, adaptive, epsilon = n[OWN + 3], n[OWN + 4], n[OWN + 5]
    for i in range(count):
        moved = fma(mean_rest, d[i] - m[i], m[i])
        spread = fma(square_rest, d[i] * d[i], square_keep * s[i])
        m[i] = moved
        s[i] = spread
        p[i] = fma(-moved, plain + adaptive / (math.sqrt(spread) + epsilon), p[i])


@device
def _adamax(parameter: int, seen: int, mean: int, largest: int, count: int, numbers: int) -> None:
    p, d, m, u, n = f32(parameter), f32(seen), f32(mean), f32(largest), f32(numbers)
    mean_rest, keep, size, epsilon = n[OWN], n[OWN + 1], -n[OWN + 2], n[OWN + 3]
    for i in range(count):
        moved = fma(mean_rest, d[i] - m[i], m[i])
        before, now = keep * u[i], abs(d[i]) + epsilon
        most = before if before > now else now
        m[i] = moved
        u[i] = most
        p[i] = fma(size, moved / most, p[i])


@device
def _lion(parameter: int, seen: int, mean: int, count: int, numbers: int) -> None:
    p, d, m, n = f32(parameter), f32(seen), f32(mean), f32(numbers)
    rate, step_rest, mean_rest = -n[RATE], n[OWN], n[OWN + 1]
    for i in range(count):
        along = fma(step_rest, d[i] - m[i], m[i])
        sign = F(1) if along > F(0) else (F(-1) if along < F(0) else along)
        p[i] = fma(rate, sign, p[i])
        m[i] = fma(mean_rest, d[i] - m[i], m[i])


@device
def _apply(kind: int, p: int, seen: int, first: int, second: int, third: int, count: int, numbers: int) -> None:
    if kind == 0:
        _rate_inside(p, seen, first, count, numbers)
    elif kind == 1:
        _adagrad(p, seen, first, count, numbers)
    elif kind == 2:
        _adadelta(p, seen, first, second, count, numbers)
    elif kind == 3:
        _rmsprop(p, seen, first, second, count, numbers)
    elif kind == 4:
        _centered_rmsprop(p, seen, first, second, third, count, numbers)
    elif kind == 5:
        _amsgrad(p, seen, first, second, third, count, numbers)
    elif kind == 6:
        _nadam(p, seen, first, second, count, numbers)
    elif kind == 7:
        _radam(p, seen, first, second, count, numbers)
    elif kind == 8:
        _adamax(p, seen, first, second, count, numbers)
    else:
        _lion(p, seen, first, count, numbers)


@kernel
def update_by_rule(a: Any, me: int, team: int, step: int) -> None:
    """Arguments: those of every update, with three slots (0: none), the rule's kind, how many scalars are its own."""
    numbers, sums = stack(NUMBERS), stack(SUMS_SPACE)
    seen, old = stack(BLOCK), stack(BLOCK)
    clear(numbers, 4 * NUMBERS)
    common_numbers(numbers, a[SCALARS], a[FLAGS])
    n, at = f32(numbers), i64(a[SCALARS])
    for i in range(a[OWN_COUNT]):
        n[OWN + i] = f32(at[OWN_SCALARS + i])[0]
    n[CHOICE] = F(1) if a[FLAGS] & (NESTEROV | INSIDE) else F(0)
    piece = next_piece(a[SHARED], a[PIECES], me, -1)
    while piece < a[PIECES]:
        last = min((piece + 1) * PIECE, a[COUNT])
        clear(sums, 8 * SUMS)
        for begin in range(piece * PIECE, last, BLOCK):
            here, count = 4 * begin, min(BLOCK, last - begin)
            _before(a[PARAMETER] + here, a[GRADIENT] + here, seen, old, count, numbers)
            _apply(
                a[KIND], a[PARAMETER] + here, seen, a[SLOTS] + here, a[SECOND] + here, a[THIRD] + here, count, numbers
            )
            if a[NORMS] != 0:
                _add_sums(a[PARAMETER] + here, a[GRADIENT] + here, old, count, sums)
        keep_sums(a, piece, sums)
        piece = next_piece(a[SHARED], a[PIECES], me, piece)


@rows_of(UpdateRateInside)
@rows_of(UpdateAdagrad)
@rows_of(UpdateAdadelta)
@rows_of(UpdateRMSprop)
@rows_of(UpdateCenteredRMSprop)
@rows_of(UpdateAMSGrad)
@rows_of(UpdateNadam)
@rows_of(UpdateRAdam)
@rows_of(UpdateAdamax)
@rows_of(UpdateLion)
def _update(call: Call, m: Binding) -> list[Row]:
    op = call.op
    assert isinstance(op, UpdateRule)
    arguments = update_arguments(call, m, 0, call.inputs[0].size)
    arguments += [0] * (KIND - len(arguments))
    arguments += [KINDS[type(op)], len(op.RULE_SCALARS)]
    return [Row("update_by_rule", arguments, barrier=barrier_behind(arguments[PIECES], m))]
