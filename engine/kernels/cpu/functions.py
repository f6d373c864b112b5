"""Exponential functions of float32 and their relatives, without branches, so that loops over them become vectors.

2^n with a whole n is put together from its bits; what is left lies within ln 2 / 2 of zero, where the Taylor polynomial
of degree 7 is exact to float32 (its remainder is below 6e-9).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.kernels.cpu.language import F, device, exponent, fma, power_of_two, round_even
from engine.kernels.reference.normal_distribution import FAR_P, FAR_Q

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


@device
def expm1(x: Any) -> Any:
    """e^x - 1, accurate near zero as well; infinite above 88."""
    low = F(-20) if x < F(-20) else x
    y = F(88) if low > F(88) else low
    n = round_even(y * LOG2_E)
    r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, y))
    scale = power_of_two(n)
    result = fma(scale, _expm1_near_zero(r), scale - F(1))
    result = F(np.inf) if x > F(88) else result
    return x if x != x else result


@device
def log1p(x: Any) -> Any:
    """ln(1 + x) for -0.3 <= x <= 1: twice the area tangent of x / (2 + x), whose series is exact to float32 after the
    15th power."""
    s = x / (F(2) + x)
    q = s * s
    p = fma(q, F(1 / 15), F(1 / 13))
    p = fma(q, p, F(1 / 11))
    p = fma(q, p, F(1 / 9))
    p = fma(q, p, F(1 / 7))
    p = fma(q, p, F(1 / 5))
    p = fma(q, p, F(1 / 3))
    return F(2) * fma(s * q, p, s)


@device
def log(x: Any) -> Any:
    """ln x of a positive normal number, to a few units in the last place near one as well."""
    n = exponent(x * F(1.4142135))
    return fma(n, LN2_HIGH, fma(n, LN2_LOW, log1p(x * power_of_two(-n) - F(1))))


@device
def softplus(x: Any) -> Any:
    """ln(1 + e^x)."""
    size = x if x > F(0) else -x
    return (x if x > F(0) else F(0)) + log1p(exp(-size))


# Cody 1969, see `engine.kernels.reference.normal_distribution`: erfc(z) = exp(-z^2) P(z) / Q(z).
P0, P1, P2, P3, P4, P5, P6, P7, P8 = (F(item) for item in reversed(FAR_P))
Q0, Q1, Q2, Q3, Q4, Q5, Q6, Q7, Q8 = (F(item) for item in reversed(FAR_Q))


@device
def normal_share(x: Any) -> Any:
    """Phi(x), the share of a standard normal variable below x, to a few units in the last place of either tail."""
    size = (-x if x < F(0) else x) * F(0.7071067811865476)
    z = F(13) if size > F(13) else size
    p = fma(z, P8, P7)
    p = fma(z, p, P6)
    p = fma(z, p, P5)
    p = fma(z, p, P4)
    p = fma(z, p, P3)
    p = fma(z, p, P2)
    p = fma(z, p, P1)
    p = fma(z, p, P0)
    q = fma(z, Q8, Q7)
    q = fma(z, q, Q6)
    q = fma(z, q, Q5)
    q = fma(z, q, Q4)
    q = fma(z, q, Q3)
    q = fma(z, q, Q2)
    q = fma(z, q, Q1)
    q = fma(z, q, Q0)
    tail = F(0.5) * exp(-z * z) * (p / q)
    return tail if x < F(0) else F(1) - tail
