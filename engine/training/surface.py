"""The decision surface: the network's output over a grid of two-dimensional inputs, in the data's own units."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from engine.training.evaluate import Head, outputs_in_batches
from engine.training.programs import Programs

if TYPE_CHECKING:
    from engine.data import Dataset
    from engine.data.signature import DataSignature

__all__ = ["FINE", "MOVING", "Grid", "surface_input"]

PADDING = 0.15  # of the data's extent, on each side
FINE = 80
"""Points along each axis while the run stands still."""
MOVING = (64, 45, 32)
"""Points along each axis during training: their squares fill evaluation batches of 1,024. The coarser ones are for
networks that answer slowly."""


def surface_input(signature: DataSignature, inputs: tuple[str, ...]) -> str | None:
    """The name of the one input of two numbers in the source that a surface can be drawn over, or None."""
    if len(inputs) == 1 and signature.source_shape(inputs[0]) == (2,):
        return inputs[0]
    return None


class Grid:
    """A grid over the data's extent and its preprocessed form, made once per run.

    resolution   points along each axis.
    """

    def __init__(self, dataset: Dataset, name: str, resolution: int = FINE) -> None:
        self.name = name
        low, high = dataset.bounds(name)
        pad = np.where(high > low, (high - low) * PADDING, 1.0)
        low, high = low - pad, high + pad
        self.extent = (float(low[0]), float(high[0]), float(low[1]), float(high[1]))
        """x low, x high, y low, y high: the outer grid points lie on these lines."""
        x, y = np.meshgrid(np.linspace(low[0], high[0], resolution), np.linspace(low[1], high[1], resolution))
        points = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)
        self.resolution = resolution
        self.points = np.ascontiguousarray(dataset.transform(points, name), dtype=np.float32)

    def values(
        self,
        programs: Programs,
        heads: tuple[Head, ...],
        scalars: dict[str, float],
        proceed: Callable[[], bool] = lambda: True,
    ) -> np.ndarray | None:
        """The first loss node's predictions, (rows, columns, outputs), row 0 at y low; None when `proceed` says no."""
        results = outputs_in_batches(programs, {self.name: self.points}, len(self.points), heads, scalars, proceed)
        if results is None:
            return None
        output = results[heads[0].node]
        return output.reshape(self.resolution, self.resolution, -1)
