"""Stages of the smooth activations and of PReLU: f and f' of each, element by element. What they compute is written,
with sources, in `engine.kernels.reference.pointwise`; numbers that are not finite spread as there."""

from __future__ import annotations

from typing import Any

from engine.kernels.cpu import functions
from engine.kernels.cpu.language import F, device

__all__ = ["FIRST", "activation"]

# Stages with a code from here on are done here. x is the piece; of gradients, which multiply the piece by f', y is what
# f' is computed from.
FIRST = 32
ELU = 32  # number: scale, second: alpha scale
SWISH = 33  # number: beta
GELU = 34
GELU_TANH = 35
SOFTPLUS = 36  # number: beta
MISH = 37
HARD_TANH = 38
ELU_GRADIENT = 39
SWISH_GRADIENT = 40
GELU_GRADIENT = 41
GELU_TANH_GRADIENT = 42
SOFTPLUS_GRADIENT = 43
MISH_GRADIENT = 44
HARD_TANH_GRADIENT = 45
PRELU_LAYER = 46  # y: one slope
PRELU = 47  # y: a slope for each column


ROOT = F(0.7978845608028654)  # sqrt(2 / pi)
CUBIC = F(0.7978845608028654 * 0.044715)
SLOPE = F(0.7978845608028654 * 0.044715 * 3)
DENSITY = F(0.3989422804014327)  # 1 / sqrt(2 pi)
FLAT = F(20)


@device
def _mish_slope(x: Any) -> Any:
    v = FLAT if x > FLAT else x
    e = functions.exp(v)
    n = e * (e + F(2))
    m = n + F(2)
    return n / m + F(4) * (v * e) * ((e + F(1)) / m) / m


@device
def _gelu_tanh_slope(x: Any) -> Any:
    low = -FLAT if x < -FLAT else x
    v = FLAT if low > FLAT else low
    s = functions.sigmoid(F(2) * (v * (ROOT + CUBIC * (v * v))))
    return s + F(2) * (s * (F(1) - s)) * v * (ROOT + SLOPE * (v * v))


@device
def activation(code: int, x: Any, y: Any, value: Any, second: Any, width: int) -> None:
    """One stage on `width` elements."""
    if code == ELU:
        for j in range(width):
            x[j] = x[j] * value if x[j] > F(0) else second * functions.expm1(x[j])
    elif code == SWISH:
        for j in range(width):
            x[j] = x[j] * functions.sigmoid(x[j] * value)
    elif code == GELU:
        for j in range(width):
            x[j] = x[j] * functions.normal_share(x[j])
    elif code == GELU_TANH:
        for j in range(width):
            x[j] = x[j] * functions.sigmoid(F(2) * (x[j] * (ROOT + CUBIC * (x[j] * x[j]))))
    elif code == SOFTPLUS:
        for j in range(width):
            x[j] = functions.softplus(x[j] * value) / value
    elif code == MISH:
        for j in range(width):
            e = functions.exp(FLAT if x[j] > FLAT else x[j])
            n = e * (e + F(2))
            x[j] = x[j] * (n / (n + F(2)))
    elif code == HARD_TANH:
        for j in range(width):
            low = F(-1) if x[j] < F(-1) else x[j]
            x[j] = F(1) if low > F(1) else low
    elif code == ELU_GRADIENT:
        for j in range(width):
            x[j] = x[j] * (value if y[j] > F(0) else y[j] + second)
    elif code == SWISH_GRADIENT:
        for j in range(width):
            s = functions.sigmoid(y[j] * value)
            x[j] = x[j] * (s * (F(1) + value * (y[j] * (F(1) - s))))
    elif code == GELU_GRADIENT:
        for j in range(width):
            density = functions.exp(F(-0.5) * (y[j] * y[j])) * DENSITY
            x[j] = x[j] * (functions.normal_share(y[j]) + y[j] * density)
    elif code == GELU_TANH_GRADIENT:
        for j in range(width):
            x[j] = x[j] * _gelu_tanh_slope(y[j])
    elif code == SOFTPLUS_GRADIENT:
        for j in range(width):
            x[j] = x[j] * -functions.expm1(-(value * y[j]))
    elif code == MISH_GRADIENT:
        for j in range(width):
            x[j] = x[j] * _mish_slope(y[j])
    elif code == HARD_TANH_GRADIENT:
        for j in range(width):
            size = -y[j] if y[j] < F(0) else y[j]
            x[j] = x[j] * (F(1) if size < F(1) else F(0))
    elif code == PRELU_LAYER:
        slope = y[0]
        for j in range(width):
            x[j] = (F(0) if x[j] > F(0) else x[j]) * slope + (x[j] if x[j] > F(0) else F(0))
    elif code == PRELU:
        for j in range(width):
            x[j] = (F(0) if x[j] > F(0) else x[j]) * y[j] + (x[j] if x[j] > F(0) else F(0))
