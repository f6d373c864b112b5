"""What activation layers share."""

from __future__ import annotations

from typing import ClassVar

from engine.layers.base import Layer, Shape


class Activation(Layer, frozen=True):
    """Base of the layers that apply one function to every element, or to every vector of the last axis.

    `elementwise`: each output depends on its own input alone. `saturation`: the values at or beyond which an output
    counts as saturated (its derivative is small there), or None for functions that do not level off on both sides.
    """

    elementwise: ClassVar[bool] = True
    saturation: ClassVar[tuple[float, float] | None] = None

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        return shapes[0]
