"""Orthogonal weights."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np

from engine.kinds import Initializer
from engine.schema import component, field


def orthonormal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A weight of `shape` whose matrix (all axes but the last) × (the last) has orthonormal rows or columns, whichever
    are fewer; all such matrices are equally likely.

    Source: Mezzadri 2007, "How to generate random matrices from the classical compact groups", section 5: without the
    signs of R's diagonal the matrices that QR yields are not.
    """
    rows, columns = math.prod(shape[:-1]), shape[-1]
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)
    return np.ascontiguousarray(q if rows >= columns else q.T).reshape(shape)


def spread(fan_in: int, fan_out: int, shape: tuple[int, ...]) -> float:
    """Of the elements of an orthonormal weight: its rows or columns, the fewer ones, have length 1."""
    rows, columns = (math.prod(shape[:-1]), shape[-1]) if shape else (fan_in, fan_out)
    return 1.0 / math.sqrt(max(rows, columns))


@component(
    "orthogonal",
    label="Orthogonal",
    formula="WᵀW = g² I, or W Wᵀ = g² I",
    source="Saxe, McClelland, Ganguli: Exact solutions to the nonlinear dynamics of learning in deep linear neural "
    "networks (ICLR 2014)",
    synonyms=("orthonormal", "saxe", "isometry"),
    avoid="Little is gained over Xavier and He in networks of a few layers, and for very wide layers the draw takes "
    "long. Not for biases.",
    differs="With a gain of sqrt(2) for ReLU, 1 (or PyTorch's 5/3) for tanh. A convolution's weight is taken as the "
    "matrix (window × channels) × filters: its windows are orthogonal, the convolution as a whole need not be.",
)
class Orthogonal(Initializer, frozen=True):
    """Weights that turn signals without stretching them: all singular values are the gain.

    A product of many Gaussian matrices crushes most directions to nothing: after fifty layers of 100 units the median
    singular value is 2e-8, the largest 6. A product of orthogonal ones keeps them all at 1.
    """

    gain: Annotated[
        float,
        field(gt=0, le=10, symbol="g", help="Multiplies the matrix: 1 for linear units and tanh, 1.414 for ReLU."),
    ] = 1.0

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        return orthonormal(rng, shape) * self.gain

    def deviation(self, fan_in: int, fan_out: int, shape: tuple[int, ...] = ()) -> float:
        return self.gain * spread(fan_in, fan_out, shape)
