"""Layers that join several branches."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import engine.ops.elementwise as ops
from engine.layers.base import Layer, Shape, ShapeProblem
from engine.schema import component
from engine.text import shape_text

if TYPE_CHECKING:
    from engine.builder import Builder
    from engine.ops.base import Value


@component(
    "add",
    label="Add",
    group="Merge",
    formula="y = a + b + …",
    source="He, Zhang, Ren, Sun 2016, Deep residual learning for image recognition, section 3.2",
    synonyms=("sum", "residual", "skip", "shortcut"),
)
class Add(Layer, frozen=True):
    """Adds its inputs element by element; they must have one shape. With a shortcut it makes a residual block.

    The gradient reaches every input unchanged: that is what lets very deep residual networks learn.
    """

    min_inputs: ClassVar[int] = 2
    max_inputs: ClassVar[int | None] = None

    def infer(self, shapes: tuple[Shape, ...]) -> Shape:
        for shape in shapes[1:]:
            if shape != shapes[0]:
                raise ShapeProblem(
                    f"Add needs inputs of one shape, but gets {' and '.join(shape_text(item) for item in shapes)}. "
                    "Make the branches equal: the same number of filters or units, and the same strides and padding."
                )
        return shapes[0]

    def title(self) -> str:
        return "Add"

    def lower(self, b: Builder, *inputs: Value) -> Value:
        return b.op(ops.Add(), *inputs)
