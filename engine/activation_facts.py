"""What an activation does to values and gradients: the numbers by which activations are compared.

Every number comes from the operations that a network with the layer runs, evaluated on a fine grid in float64 and
summed with the weights of a normal distribution; no formula is written down a second time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from msgspec import Struct

from engine import eager
from engine.builder import Builder
from engine.layers.activation import ELU, GELU, Activation, LeakyReLU
from engine.ops.base import Role, Tensor
from engine.reverse import differentiate
from engine.schema import components_of

__all__ = ["ActivationFacts", "Distribution", "distribution", "evaluate", "facts", "gallery"]

SPAN = 9.0
"""Deviations of the input on either side of its mean that the grid reaches."""
POINTS = 36_000
"""Points of the grid: an even number, so that none lies on the corner that many functions have at 0."""
FAR = 1e4
"""Where a function that has not levelled off by then is taken to go on without end."""
FLAT = 0.05
"""A derivative below this lets hardly anything learn."""
WIDE = 5.0
"""The deviation of an input that is far too wide, for which the share of flat places is told."""


class ActivationFacts(Struct, frozen=True, kw_only=True):
    """One activation in numbers; z is a standard normal input, or one of another mean and deviation where told so.

    at_one, at_minus_one   f(1), f(-1)
    slope_at_zero          f'(0) by the rule that training uses; where f has a corner, one of the two
    max_slope              the largest f'
    low, high              the range of f: what it falls and rises to, infinite ends included
    low_at, high_at        where it is lowest or highest, where that is not at an end
    mean, std              of f(z)
    mean_square_slope      E f'(z)²: by it the squares of gradients shrink or grow on their way back
    flat_share             how often |f'| < 0.05 for an input of deviation 5
    gain                   1 / sqrt(E f(z)²): what weights must make good for
    """

    at_one: float
    at_minus_one: float
    slope_at_zero: float
    max_slope: float
    low: float
    high: float
    low_at: float | None
    high_at: float | None
    mean: float
    std: float
    mean_square_slope: float
    flat_share: float
    gain: float


class Distribution(Struct, frozen=True):
    """f(z) for a normal z: the shares (bins,) that fall into equal bins from `low` to `high`; mean and deviation."""

    shares: np.ndarray
    low: float
    high: float
    mean: float
    std: float


def evaluate(layer: Activation, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(f(x), f'(x)) for a vector x, float64, by the layer's own operations; learned numbers are at their start.

    Raises ValueError for a layer whose outputs depend on more than their own input.
    """
    if not layer.elementwise:
        raise ValueError(f"{layer.title()} has no curve: its outputs depend on each other")
    x = np.asarray(x, dtype=np.float64)
    b = Builder(batch_size=len(x), training=True)
    b.node = "f"
    shape = (len(x), 1)
    b.declare("f/input", shape)
    arrays = {}
    for spec in layer.parameters(((1,),)):
        b.declare(f"f/{spec.name}", spec.shape)
        drawn = spec.initializer.sample(np.random.default_rng(0), spec.shape, spec.fan_in, spec.fan_out)
        arrays[b.parameter(spec.name).id] = drawn
    source = b.parameter("input")  # a parameter, so that it has a gradient
    y = layer.lower(b, source)
    seed = b.external("seed", Tensor(shape), Role.INPUT)
    gradients = differentiate(b, [(y, seed)])
    arrays[source.id], arrays[seed.id] = x.reshape(shape), np.ones(shape)
    with np.errstate(all="ignore"):
        eager.run(b.calls, arrays, np, "float64")
    return arrays[y.id].reshape(-1).copy(), arrays[gradients["f/input"].id].reshape(-1).copy()


def _normal(mean: float, std: float) -> tuple[np.ndarray, np.ndarray]:
    """(points, weights) of the grid for a normal distribution; the weights add up to 1."""
    z = np.linspace(-SPAN, SPAN, POINTS)
    weights = np.exp(-0.5 * z * z)
    return mean + std * z, weights / weights.sum()


def _moments(y: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    mean = float(y @ weights)
    return mean, math.sqrt(max(0.0, float((y - mean) ** 2 @ weights)))


@lru_cache(maxsize=256)
def facts(layer: Activation, mean: float = 0.0, std: float = 1.0) -> ActivationFacts:
    """The numbers of an activation, for an input of that mean and deviation where they depend on one."""
    x, weights = _normal(mean, std)
    y, slope = evaluate(layer, x)
    wide, wide_weights = _normal(0.0, WIDE)
    grid, grid_slope = evaluate(layer, wide)
    (minus_one, _, one), (_, at_zero, _) = evaluate(layer, np.array([-1.0, 0.0, 1.0]))
    centre, spread = _moments(y, weights)
    low, low_at = _extreme(layer, wide, grid, -1.0)
    high, high_at = _extreme(layer, wide, grid, 1.0)
    square = float(y * y @ weights)
    return ActivationFacts(
        at_one=float(one),
        at_minus_one=float(minus_one),
        slope_at_zero=float(at_zero),
        max_slope=_peak(layer, wide, grid_slope),
        low=low,
        high=high,
        low_at=low_at,
        high_at=high_at,
        mean=centre,
        std=spread,
        mean_square_slope=float(slope * slope @ weights),
        flat_share=float((np.abs(grid_slope) < FLAT) @ wide_weights),
        gain=1.0 / math.sqrt(square) if square > 0 else math.inf,
    )


def _peak(layer: Activation, x: np.ndarray, slope: np.ndarray) -> float:
    """The largest slope, looked for anew between the neighbours of the grid's largest."""
    at = int(np.argmax(slope))
    fine = np.linspace(x[max(0, at - 1)], x[min(len(x) - 1, at + 1)], 2001)
    return max(float(slope[at]), float(evaluate(layer, fine)[1].max()))


def _extreme(layer: Activation, x: np.ndarray, y: np.ndarray, sign: float) -> tuple[float, float | None]:
    """The lowest (`sign` -1) or highest (1) value, and where it lies within the grid; None where at an end."""
    ends, _ = evaluate(layer, np.array([-2 * FAR, -FAR, FAR, 2 * FAR]))
    if max(sign * (ends[0] - ends[1]), sign * (ends[3] - ends[2])) > 0.5:
        return sign * math.inf, None
    outermost = max(sign * ends[0], sign * ends[3])
    at = int(np.argmax(sign * y))
    fine = np.linspace(x[max(0, at - 1)], x[min(len(x) - 1, at + 1)], 2001)
    values = sign * evaluate(layer, fine)[0]
    best = int(np.argmax(values))
    if values[best] > outermost + 1e-9:
        return float(sign * values[best]), float(fine[best])
    return float(sign * outermost), None


def distribution(layer: Activation, mean: float = 0.0, std: float = 1.0, bins: int = 64) -> Distribution:
    """How f(z) is distributed for a normal z: what an activation makes of a bell curve."""
    x, weights = _normal(mean, std)
    y, _ = evaluate(layer, x)
    centre, spread = _moments(y, weights)
    # The ends leave out one input in ten thousand on either side, so that the rest is seen.
    inside = y[np.abs(x - mean) <= 3.72 * std]
    low, high = float(inside.min()), float(inside.max())
    if high - low < 1e-12:
        low, high = low - 0.5, high + 0.5
    shares, _ = np.histogram(np.clip(y, low, high), bins=bins, range=(low, high), weights=weights)
    return Distribution(shares, low, high, centre, spread)


def gallery() -> dict[str, Activation]:
    """The activations that have a curve, by name: each with its defaults, some with a second setting in use."""
    more: Sequence[tuple[str, Activation]] = (
        ("Leaky ReLU 0.1", LeakyReLU(slope=0.1)),
        ("GELU (tanh)", GELU(form="tanh")),
        ("ELU α = 0.5", ELU(alpha=0.5)),
    )
    found: dict[str, Activation] = {}
    for cls in components_of("layer").values():
        if isinstance(cls, type) and issubclass(cls, Activation) and cls.elementwise:
            layer = cls()
            found[layer.title()] = layer
            found |= {name: other for name, other in more if type(other) is cls}
    return found
