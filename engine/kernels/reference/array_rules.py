"""Update rules that need a parameter's array as a whole. See `engine.ops.array_rules`.

What takes a number of the whole array goes through it twice, block by block: once for the number, once for the update.
"""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

from engine.kernels.reference.linear import matmul
from engine.kernels.reference.update import (
    add_moments,
    add_squares,
    blocks,
    effective_gradient,
    sums_after,
    sums_before,
)
from engine.ops.array_rules import COEFFICIENTS, matrix_shape

__all__ = ["KERNELS"]

SMALLEST_NORM = 1e-7
"""By what a direction is divided at least before it is made orthogonal."""


def update_lamb(
    xp: ModuleType,
    parameter: Any,
    gradient: Any,
    learning_rate: Any,
    l1: Any,
    l2: Any,
    keep: Any,
    clip: Any,
    beta1_rest: Any,
    beta2: Any,
    beta2_rest: Any,
    mean_correction: Any,
    square_correction: Any,
    epsilon: Any,
    decay: Any,
    mean: Any,
    square: Any,
    *rest: Any,
    has_decay: bool,
    norms: bool,
    **flags: bool,
) -> None:
    (sums, d_block, t_block, r_block, *more) = rest if norms else (None, *rest)
    weights, directions, ratio, both = more[-4:]
    p_all, g_all, m_all, s_all = (array.reshape(-1) for array in (parameter, gradient, mean, square))
    size, length = p_all.shape[0], d_block.shape[0]
    weights.fill(0)
    directions.fill(0)
    for here, there in blocks(size, length):
        p, m, s, t, r = p_all[here], m_all[here], s_all[here], t_block[there], r_block[there]
        g = effective_gradient(xp, p, g_all[here], d_block[there], t, l1, l2, clip, flags)
        add_moments(xp, g, t, beta1_rest, beta2, beta2_rest, m, s)
        if has_decay:
            _direction(xp, p, m, s, r, t, mean_correction, square_correction, epsilon, decay)
            add_squares(xp, p, weights, ratio)
            add_squares(xp, r, directions, ratio)
    if has_decay:
        _trust(xp, weights, directions, ratio, both)
    if norms:
        sums.fill(0)
    for here, there in blocks(size, length):
        p, m, s, t, r = p_all[here], m_all[here], s_all[here], t_block[there], r_block[there]
        if norms:
            sums_before(xp, p, g_all[here], more[0][there], sums, more[1])
        _direction(xp, p, m, s, r, t, mean_correction, square_correction, epsilon, decay if has_decay else None)
        if has_decay:
            xp.multiply(p, keep, out=p)
            xp.multiply(r, ratio, out=r)
        xp.multiply(r, learning_rate, out=r)
        xp.subtract(p, r, out=p)
        if norms:
            sums_after(xp, p, t, more[0][there], sums, more[1])


def _direction(
    xp: ModuleType,
    p: Any,
    m: Any,
    s: Any,
    r: Any,
    t: Any,
    mean_correction: Any,
    square_correction: Any,
    epsilon: Any,
    decay: Any | None,
) -> None:
    """r = what a step goes along before it is scaled; `t` is overwritten."""
    xp.sqrt(s, out=t)
    xp.divide(t, square_correction, out=t)
    xp.add(t, epsilon, out=t)
    xp.divide(m, mean_correction, out=r)
    xp.divide(r, t, out=r)
    if decay is not None:
        xp.multiply(p, decay, out=t)
        xp.add(r, t, out=r)


def _trust(xp: ModuleType, weights: Any, directions: Any, ratio: Any, both: Any) -> None:
    """ratio = sqrt(weights / directions), 1 where one of them is 0. All (1,), and all overwritten."""
    # `both` is 1 where both are there and 0 otherwise: no array is asked for a number.
    xp.sign(weights, out=both)
    xp.sign(directions, out=ratio)
    xp.multiply(both, ratio, out=both)
    xp.multiply(weights, both, out=weights)
    xp.multiply(directions, both, out=directions)
    xp.subtract(1, both, out=both)
    xp.add(weights, both, out=weights)
    xp.add(directions, both, out=directions)
    xp.divide(weights, directions, out=ratio)
    xp.sqrt(ratio, out=ratio)


def update_muon(
    xp: ModuleType,
    parameter: Any,
    gradient: Any,
    learning_rate: Any,
    l1: Any,
    l2: Any,
    keep: Any,
    clip: Any,
    momentum: Any,
    momentum_rest: Any,
    mean: Any,
    *rest: Any,
    has_decay: bool,
    norms: bool,
    nesterov: bool,
    iterations: int,
    like_adam: bool,
    **flags: bool,
) -> None:
    (sums, d_block, t_block, *more) = rest if norms else (None, *rest)
    direction, other, squared, fourth, norm, part = more[-6:]
    p_all, g_all, m_all, x_all = (array.reshape(-1) for array in (parameter, gradient, mean, direction))
    size, length = p_all.shape[0], d_block.shape[0]
    norm.fill(0)
    for here, there in blocks(size, length):
        m, x, t = m_all[here], x_all[here], t_block[there]
        g = effective_gradient(xp, p_all[here], g_all[here], d_block[there], t, l1, l2, clip, flags)
        xp.subtract(g, m, out=t)
        xp.multiply(t, momentum_rest, out=t)
        xp.add(m, t, out=m)
        if nesterov:
            # g + momentum (m - g), from the side of m.
            xp.subtract(m, g, out=t)
            xp.multiply(t, momentum_rest, out=t)
            xp.subtract(m, t, out=x)
        else:
            xp.copyto(x, m)
        add_squares(xp, x, norm, part)
    xp.sqrt(norm, out=norm)
    xp.maximum(norm, SMALLEST_NORM, out=norm)
    xp.divide(direction, norm, out=direction)
    for _ in range(iterations):
        _towards_orthogonal(xp, direction, other, squared, fourth)
        direction, other = other, direction
    rows, columns = matrix_shape(parameter.shape)
    factor = 0.2 * math.sqrt(max(rows, columns)) if like_adam else math.sqrt(max(1.0, columns / rows))
    xp.multiply(direction, factor, out=direction)
    x_all = direction.reshape(-1)
    if norms:
        sums.fill(0)
    for here, there in blocks(size, length):
        p, x, t = p_all[here], x_all[here], t_block[there]
        if norms:
            sums_before(xp, p, g_all[here], more[0][there], sums, more[1])
        if has_decay:
            xp.multiply(p, keep, out=p)
        xp.multiply(x, learning_rate, out=t)
        xp.subtract(p, t, out=p)
        if norms:
            sums_after(xp, p, t, more[0][there], sums, more[1])


def _towards_orthogonal(xp: ModuleType, x: Any, y: Any, squared: Any, fourth: Any) -> None:
    """y = a x + b (x xᵀ) x + c (x xᵀ)² x; the square matrix stands on the shorter side."""
    a, b, c = COEFFICIENTS
    tall = x.shape[0] > x.shape[1]
    matmul(xp, x, x, squared, transpose_a=tall, transpose_b=not tall)
    matmul(xp, squared, squared, fourth, transpose_a=False, transpose_b=False)
    xp.multiply(fourth, c, out=fourth)
    xp.multiply(squared, b, out=squared)
    xp.add(fourth, squared, out=fourth)
    matmul(xp, *((x, fourth) if tall else (fourth, x)), y, transpose_a=False, transpose_b=False)
    xp.multiply(x, a, out=x)
    xp.add(y, x, out=y)


KERNELS = {"update_lamb": update_lamb, "update_muon": update_muon}
