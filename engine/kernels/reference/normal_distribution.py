"""The error function and the standard normal distribution function, for arrays: NumPy has neither.

Source: Cody, "Rational Chebyshev approximations for the error function", Mathematics of Computation 23 (1969). Two of
his three approximations are enough: erf(z) = z P(z^2) / Q(z^2) up to 0.46875, erfc(z) = exp(-z^2) P(z) / Q(z) beyond.
His third, from z = 4 on, is for small relative errors of erfc; there erf by the second is off by less than 1e-16.
"""

from __future__ import annotations

import math
from typing import Any

__all__ = ["erf", "lower_tail"]

NEAR = 0.46875
"""Where the second approximation takes over from the first."""
FAR = 27.5
"""From here on exp(-z^2) is 0 in float64; beyond, powers of z would overflow in the end."""

# Coefficients from the highest power down.
NEAR_P = (
    1.85777706184603153e-1,
    3.16112374387056560e0,
    1.13864154151050156e2,
    3.77485237685302021e2,
    3.20937758913846947e3,
)
NEAR_Q = (
    1.0,
    2.36012909523441209e1,
    2.44024637934444173e2,
    1.28261652607737228e3,
    2.84423683343917062e3,
)
FAR_P = (
    2.15311535474403846e-8,
    5.64188496988670089e-1,
    8.88314979438837594e0,
    6.61191906371416295e1,
    2.98635138197400131e2,
    8.81952221241769090e2,
    1.71204761263407058e3,
    2.05107837782607147e3,
    1.23033935479799725e3,
)
FAR_Q = (
    1.0,
    1.57449261107098347e1,
    1.17693950891312499e2,
    5.37181101862009858e2,
    1.62138957456669019e3,
    3.29079923573345963e3,
    4.36261909014324716e3,
    3.43936767414372164e3,
    1.23033935480374942e3,
)


def _polynomial(xp: Any, coefficients: tuple[float, ...], z: Any, out: Any) -> None:
    """Horner's rule; `out` is another array than `z`."""
    xp.multiply(z, coefficients[0], out=out)
    for coefficient in coefficients[1:-1]:
        xp.add(out, coefficient, out=out)
        xp.multiply(out, z, out=out)
    xp.add(out, coefficients[-1], out=out)


def erf(xp: Any, x: Any, out: Any, z: Any, t: Any, u: Any) -> None:
    """out = erf(x), to within 1e-15 in float64. `z`, `t`, `u` are work space; none of the arrays is another's memory,
    except that `out` may be x."""
    xp.absolute(x, out=z)
    xp.minimum(z, FAR, out=z)
    # Far: 1 - exp(-z^2) P / Q, with the sign of x.
    _polynomial(xp, FAR_P, z, t)
    _polynomial(xp, FAR_Q, z, u)
    xp.divide(t, u, out=t)
    xp.multiply(z, z, out=z)
    xp.negative(z, out=u)
    xp.exp(u, out=u)
    xp.multiply(t, u, out=t)
    xp.subtract(1, t, out=t)
    xp.copysign(t, x, out=t)
    # Near: x P(z^2) / Q(z^2), which takes the place of the other where z is small. What is thrown away stays finite.
    xp.less_equal(z, NEAR * NEAR, out=u)
    xp.multiply(z, u, out=z)
    xp.minimum(x, FAR, out=out)
    xp.maximum(out, -FAR, out=out)
    xp.multiply(out, u, out=out)
    xp.subtract(1, u, out=u)
    xp.multiply(t, u, out=t)
    _polynomial(xp, NEAR_P, z, u)
    xp.multiply(out, u, out=out)
    _polynomial(xp, NEAR_Q, z, u)
    xp.divide(out, u, out=out)
    xp.add(out, t, out=out)


def lower_tail(xp: Any, x: Any, out: Any, z: Any, t: Any, u: Any) -> None:
    """out = Phi(x), the share of a standard normal variable that is below x. `out` is not x; the rest as for `erf`.

    Far below 0, where Phi is less than 1e-16, it is 0 or a rounding error; x Phi(x) is then as good as 0.
    """
    xp.multiply(x, math.sqrt(0.5), out=out)
    erf(xp, out, out, z, t, u)
    xp.add(out, 1, out=out)
    xp.multiply(out, 0.5, out=out)
