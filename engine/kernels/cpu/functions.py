"""Exponential functions of float32, without branches, so that loops over them become vector instructions.

2^n with a whole n is put together from its bits; what is left lies within ln 2 / 2 of zero, where the Taylor polynomial
of degree 7 is exact to float32 (its remainder is below 6e-9).
"""

from __future__ import annotations

from typing import Any

from engine.kernels.cpu.language import F, device, fma, power_of_two, round_even

LOG2_E = F(1.4426950408889634)
LN2_HIGH = F(0.693359375)  # few enough bits that a multiple by a small whole number is exact
LN2_LOW = F(-2.12194440e-4)
T2, T3, T4, T5, T6, T7 = (F(1 / n) for n in (2, 6, 24, 120, 720, 5040))


@device
def _expm1_near_zero(r: Any) -> Any:
    """exp(r) - 1 for |r| <= ln 2 / 2."""
    p = fma(r, T7, T6)
    p = fma(r, p, T5)
    p = fma(r, p, T4)
    p = fma(r, p, T3)
    p = fma(r, p, T2)
    return fma(r * r, p, r)


@device
def exp(x: Any) -> Any:
    """e^x; infinite above 88.8, zero below -87.3."""
    low = F(-87.33654) if x < F(-87.33654) else x
    y = F(88.8) if low > F(88.8) else low
    n = round_even(y * LOG2_E)
    r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, y))
    # In two factors, because 2^128 is not a number.
    half = round_even(n * F(0.5))
    result = (_expm1_near_zero(r) + F(1)) * power_of_two(half) * power_of_two(n - half)
    result = F(0) if x < F(-87.33654) else result
    return x if x != x else result


@device
def tanh(x: Any) -> Any:
    """(e^2x - 1) / (e^2x + 1), accurate near zero as well."""
    low = F(-10) if x < F(-10) else x
    y = F(2) * (F(10) if low > F(10) else low)
    n = round_even(y * LOG2_E)
    r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, y))
    scale = power_of_two(n)
    e = fma(scale, _expm1_near_zero(r), scale - F(1))
    result = e / (e + F(2))
    return x if x != x else result


@device
def sigmoid(x: Any) -> Any:
    """1 / (1 + e^-x)."""
    return F(1) / (F(1) + exp(-x))
